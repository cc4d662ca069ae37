"""Prepared data sets on disk: where they lie, how one is opened, how one is made.

A data set is written under a temporary name and then renamed, so that it is whole or absent,
whatever else runs at the same time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from serving.errors import GenzooError, first_line
from serving.hub import cache
from serving.hub.local import expanded

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def roots(data_dir: str | None = None) -> list[Path]:
    """Return where data sets are looked for; the first that can be written receives new ones.

    They are `data_dir`, or else `TFDS_DATA_DIR`; `tfds` in the cache (`serving.hub.cache.home`);
    and `~/tensorflow_datasets`; or as many of them as are known without a home folder.

    Raises:
        GenzooError: none is known.
    """
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR")
    places = [expanded(chosen)] if chosen else []
    if cache.is_known() or not places:
        places.append(cache.home() / "tfds")
    with suppress(RuntimeError):  # not everybody has a home folder
        places.append(Path("~/tensorflow_datasets").expanduser())
    return places


def writable(places: list[Path]) -> Path:
    """Return the first of `places` that can be written, made if need be.

    Raises:
        GenzooError: there is none.
    """
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        # To root nothing is read-only, but a folder so marked was meant to be.
        if os.access(place, os.W_OK) and place.stat().st_mode & 0o222:
            return place
    names = ", ".join(map(str, places))
    raise GenzooError(f"none of {names} can be written; set GENZOO_HOME to a folder that can")


def open_builder(directory: str | os.PathLike[str]) -> tfds.core.DatasetBuilder:
    """Open the data set in `directory` without its code, and check that it has all its files.

    Raises:
        GenzooError: something is missing.
    """
    import tensorflow_datasets as tfds

    remedy = f"delete {directory} to make it anew"
    try:
        builder = tfds.builder_from_directory(directory)
    except Exception as error:
        raise GenzooError(
            f"{directory} is not a whole data set ({first_line(error)}); {remedy}"
        ) from None
    files = [file for split in builder.info.splits.values() for file in split.filepaths]
    missing = next((file.name for file in files if not file.exists()), None)
    if missing or not files:
        raise GenzooError(f"{directory} lacks {missing or 'its data'}; {remedy}")
    return builder


def make(
    build: Callable[[str], tfds.core.DatasetBuilder],
    place: Path,
    name: str,
    downloads: Path | None = None,
) -> tfds.core.DatasetBuilder:
    """Write the data set that `build(data_dir)` describes, then move it into `place` and open it.

    Args:
        build: returns a builder that writes below the data directory it is given.
        place: the data directory that receives the data set.
        name: for messages.
        downloads: where downloaded files are kept, so that a second try need not fetch them again.

    Raises:
        GenzooError: whatever went wrong, in one line.
    """
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        # A data directory of its own, since the temporary names of TensorFlow Datasets follow the
        # seed of `random`: two runs of one recipe would write to the same.
        with tempfile.TemporaryDirectory(dir=place, prefix="incomplete.") as temporary:
            with quiet():
                builder = build(temporary)
                builder.download_and_prepare(download_dir=downloads, download_config=config)
            made = Path(builder.data_dir)
            target = place / made.relative_to(temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                made.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was first, with the same data
                    raise
    except GenzooError:
        raise
    except Exception as error:  # a builder, of hundreds, may raise anything
        message = f"data set {name} cannot be prepared in {place}: {first_line(error)}"
        raise GenzooError(message) from None
    return open_builder(target)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep TensorFlow Datasets from talking, except about progress to somebody who watches."""
    import tensorflow_datasets as tfds
    from absl import logging

    watched = sys.stderr.isatty()
    tfds.display_progress_bar(watched)
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with redirect_stdout(sys.stderr if watched else StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
