"""Named numbers: what scoring gives."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.content.content import Content, Distance, Processing, one_of
from serving.errors import UsageError
from serving.files import written


class NumbersContent(Content):
    """Numbers by name, printed, or in a file of JSON. What has a `summary` gives it.

    Example:
        >>> print(NumbersContent().words({"nats": 1.5, "tokens": 3}, {}))
        nats    1.5
        tokens  3
    """

    name, noun, unit = "numbers", "number", "numbers"
    media = {".json": "application/json"}

    def read(self, paths: Sequence[Path], processing: Processing) -> Any:
        raise UsageError("no model takes numbers by name")

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        one_of(out, {".json": True}, "write")

        def write(value: Any) -> None:
            with written(out) as file:
                file.write(f"{json.dumps(dict(_summary(value)), indent=2)}\n".encode())

        return write

    def default_out(self, name: str) -> None:
        return None

    def to_json(self, value: Any, processing: Processing) -> Any:
        """Return the numbers by name."""
        return dict(_summary(value))

    def words(self, value: Any, processing: Processing) -> str:
        numbers = _summary(value)
        width = max(map(len, numbers))
        return "\n".join(f"{name:<{width}}  {each:.6g}" for name, each in numbers.items())

    def count(self, value: Any) -> int:
        return len(_summary(value))

    def looked_at(self, value: Any, processing: Processing) -> Sequence[Any]:
        return ()  # numbers are neither words nor pictures

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare number by number."""
        pairs = zip(_summary(found).values(), _summary(expected).values(), strict=True)
        error = max(abs(one - other) for one, other in pairs)
        return Distance(f"within {error:.1e} of Keras", error <= 1e-3)


def _summary(value: Any) -> Mapping[str, float]:
    found: Mapping[str, float] = value if isinstance(value, Mapping) else value.summary()
    return found
