"""Styles that photographs are painted in: of pictures, of files, or by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content.content import Content, Distance, Processing, data_address
from serving.content.photograph import PhotographContent
from serving.errors import UsageError
from serving.photographs.photograph import Photograph
from serving.photographs.style_file import SUFFIX, Style

MEDIA = "application/vnd.genzoo.style+json"
CLOSE = 1e-3  # difference of numbers that is rounding


class StyleContent(Content):
    """A picture whose style is meant, a `Style`, or the name of one that the model has.

    Example:
        >>> StyleContent().read([Path("great-wave")], {"styles": ["great-wave", "starry-night"]})
        'great-wave'
    """

    name, noun, unit = "style", "style", "styles"
    media = {SUFFIX: MEDIA, **PhotographContent.media}

    def made_files(self) -> dict[str, str]:
        return {SUFFIX: MEDIA}

    def read(self, paths: Sequence[Path], processing: Processing) -> Any:
        """Return the style of a file or name; a list of those of several."""
        found = [self._of(path, processing) for path in paths]
        return found[0] if len(found) == 1 else found

    def _of(self, path: Path, processing: Processing) -> Any:
        if str(path) in processing.get("styles", ()):
            return str(path)
        if path.suffix.lower() == SUFFIX:
            return Style.read(path)
        if not path.suffix and not path.exists():
            return str(path)  # a name that the model does not have, which says so
        return Photograph.read(path)

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        if Path(out).suffix.lower() != SUFFIX:
            raise UsageError(f"cannot write a style to '{out}'; expected a name in {SUFFIX}")
        return lambda value: value.save(out)

    def default_out(self, name: str) -> str:
        return f"{name}{SUFFIX}"

    def from_json(self, value: Any, processing: Processing) -> Any:
        """Return what names and `data:` addresses stand for."""
        several = value if isinstance(value, list) else [value]
        found = [
            super(StyleContent, self).from_json(each, processing)
            if isinstance(each, str) and each.startswith("data:")
            else each
            for each in several
        ]
        if odd := [each for each in found if isinstance(each, int | float | dict | list | None)]:
            raise UsageError(f"a style is {odd[0]!r:.80}; expected a name or a `data:` address")
        return found if isinstance(value, list) else found[0]

    def to_json(self, value: Any, processing: Processing) -> Any:
        if isinstance(value, list | tuple):
            return [self.to_json(each, processing) for each in value]
        if isinstance(value, str):
            return value
        if isinstance(value, Style):
            return data_address(MEDIA, value.text().encode())
        return PhotographContent().to_json(value, processing)

    def to_bytes(self, value: Any, suffix: str, processing: Processing) -> bytes:
        text: str = value.text()
        return text.encode() + b"\n"

    def words(self, value: Any, processing: Processing) -> str:
        return f"{len(value.values)} numbers of model {value.model}"

    def looked_at(self, value: Any, processing: Processing) -> Sequence[np.ndarray]:
        several = value if isinstance(value, list | tuple) else [value]
        return [each.pixels for each in several if isinstance(each, Photograph)]

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare number by number."""
        error = float(np.abs(found.values - expected.values).max())
        return Distance(f"within {error:.1e} of Keras", error <= CLOSE)

    def count(self, value: Any) -> int:
        return len(value) if isinstance(value, list | tuple) else 1
