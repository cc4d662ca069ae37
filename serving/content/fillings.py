"""What may stand in the gaps of a text, with how likely each is."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content.content import Cell, Content, Distance, Processing, one_of
from serving.errors import UsageError
from serving.files import written
from serving.text.masked.filler import Filling

NEAR = 1e-3  # nats between probabilities that differ by rounding


class FillingsContent(Content):
    """Fillings, likeliest first: printed, or in a file of JSON.

    Example:
        >>> print(FillingsContent().words([Filling("to be", ("be",), -0.5)], {}))
        0.6065  be
    """

    name, noun, unit = "fillings", "filling", "fillings"
    media = {".json": "application/json"}

    def read(self, paths: Sequence[Path], processing: Processing) -> Any:
        raise UsageError("no model takes fillings")

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        one_of(out, {".json": True}, "write")

        def write(value: Any) -> None:
            with written(out) as file:
                text = json.dumps(self.to_json(value, processing), indent=2, ensure_ascii=False)
                file.write(f"{text}\n".encode())

        return write

    def default_out(self, name: str) -> None:
        return None

    def to_json(self, value: Sequence[Filling], processing: Processing) -> list[dict[str, Any]]:
        """Return text, words and probability of each."""
        return [
            {"text": each.text, "words": list(each.words), "probability": each.probability}
            for each in value
        ]

    def cell(self, processing: Processing, *, given: bool) -> Cell | None:
        return None if given else Cell("object", ())

    def to_tensor(self, value: Sequence[Filling]) -> np.ndarray:
        """Return the texts with their gaps filled as bytes in UTF-8: objects `(N,)`."""
        return np.array([each.text.encode() for each in value], object)

    def words(self, value: Sequence[Filling], processing: Processing) -> str:
        return "\n".join(
            f"{each.probability:.4f}  {' ... '.join(map(_printed, each.words))}" for each in value
        )

    def looked_at(self, value: Sequence[Filling], processing: Processing) -> Sequence[str]:
        return [each.text for each in value]

    def compare(self, found: Sequence[Filling], expected: Sequence[Filling]) -> Distance:
        """Compare words and how likely they are."""
        same = [one.words for one in found] == [other.words for other in expected]
        pairs = zip(found, expected, strict=True)
        error = max(abs(one.log_prob - other.log_prob) for one, other in pairs)
        words = f"{'the same' if same else 'other'} words, within {error:.1e} nats of Keras"
        return Distance(words, same and error <= NEAR)


def _printed(word: str) -> str:
    """Return a word as it is shown: of what cannot be seen, such as a new line, how it is written.

    Example:
        >>> _printed("be"), _printed("") == repr("")
        ('be', True)
    """
    return word if word and word.isprintable() else repr(word)
