"""The commands of API keys: make, list, revoke."""

from pathlib import Path
from typing import Annotated

import typer

from serving.terminal import show

app = typer.Typer(
    name="keys",
    help="Make, list and revoke the API keys that `genzoo serve --keys FILE` asks for.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
File = Annotated[Path, typer.Option("--keys", metavar="FILE", help="The file of keys.")]


@app.command(epilog="Example: genzoo keys make alice --keys keys.jsonl")
def make(
    name: Annotated[str, typer.Argument(help="Whose key it is, for the log.")],
    keys: File,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Requests at once; the server's --per-client if none.")
    ] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="It may load and unload models, see --model-control.")
    ] = False,
) -> None:
    """Make a key, and print it: the file keeps its hash alone, so that nothing shows it again."""
    from serving.server.operations.keys import add_key

    show(add_key(keys, name, requests, operator))


@app.command("list", epilog="Example: genzoo keys list --keys keys.jsonl")
def list_keys(keys: File) -> None:
    """List the keys of a file: whose they are, and what they may."""
    from serving.server.operations.keys import read_keys

    for key in read_keys(keys):
        bound = "" if key.requests is None else f"  {key.requests} requests at once"
        show(f"{key.name}  gz_{key.id}_...{bound}{'  operator' if key.operator else ''}")


@app.command(epilog="Example: genzoo keys revoke alice --keys keys.jsonl")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    keys: File,
) -> None:
    """Take a key out of a file; a server that runs forgets it at SIGHUP."""
    from serving.server.operations.keys import revoke_key

    revoke_key(keys, name)
    show(f"{name} has no key any more; tell a server that runs by SIGHUP")
