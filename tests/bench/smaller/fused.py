"""A Transformer as it is run: how well its fused graph predicts, and how fast it is."""

from collections.abc import Callable

import numpy as np
import onnx

from export.families.fusion import fuse
from export.families.gpt_graphs import fused, graphs
from export.graph import converter
from serving.families.gpt import GraphStep
from serving.runtime.session import Session
from serving.text.scoring import score
from zoo.transformer import GPT

STEPS = 200  # of one token each that a turn takes


class Fused:
    """The fused graph of a model.

    Args:
        model: what it is of.

    Attributes:
        graph: whose weights may be changed.
    """

    def __init__(self, model: GPT):
        [spec] = graphs(model)
        self._config, self._interface = model.config, fused(spec, model).interface
        self.graph: onnx.ModelProto = fuse(converter.convert(spec), model.config)

    @property
    def data(self) -> bytes:
        """The file."""
        return self.graph.SerializeToString()

    def nats_per_token(self, tokens: np.ndarray) -> float:
        """Return how much a text surprises it on average, every token seeing half a window."""
        step = GraphStep(self._interface, Session(self.data, "model.onnx", "cpu").run)
        return score(step, tokens, context=self._config.context).nats_per_token

    def writing(self, threads: int) -> Callable[[], None]:
        """Return what runs it STEPS times on one token, with a full window of them before it."""
        config = self._config
        session = Session(self.data, "model.onnx", "cpu", threads)
        room = (1, config.key_value_heads, config.context, config.head_size)
        cache = {
            f"{layer}.{part}": np.zeros(room, np.float32)
            for layer in range(config.layers)
            for part in ("key", "value")
        }
        inputs = {
            "input_ids": np.zeros((1, 1), np.int64),
            "attention_mask": np.ones((1, config.context), np.int64),
            "position_ids": np.full((1, 1), config.context - 1),
        }
        past = {f"past_key_values.{name}": value for name, value in cache.items()}
        present = {f"present.{name}": value for name, value in cache.items()}
        logits = {"logits": np.zeros((1, 1, config.vocabulary_size), np.float32)}
        step = session.bind(inputs | past, logits | present)

        def write() -> None:
            for _ in range(STEPS):
                step.run()

        return write
