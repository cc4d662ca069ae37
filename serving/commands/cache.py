"""The commands of the cache: list, prune, verify."""

from typing import Annotated

import typer

from serving.errors import GenzooError, UsageError, nearest
from serving.hub import cache
from serving.terminal import show

app = typer.Typer(
    name="cache",
    help="Show, check and clear the downloaded models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("list", epilog="Example: genzoo cache list")
def list_copies() -> None:
    """List the downloaded models: what of them is here, how large, and where."""
    copies = cache.copies()
    for copy in copies:
        variants = ", ".join(copy.variants) or "no variant"
        show(f"{copy.name}  {copy.size / 1e6:.1f} MB  {variants}  {copy.directory}")
    if not copies:
        show(f"nothing is in {cache.home()}")


@app.command(epilog="Example: genzoo cache prune; genzoo cache prune vae-mnist")
def prune(
    names: Annotated[list[str] | None, typer.Argument(help="Every version of these.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model.")] = False,
) -> None:
    """Delete downloaded models; without a name those that the installed catalogue does not name."""
    copies = cache.copies()
    known = {copy.name for copy in copies}
    for name in names or []:
        if name not in known:
            raise UsageError(f"'{name}' is not in {cache.home()}{nearest(name, known)}")
    freed = 0
    for copy in copies:
        if everything or copy.name in (names or []) or not (names or _is_current(copy)):
            freed += copy.size
            cache.remove(copy)
            show(f"deleted {copy.directory}")
    show(f"{freed / 1e6:.1f} MB freed")


@app.command(epilog="Example: genzoo cache verify")
def verify() -> None:
    """Compare every downloaded file with the hash that its index pins."""
    wrong = 0
    for copy in cache.copies():
        for path in copy.files:
            if path.name.startswith(".") and path.name.endswith(".part"):
                show(f"partly {path}")
                continue
            pin = copy.entry.files.get(path.name)
            good = pin is not None and cache.is_whole(path, pin)
            show(f"{'ok    ' if good else 'FAILED'} {path}")
            wrong += not good
    if wrong:
        raise GenzooError(
            f"{wrong} files are not what they were downloaded as; delete them, or "
            "`genzoo pull NAME` replaces those that it needs"
        )
    show(f"{cache.home()} is good")


def _is_current(copy: cache.Copy) -> bool:
    """Say whether a copy is what its name stands for in the installed catalogue."""
    from serving.catalogue import models

    entry = models().get(copy.name)
    return entry is not None and cache.folder(copy.name, entry) == copy.directory
