"""Scales and shifts, which batch normalisation leaves, become part of the weights before them."""

import math

import numpy as np
from onnxscript import ir
from onnxscript.rewriter.pattern import RewriteRule, RewriteRuleSet

from export.surgery import is_read_once

# Which axis of a kernel is of the channels that leave it.
_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1}


def _convolutions(kind: str) -> list[RewriteRule]:
    """Return the rules for what follows a `Conv` or a `ConvTranspose` (B, C, H, W)."""

    def convolution(op, *inputs):
        return getattr(op, kind)(*inputs, _allow_other_attributes=True, _outputs=["convolved"])

    def scaled(op, x, kernel, factor):
        return op.Mul(convolution(op, x, kernel), factor)

    def scaled_with_bias(op, x, kernel, bias, factor):
        return op.Mul(convolution(op, x, kernel, bias), factor)

    def shifted(op, x, kernel, factor):
        return op.Add(convolution(op, x, kernel), factor)

    def shifted_with_bias(op, x, kernel, bias, factor):
        return op.Add(convolution(op, x, kernel, bias), factor)

    def can_be_folded(context, x, kernel, factor, convolved, bias=None) -> bool:
        if not _constant(kernel, factor, *([] if bias is None else [bias])):
            return False
        if not is_read_once(convolved) or _attributes(convolved).get("group", 1) != 1:
            return False
        return _is_of_channels(factor, kernel.const_value.shape[_OUTPUT_AXIS[kind]])

    def fold_scale(op, x, kernel, factor, convolved, bias=None):
        scale, axes = factor.const_value.numpy().ravel(), [1] * 4
        axes[_OUTPUT_AXIS[kind]] = -1
        weights = kernel.const_value.numpy() * scale.reshape(axes)
        inputs = [_weights(op, weights, f"{kernel.name}/scaled")]
        if bias is not None:
            inputs.append(_weights(op, bias.const_value.numpy() * scale, f"{bias.name}/scaled"))
        return getattr(op, kind)(x, *inputs, **_attributes(convolved))

    def fold_shift(op, x, kernel, factor, convolved, bias=None):
        channels = kernel.const_value.shape[_OUTPUT_AXIS[kind]]
        shift = np.broadcast_to(factor.const_value.numpy().ravel(), channels)
        if bias is not None:
            shift = bias.const_value.numpy() + shift
        inputs = [kernel, _weights(op, shift, f"{kernel.name}/bias")]
        return getattr(op, kind)(x, *inputs, **_attributes(convolved))

    rules = [
        *((pattern, fold_scale) for pattern in (scaled, scaled_with_bias)),
        *((pattern, fold_shift) for pattern in (shifted, shifted_with_bias)),
    ]
    return [RewriteRule(pattern, fold, can_be_folded) for pattern, fold in rules]


def _dense() -> list[RewriteRule]:
    """Return the rules for what follows a dense layer whose numbers are an image (B, C, H, W)."""

    def image(op, x, weights, shape):
        product = op.MatMul(x, weights, _outputs=["product"])
        return op.Reshape(product, shape, _allow_other_attributes=True, _outputs=["reshaped"])

    def scaled(op, x, weights, shape, factor):
        return op.Mul(image(op, x, weights, shape), factor)

    def shifted(op, x, weights, shape, factor):
        return op.Add(image(op, x, weights, shape), factor)

    def can_be_folded(context, x, weights, shape, factor, product, reshaped) -> bool:
        if not (
            _constant(weights, shape, factor) and is_read_once(product) and is_read_once(reshaped)
        ):
            return False
        sizes, axes = shape.const_value.numpy().tolist(), weights.const_value.shape
        fits = len(sizes) == 4 and len(axes) == 2 and axes[1] == math.prod(sizes[1:])
        return fits and _is_of_channels(factor, sizes[1])

    def of_columns(factor, shape) -> np.ndarray:
        _, channels, height, width = shape.const_value.numpy()
        values = np.broadcast_to(factor.const_value.numpy().ravel(), channels)
        return np.repeat(values, height * width)  # (C * H * W,)

    def fold_scale(op, x, weights, shape, factor, product, reshaped):
        scaled = weights.const_value.numpy() * of_columns(factor, shape)
        inputs = [x, _weights(op, scaled, f"{weights.name}/scaled")]
        return op.Reshape(op.MatMul(*inputs), shape, **_attributes(reshaped))

    def fold_shift(op, x, weights, shape, factor, product, reshaped):
        bias = _weights(op, of_columns(factor, shape), f"{weights.name}/bias")
        return op.Reshape(op.Gemm(x, weights, bias), shape, **_attributes(reshaped))

    return [
        RewriteRule(scaled, fold_scale, can_be_folded),
        RewriteRule(shifted, fold_shift, can_be_folded),
    ]


def _as_sigmoid() -> RewriteRule:
    """Return the rule that (tanh(x) + 1) / 2 is the sigmoid of 2x, whose scale folds further."""

    def halved(op, x, one, half):
        return op.Mul(op.Add(op.Tanh(x), one), half)

    def are_one_and_half(context, x, one, half) -> bool:
        return _constant(one, half) and all(
            value.const_value.size == 1 and value.const_value.numpy().item() == number
            for value, number in ((one, 1.0), (half, 0.5))
        )

    def sigmoid(op, x, one, half):
        return op.Sigmoid(op.Mul(x, op.initializer(ir.tensor(np.float32(2), name="two"))))

    return RewriteRule(halved, sigmoid, are_one_and_half)


def _is_of_channels(factor: ir.Value, channels: int) -> bool:
    """Tell whether there is one value for each channel of (B, C, H, W), or one for all."""
    shape = list(factor.const_value.shape)
    return shape in ([1, channels, 1, 1], [channels, 1, 1]) or (
        factor.const_value.size == 1 and len(shape) <= 4
    )


def _constant(*values: ir.Value) -> bool:
    return all(value.const_value is not None for value in values)


def _attributes(value: ir.Value) -> dict:
    return {name: each.value for name, each in value.producer().attributes.items()}


def _weights(op, array: np.ndarray, name: str) -> ir.Value:
    return op.initializer(ir.tensor(np.ascontiguousarray(array), name=name))


_RULES = [_as_sigmoid(), *_convolutions("Conv"), *_convolutions("ConvTranspose"), *_dense()]
_FOLDING = RewriteRuleSet(_RULES, commute=True)


def fold(model: ir.Model) -> None:
    """Fold scales and shifts into convolutions and dense layers, in place, one after the other."""
    while _FOLDING.apply_to_model(model):
        pass
