"""What data are is what is in them: a sha256 of the content, whatever its name, place and time.

Reading everything takes a while, so the digests of files are remembered beside the prepared data
sets, and hold as long as size and times of the files stay. Where nothing can be written, they are
computed each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.errors import GenzooError
from serving.files import replacing
from zoo.data import store
from zoo.data.files import readable

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

FILES_SHA256 = "files_sha256"  # in the metadata of a prepared copy of the user's own files
TOGETHER = 1024  # examples that are read at a time
SETTLED_NS = 2 * 10**9  # after which a file's time tells a new change from the last one


def of_files(root: Path, files: Iterable[str]) -> str:
    """Return the fingerprint of files: of their paths below `root`, and of what is in them.

    The paths count because classes, splits and order come from them.

    Raises:
        UsageError: a file cannot be read.
    """

    def digest(file: str) -> str:
        path = root / file
        with readable(path):
            return memory.digest(file, [path], lambda: _sha256(path))

    with Memory(root) as memory:
        return _joined((os.fsencode(file), digest(file)) for file in files)


def of_examples(builder: tfds.core.DatasetBuilder) -> str:
    """Return the fingerprint of a prepared data set: of every example, decoded, in its order.

    How the examples lie on disk does not matter, which differs between versions of the libraries.
    """
    with Memory(Path(builder.data_dir)) as memory:
        return _joined(
            (
                split.encode(),
                memory.digest(
                    split,
                    list(map(Path, builder.info.splits[split].filepaths)),
                    lambda split=split: _joined(_parts(builder.as_dataset(split=split))),
                ),
            )
            for split in sorted(builder.info.splits)
        )


def of_documents(documents: Iterable[str]) -> str:
    """Return the fingerprint of texts in their order.

    Example:
        >>> of_documents(["to be", "or"]) == of_documents(["to", "be or"])
        False
    """
    return _joined((document.encode(), "") for document in documents)


class Memory:
    """The digests of the files of one place, in a small file beside the prepared data sets.

    A context: what is new is written when it ends.

    Args:
        place: the folder that the files are in.
    """

    def __init__(self, place: Path):
        self._file: Path | None = None
        self._known: dict[str, Any] = {}
        self._found: dict[str, Any] = {}
        with suppress(GenzooError):  # nothing can be written
            name = hashlib.sha256(os.fsencode(place.absolute())).hexdigest()[:24]
            self._file = store.writable(store.roots()) / "fingerprints" / f"{name}.json"
        if self._file is not None and self._file.is_file():
            with suppress(OSError, ValueError, TypeError):  # damaged: computed anew
                self._known = dict(json.loads(self._file.read_text(encoding="utf-8")))

    def digest(self, name: str, files: Sequence[Path], compute: Callable[[], str]) -> str:
        """Return what is known of some files as they are now, or else compute it.

        Args:
            name: of these files.
            files: on which the digest depends.
            compute: returns the digest.
        """
        states = [file.stat() for file in files]
        # ctime too: the time of change can be set to what it was, and nothing else happened.
        signature = [[each.st_size, each.st_mtime_ns, each.st_ctime_ns] for each in states]
        match self._known.get(name):
            case [known, str(digest)] if known == signature:
                pass
            case _:
                digest = compute()
        latest = max((max(each.st_mtime_ns, each.st_ctime_ns) for each in states), default=0)
        if latest < time.time_ns() - SETTLED_NS:
            self._found[name] = [signature, digest]
        return digest

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is None and self._file is not None and self._found != self._known:
            with suppress(OSError), replacing(self._file) as temporary:
                temporary.write_text(json.dumps(self._found), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(examples: tf.data.Dataset) -> Iterator[tuple[bytes, str]]:
    """Yield every value, of each example in the order of its keys."""
    for example in _examples(examples):
        for each in example:
            value = np.asarray(each)
            if value.dtype == object:  # bytes
                yield _joined((each, "") for each in value.ravel()).encode(), str(value.shape)
            else:
                yield value.tobytes(), f"{value.dtype}{value.shape}"


def _examples(examples: tf.data.Dataset) -> Iterator[Sequence[Any]]:
    """Yield the values of each example; those of equal shape in all are read many at a time."""
    import tensorflow as tf

    specs = tf.nest.flatten(examples.element_spec, expand_composites=True)
    if all(spec.shape.is_fully_defined() for spec in specs):
        for batch in examples.batch(TOGETHER).as_numpy_iterator():
            yield from zip(*tf.nest.flatten(batch), strict=True)
    else:
        for example in examples:
            yield [each.numpy() for each in tf.nest.flatten(example, expand_composites=True)]


def _joined(parts: Iterable[tuple[bytes, str]]) -> str:
    """Return one sha256 of pairs, none of which can run into the next."""
    digest = hashlib.sha256()
    for content, said in parts:
        digest.update(f"{len(content)} {said}\n".encode())
        digest.update(content)
    return digest.hexdigest()
