"""Guessing what comes next from what was written before: prompt lookup.

Text repeats itself. Where the last tokens have stood before, what followed them then is a good
guess at what follows now, and costs no second model. The network reads the guess in one step, which
takes hardly longer than a step of one token, and each token is drawn from the logits before it with
its own random number, as ever. A guess that is not what is drawn is forgotten.

The text is the same as without guessing, though the logits of a token that is read among others are
not quite those of one that is read alone. Where this could make a difference, because the random
number lies too near to the border between two tokens, the tokens since the first guess are read
again, one by one, and the token is drawn from what they give. Where that costs more than guesses
gain, no more are made. How far logits can be off is known of float32 alone (`LOGIT_ERROR`), so what
rounds activations to fewer bits guesses nothing.

References:
    Saxena 2023, prompt lookup decoding; Leviathan et al. 2023 (arXiv:2211.17192) for speculation
    with a second model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

# By how much of the largest logit each may be off: five times the most that was measured, with
# random guesses, over 43,000 tokens of three models in float32.
LOGIT_ERROR = 2e-5
PATIENCE = 4  # calls of the network that may be lost before a text is left to itself
LONGEST, SHORTEST = 3, 2  # tokens of a pattern that is looked up; the longest that is found counts


class NGrams:
    """Where each short run of tokens of a growing text was last followed by something.

    Example:
        >>> grams = NGrams()
        >>> grams.guess([1, 2, 3, 4, 1, 2], most=5)
        [3, 4, 1, 2, 3]
    """

    def __init__(self) -> None:
        self._after: dict[tuple[int, ...], int] = {}  # of each run, where its successor stands
        self._seen = 0

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        """Return `most` tokens that may follow, or none; `text` begins as at the last call."""
        for end in range(max(self._seen, SHORTEST), len(text)):
            for length in range(SHORTEST, min(LONGEST, end) + 1):
                self._after[tuple(text[end - length : end])] = end
        self._seen = max(self._seen, len(text))
        for length in range(min(LONGEST, len(text)), SHORTEST - 1, -1):
            after = self._after.get(tuple(text[-length:]))
            if after is not None:
                # Where the pattern reaches up to the end, it goes round.
                return list(islice(cycle(text[after:]), most))
        return []


@dataclass
class LookupStatistics:
    """How good the guesses were.

    Attributes:
        tokens: that were drawn.
        steps: calls of the network, those to read tokens again included; one for each token
            without guessing.
        guessed: tokens that were guessed.
        accepted: guesses that were what was drawn.
    """

    tokens: int = 0
    steps: int = 0
    guessed: int = 0
    accepted: int = 0

    def __str__(self) -> str:
        return (
            f"{self.accepted} of {self.guessed} guesses accepted, "
            f"{self.tokens / max(self.steps, 1):.2f} tokens a step"
        )
