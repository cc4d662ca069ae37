"""`serving.load`: from a name or a folder to a model that runs, through every check in between."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from serving import hub, registry
from serving.bundle.choosing import choose_adaptable, choose_variant
from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError
from serving.collecting import collection_paused
from serving.errors import UsageError
from serving.families.model import Model
from serving.hub import Source
from serving.hub.opening import open_manifest
from serving.numbers import whole
from serving.runtime.divided import Checked
from serving.runtime.loaded import Loaded, checked_assets, checked_graphs, open_session
from serving.runtime.session import DeviceError, Session, cuda_expected

Start = Callable[[Manifest, str, str, Checked, str], Session]
_SMALL = 2**20  # bytes of assets that are checked sooner than a thread is started


@collection_paused()
def load(
    name_or_dir: str | Path,
    *,
    device: str = "auto",
    variant: str = "auto",
    threads: int | None = None,
    spinning: bool = True,
    adapters: Mapping[str, str | Path] | None = None,
    filters: Sequence[str] = (),
) -> Any:
    """Load a model.

    What is not here of a catalogue's model is downloaded. Before ONNX Runtime is called, every file
    that will be used has been found to be a regular file of the size and sha256 that the manifest
    lists, and each graph has passed `serving.graphs.scan.check_graph`. Meanwhile each asset is
    found to be what its family takes it for. The manifest of a catalogue's model is the one the
    catalogue pins.

    Args:
        name_or_dir: a name of `genzoo list`, or a bundle directory.
        device: `cuda`, `cpu`, or `auto` for CUDA where it works and the CPU elsewhere. `auto` warns
            when there is a GPU and it cannot be used.
        variant: `fp32`, `fp16`, `int8`..., or `auto` for the fastest of those that lose nothing:
            the one that was measured to be it, see `genzoo card`, or else the first that the
            manifest names for the device.
        threads: CPU threads; None for one per physical core that this process may use.
        spinning: whether idle threads wait without sleep, which is faster, and takes their cores
            from others.
        adapters: folders of adapters (`genzoo export RUN --adapter`) by the names that calls give;
            of a model in a variant that takes them, such as `fused-lora`.
        filters: what the model may not be given and may not give, such as `words:FILE`, see
            `serving.filters`; none unless named.

    Returns:
        The model, a `serving.families.model.Model` of its family, such as `serving.VAE`.

    Raises:
        UsageError: no such model, variant or device, or a wrong number of threads.
        BundleError: the bundle is not whole, was altered, or holds what it must not.
        GenzooError: a file is not here and could not be downloaded.
        DeviceError: `cuda` was asked for and cannot be had.

    Example:
        >>> vae = load("vae-mnist", device="cpu")
        >>> vae.device, vae.variant
        ('cpu', 'fp32')
    """
    if threads is not None:
        threads = whole(threads, "threads", 1)
    asked_filters = None
    if filters:
        from serving.filters.filters import Filters  # which few models need

        asked_filters = Filters(filters)
    source = hub.find(name_or_dir)
    manifest = open_manifest(source)
    runtime = runtime_of(manifest)
    start = partial(open_session, threads=threads, spinning=spinning)
    places = {name: Path(place).absolute() for name, place in (adapters or {}).items()}
    asked = choose_adaptable(manifest, variant) if places else variant
    loaded = _on_first_device(source, manifest, _devices(device), asked, start)
    takes = manifest.variants[loaded.variant].adapters
    if takes is not None and places:
        from serving.runtime.adapters import load_adapter  # which few models need

        read = {name: load_adapter(place, takes, manifest.name) for name, place in places.items()}
        loaded = loaded._replace(adapters=read)
    model = runtime(loaded)
    model.filters = asked_filters
    where = source.directory.resolve() if source.entry is None else name_or_dir
    same = {"device": model.device, "variant": model.variant}
    model.origin = partial(
        load,
        str(where),
        threads=threads,
        spinning=spinning,
        adapters=places,
        filters=filters,
        **same,
    )
    return model


def runtime_of(manifest: Manifest) -> type[Model]:
    """Return what runs models of a manifest's family.

    Raises:
        BundleError: no installed package knows the family, or it has no runtime.
    """
    try:
        found: type[Model] = registry.load(registry.family(manifest.family), "runtime")
        return found
    except UsageError as error:
        raise BundleError(f"{manifest.name} cannot be run: {error}") from None


def _devices(device: str) -> list[str]:
    """Return the devices to try, in order."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device is '{device}'; expected auto, cpu or cuda")
    if device == "auto":
        return ["cuda", "cpu"] if cuda_expected() else ["cpu"]
    return [device]


@contextmanager
def _beside(check: Callable[[], object], *, at_once: bool) -> Iterator[None]:
    """Check something while the block runs, or at once, before it.

    To read a large tokenizer takes as long as to start a session, most of which is not Python.
    """
    if at_once:
        check()
        yield
        return
    from concurrent.futures import ThreadPoolExecutor  # takes a while to import

    with ThreadPoolExecutor(1) as thread:
        checked = thread.submit(check)
        try:
            yield
        finally:
            checked.result()


def _on_first_device(
    source: Source, manifest: Manifest, devices: list[str], variant: str, start: Start
) -> Loaded:
    runtime = runtime_of(manifest)
    for device in devices:
        chosen = choose_variant(manifest, variant, device)
        try:
            needed = source.entry.needed(chosen) if source.entry else []
            directory = hub.complete(source, needed).directory
            graphs = checked_graphs(directory, manifest, chosen, runtime.window_of(manifest))
            assets = checked_assets(directory, manifest)
            small = sum(map(len, assets.values())) < _SMALL
            with _beside(partial(runtime.check_assets, manifest, assets), at_once=small):
                sessions = {
                    role: start(manifest, chosen, role, data, device)
                    for role, data in graphs.items()
                }
            return Loaded(manifest, directory, chosen, sessions, assets)
        except (DeviceError, hub.NotHereError) as error:
            absent = isinstance(error, hub.NotHereError)
            if device == devices[-1] or (variant != "auto" and absent):
                raise
            warnings.warn(f"running on the CPU: {error}", RuntimeWarning, stacklevel=4)
    raise AssertionError("there is always a device to try")
