"""The graphs of a translator: what they take and return, and how they are called."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Interface
from serving.families.model import Axes, axes_of
from serving.text.memory import Past

# By the names that other programs look for.
ENCODER, DECODER = "encoder_model", "decoder_model_merged"
STATES = "last_hidden_state"
SOURCE, TARGET = "encoder_sequence_length", "decoder_sequence_length"
PAST_SOURCE, PAST_TARGET = "past_encoder_sequence_length", "past_decoder_sequence_length"
TOTAL = "total_decoder_sequence_length"

Run = Callable[[list[str], dict[str, np.ndarray]], list[np.ndarray]]


class GraphNetwork:
    """Exported graphs as a `serving.text.translation.reading.Network`.

    Args:
        interfaces: inputs and outputs of each graph, by role.
        runs: by role, what takes the names of outputs and the inputs by name, and returns those
            outputs.
    """

    def __init__(self, interfaces: Mapping[str, Interface], runs: Mapping[str, Run]):
        self._encode, self._decode = runs[ENCODER], runs[DECODER]
        decoder = interfaces[DECODER]
        self._past = [port for port in decoder.inputs if port.name.startswith("past_key_values.")]
        self._outputs = [port.name for port in decoder.outputs]
        # What is returned of the sources is what was given, after the first step.
        self._later = [name for name in self._outputs if ".encoder." not in name]

    def encode(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        feeds = {"input_ids": input_ids, "attention_mask": attention_mask}
        (states,) = self._encode([STATES], feeds)
        return states

    def decode(
        self,
        input_ids: np.ndarray,
        states: np.ndarray,
        attention_mask: np.ndarray,
        written: Past | None,
        source: Past | None,
    ) -> tuple[np.ndarray, Past, Past]:
        feeds = {
            "input_ids": input_ids,
            "encoder_attention_mask": attention_mask,
            "encoder_hidden_states": states,
        }
        if written is None or source is None:
            before = self._empty(len(input_ids))
        else:
            layers = zip(written, source, strict=True)
            before = [array for pairs in layers for pair in pairs for array in pair]
        feeds |= {port.name: array for port, array in zip(self._past, before, strict=True)}
        logits, *present = self._decode(self._later if source else self._outputs, feeds)
        pairs = list(zip(present[::2], present[1::2], strict=True))
        if source:
            return logits, pairs, source
        return logits, pairs[::2], pairs[1::2]

    def _empty(self, batch: int) -> list[np.ndarray]:
        """Return keys and values of nothing read yet: float32 `(B, heads, 0, head_size)`."""
        shapes = [(batch, int(port.axes[1]), 0, int(port.axes[3])) for port in self._past]
        return [np.zeros(shape, np.float32) for shape in shapes]


def cache_names(kind: str, layers: int) -> Iterator[tuple[str, str]]:
    """Yield the names of keys and values, `kind` being `past_key_values` or `present`, and whose.

    Example:
        >>> [name for name, _ in cache_names("present", 1)][::2]
        ['present.0.decoder.key', 'present.0.encoder.key']
    """
    for layer in range(layers):
        for half in ("decoder", "encoder"):
            for part in ("key", "value"):
                yield f"{kind}.{layer}.{half}.{part}", half


def check_graphs(manifest: Manifest, vocabulary_size: int) -> None:
    """Refuse a bundle whose graphs are not those of a translator of the sizes it names."""
    for role in (ENCODER, DECODER):
        if role not in manifest.interface:
            raise BundleError(f"{manifest.name} has no graph '{role}', which a translator needs")
    encoder = axes_of(manifest.interface[ENCODER])
    width = encoder[1].get(STATES, [None])[-1]
    texts: list[str | int] = ["batch_size", SOURCE]
    states: list[str | int] = [*texts, width if isinstance(width, int) else "width"]
    takes, returns = axes_of(manifest.interface[DECODER])
    heads = takes.get("past_key_values.0.decoder.key", [])
    layers = (len(takes) - 3) // 4
    expected: Axes = {
        "input_ids": ["batch_size", TARGET],
        "encoder_attention_mask": texts,
        "encoder_hidden_states": states,
    }
    results: Axes = {"logits": ["batch_size", TARGET, vocabulary_size]}
    sizes = len(heads) == 4 and all(isinstance(heads[axis], int) for axis in (1, 3))
    if sizes:
        lengths = {"past_key_values": (PAST_TARGET, PAST_SOURCE), "present": (TOTAL, SOURCE)}
        for kind, into in (("past_key_values", expected), ("present", results)):
            for name, half in cache_names(kind, layers):
                length = lengths[kind][half == "encoder"]
                into[name] = ["batch_size", heads[1], length, heads[3]]
    wrong = encoder != ({"input_ids": texts, "attention_mask": texts}, {STATES: states})
    if wrong or not sizes or layers < 1 or (takes, returns) != (expected, results):
        raise BundleError(f"the graphs of {manifest.name} are not of the sizes it names")
