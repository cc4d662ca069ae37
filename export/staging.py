"""A bundle directory that appears whole or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from export.errors import ExportError
from serving.bundle import MANIFEST_NAME
from zoo.errors import first_line


@contextmanager
def replacing_bundle(out: Path) -> Iterator[Path]:
    """Give an empty directory to fill, which becomes `out` when the block ends without error.

    It lies beside `out`, so that it can be renamed, and is removed when the block fails. A bundle
    that was at `out` is replaced; until then it stays as it was.

    Raises:
        ExportError: there is something at `out` that is not a bundle, or the disk does not take it.
    """
    check_free(out)
    out = out.absolute()
    mark = secrets.token_hex(4)
    staging, old = (out.with_name(f".{out.name}-{mark}{end}") for end in ("", "-old"))
    try:
        staging.mkdir(parents=True)
        yield staging
        if out.exists():
            out.rename(old)
        staging.rename(out)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise ExportError(f"{out} cannot be written ({reason}); it was left as it was") from error
    finally:
        if old.exists() and not out.exists():  # stopped between the two renames
            old.rename(out)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_free(out: Path) -> None:
    """Refuse a place that holds anything but a bundle."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST_NAME).is_file()):
        raise ExportError(f"{out} is there and is not a bundle; give another directory")
