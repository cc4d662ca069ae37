"""One text in the making, and what is told of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from serving.filters.filters import FilteredError, Filters, Watch
from serving.runtime.interruption import Interruption
from serving.server.operations import tracing
from serving.text.decoding import Order
from serving.text.filters import log_softmax
from serving.text.memory import Step
from serving.text.sampling import Sampler
from serving.text.spelling.writing import WrittenText
from serving.text.tokenizer import Tokenizer

FILTERED = "content_filter"


class Likelihood(NamedTuple):
    """A token, its log-probability in nats, and those of the likeliest; None where it is first."""

    token: int
    log_prob: float | None
    likeliest: tuple[tuple[int, float], ...]


class News(NamedTuple):
    """What is new of a draft.

    Attributes:
        text: that is sure since the last news.
        likelihoods: of the tokens since then, if they are wanted.
        reason: why it ended, if it did: `stop`, `length` or `content_filter`.
        error: why it ended otherwise.
    """

    text: str
    likelihoods: tuple[Likelihood, ...] = ()
    reason: str | None = None
    error: Exception | None = None


class Times(NamedTuple):
    """What is told of the time that texts take, each in seconds.

    Attributes:
        queued: of each text until it is begun.
        first: until its first token.
        later: from each token to the next.
    """

    queued: Callable[[float], Any] = lambda seconds: None
    first: Callable[[float], Any] = lambda seconds: None
    later: Callable[[float], Any] = lambda seconds: None


UNTOLD = Times()


@dataclass(eq=False)
class Draft:
    """A text in the making.

    Attributes:
        tokenizer: of the model.
        order: what decides the text.
        likeliest: so many tokens are told beside each that was drawn; None for no likelihoods.
        wanted, deadline: until when anybody waits for it, of the writer's clock.
        tell: is called with news, in the writer's thread.
        piecemeal: whether there are news at every token; else at the end.
        times: is told how long it waits, and each token takes.
        tokens: that were drawn.
    """

    tokenizer: Tokenizer
    order: Order
    likeliest: int | None
    wanted: Interruption
    deadline: float
    tell: Callable[[News], None]
    piecemeal: bool = False
    times: Times = UNTOLD
    tokens: list[int] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _likelihoods: list[Likelihood] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)
    _span: Any = field(default_factory=tracing.NoSpan)

    def __post_init__(self) -> None:
        order = self.order
        self._sampler = Sampler([order.config], [order.seed], [order.prompt], self.tokenizer.size,
                                [order.constraint])  # fmt: skip
        self._watch = Watch()
        self._text = WrittenText(self.tokenizer, order.stop, order.after)

    def wait(self) -> None:
        """Say that it waits for a slot, of which somebody will tell the end."""
        self._span = tracing.begin("write")

    def begin(self) -> None:
        """Say that there is a slot for it."""
        self.times.queued(time.monotonic() - self._since)

    def take(self, logits: np.ndarray) -> bool:
        """Draw a token from logits `(V,)`, tell it, and say whether the text goes on."""
        [token] = self._sampler.draw(logits[None])
        now = time.monotonic()
        (self.times.later if self.tokens else self.times.first)(now - self._since)
        self._since = now
        self.tokens.append(token)
        if self.likeliest is not None:
            self._likelihoods.append(_likelihood(logits, token, self.likeliest))
        piece, most = self._text.take(token), self.order.most
        goes_on = self._text.reason is None and len(self.tokens) < most
        self._pieces.append(piece if goes_on else piece + self._text.end())
        if not goes_on:
            self._send("length" if self._text.reason == "length" else "stop")
        elif self.piecemeal and (piece or self._likelihoods):
            return self._send(None)
        return goes_on

    def watched(self, filters: Filters) -> None:
        """Have filters, which have seen the prompt, look at it: what they refuse ends it untold."""
        self._watch = Watch(filters, self.tokenizer.decode(self.order.prompt))

    def fail(self, error: Exception) -> None:
        """Tell why there will be no more of it."""
        self.tell(News("", (), None, error))
        self._span.end()

    def _send(self, reason: str | None) -> bool:
        """Tell what is new, and say whether more may come."""
        pieces, self._pieces = "".join(self._pieces), []
        try:
            text = self._watch.push(pieces, end=reason is not None)
        except FilteredError:
            self.tell(News("", (), FILTERED))
            self._end(FILTERED)
            return False
        if self._watch.holds:  # so are its tokens
            if text:
                self.tell(News(text))
            return True
        likelihoods, self._likelihoods = tuple(self._likelihoods), []
        self.tell(News(text, likelihoods, reason))
        if reason is not None:
            self._end(reason)
        return reason is None

    def _end(self, reason: str) -> None:
        self._span.set_attributes({"genzoo.tokens": len(self.tokens), "genzoo.end": reason})
        self._span.end()


def prompt_likelihoods(step: Step, prompt: Sequence[int], count: int) -> list[Likelihood]:
    """Return how likely each token of a prompt was, given those before it.

    Args:
        step: the model.
        prompt: at most a window of tokens.
        count: so many of the likeliest are told beside each.
    """
    ids = np.array([prompt], np.int64)  # (1, T)
    positions = np.arange(len(prompt))[None]
    logits, _ = step(ids, np.ones_like(ids), positions, None)
    rows = np.asarray(logits)[0, :-1]  # (T - 1, V)
    pairs = zip(rows, prompt[1:], strict=True)
    first = Likelihood(prompt[0], None, ())
    return [first, *(_likelihood(row, token, count) for row, token in pairs)]


def _likelihood(logits: np.ndarray, token: int, count: int) -> Likelihood:
    log_probs = log_softmax(logits)
    count = min(count, len(log_probs))
    ids = np.argsort(-log_probs, kind="stable")[:count].tolist() if count else []
    return Likelihood(token, log_probs.item(token), tuple((i, log_probs.item(i)) for i in ids))
