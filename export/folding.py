"""Scales and shifts of channels, which batch normalisation leaves, become part of convolutions."""

import numpy as np
from onnxscript import ir
from onnxscript.rewriter.pattern import RewriteRule, RewriteRuleSet

# Which axis of a kernel is of the channels that leave it.
_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1}


def _rules(kind: str) -> list[RewriteRule]:
    """Return the rules for `Conv` or `ConvTranspose`."""

    def convolution(op, inputs):
        return getattr(op, kind)(*inputs, _allow_other_attributes=True, _outputs=["convolved"])

    def scaled(op, x, kernel, factor):
        return op.Mul(convolution(op, [x, kernel]), factor)

    def shifted(op, x, kernel, factor):
        return op.Add(convolution(op, [x, kernel]), factor)

    def is_of_channels(context, x, kernel, factor, convolved) -> bool:
        """Tell whether both are constants and `factor` has one value for each channel."""
        if kernel.const_value is None or factor.const_value is None:
            return False
        if len(list(convolved.uses())) != 1 or _attributes(convolved).get("group", 1) != 1:
            return False
        channels = kernel.const_value.shape[_OUTPUT_AXIS[kind]]
        shape = list(factor.const_value.shape)
        return shape == [1, channels, 1, 1] or shape == [channels, 1, 1]

    def fold_scale(op, x, kernel, factor, convolved):
        axes = [1] * 4
        axes[_OUTPUT_AXIS[kind]] = -1
        weights = kernel.const_value.numpy() * factor.const_value.numpy().reshape(axes)
        folded = op.initializer(ir.tensor(weights, name=f"{kernel.name}/scaled"))
        return getattr(op, kind)(x, folded, **_attributes(convolved))

    def fold_shift(op, x, kernel, factor, convolved):
        bias = np.ravel(factor.const_value.numpy())
        name = f"{kernel.name}/bias"
        return getattr(op, kind)(
            x, kernel, op.initializer(ir.tensor(bias, name=name)), **_attributes(convolved)
        )

    return [
        RewriteRule(scaled, fold_scale, is_of_channels),
        RewriteRule(shifted, fold_shift, is_of_channels),
    ]


def _attributes(convolved: ir.Value) -> dict:
    return {name: each.value for name, each in convolved.producer().attributes.items()}


CHANNELS = RewriteRuleSet([*_rules("Conv"), *_rules("ConvTranspose")], commute=True)
