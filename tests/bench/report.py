"""What the benchmarks have in common on the command line: options, tables, a file of all figures.

`python -m tests.bench.report docs/bench-*.json > docs/speed.md` makes a page of such files.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from export.bundling.staging import replacing_directory
from serving.errors import GenzooError
from tests.bench.machine import described, settle
from tests.bench.peers.peer import DEVICES, Peer
from tests.bench.peers.runtimes import EXPORT
from tests.bench.worker import elsewhere

Row = dict[str, Any]

HEAD = Path(__file__).with_name("speed.md")  # what the page says before its tables

COLUMNS = {  # those of which a table has figures
    "threads": "{threads}",
    "batch": "{batch}",
    "text": "{text}",
    "way": "{way}",
    "speed": "{per_second:,.0f} {unit}/s",
    "time": "{milliseconds:.1f} ms/{unit}",
    "ours/theirs": "{ratio:.2f}",
    "spread": "{lowest:.2f}..{highest:.2f}",
    "first token, ms": "{first_token_milliseconds:.2f}",
    "p50, ms": "{p50_milliseconds:.3f}",
    "p90, ms": "{p90_milliseconds:.3f}",
    "load, s": "{load_seconds:.2f}",
    "memory, MB": "{memory_megabytes:,.0f}",
    "file, MB": "{file_megabytes:.1f}",
}
KEYS = ("model", "threads", "batch", "text")  # what tells the tables and lines of a way apart
WORDS = ("text", "way")  # columns that begin on the left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    print(page(parser.parse_args().files), end="")


def page(files: Iterable[Path]) -> str:
    """Return the page of some files: how each was made, and its tables."""
    parts = [HEAD.read_text(encoding="utf-8").rstrip()]
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        parts += [f"## {file.stem}", f"`{document['command']}`", markdown(document)]
    return "\n\n".join(parts) + "\n"


def options(about: str, threads: Sequence[int], rounds: int) -> argparse.ArgumentParser:
    """Return a parser of the options that every comparison has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, help="write all of it here as well")
    parser.add_argument("--rounds", type=positive, default=rounds)
    parser.add_argument("--threads", type=positive, nargs="+", default=list(threads))
    parser.add_argument("--no-compiled", action="store_true", help="leave out torch.compile")
    parser.add_argument("--device", choices=DEVICES, default=DEVICES[0])
    parser.add_argument(
        "--files", type=Path, help="what peers read: kept here, and taken from here the next time"
    )
    return parser


def positive(text: str) -> int:
    """Read a whole number from 1, for `argparse`."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def begin(peers: Iterable[Peer], arguments: argparse.Namespace) -> list[Peer]:
    """Make ready for processes of peers, and return the peers that the options ask for."""
    settle()
    return [
        peer
        for peer in peers
        if arguments.device in peer.devices and not (peer.compiled and arguments.no_compiled)
    ]


def prepare(folder: Path, fill: Callable[..., None], *arguments: Any) -> None:
    """Let a process of its own fill a folder with what peers read, unless that was done before.

    Args:
        folder: appears whole or not at all.
        fill: takes a folder, which will be moved, and the arguments; importable.

    Raises:
        SystemExit: it cannot be filled, for want of a library, data or a possible model.
    """
    if folder.is_dir():
        return
    if find_spec("tensorflow") is None or find_spec("tf2onnx") is None:
        raise SystemExit(f"what makes the files that peers read is not installed: {EXPORT}")
    try:
        with replacing_directory(folder) as place:
            elsewhere(fill, place, *arguments)
    except GenzooError as error:
        raise SystemExit(f"error: {error}") from None


@contextmanager
def files(arguments: argparse.Namespace) -> Iterator[Path]:
    """Yield the folder of what peers read, which lasts if it was named."""
    if arguments.files:
        yield arguments.files
    else:
        with TemporaryDirectory() as place:
            yield Path(place)


def finish(
    module: str, rows: list[Row], peers: Sequence[Peer], arguments: argparse.Namespace
) -> None:
    """Print what it was measured on, and write all of it where that was asked for."""
    modules = {"keras", "numpy"} | {peer.module for peer in peers}
    words = " ".join(["python -m", module, *sys.argv[1:]])
    document = described(modules, arguments.device) | {"command": words, "rows": rows}
    print(origin(document))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def origin(document: Row) -> str:
    """Return the line of the machine, the day and the versions."""
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    return f"{document['machine']}, {document['date']}; {versions}"


def show(rows: Sequence[Row]) -> None:
    """Print the table of a model, and below it who is absent and why."""
    header, *lines = _cells(rows)
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    print(f"\n{rows[0]['model']}")
    for line in (header, *lines):
        cells = zip(header, line, widths, strict=True)
        aligned = (
            cell.ljust(width) if title in WORDS else cell.rjust(width)
            for title, cell, width in cells
        )
        print("  ".join(aligned).rstrip())
    for line in dict.fromkeys(_absences(rows)):
        print(line, flush=True)


def markdown(document: Row) -> str:
    """Return the tables of a file.

    How fast ours is and by how much faster than each other way, then what each takes to load; or
    what was measured of one thing, and the goal.
    """
    rows = [row for row in document["rows"] if "absent" not in row]
    if "goal" in rows[0]:
        lines = ["| {what} | {figure} | {goal} |".format(**row) for row in rows]
        return "\n".join(
            [origin(document), "", "| what | measured | goal |", "|---|---|---|", *lines]
        )
    ours = rows[0]["way"]

    def speed(row: Row) -> str:
        own = COLUMNS["time" if "milliseconds" in row else "speed"]
        return ("{ratio:.2f}" if row["way"] != ours else own).format(**row)

    def cost(row: Row) -> str:
        return "{load_seconds:.2f} s, {memory_megabytes:,.0f} MB".format(**row)

    keys = [key for key in KEYS if key in rows[0]]
    titles = {way: f"over {way}" if way != ours else way for way in _ways(rows)}
    speeds = _across(rows, keys, titles, speed)
    costs = _across(rows, KEYS[:2], {way: way for way in titles}, cost)
    return "\n".join([origin(document), "", *speeds, "", *costs])


def _ways(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["way"] for row in rows))


def _across(
    rows: Iterable[Row], keys: Sequence[str], titles: dict[str, str], cell: Callable[[Row], str]
) -> Iterator[str]:
    """Yield the lines of a table with a line for each value of the keys and a column for each way.

    Args:
        rows: of ways.
        keys: of rows; what they are called in the table, too.
        titles: of the column of each way.
        cell: makes what stands in it.
    """
    lines: dict[tuple, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(tuple(row[key] for key in keys), {})[row["way"]] = cell(row)
    yield f"| {' | '.join([*keys, *titles.values()])} |"
    yield "|---" * (len(keys) + len(titles)) + "|"
    for values, cells in lines.items():
        yield f"| {' | '.join([*map(str, values), *(cells.get(way, '') for way in titles)])} |"


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the titles of the columns that have figures, then the cells of each row."""
    present = [row for row in rows if "absent" not in row]
    columns = [
        [title, *(_filled(template, row) for row in present)] for title, template in COLUMNS.items()
    ]
    return [list(line) for line in zip(*(each for each in columns if any(each[1:])), strict=True)]


def _filled(template: str, row: Row) -> str:
    try:
        return template.format(**row)
    except KeyError:
        return ""


def _absences(rows: Sequence[Row]) -> Iterator[str]:
    yield from (f"absent: {row['way']}: {row['absent']}" for row in rows if "absent" in row)


if __name__ == "__main__":
    main()
