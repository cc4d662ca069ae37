"""A translator for people: text in, text out, whatever runs the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.errors import UsageError, nearest
from serving.noise import checked_count
from serving.text.beams import beam_searches
from serving.text.filters import log_softmax
from serving.text.scoring import Score
from serving.text.spelling.writing import Completion
from serving.text.tokenizer import Tokenizer
from serving.text.translation.reading import Network, Reading

AT_ONCE = 32  # texts translated at the same time


class TextTranslator:
    """Translates and scores texts.

    A text is translated alike alone and in a batch, whose shorter texts are padded.

    Args:
        network: an encoder-decoder.
        tokenizer: of both languages.
        context: most tokens of a source, and of a translation.
        begin: the token that a translation begins with, before its first.
        languages: that it translates into, and the token before a source that says so; of a single
            language there is none.
    """

    def __init__(
        self,
        network: Network,
        tokenizer: Tokenizer,
        context: int,
        begin: int,
        languages: Mapping[str, int | None],
    ):
        self.network, self.tokenizer, self.context = network, tokenizer, context
        self._begin, self.languages = begin, dict(languages)

    def translate(
        self,
        text: str | Sequence[str],
        to: str | None = None,
        beams: int = 5,
        length_penalty: float = 1.0,
        max_new_tokens: int | None = None,
    ) -> str | list[str]:
        """Translate a text, or each of several.

        Args:
            text: one or several, none empty.
            to: the language; the first of the model's unless given.
            beams: translations followed at once; 1 takes the likeliest token each time.
            length_penalty: power of the length that the log-probability of a translation is divided
                by, to compare it with others; with `beams` only.
            max_new_tokens: where a translation ends at the latest; as many as the model takes.

        Returns:
            The translation; a list of them for several texts.

        Raises:
            UsageError: an empty text, one that is too long, or an option out of range.
        """
        several = not isinstance(text, str)
        found = self.complete(
            list(text) if several else [str(text)], to, beams, length_penalty, max_new_tokens
        )
        return [each.text for each in found] if several else found[0].text

    def complete(
        self,
        texts: Sequence[str],
        to: str | None = None,
        beams: int = 5,
        length_penalty: float = 1.0,
        max_new_tokens: int | None = None,
    ) -> list[Completion]:
        """Translate as `translate` does, and return tokens, log-probabilities and why each ended.

        Raises:
            UsageError: as `translate`.
        """
        checked_count(len(texts), "the number of texts")
        most = self.context
        if max_new_tokens is not None:
            most = min(most, checked_count(max_new_tokens, "max_new_tokens"))
        named = [f"text {index + 1}" for index in range(len(texts))]
        where = named if len(texts) > 1 else ["the text"]
        sources = [self._source(*pair, to) for pair in zip(texts, where, strict=True)]
        order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
        found: dict[int, Completion] = {}
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            reading = Reading.of(self.network, [sources[index] for index in some])
            search = self._likeliest if beams == 1 else self._search
            written = search(reading, most, beams, length_penalty)
            for index, (ids, log_probs) in zip(some, written, strict=True):
                found[index] = self._completion(ids, log_probs)
        return [found[index] for index in range(len(sources))]

    def score(self, text: str, translation: str, to: str | None = None) -> Score:
        """Say how likely a translation of a text is, its end included.

        Args:
            text: the source.
            translation: of it.
            to: its language; the first of the model's unless given.

        Raises:
            UsageError: one is empty or too long.
        """
        source = self._source(text, "the text", to)
        written = self._tokens(translation, "the translation")
        if len(written) > self.context:
            raise _too_long("the translation", len(written), self.context)
        reading = Reading.of(self.network, [source])
        logits, _ = reading.read(self.network, np.array([[self._begin, *written[:-1]]], np.int64))
        nats = log_softmax(np.asarray(logits)[0])  # (T, V)
        log_probs = np.take_along_axis(nats, np.array(written)[:, None], axis=1)[:, 0]
        return Score(log_probs, len(translation), len(translation.encode()))

    def takes(self, text: str, translation: str, to: str | None = None) -> bool:
        """Say whether a translation of a text can be scored: neither is empty or too long."""
        try:
            self._source(text, "the text", to)
            return len(self._tokens(translation, "the translation")) <= self.context
        except UsageError:
            return False

    # --- tokens ---

    def _source(self, text: Any, what: str, to: str | None) -> list[int]:
        """Return the tokens of a source, before them that which names the language."""
        names = ", ".join(self.languages)
        if to is None:
            to = next(iter(self.languages))
        if to not in self.languages:
            hint = nearest(str(to), self.languages)
            raise UsageError(f"to is '{to!s:.80}'{hint}; this model translates into {names}")
        ids, language = self._tokens(text, what), self.languages[to]
        found = ids if language is None else [language, *ids]
        if len(found) > self.context:
            raise _too_long(what, len(found), self.context)
        return found

    def _tokens(self, text: Any, what: str) -> list[int]:
        """Return the tokens of a text, with that which ends it."""
        if isinstance(text, str) and not text.strip():
            raise UsageError(f"{what} is empty; give it at least one word")
        return [*self.tokenizer.encode(text, what), self.tokenizer.eos]

    def _completion(self, ids: Sequence[int], log_probs: Sequence[float]) -> Completion:
        end = bool(ids) and ids[-1] in self.tokenizer.ends
        text = self.tokenizer.decode(ids[:-1] if end else ids)
        return Completion(text, tuple(ids), tuple(log_probs), "end" if end else "length")

    # --- search ---

    def _search(
        self, reading: Reading, most: int, beams: int, length_penalty: float
    ) -> list[tuple[Sequence[int], Sequence[float]]]:
        """Return tokens and log-probabilities of the best translation of each text."""

        def step(
            ids: np.ndarray, mask: np.ndarray, positions: np.ndarray, past: Reading | None
        ) -> tuple[np.ndarray, Reading]:
            logits, read = (past or reading).read(self.network, ids)
            return self.tokenizer.drawable(np.asarray(logits)), read

        found = beam_searches(
            step,
            [[self._begin]] * len(reading.texts),
            beams=beams,
            max_new_tokens=most,
            context=self.context,
            stop_ids=self.tokenizer.ends,
            length_penalty=length_penalty,
            early=True,
            take=Reading.take,
        )
        return [best for best, *_ in found]

    def _likeliest(
        self, reading: Reading, most: int, beams: int, length_penalty: float
    ) -> list[tuple[Sequence[int], Sequence[float]]]:
        """Return the same, taking the likeliest token each time."""
        written: list[list[int]] = [[] for _ in reading.texts]
        nats: list[list[float]] = [[] for _ in reading.texts]
        ids = np.full((len(written), 1), self._begin, np.int64)
        for _ in range(most):
            logits, reading = reading.read(self.network, ids)
            last = self.tokenizer.drawable(np.asarray(logits)[:, -1])  # (B, V)
            tokens = last.argmax(-1)
            top = last.max(-1, keepdims=True)
            surprise = np.log(np.exp(last - top).sum(-1, dtype=np.float64))
            for text, token, own in zip(reading.texts, tokens.tolist(), surprise, strict=True):
                written[text].append(token)
                nats[text].append(-float(own))
            going = np.flatnonzero(~np.isin(tokens, [*self.tokenizer.ends]))
            if not len(going):
                break
            if len(going) < len(tokens):
                reading, tokens = reading.take(going), tokens[going]
            ids = tokens[:, None]
        return list(zip(written, nats, strict=True))


def _too_long(what: str, length: int, most: int) -> UsageError:
    return UsageError(
        f"{what} has {length} tokens, and this model takes {most}; translate it sentence by "
        "sentence"
    )
