"""`genzoo data`: the command line of this room."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.shared import Json, show_table
from serving.errors import UsageError
from serving.terminal import show

if TYPE_CHECKING:
    from zoo.inspection.cleaning import Cleaned
    from zoo.inspection.report import Report

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command(
    epilog="Example: genzoo data ./photos --page photos.html --clean ./photos-clean; of a data "
    "set: genzoo data cifar10 --limit 2000 --page cifar10.html"
)
def data(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA_OR_DIR",
            help="A folder of images, of texts or of MIDI files, a .txt file, or a data set of "
            "TensorFlow Datasets by name. Folders may be parted into train/ and test/, and into "
            "classes.",
        ),
    ],
    as_json: Json = False,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an HTML file with pictures.")
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write a copy of the folder, a new folder OUT, without what is broken or there "
            "twice, and say what was left out.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Look at only so many of each split; all if not given.")
    ] = None,
) -> None:
    """Say what a data set or a folder holds, and what is wrong with it.

    Finds files that are broken or of another kind, wrong suffixes, what is there twice (bytes, or
    to the eye; in two splits or classes too), pictures that are turned, of one colour, tiny, in
    CMYK or of 16 bits, classes that are rare, names that clash, odd characters, refused music. The
    folder stays as it is.
    """
    from zoo.inspection.inspecting import inspect

    _check(source, page, clean, limit)
    report = inspect(source, limit=limit)
    cleaned = _clean(report, source, clean) if clean else None
    if page is not None:
        from zoo.inspection.page import write_page

        write_page(report, page)
    if as_json:
        told = report.as_json()
        if cleaned is not None:
            told["cleaned"] = cleaned._asdict()
        show(json.dumps(told, indent=2))
    else:
        _tell(report)
        if cleaned is not None:
            _tell_cleaned(cleaned, str(clean))
    if page is not None:
        show(f"{page} shows it", file=sys.stderr if as_json else None)


def _check(source: str, page: Path | None, clean: Path | None, limit: int | None) -> None:
    """Refuse what cannot be, before everything is looked at.

    Raises:
        UsageError: it cannot.
    """
    from zoo.inspection.cleaning import check
    from zoo.inspection.inspecting import folder_of

    path = folder_of(source)
    if page is not None:
        if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
            raise UsageError(f"the page is '{page}'; expected the name of a file in .html")
        if path is not None and page.resolve().is_relative_to(path.resolve()):
            raise UsageError(f"{page} is inside {path}, which stays as it is; give another place")
    if clean is None:
        return
    if limit is not None:
        raise UsageError("--clean looks at everything; leave --limit out")
    if path is None:
        raise UsageError(f"--clean copies a folder, and '{source}' is a data set; leave it out")
    if path.exists():  # else `inspect` says what is wrong
        check(path, clean)


def _clean(report: "Report", source: str, out: Path) -> "Cleaned":
    from zoo.inspection.cleaning import clean
    from zoo.inspection.inspecting import folder_of

    return clean(report, folder_of(source) or Path(source), out)


def _tell(report: "Report") -> None:
    """Print a report: what it is of, facts, faults."""
    from zoo.inspection.telling import facts, summary, table

    show(f"{report.name}: {summary(report)}")
    show_table(facts(report))
    rows = table(report)
    show("")
    if rows:
        show_table(rows)
    else:
        show("no faults were found")


def _tell_cleaned(cleaned: "Cleaned", out: str) -> None:
    """Print what was left out of a copy and what was changed, each with its reason."""
    show("")
    for file, reason in cleaned.left_out.items():
        show(f"left out  {file}: {reason}")
    for file, change in cleaned.mended.items():
        show(f"mended    {file}: {change}")
    show(
        f"{out} is whole: {cleaned.kept:,} files as they were, {len(cleaned.mended):,} mended, "
        f"{len(cleaned.left_out):,} left out"
    )
