"""Files that are either whole or absent, and places that are no files."""

import io
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

STANDARD_OUTPUT = 1


@contextmanager
def written(path: str | Path) -> Iterator[BinaryIO]:
    """Give a file to write bytes to; they are at `path` when the block ends without error.

    A file is replaced as by `replacing`, through symbolic links. A FIFO or a device stays what it
    is and receives the bytes at the end of the block, and so does standard output.

    Args:
        path: see `is_standard_output` for what is not the name of a file.

    Raises:
        OSError: the place cannot be written; what was there stays as it was.

    Example:
        >>> with written("answer.txt") as file:
        ...     _ = file.write(b"42")
        >>> Path("answer.txt").read_bytes()
        b'42'
    """
    if not is_stream(path):
        with replacing(os.path.realpath(path)) as temporary, temporary.open("wb") as file:
            yield file
        return
    memory = io.BytesIO()  # since most formats need to go back in a file
    yield memory
    place = STANDARD_OUTPUT if is_standard_output(path) else path
    with open(place, "wb", closefd=place is path) as stream:
        stream.write(memory.getbuffer())


def is_standard_output(path: str | Path) -> bool:
    """Say whether a name stands for standard output: `-`, `-` with a suffix, or `/dev/stdout`.

    Example:
        >>> is_standard_output("-.npy"), is_standard_output("./-.npy")
        (True, False)
    """
    if str(path).partition(".")[0] == "-":
        return True
    with suppress(OSError, ValueError):  # there is no such file, or no standard output
        return os.path.samestat(Path(path).stat(), os.fstat(STANDARD_OUTPUT))
    return False


def is_stream(path: str | Path) -> bool:
    """Say whether what is at a path only takes bytes: standard output, a FIFO, a device."""
    place = Path(path)
    return is_standard_output(path) or (
        place.exists() and not place.is_file() and not place.is_dir()
    )


def write_each(folder: str | Path, files: Mapping[str, Callable[[Path], object]]) -> None:
    """Write some files into a folder, all or none; those of other names stay.

    Args:
        folder: made if need be.
        files: by name, what writes one to a path.

    Example:
        >>> write_each("answers", {"1.txt": lambda path: path.touch()})
        >>> [path.name for path in Path("answers").iterdir()]
        ['1.txt']
    """
    place = Path(folder)
    made = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".") as staging:
            for name, write in files.items():
                write(Path(staging) / name)
            for name in files:
                (Path(staging) / name).replace(place / name)
    except BaseException:
        if made:
            with suppress(OSError):
                place.rmdir()
        raise


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name to write to; it becomes `path` when the block ends without error.

    The temporary file lies beside `path` and keeps its suffixes; it is removed when the block
    fails, and what was at `path` before then stays as it was. A file that is replaced leaves its
    mode and, where the system allows, its owner to the new one. Missing parent folders are made.

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
        with _status_of(path, temporary):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _status_of(path: Path, new: Path) -> Iterator[None]:
    """Give a new file the mode and owner of the file at `path`, if there is one."""
    older = path.lstat() if path.is_file() and not path.is_symlink() else None
    if older is None:
        yield
        return
    # Before it is written: nobody may read meanwhile what only its owner may read.
    new.touch(mode=stat.S_IMODE(older.st_mode) | stat.S_IRUSR | stat.S_IWUSR, exist_ok=False)
    yield
    with suppress(OSError, AttributeError):  # it is somebody else's; there are no owners
        os.chown(new, older.st_uid, older.st_gid)
    new.chmod(stat.S_IMODE(older.st_mode))


def sweep(directory: str | Path) -> None:
    """Remove what `replacing` leaves in a directory when its process is killed.

    Example:
        >>> _ = Path(".0123abcd-answer.txt").write_text("4")
        >>> sweep(".")
        >>> Path(".0123abcd-answer.txt").exists()
        False
    """
    for path in Path(directory).iterdir():
        if re.fullmatch(r"\.[0-9a-f]{8}-.+", path.name) and path.is_file():
            path.unlink(missing_ok=True)
