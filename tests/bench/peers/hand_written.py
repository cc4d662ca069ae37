"""The graph of a Transformer as an engineer writes it by hand, to hold the exported one to.

As few operators as ONNX Runtime has for it: one for attention with its cache and rotary positions,
one for each sum with the normalisation that reads it, one for each matrix.
"""

from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.families.fusion import DOMAIN
from export.families.gpt_graphs import PAST, SEQUENCE, TOTAL, cache_names
from export.graph.converter import OPSET
from zoo.transformer import GPT


def graph(model: GPT) -> onnx.ModelProto:
    """Return the graph of a network of the zoo's default choices: RMSNorm, rotary and SwiGLU.

    Its inputs and outputs are those of the fused variant.
    """
    return _Writer(model).write()


class _Writer:
    def __init__(self, model: GPT):
        self.model, self.config = model, model.config
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def write(self) -> onnx.ModelProto:
        model, config = self.model, self.config
        counted = self._node("Cast", "attention_mask", to=TensorProto.INT32)
        tokens = self._node("ReduceSum", counted, self._weight(np.array([1])), keepdims=0)
        last = self._node("Sub", tokens, self._weight(np.int32(1)))
        width = self._node("Shape", "attention_mask", start=1, end=2)
        total = self._node("Cast", width, to=TensorProto.INT32)
        turn = self._weight(model.rotary.cosine), self._weight(model.rotary.sine)
        table = model.token_embedding.embeddings.numpy()
        stream = self._node("Gather", self._weight(table), "input_ids", axis=0)
        normalised = self._node(
            "SimplifiedLayerNormalization",
            stream,
            self._weight(model.blocks[0].attention_norm.scale),
            axis=-1,
            epsilon=self.config.epsilon,
        )
        following = [*(block.attention_norm for block in model.blocks[1:]), model.final_norm]
        for index, (block, norm) in enumerate(zip(model.blocks, following, strict=True)):
            attended = self._attention(index, block.attention, normalised, last, total, turn)
            normalised, stream = self._sum(stream, attended, block.feed_forward_norm)
            fed = self._feed_forward(block.feed_forward, normalised)
            normalised, stream = self._sum(stream, fed, norm)
        self._node("MatMul", normalised, self._weight(table.T), outputs=["logits"])
        return self._model(config)

    def _attention(
        self, index: int, layer: Any, x: str, last: str, total: str, turn: tuple[str, str]
    ) -> str:
        (past,), (present,) = (
            cache_names(kind, index + 1)[index:] for kind in ("past_key_values", "present")
        )
        projected = self._node("MatMul", x, self._weight(layer.project.kernel))
        mixed = self._node(
            "GroupQueryAttention",
            *(projected, "", "", *past, last, total, *turn),
            outputs=[f"mixed_{index}", *present],
            num_heads=self.config.heads,
            kv_num_heads=self.config.key_value_heads,
            do_rotary=1,
            domain=DOMAIN,
        )
        return self._node("MatMul", mixed, self._weight(layer.merge.kernel))

    def _feed_forward(self, layer: Any, x: str) -> str:
        kernel = layer.expand.kernel.numpy()
        gate, value = (
            self._node("MatMul", x, self._weight(half)) for half in np.split(kernel, 2, 1)
        )
        opened = self._node("QuickGelu", gate, alpha=1.0, domain=DOMAIN)  # that is x sigmoid(x)
        product = self._node("Mul", opened, value)
        return self._node("MatMul", product, self._weight(layer.contract.kernel))

    def _sum(self, stream: str, branch: str, norm: Any) -> tuple[str, str]:
        """Return the normalised sum, and the sum."""
        name = f"sum_{len(self.nodes)}"
        normalised = self._node(
            "SkipSimplifiedLayerNormalization",
            *(stream, branch, self._weight(norm.scale)),
            outputs=[f"{name}_normalised", "", "", name],
            epsilon=self.config.epsilon,
            domain=DOMAIN,
        )
        return normalised, name

    def _node(
        self, kind: str, *inputs: str, outputs: list[str] | None = None, **options: Any
    ) -> str:
        outputs = outputs or [f"value_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **options))
        return outputs[0]

    def _weight(self, value: Any) -> str:
        name = f"weight_{len(self.weights)}"
        value = np.ascontiguousarray(value)
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def _model(self, config: Any) -> onnx.ModelProto:
        numbers = partial(helper.make_tensor_value_info, elem_type=TensorProto.INT64)
        floats = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT)
        shape = ["batch_size", config.key_value_heads, PAST, config.head_size]
        past, present = (
            [
                floats(name, shape=shape)
                for pair in cache_names(kind, config.layers)
                for name in pair
            ]
            for kind in ("past_key_values", "present")
        )
        ids, places = (
            numbers(name, shape=["batch_size", SEQUENCE]) for name in ("input_ids", "position_ids")
        )
        mask = numbers("attention_mask", shape=["batch_size", TOTAL])
        logits = floats("logits", shape=["batch_size", SEQUENCE, config.vocabulary_size])
        body = helper.make_graph(
            self.nodes, "model", [ids, mask, places, *past], [logits, *present], self.weights
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(body, opset_imports=opsets, ir_version=10)
