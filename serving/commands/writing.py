"""Writes what a call gave: files, or a folder of them, that say what made them."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.content.content import Content, Processing
from serving.files import is_stream, written
from serving.making import Marks
from serving.provenance.origin import Origin

Write = Callable[[Any, Origin], None]


def marking_writer(
    content: Content, out: str, count: int, processing: Processing, marks: Marks | None
) -> Write:
    """Return what writes so many to `out`, with a mark in each file that has a place for one.

    Args:
        content: of what is written.
        out: as `content.writer` takes it.
        count: how many there will be.
        processing: of the model.
        marks: puts marks in; None for none.

    Raises:
        UsageError: no such file can be written; it shows before anything is made.
    """
    plain = content.writer(out, count, processing)
    suffix = Path(out).suffix.lower()
    if is_stream(out):
        suffix = suffix or next(iter(content.made_files()))
    if marks is None or not (suffix == "" or content.markable(suffix)):
        return lambda value, origin: plain(value)

    def write(value: Any, origin: Origin) -> None:
        with tempfile.TemporaryDirectory(prefix="genzoo-") as folder:
            place = Path(folder) / f"content{suffix}"
            if Path(out).is_dir():
                place.mkdir()
            content.writer(str(place), count, processing)(value)
            if place.is_dir():
                _put_each(content, place, Path(out), marks, origin)
                return
            data = marks.put(content, place.read_bytes(), origin)
        with written(out) as file:
            file.write(data)

    return write


def _put_each(content: Content, made: Path, out: Path, marks: Marks, origin: Origin) -> None:
    """Mark the files of a folder, each as one of several, and put them into another."""
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".") as staging:
            names = [path.name for path in sorted(made.iterdir())]
            for index, name in enumerate(names):
                data = marks.put(content, (made / name).read_bytes(), origin.of(index))
                (Path(staging) / name).write_bytes(data)
            for name in names:
                (Path(staging) / name).replace(out / name)
    except BaseException:
        if new:
            with suppress(OSError):
                out.rmdir()
        raise
