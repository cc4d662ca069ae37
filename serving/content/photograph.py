"""Photographs of any size, one alone or a list of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content import pictures
from serving.content.content import Content, Distance, Processing, data_address, one_of
from serving.errors import UsageError
from serving.files import is_stream, write_each
from serving.photographs.photograph import FORMATS, SUFFIXES, Photograph

LEVELS = 1  # of 255: a value next to one half may be rounded either way


class PhotographContent(Content):
    """Photographs in PNG, JPEG, WebP and TIFF files, with colour profile and what is transparent.

    Example:
        >>> content = PhotographContent()
        >>> content.writer("small.png", 1, {})(Photograph.of(np.zeros((2, 3, 3), np.uint8)))
        >>> content.read([Path("small.png")], {}).size
        (2, 3)
    """

    name, noun, unit = "photograph", "photograph", "photographs"
    media = {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".webp": "image/webp",
        ".tif": "image/tiff",
        ".bmp": "image/bmp",
        ".gif": "image/gif",
    }

    def made_files(self) -> Mapping[str, str]:
        return {suffix: kind for suffix, kind in self.media.items() if suffix in FORMATS}

    def read(self, paths: Sequence[Path], processing: Processing) -> Photograph | list[Photograph]:
        """Return the photograph of a file; a list of those of several, or of a folder."""
        found = [Photograph.read(path) for each in paths for path in _files(each)]
        return found[0] if len(found) == 1 else found

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        """Return what writes a photograph to a file, or several into a folder, a PNG of each."""
        folder = Path(out).is_dir() or (not Path(out).suffix and not is_stream(out))
        if folder:
            return lambda value: _save_each(_several(value), out)
        if Path(out).suffix:
            one_of(out, FORMATS, "write")
        if count > 1:
            raise UsageError(f"{count} photographs do not go into one file; give --out a folder")
        return lambda value: _several(value)[0].save(out)

    def to_json(self, value: Any, processing: Processing) -> Any:
        if isinstance(value, Photograph):
            return data_address("image/png", value.to_bytes(".png"))
        return [self.to_json(each, processing) for each in value]

    def to_bytes(self, value: Any, suffix: str, processing: Processing) -> bytes:
        found = _several(value)
        if len(found) != 1:
            raise UsageError(f"{len(found)} photographs do not go into one file; ask for JSON")
        return found[0].to_bytes(suffix)

    def picture(self, value: Any, processing: Processing) -> np.ndarray:
        """Lay photographs out in pairs, before and after, each as it is; many in a square."""
        colours = [each.pixels for each in _several(value)]
        height, width = np.max([pixels.shape[:2] for pixels in colours], axis=0)
        cells = np.full((len(colours), height, width, 3), 255, np.uint8)
        for cell, pixels in zip(cells, colours, strict=True):
            cell[: pixels.shape[0], : pixels.shape[1]] = pixels  # grey becomes all three
        pairs = max(1, round(len(cells) ** 0.5 / 2))  # in a row
        return pictures.sheet(cells, min(2 * pairs, len(cells)))

    def looked_at(self, value: Any, processing: Processing) -> Sequence[np.ndarray]:
        return [each.pixels for each in _several(value)]

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare level by level.

        Example:
            >>> two = [Photograph.of(np.full((1, 1), level, np.uint8)) for level in (7, 9)]
            >>> PhotographContent().compare(two[:1], two[1:]).words
            'within 2 of 255 levels of Keras'
        """
        pairs = zip(_several(found), _several(expected), strict=True)
        levels = max(int(np.abs(a.pixels.astype(int) - b.pixels).max()) for a, b in pairs)
        return Distance(f"within {levels} of 255 levels of Keras", levels <= LEVELS)

    def count(self, value: Any) -> int:
        return len(_several(value))


def _several(value: Any) -> list[Photograph]:
    return [value] if isinstance(value, Photograph) else list(value)


def _files(path: Path) -> list[Path]:
    """Return the files of a path: itself, or the pictures of a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(f"{path} holds no photographs; expected names in {', '.join(SUFFIXES)}")
    return found


def _save_each(photographs: Sequence[Photograph], out: str) -> None:
    """Write a folder with a PNG of each, all or none."""
    write_each(out, {f"{at:05d}.png": each.save for at, each in enumerate(photographs)})
