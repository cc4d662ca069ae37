"""A copy of a folder without what is broken or there twice. The folder itself stays as it is."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from serving.errors import UsageError
from zoo.data.files import listed, readable
from zoo.data.photographs import as_trained, opened
from zoo.inspection.layout import folded
from zoo.inspection.looks import READ
from zoo.inspection.report import Report

_DRAWN_ANEW = {"turned": "upright", "cmyk": "in RGB", "other_format": "as PNG"}


class Cleaned(NamedTuple):
    """What a copy has.

    Attributes:
        kept: number of files that are as they were, byte for byte.
        mended: what was done to the others, by their names in the folder.
        left_out: why, by their names in the folder.
    """

    kept: int
    mended: dict[str, str]
    left_out: dict[str, str]


def check(source: Path, out: Path) -> None:
    """Refuse a place for a copy before anything is looked at.

    Raises:
        UsageError: there is something, or it lies in the folder.
    """
    if not source.is_dir():
        raise UsageError(f"--clean copies a folder, and {source} is none; leave it out")
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists; give --clean a folder that does not")
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out} is inside {source}, which stays as it is; give another place")


def clean(report: Report, source: Path, out: Path) -> Cleaned:
    """Write a copy of a folder, whole or not at all.

    Good files are copied byte for byte. Pictures that were turned by EXIF, are in CMYK or of a
    format that is not read are drawn anew, as PNG of the pixels that training reads; suffixes that
    are wrong and names that clash on other systems are changed. Hidden files are not copied.

    Args:
        report: of the whole folder.
        source: the folder.
        out: the copy; it does not exist yet.

    Raises:
        UsageError: the place is taken or in the folder, or nothing would be left.

    Example:
        >>> from zoo.inspection import inspect
        >>> Path("texts").mkdir()
        >>> for name in ("a.txt", "b.txt"):
        ...     _ = Path("texts", name).write_text("To be or not to be")
        >>> clean(inspect("./texts"), Path("texts"), Path("cleaned")).left_out
        {'b.txt': 'a duplicate: the same words as a.txt'}
        >>> [path.name for path in Path("cleaned").iterdir()]
        ['a.txt']
    """
    check(source, out)
    left_out = report.left_out()
    files = [file for file in listed(source, ("",)) if file not in left_out]
    if not files:
        raise UsageError(f"nothing would be left of {source}; see what it says of each file")
    planned = dict(_planned(report, files))
    with _appearing(out) as place:
        for file, plan in planned.items():
            target = place / plan.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if plan.drawn:
                _draw(source / file, target)
            else:
                with readable(source / file):
                    shutil.copy2(source / file, target)
    mended = {
        file: f"{plan.drawn or 'renamed'}, now {plan.name}"
        for file, plan in sorted(planned.items())
        if plan.drawn or plan.name != file
    }
    return Cleaned(len(planned) - len(mended), mended, left_out)


class _Plan(NamedTuple):
    """What becomes of a file: its name in the copy, and how it is drawn anew; "" if it is not."""

    name: str
    drawn: str


def _planned(report: Report, files: Iterable[str]) -> Iterator[tuple[str, _Plan]]:
    faults: dict[str, dict[str, str]] = {}
    for finding in report.findings:
        for file in finding.files:
            faults.setdefault(file, {})[finding.fault] = finding.words
    taken: set[str] = set()
    # Those that keep their names come first, so that none has to make way for a new one.
    order = sorted(files, key=lambda file: bool(_CHANGING & faults.get(file, {}).keys()))
    for file in order:
        own = faults.get(file, {})
        drawn = " and ".join(words for fault, words in _DRAWN_ANEW.items() if fault in own)
        name = PurePosixPath(file)
        if drawn:
            name = name.with_suffix(".png")
        elif "wrong_suffix" in own:
            kind = own["wrong_suffix"].rpartition(" ")[2]
            name = name.with_suffix(READ[kind][0])
        yield file, _Plan(_free(name, taken), drawn)


_CHANGING = {*_DRAWN_ANEW, "wrong_suffix"}


def _free(name: PurePosixPath, taken: set[str]) -> str:
    """Return a name that no other file has, on systems too that tell no case apart."""
    found, count = name, 1
    while folded(str(found)) in taken:
        count += 1
        found = name.with_stem(f"{name.stem}-{count}")
    taken.add(folded(str(found)))
    return str(found)


def _draw(source: Path, target: Path) -> None:
    """Write a picture as PNG: as training reads it, without its metadata."""
    with opened(source) as image:
        pixels = as_trained(image)
        pixels.convert("L" if pixels.mode in ("1", "L") else "RGB").save(target, "png")


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `out` when the block ends without error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        place = Path(temporary, out.name)
        place.mkdir()
        yield place
        place.rename(out)
