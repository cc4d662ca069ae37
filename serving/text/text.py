"""A language model for people: text in, text out, whatever runs the network."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from serving.errors import UsageError
from serving.noise import checked_count
from serving.numbers import shown, whole
from serving.text.beams import beam_search
from serving.text.constraints import Grammars
from serving.text.decoding import Decoding, Order, check_prompts
from serving.text.growing import GrowingMemory, drawable
from serving.text.lookup import LookupStatistics
from serving.text.memory import Memory, Step
from serving.text.sampling import Sampler
from serving.text.sampling_config import checked_seeds, for_each, is_list, sampling_configs
from serving.text.scoring import Score, score
from serving.text.spelling.writing import Completion, WrittenText
from serving.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """A prompt that is tokens already.

    Attributes:
        ids: the tokens.
        after: whether the text goes on from theirs; else one of its own begins.
    """

    ids: Sequence[int]
    after: bool = False


class TextModel:
    """Writes on from prompts and scores texts.

    The same seed writes the same text for a prompt, whatever was written before, alone and in a
    batch, at once and in pieces, with guesses and without. What the last single prompt has in
    common with the next is not read again.

    Args:
        step: the network.
        tokenizer: of the model.
        context: most tokens that the network sees at once.
        memory: makes the memory of so many texts; a `GrowingMemory` of `step` unless given.
        guesses: whether tokens may be guessed ahead: not where the network rounds to fewer bits
            than float32, see `serving.text.lookup`.
        adapters: makes the memory of the network with an adapter, by the adapter's name.

    Attributes:
        last_seed: the seed of the last call, or a list of them, to get the same text again.
        last_lookup: how good the guesses of the last call were, of one text.
    """

    def __init__(
        self,
        step: Step,
        tokenizer: Tokenizer,
        context: int,
        memory: Callable[[int], Memory] | None = None,
        guesses: bool = True,
        adapters: Mapping[str, Callable[[int], Memory]] | None = None,
    ):
        self.step = step if tokenizer.whole else drawable(step, tokenizer)
        self.tokenizer, self.context = tokenizer, context
        self.guesses = guesses
        self.last_seed: int | list[int] | None = None
        self.last_lookup: LookupStatistics | None = None
        self._makes_memory = memory
        self._adapters = dict(adapters or {})
        self._grammars = Grammars(tokenizer)
        self._idle: list[Memory] = []  # that of the last single text, unless one is written now

    def generate(
        self, prompt: str | Sequence[str], max_new_tokens: int = 200, **options: Any
    ) -> str | list[str]:
        """Write on from a prompt, or from each of several.

        Args:
            prompt: one text or several, none empty.
            max_new_tokens: for each.
            options: `seed`, one for all prompts or one for each, fresh ones by default; `stop`,
                strings of which the first to appear ends the text and is left out; `overflow`, what
                to do about texts longer than the window, `slide` (default) or `refuse`, see
                `serving.text.decoding`; `prompt_lookup_num_tokens`, how many tokens at most are
                guessed ahead from what the text has said before, of one prompt only, see
                `serving.text.lookup`: faster where a text repeats itself, and the same text; none
                where `guesses` is false; `adapter`, the name of one that is loaded; `style`, the
                name of one that the model has; and the settings of `SamplingConfig`. The last two
                are each a value for all prompts or a list with one for each.

        Returns:
            The new text, without the prompt; a list of them for a list of prompts.

        Raises:
            UsageError: an empty prompt, unknown characters, or an option out of range.
        """
        texts = self._write(prompt, max_new_tokens, options)[1]
        return [text.text for text in texts] if is_list(prompt) else texts[0].text

    def complete(
        self, prompt: str | Sequence[str], max_new_tokens: int = 200, **options: Any
    ) -> list[Completion]:
        """Write on as `generate` does, and return tokens, log-probabilities and why each ended."""
        decoding, texts = self._write(prompt, max_new_tokens, options | {"log_probs": True})
        pairs = zip(texts, decoding.log_probs, strict=True)
        return [text.completion(log_probs) for text, log_probs in pairs]

    def stream(
        self, prompt: str | Encoded, max_new_tokens: int = 200, **options: Any
    ) -> Iterator[str]:
        """Write on from one prompt, and yield the text as it comes, in whole characters.

        The pieces together are what `generate` returns. Wrong arguments raise at once, not when the
        first piece is asked for.
        """
        return self._pieces(*self._begin([prompt], max_new_tokens, **options))

    def search(
        self,
        prompt: str,
        beams: int = 4,
        max_new_tokens: int = 200,
        length_penalty: float = 1.0,
        style: str | None = None,
    ) -> list[Completion]:
        """Look for the likeliest continuations, best first; see `serving.text.beams`."""
        given = self.encoded(self.styled(prompt, style))
        found = beam_search(
            self.step,
            given.ids,
            beams=beams,
            max_new_tokens=max_new_tokens,
            context=self.context,
            stop_ids=self.tokenizer.ends,
            length_penalty=length_penalty,
        )
        return [self._found(given.after, *each) for each in found]

    def score(self, text: str, stride: int | None = None, style: str | None = None) -> Score:
        """Predict a text of any length, see `serving.text.scoring.score`; after a style, all."""
        code = [] if style is None else [self.tokenizer.code_of(style)]
        ids = [*code, *self.tokenizer.begin, *self.tokenizer.encode(text, "the text")]
        predicted = score(self.step, ids, context=self.context, stride=stride, kept=len(code))
        first = self.tokenizer.decode(ids[:1])
        return replace(
            predicted,
            characters=len(text) - len(first),
            bytes=sum(len(self.tokenizer.bytes_of(token)) for token in ids[1:]),
        )

    def encoded(self, prompt: str | Encoded) -> Encoded:
        """Return a prompt as the tokens that the network reads.

        Raises:
            UsageError: it is empty, or has a character that the model does not know.
        """
        if isinstance(prompt, Encoded):
            return prompt
        ids = [*self.tokenizer.begin, *self.tokenizer.encode(prompt)]
        if not ids:
            raise UsageError("the prompt is empty; give it at least one character to go on from")
        return Encoded(ids, self._has_text(ids))

    def styled(self, prompt: Any, style: Any) -> Any:
        """Return a prompt, or each of several, after the code of its style.

        Args:
            prompt: text or `Encoded`, or a list of them.
            style: a name, or one for each prompt; None for no style.

        Raises:
            UsageError: the model has no such style, or as `encoded`.
        """
        if style is None:
            return prompt
        prompts = list(prompt) if is_list(prompt) else [prompt]
        chosen = for_each(style, len(prompts), "style")
        found = [self._styled(*pair) for pair in zip(prompts, chosen, strict=True)]
        return found if is_list(prompt) else found[0]

    def _styled(self, prompt: str | Encoded, style: str | None) -> str | Encoded:
        if style is None:
            return prompt
        given = self.encoded(prompt)
        return Encoded([self.tokenizer.code_of(style), *given.ids], given.after)

    def new_memory(self, count: int) -> Memory:
        """Return the memory that so many texts are written with."""
        return self.memory_of()(count)

    def memory_of(self, adapter: str | None = None) -> Callable[[int], Memory]:
        """Return what makes memories for as many texts as are written, with an adapter or without.

        Raises:
            UsageError: no such adapter is loaded.
        """
        if adapter is not None and adapter not in self._adapters:
            raise UsageError(f"adapter is {shown(adapter)}; {_loaded(self._adapters)}")
        makes = self._makes_memory if adapter is None else self._adapters[adapter]

        def make(count: int) -> Memory:
            memory = makes(count) if makes else GrowingMemory(self.step, count, self.context)
            memory.codes = frozenset(self.tokenizer.styles.values())
            return memory

        return make

    def orders(
        self,
        prompts: Sequence[str | Encoded],
        max_new_tokens: int,
        *,
        seed: int | Sequence[int] | None = None,
        stop: str | Sequence[str] | None = None,
        overflow: str = "slide",
        prompt_lookup_num_tokens: int | None = None,
        **settings: Any,
    ) -> list[Order]:
        """Return what decides the texts that `generate` writes of these prompts, one for each.

        Raises:
            UsageError: as of `generate`.
        """
        count = checked_count(len(prompts), "the number of prompts")
        most = checked_count(max_new_tokens, "max_new_tokens")
        configs, seeds = sampling_configs(settings, count), checked_seeds(seed, count)
        given = [self.encoded(prompt) for prompt in prompts]
        stops: list[Any] = [] if stop is None else list(stop) if is_list(stop) else [stop]
        ids = [each.ids for each in given]
        check_prompts(ids, most, self.context, overflow, prompt_lookup_num_tokens or None)
        return [
            Order(each.ids, each.after, config, own, most, stops, self._grammars.constraint(config))
            for each, config, own in zip(given, configs, seeds, strict=True)
        ]

    # --- one call ---

    def _has_text(self, ids: Sequence[int]) -> bool:
        return any(map(self.tokenizer.bytes_of, ids))

    def _found(self, after: bool, ids: tuple[int, ...], log_probs: tuple[float, ...]) -> Completion:
        """Return what a search has found to follow a prompt; `after` whether that has a text."""
        end = ids[-1] in self.tokenizer.ends
        text = self.tokenizer.decode(ids[:-1] if end else ids, after)
        return Completion(text, ids, log_probs, "end" if end else "length")

    def _write(
        self, prompt: str | Sequence[str], max_new_tokens: int, options: dict[str, Any]
    ) -> tuple[Decoding, list[WrittenText]]:
        """Write on from one prompt or several to the end."""
        prompts: list[Any] = list(prompt) if is_list(prompt) else [prompt]
        decoding, texts = self._begin(prompts, max_new_tokens, **options)
        for _ in self._pieces(decoding, texts):
            pass
        return decoding, texts

    def _begin(
        self,
        prompts: list[Any],
        max_new_tokens: int,
        *,
        log_probs: bool = False,
        overflow: str = "slide",
        prompt_lookup_num_tokens: int | None = None,
        adapter: str | None = None,
        style: str | Sequence[str | None] | None = None,
        **options: Any,
    ) -> tuple[Decoding, list[WrittenText]]:
        prompts = self.styled(prompts, style)
        wanted = 0 if prompt_lookup_num_tokens is None else prompt_lookup_num_tokens
        lookup = whole(wanted, "prompt_lookup_num_tokens", 0)
        orders = self.orders(prompts, max_new_tokens, overflow=overflow,
                             prompt_lookup_num_tokens=lookup, **options)  # fmt: skip
        ids, seeds = [each.prompt for each in orders], [each.seed for each in orders]
        decoding = Decoding(
            self._memory(len(orders), adapter),
            ids,
            Sampler([each.config for each in orders], seeds, ids, self.tokenizer.size,
                    [each.constraint for each in orders]),
            max_new_tokens=orders[0].most,
            overflow=overflow,
            log_probs=log_probs,
            lookup=lookup * self.guesses if lookup else None,
        )  # fmt: skip
        texts = [WrittenText(self.tokenizer, each.stop, each.after) for each in orders]
        self.last_lookup = decoding.statistics if lookup else None
        self.last_seed = seeds[0] if len(orders) == 1 else seeds
        return decoding, texts

    def _memory(self, count: int, adapter: str | None = None) -> Memory:
        """Return a memory for the time of a call: texts written at the same time share nothing.

        Nor do texts that are written with different adapters.

        Raises:
            UsageError: no such adapter is loaded.
        """
        new_memory = self.memory_of(adapter)
        if count == 1 and self._idle:
            with suppress(IndexError):  # another thread was faster
                memory = self._idle.pop()
                if memory.adapter == adapter:
                    return memory
        memory = new_memory(count)
        memory.adapter = adapter
        return memory

    def _pieces(self, decoding: Decoding, texts: list[WrittenText]) -> Iterator[str]:
        """Decode to the end, and yield what is new whenever there is something."""
        try:
            for ids in decoding:
                for token, row in zip(ids, decoding.rows, strict=True):
                    text = texts[row]
                    piece = text.take(token)
                    if text.reason:
                        decoding.finish(row)
                    if piece:
                        yield piece
            yield from filter(None, [text.end() for text in texts])
        finally:  # also when somebody has read enough of a stream, or was interrupted
            if len(texts) == 1:
                self._idle[:] = [decoding.memory]


def _loaded(adapters: Iterable[str]) -> str:
    """Say which adapters there are."""
    names = ", ".join(adapters)
    if names:
        return f"expected one of {names}"
    return 'none is loaded; serving.load(NAME, adapters={"poems": FOLDER}) loads one'
