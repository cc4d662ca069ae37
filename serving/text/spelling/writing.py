"""One text in the making, and what it is when it is done."""

from collections.abc import Sequence
from typing import NamedTuple

from serving.text.tokenizer import StopStrings, Tokenizer


class Completion(NamedTuple):
    """What was written on from a prompt.

    Attributes:
        text: without the prompt and without a stop string.
        ids: all tokens that were drawn, those of a stop string and the end mark included.
        log_probs: of each, in nats, as the model has it before penalties, temperature and filters.
        reason: `length`, `stop` for a stop string, or `end` where the model ended the text. A text
            that follows a schema, regular expression or grammar is whole where it is `end`.
    """

    text: str
    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    reason: str


class WrittenText:
    """One text in the making, token by token, until `reason` says why it ended."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str], after: bool):
        self._ends = tokenizer.ends
        self._characters, self._stop = tokenizer.stream(after), StopStrings(stop)
        self._pieces: list[str] = []
        self._ids: list[int] = []
        self.reason: str | None = None

    def take(self, token: int) -> str:
        """Add a token, and return the text that is sure now."""
        self._ids.append(token)
        if token in self._ends:
            self.reason = "end"
            return ""
        piece = self._stop.push(self._characters.push(token))
        self._pieces.append(piece)
        if self._stop.found:
            self.reason = "stop"
        return piece

    def end(self) -> str:
        """Return what was held back."""
        piece = self._stop.push(self._characters.end()) + self._stop.end()
        self._pieces.append(piece)
        self.reason = self.reason or ("stop" if self._stop.found else "length")
        return piece

    @property
    def text(self) -> str:
        """What is sure by now."""
        return "".join(self._pieces)

    def completion(self, log_probs: Sequence[float]) -> Completion:
        """Return the finished text, given the log-probability of each token."""
        return Completion(self.text, tuple(self._ids), tuple(log_probs), self.reason or "length")
