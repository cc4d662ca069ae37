"""The graph of a Transformer: what it takes and returns, and how it is called."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Interface
from serving.calls import Call
from serving.families.model import Axes, axes_of
from serving.families.text_processing import TextProcessing
from serving.runtime.adapted import AdaptedSession
from serving.runtime.loaded import Loaded
from serving.runtime.session import Session
from serving.runtime.shared_memory import SharedMemory
from serving.text.growing import GrowingMemory, drawable
from serving.text.memory import Memory, Past
from serving.text.tokenizer import Tokenizer

ADAPTABLE = "-lora"  # ends the names of variants that take adapters
PORTABLE, STATIC = "portable", "static"  # forms that differ in how they keep what they have read

GraphRun = Callable[[list[str], dict[str, np.ndarray]], list[np.ndarray]]


class GraphStep:
    """An exported graph as a `serving.text.memory.Step`.

    Args:
        interface: its inputs and outputs.
        run: takes the names of outputs and the inputs by name, and returns those outputs.
    """

    def __init__(self, interface: Interface, run: GraphRun):
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


def check_graph(manifest: Manifest, processing: TextProcessing) -> None:
    """Refuse a bundle whose graph is not that of a Transformer of the sizes it names."""
    interface = manifest.interface.get("model")
    if interface is None:
        raise BundleError(f"{manifest.name} has no graph 'model' for text, which a GPT needs")
    takes, returns = axes_of(interface)
    heads = takes.get("past_key_values.0.key", [])
    layers = (len(takes) - 3) // 2
    sequence: list[str | int] = ["batch_size", "sequence_length"]
    expected: Axes = {
        "input_ids": sequence,
        "attention_mask": ["batch_size", "total_sequence_length"],
        "position_ids": sequence,
    }
    results: Axes = {"logits": [*sequence, processing.vocabulary_size]}
    if len(heads) == 4:
        for kind, length, into in (
            ("past_key_values", "past_sequence_length", expected),
            ("present", "total_sequence_length", results),
        ):
            into |= _cache(kind, layers, ["batch_size", heads[1], length, heads[3]])
    sizes = all(isinstance(heads[axis], int) for axis in (1, 3)) if len(heads) == 4 else False
    if layers < 1 or not sizes or [*takes.items()] != [*expected.items()] or returns != results:
        raise BundleError(f"graph 'model' of {manifest.name} is not of the sizes it names")


def check_axes(manifest: Manifest, variant: str, context: int) -> None:
    """Refuse a static graph whose cache is not as large as the window."""
    described = manifest.variants[variant]
    found = sorted((described.axes or {}).values())
    expected = [context, context] if described.form == STATIC else []
    if found != expected:
        raise BundleError(
            f"variant '{variant}' of {manifest.name} fixes {described.axes}, expected the cache "
            f"{'to hold ' + str(context) + ' tokens' if expected else 'to grow'}"
        )


def _cache(kind: str, layers: int, axes: list[str | int]) -> Axes:
    """Return the axes of the keys and values of each layer, by name."""
    names = (f"{kind}.{layer}.{part}" for layer in range(layers) for part in ("key", "value"))
    return dict.fromkeys(names, axes)


def new_memory(
    loaded: Loaded, tokenizer: Tokenizer, context: int, session: Session | AdaptedSession
) -> Callable[[int], Memory]:
    """Return what makes the memory of so many texts, as the form of the graph has it."""
    if loaded.manifest.variants[loaded.variant].form == PORTABLE:
        step = GraphStep(loaded.manifest.interface["model"], session.run)
        return partial(GrowingMemory, drawable(step, tokenizer), context=context)
    interface = loaded.manifest.interface_of(loaded.variant)["model"]
    known = None if tokenizer.whole else tokenizer.drawable
    return partial(SharedMemory, session, interface, context=context, drawable=known)


def with_adapters(calls: dict[str, Call], names: tuple[str, ...] | None) -> dict[str, Call]:
    """Return the calls that take an adapter: one of those that are loaded, or None of any."""
    found = {}
    for name, each in calls.items():
        takes, refused = dict(each.parameters), dict(each.refused)
        adapter = takes.pop("adapter", None)
        if adapter is None:
            continue
        if names is None:
            refused["adapter"] = adapter
        else:
            takes["adapter"] = replace(adapter, choices=names)
        found[name] = replace(each, parameters=takes, refused=refused)
    return found
