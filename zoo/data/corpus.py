"""Corpora: the documents of a text data set, of a file or of a folder, and where they come from."""

import hashlib
from pathlib import Path

from serving.errors import UsageError
from zoo.data import sources

IN_ORDER = ("train", "validation", "test")  # how data sets cut one text into splits


def read(name: str) -> tuple[list[str], sources.SourceInfo]:
    """Read a whole corpus.

    Args:
        name: as `zoo.data.text.TextConfig` says.

    Returns:
        The documents in a fixed order, none empty, and what is known about them. A data set whose
        splits are one example each, as `tiny_shakespeare`, is one document.

    Raises:
        UsageError: there is no such corpus, it is empty, or a file is not UTF-8.

    Example:
        >>> documents, source = read("python_topics")
        >>> len(documents), source.license
        (1, 'PSF-2.0')
    """
    path = _own_path(name)
    documents, source = _read_own(path, name) if path else _read_public(name)
    documents = [document for document in documents if document]
    if not documents:
        raise UsageError(f"'{name}' holds no text; give a file or data set that does")
    return documents, source


def _own_path(name: str) -> Path | None:
    """Return the path that a name stands for, None where it names a data set."""
    if name.startswith("folder:"):
        return Path(name.removeprefix("folder:"))
    path = Path(name).expanduser()
    like_path = name.startswith(("./", "../", ".\\", "..\\", "~")) or name in (".", "..")
    return path if like_path or path.is_absolute() or path.suffix == ".txt" else None


def _read_own(path: Path, name: str) -> tuple[list[str], sources.SourceInfo]:
    if not path.exists():
        raise UsageError(f"there is no file or folder {path}; give a .txt file or a folder of them")
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"folder {path} holds no .txt file; expected at least one")
    documents = [_decode(file) for file in files]
    digest = hashlib.sha256("\0".join(documents).encode()).hexdigest()
    return documents, sources.SourceInfo(
        name=name,
        version=f"sha256:{digest[:16]}",
        kind="text",
        image_shape=None,
        classes=0,
        class_names=(),
        license="not stated",
        citation="",
        url="",
        splits={"train": len(documents)},
    )


def _decode(file: Path) -> str:
    """Return a file's text, with line ends as on Unix and without a byte order mark."""
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8: byte {data[error.start]:#04x} at position {error.start}; "
            "save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_public(name: str) -> tuple[list[str], sources.SourceInfo]:
    builder = sources.prepare(name)
    source = sources.describe(builder)
    if source.kind != "text":
        raise UsageError(f"data set '{name}' holds {source.kind}; expected text")
    names = sorted(source.splits, key=lambda split: (*IN_ORDER, split).index(split))
    documents = [
        example["text"].decode("utf-8")
        for split in names
        for example in builder.as_dataset(split=split).as_numpy_iterator()
    ]
    one_text = all(count == 1 for count in source.splits.values())
    return ["".join(documents)] if one_text else documents, source
