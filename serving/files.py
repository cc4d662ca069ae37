"""Files that are either whole or absent."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name to write to; it becomes `path` when the block ends without error.

    The temporary file lies beside `path` and keeps its suffixes; it is removed when the block
    fails, and what was at `path` before then stays as it was. Missing parent folders are made.

    Example:
        >>> with replacing("answer.txt") as temporary:
        ...     _ = temporary.write_text("42")
        >>> Path("answer.txt").read_text()
        '42'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
