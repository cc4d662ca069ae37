"""Data sets by name or from a folder of images, ready on disk through TensorFlow Datasets.

A data set that is on disk is opened without touching the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from serving.errors import GenzooError, UsageError, first_line, nearest
from zoo.data import fingerprint, store
from zoo.data.files import own_path
from zoo.data.fingerprint import FILES_SHA256

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

EMBEDDED = {
    "digits": "zoo.data.digits.digits_dataset_builder",
    "python_topics": "zoo.data.python_topics.python_topics_dataset_builder",
}
# TensorFlow Datasets has no builders of these, which are downloaded.
DOWNLOADED = {
    "jsb_chorales": "zoo.data.jsb_chorales.jsb_chorales_dataset_builder",
    "multi30k": "zoo.data.multi30k.multi30k_dataset_builder",
}
RESEARCH = "research and education only"  # of data, and so of what was trained on them
# TensorFlow Datasets records the licence of few data sets; these are from their home pages.
_LICENSES = {
    "mnist": "CC BY-SA 3.0",
    "fashion_mnist": "MIT",
    "kmnist": "CC BY-SA 4.0",
    "tiny_shakespeare": "public domain text",
    "jsb_chorales": "public domain music",
    "multi30k": RESEARCH,
    "flowers_256": "CC BY 2.0",
    "openmoji": "CC BY-SA 4.0",
    "paintings": "public domain paintings",
}
_PROBE_SECONDS = 5


@dataclass(frozen=True)
class SourceInfo:
    """What a data set holds.

    Attributes:
        name: with the configuration after a slash, where there is one.
        version: of the data set.
        kind: "images", "text", "pairs" (of texts), or whatever else a family learns from.
        license: "not stated" where nobody recorded one.
        splits: number of examples of each split.
        fingerprint: sha256 of what is in them; see `zoo.data.fingerprint`.
        image_shape: (H, W, C), H and W being None where they vary; None of what is no images.
        classes: number of classes, 0 where examples have no label.
        class_names: one for each class.
        citation: BibTeX, or empty.
        url: the home page, or empty.
    """

    name: str
    version: str
    kind: str
    license: str
    splits: dict[str, int]
    fingerprint: str
    image_shape: tuple[int | None, int | None, int] | None = None
    classes: int = 0
    class_names: tuple[str, ...] = ()
    citation: str = ""
    url: str = ""

    def record(self) -> dict[str, Any]:
        """Return what the record of a run says of its data."""
        return {
            "dataset": self.name,
            "dataset_version": self.version,
            "dataset_license": self.license,
            "dataset_sha256": self.fingerprint,
            "dataset_classes": list(self.class_names),
        }

    def check(self, record: Mapping[str, Any], run: str | Path) -> None:
        """Make sure that these are the data of a run, wherever they lie and whatever their name.

        Args:
            record: as `record` returned it; of a run that kept no fingerprint nothing is known.
            run: for the message.

        Raises:
            UsageError: they are others.
        """
        known = record.get("dataset_sha256", self.fingerprint)
        if known != self.fingerprint:
            raise UsageError(
                f"the data of {run} were {record['dataset']} (sha256 {known[:12]}) and are now "
                f"{self.name} (sha256 {self.fingerprint[:12]}); bring back those that the run "
                "began with, or train in a new directory"
            )


def prepare(
    name: str, *, data_dir: str | None = None, image_size: tuple[int, int] | None = None
) -> tfds.core.DatasetBuilder:
    """Open a data set, after making it where it is not on disk yet.

    Args:
        name: `digits` or `python_topics`, which need no network; one of `DOWNLOADED`; any data set
            of TensorFlow Datasets, as `mnist` or `cifar10_corrupted/fog_1`; or a folder of images,
            as `./photos`, `/data/photos` or `folder:photos`.
        data_dir: where to look first, and to write if it can be written; `TFDS_DATA_DIR` by
            default. `zoo.data.store.roots` says where else.
        image_size: for a folder, height and width that images are cropped and resized to; without
            it they must be of one size.

    Returns:
        A prepared builder: `.as_dataset(split=...)`, `.info.features`, `.info.splits` are usable.

    Raises:
        UsageError: no such data set, or a folder that is not as `zoo.data.folder` says.
        GenzooError: the data set can be neither downloaded nor read.

    Example:
        >>> prepare("digits").info.splits["test"].num_examples
        360
    """
    places = store.roots(data_dir)
    folder = own_path(name)
    if folder is not None:
        from zoo.data.folder import Folder, configure

        return _prepare_own(Folder, configure(folder, image_size), places)
    own = EMBEDDED | DOWNLOADED
    if name in own:
        try:
            builder = import_module(own[name]).Builder
        except ImportError as error:
            message = f"data set {name} needs {error.name}: pip install 'genzoo[train]'"
            raise GenzooError(message) from None
        return _prepare_own(builder, next(iter(builder.BUILDER_CONFIGS), None), places)
    return _prepare_public(name, places, offline_names(data_dir))


def describe(builder: tfds.core.DatasetBuilder) -> SourceInfo:
    """Say what a prepared data set holds.

    Raises:
        UsageError: it holds neither images nor text nor music.

    Example:
        >>> describe(prepare("digits")).image_shape
        (8, 8, 1)
    """
    info, features = builder.info, builder.info.features
    config = builder.builder_config.name if builder.builder_config else None
    kind = kind_of(features)
    if kind is None:
        raise UsageError(
            f"data set {info.name} has no 'image', no 'text', no 'notes' and is no pair of texts, "
            f"only {', '.join(features)}; the zoo learns from images, text, music or pairs of texts"
        )
    is_images = kind == "images"
    label = features["label"] if is_images and "label" in features else None
    class_names = tuple(getattr(label, "names", ()))
    stated = info.redistribution_info.license if info.redistribution_info else ""
    return SourceInfo(
        name=f"{info.name}/{config}" if config else info.name,
        version=str(info.version),
        kind=kind,
        image_shape=features["image"].shape if is_images else None,
        classes=len(class_names),
        class_names=class_names,
        license=stated or _LICENSES.get(info.name, "not stated"),
        citation=info.citation,
        url=info.homepage,
        splits={split: held.num_examples for split, held in info.splits.items()},
        # Of a folder it is that of the files, whatever they were resized to.
        fingerprint=(info.metadata or {}).get(FILES_SHA256) or fingerprint.of_examples(builder),
    )


def kind_of(features: Mapping[str, Any]) -> str | None:
    """Return what examples hold: images, text, music, pairs of texts, or nothing of these."""
    kinds = {"image": "images", "text": "text", "notes": "notes"}
    if named := [kind for name, kind in kinds.items() if name in features]:
        return named[0]
    texts = [type(each).__name__ == "Text" for each in features.values()]
    return "pairs" if len(texts) == 2 and all(texts) else None


def offline_names(data_dir: str | None = None) -> list[str]:
    """Return the names that `prepare` takes without a network, folders of images aside.

    Example:
        >>> offline_names()[:2]
        ['digits', 'python_topics']
    """
    found = {
        path.relative_to(place).parts[0]
        for place in store.roots(data_dir)
        for pattern in ("*/*/features.json", "*/*/*/features.json")
        for path in place.glob(pattern)
    }
    on_disk = {name for name in found if name.isidentifier()}  # not what is being written
    return [*EMBEDDED, *sorted(on_disk - EMBEDDED.keys() - {"folder"})]


def _prepare_own(
    builder: type[tfds.core.GeneratorBasedBuilder],
    config: tfds.core.BuilderConfig | None,
    places: list[Path],
) -> tfds.core.DatasetBuilder:
    """Open or make a data set of this package, of just this configuration and version."""
    inner = Path(builder.name, config.name if config else "", str(builder.VERSION))
    for place in places:
        if (place / inner).is_dir():
            return store.open_builder(place / inner)
    return store.make(
        lambda at: builder(data_dir=at, config=config), store.writable(places), builder.name
    )


def _prepare_public(name: str, places: list[Path], offline: list[str]) -> tfds.core.DatasetBuilder:
    """Open or download a data set of TensorFlow Datasets."""
    import tensorflow_datasets as tfds

    known = {*tfds.list_builders(with_community_datasets=False), *offline}
    remedy = f"; without a network there are {', '.join(offline[:8])}, or a folder of images"
    base = name.partition("/")[0].partition(":")[0]
    if base not in known:
        hint = nearest(base, known) or remedy
        if name and Path(name).is_dir():
            hint = f"; for the folder of that name say './{name}'"
        raise UsageError(f"no data set is named '{name}'{hint}")
    for place in places:
        try:
            found = tfds.core.read_only_builder.builder_from_files(name, data_dir=str(place))
        except tfds.core.DatasetNotFoundError:
            continue
        except Exception as error:
            message = f"data set {name} in {place} cannot be read: {first_line(error)}"
            raise GenzooError(message) from None
        return store.open_builder(found.data_path)
    try:
        return _download(name, base, store.writable(places))
    except UsageError:
        raise
    except GenzooError as error:
        raise GenzooError(f"{error}{remedy}") from None


def _download(name: str, base: str, place: Path) -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds

    try:
        with store.quiet():
            urls = tfds.builder(name, data_dir=str(place)).url_infos or {}
    except (AssertionError, ValueError):
        rest, configs = name[len(base) + 1 :], tfds.builder_cls(base).builder_configs
        hint = nearest(rest, configs)
        raise UsageError(
            f"data set {base} has no configuration or version '{rest}'{hint}"
        ) from None
    silent = _silent_host(list(urls))
    if silent:
        raise GenzooError(f"data set {name} is not on disk and {silent} does not answer")
    downloads = place / "downloads"
    return store.make(lambda at: tfds.builder(name, data_dir=at), place, name, downloads)


def _silent_host(urls: list[str]) -> str | None:
    """Return a host to download from when there are some and none of them answers.

    Asked first because TensorFlow Datasets itself tries for more than three minutes.
    """
    import requests

    hosts = {urlsplit(url).netloc: url for url in urls if url.startswith("http")}
    for url in list(hosts.values())[:3]:
        try:
            requests.get(url, stream=True, timeout=_PROBE_SECONDS).close()
            return None
        except requests.RequestException:
            continue
    return next(iter(hosts), None)
