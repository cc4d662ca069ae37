"""Corpora: the documents of a text data set, of a file or of a folder, and where they come from."""

import codecs
from pathlib import Path

from serving.errors import UsageError
from zoo.data import fingerprint, sources
from zoo.data.files import listed, own_path, readable

IN_ORDER = ("train", "validation", "test")  # how data sets cut one text into splits
SUFFIX = ".txt"
_MARKS = {  # how a text begins that is not UTF-8; those of UTF-32 first, which begin as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read(name: str) -> tuple[list[str], sources.SourceInfo]:
    """Read a whole corpus.

    Args:
        name: as `zoo.data.text.TextConfig` says.

    Returns:
        The documents in a fixed order, none empty, and what is known about them. A data set whose
        splits are one example each, as `tiny_shakespeare`, is one document.

    Raises:
        UsageError: there is no such corpus, it is empty, or a file is neither UTF-8 nor UTF-16 with
            a byte order mark.

    Example:
        >>> documents, source = read("python_topics")
        >>> len(documents), source.license
        (1, 'PSF-2.0')
    """
    path = own_text(name)
    documents, source = _read_own(path, name) if path else _read_public(name)
    documents = [document for document in documents if document]
    if not documents:
        raise UsageError(f"'{name}' holds no text; give a file or data set that does")
    return documents, source


def own_text(name: str) -> Path | None:
    """Return the file or folder that a name stands for, None where it names a data set."""
    return own_path(name, SUFFIX)


def _read_own(path: Path, name: str) -> tuple[list[str], sources.SourceInfo]:
    if not path.exists():
        raise UsageError(f"there is no file or folder {path}; give a .txt file or a folder of them")
    files = [path / file for file in listed(path, (SUFFIX,))] if path.is_dir() else [path]
    if not files:
        raise UsageError(f"folder {path} holds no .txt file; expected at least one")
    documents = [decoded(file) for file in files]
    sha256 = fingerprint.of_documents(documents)
    return documents, sources.SourceInfo(
        name=name,
        version=f"sha256:{sha256[:16]}",
        kind="text",
        image_shape=None,
        classes=0,
        class_names=(),
        license="not stated",
        citation="",
        url="",
        splits={"train": len(documents)},
        fingerprint=sha256,
    )


def encoding_of(data: bytes) -> str:
    """Return the encoding that bytes are taken to be in, by the mark that they begin with.

    Example:
        >>> encoding_of("a".encode("utf-16")), encoding_of(b"a")
        ('utf-16', 'utf-8-sig')
    """
    return next((_MARKS[mark] for mark in _MARKS if data.startswith(mark)), "utf-8-sig")


def decoded(file: Path) -> str:
    """Return a file's text, with line ends as on Unix and without a byte order mark."""
    with readable(file):
        data = file.read_bytes()
    encoding = encoding_of(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        named = "UTF-8" if encoding == "utf-8-sig" else f"{encoding.upper()}, as its mark says"
        raise UsageError(
            f"{file} is not {named}: byte {data[error.start]:#04x} at position {error.start}; "
            "save it as UTF-8"
        ) from None
    if "\0" in text:
        raise UsageError(
            f"{file} is no text: it has a NUL at character {text.index(chr(0))}, as UTF-16 without "
            "a byte order mark has; save it as UTF-8"
        )
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
