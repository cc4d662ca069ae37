"""`genzoo whence`: what made a file, and the same again; and the marks that files get."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.commands.shared import Json
from serving.errors import UsageError

if TYPE_CHECKING:
    from serving.making import Marks

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def marks_of(given: Mapping[str, Any]) -> "Marks | None":
    """Return what marks files, as the options of a command say; None where none are wanted."""
    from serving.making import Marks
    from serving.provenance.credentials import Signer

    certificate, key = given["c2pa_certificate"], given["c2pa_key"]
    if (certificate is None) != (key is None):
        raise UsageError("--c2pa-certificate and --c2pa-key go together; give both")
    if not given["mark"]:
        if certificate is not None:
            raise UsageError("--no-mark and --c2pa-certificate exclude each other; give one")
        return None
    return Marks(None if certificate is None else Signer(certificate, key))


@app.command(epilog="Example: genzoo whence threes.png --again again.png")
def whence(
    file: Annotated[Path, typer.Argument(help="What a model has made.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="INPUT", help="Files that the call was given.")
    ] = None,
    again: Annotated[
        str | None, typer.Option(metavar="OUT", help="Make the same again, and compare.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help="Where the model is.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what made a file, and make the same again."""
    from serving.commands.remaking import remake, tell

    if again is None and (inputs or model):
        raise UsageError("INPUT and --model are for --again; leave them out")
    origin = tell(file, as_json)
    if again is not None:
        remake(file, origin, inputs or [], again, model)
