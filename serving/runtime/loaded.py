"""What a runtime is made of: a bundle's graphs and assets, checked and ready."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from serving.bundle.files import copy_listed, read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError
from serving.graphs.protobuf import WeightsFile
from serving.graphs.scan import Outside, check_graph
from serving.runtime.divided import Checked, Divided
from serving.runtime.fixed import FixedSession
from serving.runtime.sealed import Sealed, content_of, sealed
from serving.runtime.session import Session


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
        read = partial(_read, directory, manifest)
        check = partial(
            check_graph,
            name=file,
            interface=interfaces[role],
            opset=described.opset,
            window=window,
            adapters=described.adapter_inputs(role),
        )
        graphs[role] = _checked(read, check, file, (described.weights or {}).get(role))
    return graphs


def _read(directory: Path, manifest: Manifest, file: str) -> Sealed | bytes:
    return sealed(partial(copy_listed, directory, manifest.files, file))


def _checked(
    read: Callable[[str], Sealed | bytes],
    check: Callable[..., list[Outside]],
    file: str,
    weights: str | None,
) -> Checked:
    data = read(file)
    if weights is None:
        check(content_of(data))
        return data
    numbers = content_of(read(weights))
    outside = check(content_of(data), weights=WeightsFile(weights, len(numbers)))
    constants = {
        each.name: np.frombuffer(numbers, each.dtype, math.prod(each.shape), each.start).reshape(
            each.shape
        )
        for each in outside
    }
    return Divided(data, constants)


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
