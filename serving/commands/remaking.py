"""Says what made a file, and makes the same again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving import registry
from serving.bundle.refusal import plain
from serving.commands.calling import whole
from serving.commands.writing import marking_writer
from serving.content.content import Content
from serving.errors import GenzooError, UsageError
from serving.making import Marks, remade
from serving.provenance.origin import Origin, program
from serving.terminal import show

LARGEST = 2**30  # bytes of a file that is looked at
LONGEST_TOLD = 8192  # characters of what it says


def tell(file: Path, as_json: bool = False) -> Origin:
    """Say what made a file, and return it.

    Raises:
        GenzooError: it has no mark, or one that says nothing.
    """
    origin = _origin(file)
    if as_json:
        show(origin.text())
    else:
        for name, words in _told(origin):
            show(f"{name:<10}  {words}")
    return origin


def remake(file: Path, origin: Origin, inputs: list[Path], out: str, place: str | None) -> None:
    """Make what is in a file again, and say how much the same it is.

    Args:
        file: what was made.
        origin: that it tells of.
        inputs: files that the call was given.
        out: where to write it.
        place: of the model; the catalogue's of its name if None.

    Raises:
        GenzooError: it is not the same.
    """
    model, call, result = remade(origin, inputs, place)
    content = registry.content(call.gives)
    count, processing = content.count(result), model.manifest.processing
    own = origin.model_copy(update={"program": program(), "device": model.device})
    write = marking_writer(content, out, count, processing, Marks())
    write(whole(call, origin.parameters, result), lambda: own)
    made = Path(out)
    if not made.is_file():
        show(f"{out}: made again")
    elif made.read_bytes() == file.read_bytes():
        show(f"{out}: the same, byte for byte")
    elif _same(content, file, made, processing):
        show(f"{out}: the same {content.noun}s; the files differ beside them")
    else:
        raise GenzooError(f"{out} is not the same as {file}; it was altered, or made elsewhere")


def _same(content: Content, file: Path, made: Path, processing: Mapping[str, Any]) -> bool:
    """Say whether two files hold the same content."""
    try:
        found, expected = (content.read([each], processing) for each in (made, file))
    except UsageError:
        return False
    return bool(np.array_equal(found, expected))


def _read(file: Path) -> bytes:
    if file.is_file() and file.stat().st_size > LARGEST:
        raise UsageError(f"{file} has more than {LARGEST} bytes")
    return file.read_bytes()


def _origin(file: Path) -> Origin:
    data = _read(file)
    for content in registry.contents():
        try:
            origin: Origin | None = content.origin_of(data)
        except GenzooError as error:
            raise GenzooError(f"{file}: {error}") from None
        if origin is not None:
            return origin
    raise GenzooError(f"{file} does not say what made it: it has no mark, or it was taken out")


def _told(origin: Origin) -> list[tuple[str, str]]:
    """Return what an origin says, in words."""
    given = ", ".join(f"{name}={value}" for name, value in origin.parameters.items())
    told = [
        ("model", origin.model),
        ("hash", origin.model_hash),
        ("variant", f"{origin.variant} on {origin.device}"),
        ("call", f"{origin.call}({given})"),
        ("seed", "" if origin.seed is None else str(origin.seed)),
        ("number", "" if origin.index is None else ", ".join(map(str, origin.index))),
        ("program", origin.program),
        ("source", origin.source_type),
    ]
    # They come from somebody else's file.
    return [(name, plain(words, LONGEST_TOLD)) for name, words in told if words]
