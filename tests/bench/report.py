"""What the benchmarks have in common on the command line: options, tables, a file of all figures.

`python -m tests.bench.report FILE...` prints the tables of such files for the README.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench.machine import described
from tests.bench.peers import Peer

Row = dict[str, Any]

COLUMNS = {  # those of which a table has figures
    "threads": "{threads}",
    "batch": "{batch}",
    "text": "{kind}",
    "way": "{way}",
    "images/s": "{images_per_second:,.0f}",
    "tokens/s": "{tokens_per_second:,.0f}",
    "ours/theirs": "{ratio:.2f}",
    "spread": "{lowest:.2f}..{highest:.2f}",
    "first token, ms": "{first_token_milliseconds:.2f}",
    "p50, ms": "{p50_milliseconds:.3f}",
    "p90, ms": "{p90_milliseconds:.3f}",
    "of bandwidth": "{share_of_bandwidth:.0%}",
    "load, s": "{load_seconds:.2f}",
    "memory, MB": "{memory_megabytes:,.0f}",
    "file, MB": "{file_megabytes:.1f}",
}
WORDS = ("text", "way")  # columns that begin on the left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    for file in parser.parse_args().files:
        print(markdown(json.loads(file.read_text(encoding="utf-8"))))


def options(about: str, threads: Sequence[int], rounds: int) -> argparse.ArgumentParser:
    """Return a parser of the options that every comparison has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, help="write all of it here as well")
    parser.add_argument("--rounds", type=positive, default=rounds)
    parser.add_argument("--threads", type=positive, nargs="+", default=list(threads))
    parser.add_argument("--no-compiled", action="store_true", help="leave out torch.compile")
    return parser


def positive(text: str) -> int:
    """Read a whole number from 1, for `argparse`."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def taking_part(peers: Iterable[Peer], arguments: argparse.Namespace) -> list[Peer]:
    """Return the peers that the options ask for."""
    return [peer for peer in peers if not (peer.compiled and arguments.no_compiled)]


def finish(rows: list[Row], peers: Sequence[Peer], arguments: argparse.Namespace) -> None:
    """Print what it was measured on, and write all of it where that was asked for."""
    modules = {"keras", "numpy"} | {peer.module for peer in peers}
    document = described(modules) | {"rows": rows}
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
    """Return the tables of a file as the README has them, one for each model."""
    models = dict.fromkeys(row["model"] for row in document["rows"])
    tables = (
        [f"{model}:", "", *_lines_of_markdown(model, document["rows"]), ""] for model in models
    )
    return "\n".join(line for table in tables for line in table) + f"\n{origin(document)}\n"


def _lines_of_markdown(model: str, rows: Sequence[Row]) -> Iterator[str]:
    header, *lines = _cells([row for row in rows if row["model"] == model])
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    yield from (f"| {' | '.join(line)} |" for line in lines)


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
