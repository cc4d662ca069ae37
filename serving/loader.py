"""`serving.load`: from a name or a folder to a model that runs, through every check in between."""

import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serving.bundle.integrity import open_manifest, read_listed
from serving.bundle.manifest import BundleError, Manifest, TextProcessing
from serving.bundle.scan import check_graph
from serving.errors import UsageError, nearest
from serving.hub import Source, complete, find
from serving.runtime.fixed import FixedSession
from serving.runtime.session import DeviceError, Session, cuda_expected

if TYPE_CHECKING:
    from serving.families.gan import GAN
    from serving.families.gpt import GPT
    from serving.families.vae import VAE
    from serving.text.tokenizer import Tokenizer

_RUNTIMES = {
    "vae": "serving.families.vae:VAE",
    "gan": "serving.families.gan:GAN",
    "transformer": "serving.families.gpt:GPT",
}
# What loses nothing, in the order of speed to be expected. On CUDA a static graph is replayed.
_LOSSLESS = {
    "cpu": ("fused", "fp32", "static"),
    "cuda": ("static-fp16", "static", "fp16", "fp32"),
}


class Loaded(NamedTuple):
    """A bundle's graphs, checked and ready to run: what every family's runtime is made of."""

    manifest: Manifest
    directory: Path
    variant: str
    sessions: dict[str, Session]
    tokenizer: "Tokenizer | None" = None


def load(
    name_or_dir: str | Path,
    *,
    device: str = "auto",
    variant: str = "auto",
    threads: int | None = None,
    spinning: bool = True,
) -> "VAE | GAN | GPT":
    """Load a model.

    What is not here of a catalogue's model is downloaded. Before ONNX Runtime is called, every file
    that will be used has been found to be a regular file of the size and sha256 that the manifest
    lists, and each graph has passed `serving.bundle.scan.check_graph`. The manifest of a
    catalogue's model is the one the catalogue pins.

    Args:
        name_or_dir: a name of `genzoo list`, or a bundle directory.
        device: `cuda`, `cpu`, or `auto` for CUDA where it works and the CPU elsewhere. `auto` warns
            when there is a GPU and it cannot be used.
        variant: `fp32`, `fp16`, `int8`..., or `auto` for the fastest that loses nothing: of
            `fused`, `fp32` and `static` on the CPU, of `static-fp16`, `static`, `fp16` and `fp32`
            on CUDA, the one that was measured to be the fastest, see `genzoo card`; the first of
            them where not all were measured on such a device.
        threads: CPU threads; None for one per physical core that this process may use.
        spinning: whether idle threads wait without sleep, which is faster, and takes their cores
            from others.

    Returns:
        The model of its family: `serving.VAE`, `serving.GAN` or `serving.GPT`.

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
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise UsageError(f"threads is {threads!r}; expected a whole number from 1")
    source = find(name_or_dir)
    manifest = open_manifest(source)
    if manifest.family not in _RUNTIMES:
        raise BundleError(f"this version of genzoo does not run models of family {manifest.family}")
    module, name = _RUNTIMES[manifest.family].split(":")
    runtime = getattr(import_module(module), name)
    start = partial(open_session, threads=threads, spinning=spinning)
    return runtime(_on_first_device(source, manifest, _devices(device), variant, start))


def _devices(device: str) -> list[str]:
    """Return the devices to try, in order."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device is '{device}'; expected auto, cpu or cuda")
    if device == "auto":
        return ["cuda", "cpu"] if cuda_expected() else ["cpu"]
    return [device]


def _on_first_device(
    source: Source,
    manifest: Manifest,
    devices: list[str],
    variant: str,
    start: Callable[[Manifest, str, str, bytes, str], Session],
) -> Loaded:
    directory = source.directory
    for device in devices:
        chosen = choose_variant(manifest, variant, device)
        if source.entry is not None:
            complete(source, source.entry.needed(chosen))
        graphs = checked_graphs(directory, manifest, chosen)
        tokenizer = _checked_tokenizer(directory, manifest)
        try:
            sessions = {
                role: start(manifest, chosen, role, data, device) for role, data in graphs.items()
            }
            return Loaded(manifest, directory, chosen, sessions, tokenizer)
        except DeviceError as error:
            if device == devices[-1]:
                raise
            warnings.warn(f"running on the CPU: {error}", RuntimeWarning, stacklevel=3)
    raise AssertionError("there is always a device to try")


def _checked_tokenizer(directory: Path, manifest: Manifest) -> "Tokenizer | None":
    if not isinstance(manifest.processing, TextProcessing):
        return None
    from serving.text.reading import read_tokenizer

    return read_tokenizer(directory, manifest)


def checked_graphs(directory: Path, manifest: Manifest, variant: str) -> dict[str, bytes]:
    """Return the bytes of a variant's graphs by role, each checked against the manifest.

    Raises:
        BundleError: a file or a graph is not what the manifest says.
    """
    graphs = {}
    for role, file in manifest.variants[variant].graphs.items():
        if role not in manifest.interface:
            raise BundleError(f"{directory}: the manifest does not say what graph '{role}' takes")
        data = read_listed(directory, manifest, file)
        interface = manifest.interface_of(variant)[role]
        check_graph(data, file, interface, manifest.variants[variant].opset)
        graphs[role] = data
    return graphs


def open_session(
    manifest: Manifest,
    variant: str,
    role: str,
    data: bytes,
    device: str,
    threads: int | None = None,
    spinning: bool = True,
) -> Session:
    """Return what runs a graph on what `manifest.interface` says, whatever the variant.

    Args:
        manifest, variant, role: which graph it is.
        data: its bytes, checked.
        device, threads, spinning: see `serving.runtime.session.Session`.
    """
    described = manifest.variants[variant]
    file = described.graphs[role]
    if described.axes:
        interface = manifest.interface[role]
        fixed = {"interface": interface, "sizes": described.axes}
        return FixedSession(data, file, device, threads, spinning=spinning, **fixed)
    return Session(data, file, device, threads, spinning=spinning)


def choose_variant(manifest: Manifest, variant: str, device: str) -> str:
    """Return the variant that a user asks for, `auto` resolved for a device.

    Raises:
        UsageError: the bundle has no such variant.
    """
    known = list(manifest.variants)
    if not known:
        raise UsageError(f"{manifest.name} has no ONNX graphs; export it with --formats onnx")
    if variant == "auto":
        variant = _fastest(manifest, device)
    if variant not in known:
        raise UsageError(
            f"{manifest.name} has no variant '{variant}'; it has {', '.join(known)}"
            f"{nearest(variant, known)}"
        )
    if device == "cuda" and manifest.variants[variant].flavour == "fused":
        raise UsageError(f"variant '{variant}' is for the CPU; use another, or device='cpu'")
    return variant


def _fastest(manifest: Manifest, device: str) -> str:
    """Return the fastest variant that loses nothing, as measured or as expected."""
    variants = manifest.variants
    candidates = [name for name in _LOSSLESS[device] if name in variants] or list(variants)
    costs = [variants[name].cost for name in candidates]
    speeds = [cost.speed for cost in costs if cost and cost.speed and cost.speed.device == device]
    if len(speeds) < len(candidates):
        return candidates[0]
    return max(zip(speeds, candidates, strict=True), key=lambda pair: pair[0].value)[1]
