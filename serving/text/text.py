"""A language model for people: text in, text out, whatever runs the network."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from serving.errors import UsageError, nearest
from serving.noise import SEED_LIMIT, checked_count, checked_seed
from serving.numbers import shown, whole
from serving.text.beams import beam_search
from serving.text.constraints import Grammars
from serving.text.decoding import Decoding
from serving.text.growing import GrowingMemory
from serving.text.lookup import LookupStatistics
from serving.text.memory import Memory, Past, Step
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig
from serving.text.scoring import Score, score
from serving.text.spelling.writing import Completion, WrittenText
from serving.text.tokenizer import Tokenizer

SETTINGS = [setting.name for setting in fields(SamplingConfig)]


@dataclass(frozen=True)
class Encoded:
    """A prompt that is tokens already, and after which a text of its own begins."""

    ids: Sequence[int]


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
        new_memory: takes a number of texts, and returns the memory that they are written with.
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
        self.new_memory = memory or (lambda count: GrowingMemory(self.step, count, context))
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
                where `guesses` is false; `adapter`, the name of one that is loaded; and the
                settings of `SamplingConfig`, each a value for all prompts or a list with one for
                each.

        Returns:
            The new text, without the prompt; a list of them for a list of prompts.

        Raises:
            UsageError: an empty prompt, unknown characters, or an option out of range.
        """
        texts = self._write(prompt, max_new_tokens, options)[1]
        return [text.text for text in texts] if _is_list(prompt) else texts[0].text

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
    ) -> list[Completion]:
        """Look for the likeliest continuations, best first; see `serving.text.beams`."""
        ids = self._prompt_tokens(prompt)
        after = self._has_text(ids)
        found = beam_search(
            self.step,
            ids,
            beams=beams,
            max_new_tokens=max_new_tokens,
            context=self.context,
            stop_ids=self.tokenizer.ends,
            length_penalty=length_penalty,
        )
        return [self._found(after, *each) for each in found]

    def score(self, text: str, stride: int | None = None) -> Score:
        """Predict a text of any length, see `serving.text.scoring.score`."""
        ids = [*self.tokenizer.begin, *self.tokenizer.encode(text, "the text")]
        predicted = score(self.step, ids, context=self.context, stride=stride)
        first = self.tokenizer.decode(ids[:1])
        return replace(
            predicted,
            characters=len(text) - len(first),
            bytes=sum(len(self.tokenizer.bytes_of(token)) for token in ids[1:]),
        )

    # --- one call ---

    def _prompt_tokens(self, prompt: Any) -> list[int]:
        if isinstance(prompt, Encoded):
            return list(prompt.ids)
        ids = [*self.tokenizer.begin, *self.tokenizer.encode(prompt)]
        if not ids:
            raise UsageError("the prompt is empty; give it at least one character to go on from")
        return ids

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
        prompts: list[Any] = list(prompt) if _is_list(prompt) else [prompt]
        decoding, texts = self._begin(prompts, max_new_tokens, **options)
        for _ in self._pieces(decoding, texts):
            pass
        return decoding, texts

    def _begin(
        self,
        prompts: list[Any],
        max_new_tokens: int,
        *,
        seed: int | Sequence[int] | None = None,
        stop: str | Sequence[str] | None = None,
        overflow: str = "slide",
        log_probs: bool = False,
        prompt_lookup_num_tokens: int | None = None,
        adapter: str | None = None,
        **settings: Any,
    ) -> tuple[Decoding, list[WrittenText]]:
        count = checked_count(len(prompts), "the number of prompts")
        configs = sampling_configs(settings, count)
        seeds = checked_seeds(seed, count)
        ids = [self._prompt_tokens(prompt) for prompt in prompts]
        stops: list[Any] = [] if stop is None else list(stop) if _is_list(stop) else [stop]
        after = [
            not isinstance(prompt, Encoded) and self._has_text(own)
            for prompt, own in zip(prompts, ids, strict=True)
        ]
        texts = [WrittenText(self.tokenizer, stops, each) for each in after]
        wanted = 0 if prompt_lookup_num_tokens is None else prompt_lookup_num_tokens
        lookup = whole(wanted, "prompt_lookup_num_tokens", 0)
        constraints = [self._grammars.constraint(config) for config in configs]
        sampler = Sampler(configs, seeds, ids, self.tokenizer.size, constraints)
        decoding = Decoding(
            self._memory(count, adapter),
            ids,
            sampler,
            max_new_tokens=checked_count(max_new_tokens, "max_new_tokens"),
            overflow=overflow,
            log_probs=log_probs,
            lookup=lookup * self.guesses if lookup else None,
        )
        self.last_lookup = decoding.statistics if lookup else None
        self.last_seed = seeds[0] if count == 1 else seeds
        return decoding, texts

    def _memory(self, count: int, adapter: str | None = None) -> Memory:
        """Return a memory for the time of a call: texts written at the same time share nothing.

        Nor do texts that are written with different adapters.

        Raises:
            UsageError: no such adapter is loaded.
        """
        if adapter is not None and adapter not in self._adapters:
            raise UsageError(f"adapter is {shown(adapter)}; {_loaded(self._adapters)}")
        if count == 1 and self._idle:
            with suppress(IndexError):  # another thread was faster
                memory = self._idle.pop()
                if memory.adapter == adapter:
                    return memory
        memory = self.new_memory(count) if adapter is None else self._adapters[adapter](count)
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


def drawable(step: Step, tokenizer: Tokenizer) -> Step:
    """Return a network whose logits are those of tokens that the tokenizer has."""

    def drawing(
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]:
        logits, present = step(input_ids, attention_mask, position_ids, past)
        return tokenizer.drawable(np.asarray(logits)), present

    return drawing


def sampling_configs(settings: dict[str, Any], count: int) -> list[SamplingConfig]:
    """Return the sampling of each of `count` texts, from values for all or lists of one for each.

    Raises:
        UsageError: an unknown setting, a list of another length, or a value out of range.

    Example:
        >>> [config.top_k for config in sampling_configs({"temperature": 0.5, "top_k": [1, 2]}, 2)]
        [1, 2]
    """
    for name in settings:
        if name not in SETTINGS:
            hint = nearest(name, SETTINGS) or f"; there are {', '.join(SETTINGS)}"
            raise UsageError(f"unknown option '{name}'{hint}")
    columns = {name: _for_each(value, count, name) for name, value in settings.items()}
    return [
        SamplingConfig(**{name: values[row] for name, values in columns.items()})
        for row in range(count)
    ]


def checked_seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """Return a seed for each of `count` texts: the one given, one for each, or fresh ones."""
    if seed is None:
        return [secrets.randbelow(SEED_LIMIT) for _ in range(count)]
    return [checked_seed(each) for each in _for_each(seed, count, "seed")]


def _for_each(value: Any, count: int, name: str) -> Sequence[Any]:
    if not _is_list(value):
        return [value] * count
    if len(value) != count:
        raise UsageError(f"{name} has {len(value)} values for {count} prompts; expected as many")
    return list(value)


def _is_list(value: object) -> bool:
    """Tell several values from one: a list, or an array or column with one axis."""
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1
