"""What is known of an architecture: what its keys mean, and which of its tensors go where."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from zoo.checkpoints.keys import WITHOUT_EFFECT, Keys
from zoo.transformer.config import GPTConfig


@dataclass(frozen=True)
class Slot:
    """A variable of `zoo.GPT` and the tensors that it is made of.

    Attributes:
        variable: its path within the model, such as `block_0/attention/project/kernel`.
        names: of tensors, whose outputs lie side by side in the variable.
        sizes: outputs of each.
        transposed: whether the tensors have a row for each output, and the variable a column.
    """

    variable: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    transposed: bool = False


@dataclass(frozen=True)
class Architecture:
    """An architecture of open checkpoints.

    Attributes:
        model_type: what `config.json` calls it.
        read: takes the keys, and returns the configuration of our model.
        slots: takes that configuration, and yields where each tensor belongs.
        prefix: of all tensors but those of the head; checkpoints without a head may lack it.
        head: the tensor that predicts tokens where that is not the embedding.
        embedding: the tensor that embeds tokens.
        without_effect: keys that change nothing, beside those of all architectures.
        unread: a pattern of tensors that are no weights, such as tables that can be computed.
    """

    model_type: str
    read: Callable[[Keys], GPTConfig]
    slots: Callable[[GPTConfig], Iterator[Slot]]
    prefix: str = "model."
    head: str = "lm_head.weight"
    embedding: str = "model.embed_tokens.weight"
    without_effect: frozenset[str] = field(default_factory=frozenset)
    unread: re.Pattern[str] = re.compile(r".*\.rotary_emb\.inv_freq")

    def config(self, values: dict) -> GPTConfig:
        """Return the configuration of our model.

        Raises:
            CheckpointError: a key is missing, does not fit, or is not understood.
        """
        keys = Keys(values, self.model_type)
        found = self.read(keys)
        keys.finish(WITHOUT_EFFECT | self.without_effect)
        return found
