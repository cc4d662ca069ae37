"""An exported graph of a Transformer as what decodes and scores text."""

from collections.abc import Callable

import numpy as np

from serving.bundle.records import Interface
from serving.text.memory import Past

Run = Callable[[list[str], dict[str, np.ndarray]], list[np.ndarray]]


class GraphStep:
    """An exported graph as a `serving.text.memory.Step`.

    Args:
        interface: its inputs and outputs.
        run: takes the names of outputs and the inputs by name, and returns those outputs.
    """

    def __init__(self, interface: Interface, run: Run):
        self._run = run
        self._past = [port for port in interface.inputs if port.name.startswith("past_key_values.")]
        self._outputs = [port.name for port in interface.outputs]

    def __call__(
        self,
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]:
        feeds = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
        }
        if past is None:
            before = self.empty(len(input_ids))
        else:
            before = [each for pair in past for each in pair]
        feeds |= {port.name: each for port, each in zip(self._past, before, strict=True)}
        logits, *present = self._run(self._outputs, feeds)
        return logits, list(zip(present[::2], present[1::2], strict=True))

    def empty(self, batch: int) -> list[np.ndarray]:
        """Return keys and values of nothing read yet: float32 `(B, heads, 0, head_size)`."""
        shapes = [(batch, int(port.axes[1]), 0, int(port.axes[3])) for port in self._past]
        return [np.zeros(shape, np.float32) for shape in shapes]
