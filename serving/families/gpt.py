"""A Transformer at run time: writes on from prompts, streams, searches and scores text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import numpy as np

from serving.bundle.manifest import Manifest
from serving.calls import Call, call
from serving.errors import UsageError
from serving.families.gpt_graph import (
    ADAPTABLE,
    PORTABLE,
    GraphStep,
    check_axes,
    check_graph,
    new_memory,
    with_adapters,
)
from serving.families.gpt_parameters import (
    BEAMS,
    MESSAGES,
    PROMPT,
    AdapterName,
    Guesses,
    NewTokens,
    Overflow,
    Penalty,
    Prompt,
    Seeds,
    Stop,
    Stride,
    Style,
    Styles,
    TextCount,
)
from serving.families.model import Model, Timed
from serving.families.text_processing import TextProcessing, read_chat, read_tokenizer
from serving.parameters import SEED, Parameter
from serving.runtime.adapted import AdaptedSession
from serving.runtime.loaded import Loaded
from serving.text.chat import Chat, Messages
from serving.text.decoding import Order
from serving.text.sampling_config import SamplingConfig, rows_of_each
from serving.text.scoring import Score
from serving.text.spelling.writing import Completion
from serving.text.text import Encoded, TextModel

AT_ONCE = 16  # texts written at the same time where more are asked for


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
        check_axes(loaded.manifest, loaded.variant, self.processing.context)
        self.vocabulary_size: int = self.processing.vocabulary_size
        context, session = self.processing.context, loaded.sessions["model"]
        step = GraphStep(loaded.manifest.interface["model"], session.run)
        tokenizer = read_tokenizer(
            loaded.manifest, loaded.assets, self.processing, self.processing.styles
        )
        memory_of = partial(new_memory, loaded, tokenizer, context)
        adapters = {
            name: memory_of(AdaptedSession(session, arrays.get("model", {})))
            for name, arrays in loaded.adapters.items()
        }
        form = loaded.manifest.variants[loaded.variant].form
        memory = None if form == PORTABLE else memory_of(session)
        self._chat = read_chat(loaded.manifest, loaded.assets, self.processing, tokenizer)
        float32 = loaded.variant.removesuffix(ADAPTABLE) in ("fp32", form)
        TextModel.__init__(self, step, tokenizer, context, memory, float32, adapters)
        if adapters:
            self.calls |= with_adapters(self.calls, tuple(adapters))
        # Elsewhere how many rows there are decides how each is added up.
        self.repeatable = session.device == "cpu" and loaded.variant != "fp16"

    @classmethod
    def declared(cls, manifest: Manifest) -> dict[str, Call]:
        styles = cls.processing_of(manifest).styles or ()
        calls = {
            name: each.with_choices("style", styles)
            for name, each in super().declared(manifest).items()
        }
        if any(variant.adapters for variant in manifest.variants.values()):
            return calls
        return calls | with_adapters(calls, None)

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        processing = cls.processing_of(manifest)
        tokenizer = read_tokenizer(manifest, assets, processing, processing.styles)
        read_chat(manifest, assets, processing, tokenizer)
        least = "" if tokenizer.whole else f", of {processing.vocabulary_size}"
        return f"tokenizer: {tokenizer.size} tokens, as many as the model has{least}"

    @call(gives="text", stream="stream", continues="prompt", settings=SamplingConfig)
    def generate(
        self,
        prompt: Prompt = "",
        max_new_tokens: NewTokens = 200,
        n: TextCount = 1,
        seed: Seeds = None,
        stop: Stop = (),
        overflow: Overflow = "slide",
        prompt_lookup_num_tokens: Guesses = 0,
        adapter: AdapterName = None,
        style: Styles = None,
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
            style: the name of one that the model has, one for all prompts or one for each.
            settings: those of `SamplingConfig`, each for all prompts or a list with one for each.

        Returns:
            The new text, without the prompt; a list of them for a list of prompts, or of several.
        """
        options = settings | {"stop": stop, "overflow": overflow, "adapter": adapter}
        options["prompt_lookup_num_tokens"] = prompt_lookup_num_tokens
        prompt = self.styled(self._begun(prompt), style)
        if n == 1:
            texts: str | list[str] = TextModel.generate(
                self, prompt, max_new_tokens, seed=seed, **options
            )
            return texts
        rows, first = rows_of_each(prompt, n, seed)
        written: list[str] = []
        for begin in range(0, len(rows), AT_ONCE):
            some, seeds = map(list, zip(*rows[begin : begin + AT_ONCE], strict=True))
            written += TextModel.generate(self, some, max_new_tokens, seed=seeds, **options)
        self.last_seed = first[0] if len(first) == 1 else first
        return written

    def orders_of(self, name: str, arguments: Mapping[str, Any]) -> list[Order]:
        """Return what decides each text of a call, for whoever writes them in its place.

        Args:
            name: `generate` or `chat`.
            arguments: of that call; who writes the texts sees to their `adapter`.

        Raises:
            UsageError: as of the call.
        """
        checked = self.calls[name].check((), arguments)
        checked.pop("adapter", None)
        most = checked.pop("max_new_tokens", self.calls[name].parameters["max_new_tokens"].default)
        if name == "chat":
            prompt = self.conversation(checked.pop("messages"), checked.pop("system", None))
            return self.orders([prompt], most, **checked)
        prompt = self.styled(self._begun(checked.pop("prompt", "")), checked.pop("style", None))
        rows, _ = rows_of_each(prompt, checked.pop("n", 1), checked.pop("seed", None))
        prompts, seeds = map(list, zip(*rows, strict=True))
        return self.orders(prompts, most, seed=seeds, **checked)

    @call(
        gives="text",
        stream="stream_chat",
        turns="messages",
        settings=SamplingConfig,
        applies=lambda processing: processing.chat is not None,
        refusal="it has no chat template",
    )
    def chat(
        self,
        messages: Annotated[Messages, MESSAGES],
        system: Annotated[str | None, Parameter("what the model is told before all else")] = None,
        max_new_tokens: NewTokens = 512,
        seed: Annotated[int | None, SEED] = None,
        stop: Stop = (),
        overflow: Overflow = "slide",
        prompt_lookup_num_tokens: Guesses = 0,
        adapter: AdapterName = None,
        **settings: Any,
    ) -> str:
        """Answer the last message of a conversation.

        Of the conversation before, what the last call has read is not read again.

        Args:
            messages: each with `role`, such as `user` or `assistant`, and `content`, its text.
            system: a message of role `system`, before the others.
            max_new_tokens, seed, stop, overflow, prompt_lookup_num_tokens, adapter: as of
                `generate`.
            settings: those of `SamplingConfig`.

        Returns:
            The answer, up to the first of the model's end tokens.

        Example:
            >>> gpt.chat([{"role": "user", "content": "Hello"}], temperature=0)  # doctest: +SKIP
            'Hello! How can I help you today?'
        """
        given = {"max_new_tokens": max_new_tokens, "seed": seed, "stop": stop, "overflow": overflow}
        given |= {"prompt_lookup_num_tokens": prompt_lookup_num_tokens, "adapter": adapter}
        given |= settings
        return "".join(self.stream_chat(messages, system=system, **given))

    def stream_chat(self, messages: Messages, **options: Any) -> Iterator[str]:
        """Answer as `chat` does, and yield the text as it comes."""
        self._template()
        checked = self.calls["chat"].check((), {"messages": messages} | options)
        prompt = self.conversation(checked.pop("messages"), checked.pop("system", None))
        given = {"messages": messages, "system": options.get("system")}
        return self._filtered(TextModel.stream(self, prompt, **checked), "chat", given)

    def conversation(self, messages: Messages, system: str | None = None) -> Encoded:
        """Return a conversation as the model reads it; see `chat`."""
        return Encoded(self._template().prompt(messages, system))

    def _template(self) -> Chat:
        if self._chat is None:
            raise UsageError(f"{self.manifest.name} cannot chat: it has no chat template")
        return self._chat

    def stream(
        self, prompt: str | Encoded = "", max_new_tokens: int = 200, **options: Any
    ) -> Iterator[str]:
        """Write on from one prompt, and yield the text as it comes; see `generate`."""
        pieces = TextModel.stream(self, **self._checked(prompt, max_new_tokens, options))
        given = {"prompt": prompt} if isinstance(prompt, str) else {}
        return self._filtered(pieces, "generate", given)

    def _filtered(self, pieces: Iterator[str], call: str, given: dict[str, Any]) -> Iterator[str]:
        """Return a text as it comes, as far as the model's filters let it pass."""
        if self.filters is None:
            return pieces
        self.filters.check_given(self.calls[call], given, self.manifest.processing)
        found: Iterator[str] = self.filters.streamed(pieces, given.get("prompt", ""))
        return found

    def complete(
        self, prompt: str | Sequence[str] = "", max_new_tokens: int = 200, **options: Any
    ) -> list[Completion]:
        """Write on as `generate` does, and return tokens, log-probabilities and why each ended."""
        return TextModel.complete(self, **self._checked(prompt, max_new_tokens, options))

    @call(gives="text")
    def search(
        self,
        prompt: Annotated[str, replace(PROMPT, each=False)],
        beams: Annotated[int, BEAMS] = 4,
        max_new_tokens: NewTokens = 200,
        length_penalty: Annotated[float, Penalty] = 1.0,
        style: Style = None,
    ) -> list[Completion]:
        """Look for the likeliest continuations, best first; see `serving.text.beams`."""
        return TextModel.search(self, prompt, beams, max_new_tokens, length_penalty, style)

    @call(gives="numbers")
    def score(
        self,
        text: Annotated[str, Parameter("of any length", content="text")],
        stride: Annotated[int | None, Stride] = None,
        style: Style = None,
    ) -> Score:
        """Predict a text of any length, see `serving.text.scoring.score`."""
        return TextModel.score(self, text, stride, style)

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
        unending: dict[str, Any] = {
            "logit_bias": dict.fromkeys(self.tokenizer.ends, -1e4),
            "seed": 0,
        }
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
