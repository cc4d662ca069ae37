"""What commands have in common: arguments, and tables."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from serving.terminal import show

Model = Annotated[str, typer.Argument(metavar="NAME_OR_DIR", help="A model's name, or a bundle.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Variant = Annotated[str, typer.Option(help="auto, fp32, fp16, int8, ...: see `genzoo list`.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; one per core if not given.")]
Spinning = Annotated[bool, typer.Option(help="Whether idle threads wait without sleep.")]
Index = Annotated[
    str | None, typer.Option(metavar="PLACE", help="A release tree: a folder or an address.")
]
Key = Annotated[Path | None, typer.Option(help="Its publisher's public key, a PEM file.")]
IndexHash = Annotated[str | None, typer.Option(help="What its index hashes to.")]
FilterNames = Annotated[
    list[str] | None,
    typer.Option("--filter", help="Refuses content: words:FILE, or one of a package."),
]
Mark = Annotated[bool, typer.Option(help="Whether files say what made them.")]
Certificate = Annotated[
    Path | None, typer.Option(help="Signs files by C2PA: a certificate, a PEM file.")
]
CertificateKey = Annotated[Path | None, typer.Option(help="Its private key, a PEM file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows of cells, in columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        show("  ".join(cells).rstrip())
