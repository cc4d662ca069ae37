"""A Transformer at run time: writes on from prompts, streams, searches and scores text."""

from collections.abc import Callable
from functools import partial

import numpy as np

from serving.bundle.manifest import BundleError, Interface, Manifest, TextProcessing
from serving.loader import Loaded
from serving.runtime.shared_memory import SharedMemory
from serving.text.memory import Past
from serving.text.text import TextModel

Run = Callable[[list[str], dict[str, np.ndarray]], list[np.ndarray]]


class GPT(TextModel):
    """A language model loaded by `serving.load`.

    `generate`, `stream`, `complete`, `search` and `score` are those of `serving.text.text`: the
    same seed writes the same text as in Keras, alone and in a batch of prompts of any lengths.
    Wrong arguments of any method raise `UsageError`.

    Attributes:
        manifest: everything that is known about the model.
        variant, device, providers, threads: what was loaded, and where it runs.
        tokenizer, context: the model's, and how many tokens it sees at once.
        vocabulary_size: number of tokens that it knows.
        last_seed: the seed of the last call, or a list of them, to get the same text again.

    Example:
        >>> import tempfile, export, serving, zoo
        >>> folder = tempfile.mkdtemp()
        >>> _ = zoo.train("gpt-python-topics", f"{folder}/run", quick=True)
        >>> _ = export.export(f"{folder}/run", f"{folder}/gpt", formats=["onnx"])
        >>> gpt = serving.load(f"{folder}/gpt", device="cpu")
        >>> text = gpt.generate("The ", max_new_tokens=20, temperature=0.8, top_k=40, seed=7)
        >>> text == "".join(gpt.stream("The ", 20, temperature=0.8, top_k=40, seed=7))
        True
    """

    def __init__(self, loaded: Loaded) -> None:
        _check_interface(loaded.manifest)
        _check_axes(loaded.manifest, loaded.variant)
        processing = loaded.manifest.processing
        session = loaded.sessions["model"]
        self.sessions = loaded.sessions
        self.manifest = loaded.manifest
        self.directory = loaded.directory
        self.variant = loaded.variant
        self.device = session.device
        self.providers = session.providers
        self.threads = session.threads
        self.vocabulary_size = processing.vocabulary_size
        context = processing.context
        step = GraphStep(loaded.manifest.interface["model"], session.run)
        memory = None
        if loaded.manifest.variants[loaded.variant].flavour != "portable":
            interface = loaded.manifest.interface_of(loaded.variant)["model"]
            memory = partial(SharedMemory, session, interface, context=context)
        super().__init__(step, loaded.tokenizer, context, memory)


class GraphStep:
    """An exported graph as a `serving.text.decoding.Step`.

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
        shapes = [(batch, port.axes[1], 0, port.axes[3]) for port in self._past]
        return [np.zeros(shape, np.float32) for shape in shapes]


def _check_interface(manifest: Manifest) -> None:
    """Refuse a bundle whose graph is not that of a Transformer of the sizes it names."""
    processing, interface = manifest.processing, manifest.interface.get("model")
    if not isinstance(processing, TextProcessing) or interface is None:
        raise BundleError(f"{manifest.name} has no graph 'model' for text, which a GPT needs")
    takes = {port.name: port.axes for port in interface.inputs}
    returns = {port.name: port.axes for port in interface.outputs}
    heads = takes.get("past_key_values.0.key", [None] * 4)
    layers = (len(takes) - 3) // 2
    expected = {
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "total"],
        "position_ids": ["batch", "sequence"],
    } | _cache("past_key_values", layers, ["batch", heads[1], "past", heads[-1]])
    results = {"logits": ["batch", "sequence", processing.vocabulary_size]}
    results |= _cache("present", layers, ["batch", heads[1], "total", heads[-1]])
    if layers < 1 or list(takes.items()) != list(expected.items()) or returns != results:
        raise BundleError(f"graph 'model' of {manifest.name} is not of the sizes it names")


def _check_axes(manifest: Manifest, variant: str) -> None:
    """Refuse a static graph whose cache is not as large as the window."""
    described, context = manifest.variants[variant], manifest.processing.context
    expected = {"past": context, "total": context} if described.flavour == "static" else None
    if described.axes != expected:
        raise BundleError(
            f"variant '{variant}' of {manifest.name} fixes {described.axes}, expected {expected}"
        )


def _cache(kind: str, layers: int, axes: list[str | int]) -> dict[str, list[str | int]]:
    """Return the axes of the keys and values of each layer, by name."""
    names = (f"{kind}.{layer}.{part}" for layer in range(layers) for part in ("key", "value"))
    return dict.fromkeys(names, axes)
