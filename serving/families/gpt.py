"""A Transformer at run time: writes on from prompts, streams, searches and scores text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Record
from serving.calls import Call, call
from serving.errors import GenzooError, UsageError
from serving.families.model import Axes, Model, Timed, axes_of
from serving.noise import SEED_LIMIT
from serving.parameters import SEED, Parameter
from serving.runtime.adapters import AdaptedSession
from serving.runtime.graph_step import GraphStep
from serving.runtime.loaded import Loaded
from serving.runtime.session import Session
from serving.runtime.shared_memory import SharedMemory
from serving.text.decoding import OVERFLOW
from serving.text.growing import GrowingMemory
from serving.text.memory import Memory
from serving.text.sampling import SamplingConfig
from serving.text.scoring import Score
from serving.text.text import Completion, TextModel, checked_seeds
from serving.text.tokenizer import Tokenizer

AT_ONCE = 16  # texts written at the same time where more are asked for
ADAPTABLE = "-lora"  # ends the names of variants that take adapters
PORTABLE, STATIC = "portable", "static"  # forms that differ in how they keep what they have read


class TextProcessing(Record):
    """How text enters and leaves a graph: by a tokenizer, and with random numbers of the host.

    A token is drawn where one number of the stream falls in the cumulated probabilities, in the
    order of the ids.
    """

    vocabulary_size: Annotated[int, Field(gt=0, le=2**20)]
    context: Annotated[int, Field(gt=0, le=2**20)]
    noise: Literal["numpy.random.RandomState(seed).random_sample"] = (
        "numpy.random.RandomState(seed).random_sample"
    )


PROMPT = Parameter(
    "what to write on from; a new line if none",
    content="text",
    options=("--prompt",),
    each=True,
    example="The ",
)
Prompt = Annotated[str | Sequence[str], PROMPT]
NewTokens = Annotated[int, Parameter("tokens at most", minimum=1)]
TextCount = Annotated[
    int, Parameter("texts, of this seed and those after it", minimum=1, options=("-n", "--count"))
]
Seeds = Annotated[int | None, replace(SEED, each=True)]
Stop = Annotated[str | Sequence[str], Parameter("ends the text, and is left out", each=True)]
Penalty = Parameter("power of the length that scores are divided by", minimum=0, maximum=10)
ADAPTER = Parameter(
    "changes the model for this call; a folder that `genzoo export RUN --adapter` made",
    folders="adapters",
    refusal="this model has no variant that takes adapters; export it with --variants fused-lora",
)
Stride = Parameter(
    "tokens by which the window moves on", minimum=1, maximum=lambda model: model.context
)


class GPT(Model, TextModel):
    """A language model loaded by `serving.load`.

    The same seed writes the same text as in Keras in float32; and of a variant the same to the last
    bit, whatever was asked before, alone and in a batch of prompts of any lengths, in pieces and
    with guesses, where it is `repeatable`. Wrong arguments of any method raise `UsageError`.

    Attributes:
        tokenizer, context: the model's, and how many tokens it sees at once.
        vocabulary_size: number of tokens that it knows.
        last_seed: the seed of the last call, or a list of them, to get the same text again.
        repeatable: whether a seed gives the same text whatever else is asked: on the CPU, in every
            variant but `fp16`, which is for GPUs.
        guesses: whether tokens can be guessed ahead: in the variants that compute in float32.

    Example:
        >>> import serving
        >>> gpt = serving.load("gpt-shakespeare-nano", device="cpu")
        >>> text = gpt.generate("ROMEO:", max_new_tokens=20, temperature=0.8, top_k=40, seed=7)
        >>> text == "".join(gpt.stream("ROMEO:", 20, temperature=0.8, top_k=40, seed=7))
        True
    """

    Processing = TextProcessing

    def __init__(self, loaded: Loaded) -> None:
        Model.__init__(self, loaded)
        check_graph(loaded.manifest, self.processing)
        _check_axes(loaded.manifest, loaded.variant, self.processing.context)
        self.vocabulary_size: int = self.processing.vocabulary_size
        context, session = self.processing.context, loaded.sessions["model"]
        step = GraphStep(loaded.manifest.interface["model"], session.run)
        adapters = {
            name: _memory(loaded, AdaptedSession(session, arrays.get("model", {})), context)
            for name, arrays in loaded.adapters.items()
        }
        form = loaded.manifest.variants[loaded.variant].form
        memory = None if form == PORTABLE else _memory(loaded, session, context)
        tokenizer = read_tokenizer(loaded.manifest, loaded.assets, self.vocabulary_size)
        float32 = loaded.variant.removesuffix(ADAPTABLE) in ("fp32", form)
        TextModel.__init__(self, step, tokenizer, context, memory, float32, adapters)
        if adapters:
            self.calls |= {"generate": _choosing(self.calls["generate"], tuple(adapters))}
        # Elsewhere how many rows there are decides how each is added up.
        self.repeatable = session.device == "cpu" and loaded.variant != "fp16"

    @classmethod
    def declared(cls, manifest: Manifest) -> dict[str, Call]:
        calls = super().declared(manifest)
        if not any(variant.adapters for variant in manifest.variants.values()):
            generate = calls["generate"]
            takes = dict(generate.parameters)
            refused = dict(generate.refused) | {"adapter": takes.pop("adapter")}
            calls["generate"] = replace(generate, parameters=takes, refused=refused)
        return calls

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        size = cls.processing_of(manifest).vocabulary_size
        tokens = read_tokenizer(manifest, assets, size).size
        return f"tokenizer: {tokens} tokens, as many as the model has"

    @call(gives="text", stream="stream", continues="prompt", settings=SamplingConfig)
    def generate(
        self,
        prompt: Prompt = "",
        max_new_tokens: NewTokens = 200,
        n: TextCount = 1,
        seed: Seeds = None,
        stop: Stop = (),
        overflow: Annotated[
            str, Parameter("of texts longer than the window", choices=OVERFLOW)
        ] = "slide",
        prompt_lookup_num_tokens: Annotated[
            int, Parameter("tokens guessed ahead from what was said before", minimum=0)
        ] = 0,
        adapter: Annotated[str | None, ADAPTER] = None,
        **settings: Any,
    ) -> str | list[str]:
        """Write on from a prompt, or from each of several.

        Args:
            prompt: one text or several; a new line if it is empty.
            max_new_tokens: for each.
            n: texts of each prompt, of the seeds `seed`, `seed + 1` and so on.
            seed: one for all prompts or one for each, fresh ones by default.
            stop: strings of which the first to appear ends the text and is left out.
            overflow: what to do about texts longer than the window, see `serving.text.decoding`.
            prompt_lookup_num_tokens: faster where a text repeats itself, and the same text; of one
                prompt only, see `serving.text.lookup`.
            adapter: the name of one that was given to `serving.load`; none for the model as it is.
            settings: those of `SamplingConfig`, each for all prompts or a list with one for each.

        Returns:
            The new text, without the prompt; a list of them for a list of prompts, or of several.
        """
        options = settings | {"stop": stop, "overflow": overflow, "adapter": adapter}
        options["prompt_lookup_num_tokens"] = prompt_lookup_num_tokens
        if n == 1:
            texts: str | list[str] = TextModel.generate(
                self, self._begun(prompt), max_new_tokens, seed=seed, **options
            )
            return texts
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        first = checked_seeds(seed, len(prompts))
        rows = [
            (text, (start + at) % SEED_LIMIT)
            for text, start in zip(prompts, first, strict=True)
            for at in range(n)
        ]
        written: list[str] = []
        for begin in range(0, len(rows), AT_ONCE):
            some, seeds = map(list, zip(*rows[begin : begin + AT_ONCE], strict=True))
            written += TextModel.generate(
                self, self._begun(some), max_new_tokens, seed=seeds, **options
            )
        self.last_seed = first[0] if len(first) == 1 else first
        return written

    def stream(self, prompt: str = "", max_new_tokens: int = 200, **options: Any) -> Iterator[str]:
        """Write on from one prompt, and yield the text as it comes; see `generate`."""
        return TextModel.stream(self, **self._checked(prompt, max_new_tokens, options))

    def complete(
        self, prompt: str | Sequence[str] = "", max_new_tokens: int = 200, **options: Any
    ) -> list[Completion]:
        """Write on as `generate` does, and return tokens, log-probabilities and why each ended."""
        return TextModel.complete(self, **self._checked(prompt, max_new_tokens, options))

    @call(gives="text")
    def search(
        self,
        prompt: Annotated[str, replace(PROMPT, each=False)],
        beams: Annotated[int, Parameter("continuations followed at once", minimum=1)] = 4,
        max_new_tokens: NewTokens = 200,
        length_penalty: Annotated[float, Penalty] = 1.0,
    ) -> list[Completion]:
        """Look for the likeliest continuations, best first; see `serving.text.beams`."""
        return TextModel.search(self, prompt, beams, max_new_tokens, length_penalty)

    @call(gives="numbers")
    def score(
        self,
        text: Annotated[str, Parameter("of any length", content="text")],
        stride: Annotated[int | None, Stride] = None,
    ) -> Score:
        """Predict a text of any length, see `serving.text.scoring.score`."""
        return TextModel.score(self, text, stride)

    def _checked(self, prompt: Any, max_new_tokens: int, options: dict[str, Any]) -> dict[str, Any]:
        """Check what `generate` takes too, of which n is for it alone."""
        if "n" in options:
            raise UsageError("n is for generate alone; give as many prompts instead")
        given = {"prompt": prompt, "max_new_tokens": max_new_tokens} | options
        checked = self.calls["generate"].check((), given)
        return checked | {"prompt": self._begun(checked["prompt"])}

    def _begun(self, prompt: Any) -> Any:
        """Return prompts of which none is left out: a text begins with a new line unless told."""
        if isinstance(prompt, list | tuple):
            return [each if each != "" else self.tokenizer.beginning for each in prompt]
        return prompt if prompt != "" else self.tokenizer.beginning

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `read`, a prompt of half a window; `write`, one token after it; and `generate`."""
        half = max(1, self.context // 2)
        prompts = [self.tokenizer.beginning] * batch
        texts = np.random.default_rng(0).integers(0, self.vocabulary_size, (batch, half)).tolist()
        unending: dict[str, Any] = {"logit_bias": {self.tokenizer.eos: -1e4}, "seed": 0}
        memory = self.new_memory(batch)
        memory.begin(texts)

        def read() -> None:
            memory.truncate(0)
            memory.begin(texts)

        def write() -> None:
            memory.truncate(half)
            memory.step([text[0] for text in texts])

        return {
            "read": Timed(read, batch * half),
            "write": Timed(write, batch),
            "generate": Timed(lambda: self.generate(prompts, half, **unending), batch * half),
        }

    def smallest(self) -> object:
        return self.generate(self.tokenizer.beginning, 1, seed=0)


def _memory(
    loaded: Loaded, session: Session | AdaptedSession, context: int
) -> Callable[[int], Memory]:
    """Return what makes the memory of so many texts, as the form of the graph has it."""
    interface = loaded.manifest.interface_of(loaded.variant)["model"]
    if loaded.manifest.variants[loaded.variant].form == PORTABLE:
        step = GraphStep(loaded.manifest.interface["model"], session.run)
        return partial(GrowingMemory, step, context=context)
    return partial(SharedMemory, session, interface, context=context)


def _choosing(generate: Call, names: tuple[str, ...]) -> Call:
    """Return the call with the adapters that are loaded."""
    adapter = replace(generate.parameters["adapter"], choices=names)
    return replace(generate, parameters={**generate.parameters, "adapter": adapter})


def read_tokenizer(manifest: Manifest, assets: dict[str, bytes], vocabulary_size: int) -> Tokenizer:
    """Read a bundle's tokenizer.

    Raises:
        BundleError: it is missing, unreadable, or not of the model's size.
    """
    remedy = "fetch or export the bundle again"
    if "tokenizer" not in assets:
        raise BundleError(f"{manifest.name} has no tokenizer; {remedy}")
    where = f"{manifest.assets['tokenizer']} of {manifest.name}"
    try:
        tokenizer = Tokenizer(assets["tokenizer"])
    except GenzooError as error:
        raise BundleError(f"{where}: {error}; {remedy}") from None
    if tokenizer.size != vocabulary_size:
        raise BundleError(
            f"{where} has {tokenizer.size} tokens and the model {vocabulary_size}; {remedy}"
        )
    return tokenizer


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


def _check_axes(manifest: Manifest, variant: str, context: int) -> None:
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
