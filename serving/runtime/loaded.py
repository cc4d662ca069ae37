"""What a runtime is made of: a bundle's graphs and assets, checked and ready."""

import math
import mmap
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from serving.bundle.files import copy_listed, left_where_it_lies, read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError
from serving.graphs.protobuf import WeightsFile
from serving.graphs.scan import Scanned, check_graph
from serving.runtime.allocation import give_back
from serving.runtime.divided import Checked, Divided, divided
from serving.runtime.fixed import FixedSession
from serving.runtime.sealed import Sealed, content_of, sealed
from serving.runtime.session import Session

LARGE = 2**23  # bytes of a graph whose constants are read where they lie
FEW_BITS = "int"  # in the names of variants whose numbers may begin at any byte
LYING = sys.platform == "linux"  # where it was measured what that saves


class Loaded(NamedTuple):
    """A variant of a bundle.

    Attributes:
        sessions: of its graphs, by role.
        assets: the bytes of the bundle's assets, by what they are.
        adapters: by the name that a call gives, the arrays of each graph.
    """

    manifest: Manifest
    directory: Path
    variant: str
    sessions: dict[str, Session]
    assets: dict[str, bytes]
    adapters: Mapping[str, dict[str, dict[str, np.ndarray]]] = MappingProxyType({})


def checked_graphs(
    directory: Path, manifest: Manifest, variant: str, window: int | None = None
) -> dict[str, Checked]:
    """Return the files of a variant's graphs by role, each checked against the manifest and sealed.

    Args:
        directory, manifest, variant: of the bundle.
        window: most steps of a sequence that they see at once, as the family says.

    Raises:
        BundleError: a file or a graph is not what the manifest says.
    """
    graphs: dict[str, Checked] = {}
    described = manifest.variants[variant]
    interfaces = manifest.interface_of(variant)
    for role, file in described.graphs.items():
        check = partial(
            check_graph,
            name=file,
            interface=interfaces[role],
            opset=described.opset,
            window=window,
            adapters=described.adapter_inputs(role),
        )
        apart = (described.weights or {}).get(role)
        lying = LYING and not apart and FEW_BITS in variant
        graphs[role] = _checked(directory, manifest, file, apart, check, lying)
    return graphs


def _checked(
    directory: Path,
    manifest: Manifest,
    file: str,
    weights: str | None,
    check: Callable[..., Scanned],
    lying: bool,
) -> Checked:
    listed = manifest.files.get(file)
    if lying and listed is not None and listed.bytes >= LARGE:
        with suppress(OSError):  # of file systems, or disks that are full
            found = _lying(directory, manifest, file, check)
            if found is not None:
                return found
    data = _read(directory, manifest, file)
    if weights is None:
        check(content_of(data))
        return data
    numbers = content_of(_read(directory, manifest, weights))
    scanned = check(content_of(data), weights=WeightsFile(weights, len(numbers)))
    constants = {
        each.name: np.frombuffer(numbers, each.dtype, math.prod(each.shape), each.start).reshape(
            each.shape
        )
        for each in scanned.outside
    }
    return Divided(data, constants)


def _lying(
    directory: Path, manifest: Manifest, file: str, check: Callable[..., Scanned]
) -> Divided | None:
    """Return a graph whose large constants are read from its own file, if they can be."""
    with left_where_it_lies(directory, manifest.files, file) as (opened, compare, check_file):
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        with beside(compare, at_once=False):  # which is not Python, and the rest is
            return divided(check(content).model, directory / file, content, check_file)


@contextmanager
def beside(check: Callable[[], object], *, at_once: bool) -> Iterator[None]:
    """Check something while the block runs, or at once, before it.

    To read a large tokenizer takes as long as to compare a large file with its hash, and for that
    time much memory, which is given back before a session needs it.

    Raises:
        BaseException: what the check raises, whatever the block does.
    """
    if at_once:
        check()
        yield
        return
    from concurrent.futures import ThreadPoolExecutor  # takes a while to import

    def work() -> None:
        check()
        give_back()

    with ThreadPoolExecutor(1) as thread:
        checked = thread.submit(work)
        try:
            yield
        finally:
            checked.result()


def _read(directory: Path, manifest: Manifest, file: str) -> Sealed | bytes:
    return sealed(partial(copy_listed, directory, manifest.files, file))


def checked_assets(directory: Path, manifest: Manifest, limit: int = 2**26) -> dict[str, bytes]:
    """Return the bytes of a bundle's assets by what they are, each as the manifest lists it.

    Args:
        directory, manifest: of the bundle.
        limit: bytes of each; a tokenizer of 200,000 tokens takes a quarter of what is allowed.

    Raises:
        BundleError: one is missing, altered or too large.
    """
    assets = {}
    for what, file in manifest.assets.items():
        listed = manifest.files.get(file)
        if listed is not None and listed.bytes > limit:
            raise BundleError(f"{directory / file} is larger than {limit} bytes")
        assets[what] = read_listed(directory, manifest.files, file)
    return assets


def open_session(
    manifest: Manifest,
    variant: str,
    role: str,
    data: Checked,
    device: str,
    threads: int | None = None,
    spinning: bool = True,
) -> Session:
    """Return what runs a graph on what `manifest.interface` says, whatever the variant.

    Args:
        manifest, variant, role: which graph it is.
        data: its file, checked.
        device, threads, spinning: see `serving.runtime.session.Session`.
    """
    described = manifest.variants[variant]
    file = described.graphs[role]
    interface = manifest.interface[role]
    if described.axes:
        return FixedSession(
            data,
            file,
            device,
            threads,
            spinning=spinning,
            interface=interface,
            sizes=described.axes,
        )
    return Session(data, file, device, threads, spinning=spinning, interface=interface)
