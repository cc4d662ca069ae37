"""`serving.load`: from a name or a folder to a model that runs, through every check in between."""

import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serving.bundle import BundleError, Manifest, TextProcessing
from serving.fixed import FixedSession
from serving.integrity import open_manifest, read_listed
from serving.scan import check_graph
from serving.session import DeviceError, Session, cuda_expected
from zoo.errors import UsageError, nearest
from zoo.hub import Source, complete, find

if TYPE_CHECKING:
    from serving.gan import GAN
    from serving.gpt import GPT
    from serving.vae import VAE
    from zoo.language.tokenizer import Tokenizer

_RUNTIMES = {
    "vae": "serving.vae:VAE",
    "gan": "serving.gan:GAN",
    "transformer": "serving.gpt:GPT",
}
# What `auto` takes: the fastest that loses nothing. On CUDA a static graph is replayed.
_FASTEST = {"cpu": ("fused", "fp32"), "cuda": ("static-fp16", "static", "fp16", "fp32")}


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
) -> "VAE | GAN | GPT":
    """Load a model.

    What is not here of a catalogue's model is downloaded. Before ONNX Runtime is called, every file
    that will be used has been found to be a regular file of the size and sha256 that the manifest
    lists, and each graph has passed `serving.scan.check_graph`. The manifest of a catalogue's model
    is the one the catalogue pins.

    Args:
        name_or_dir: a name of `genzoo list`, or a bundle directory.
        device: `cuda`, `cpu`, or `auto` for CUDA where it works and the CPU elsewhere. `auto` warns
            when there is a GPU and it cannot be used.
        variant: `fp32`, `fp16`, `int8`..., or `auto` for the fastest that loses nothing: on the CPU
            `fused`, on CUDA `static-fp16`, `static` or `fp16`, and `fp32` where the bundle does not
            have them.
        threads: CPU threads; None for one per physical core that this process may use.

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
    return runtime(_on_first_device(source, manifest, _devices(device), variant, threads))


def _devices(device: str) -> list[str]:
    """Return the devices to try, in order."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device is '{device}'; expected auto, cpu or cuda")
    if device == "auto":
        return ["cuda", "cpu"] if cuda_expected() else ["cpu"]
    return [device]


def _on_first_device(
    source: Source, manifest: Manifest, devices: list[str], variant: str, threads: int | None
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
                role: open_session(manifest, chosen, role, data, device, threads)
                for role, data in graphs.items()
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
    from serving.tokenizer import read_tokenizer

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
) -> Session:
    """Return what runs a graph on what `manifest.interface` says, whatever the variant.

    Args:
        manifest, variant, role: which graph it is.
        data: its bytes, checked.
        device, threads: see `serving.session.Session`.
    """
    described = manifest.variants[variant]
    file = described.graphs[role]
    if described.axes:
        interface = manifest.interface[role]
        return FixedSession(data, file, device, threads, interface=interface, sizes=described.axes)
    return Session(data, file, device, threads)


def choose_variant(manifest: Manifest, variant: str, device: str) -> str:
    """Return the variant that a user asks for, `auto` resolved for a device.

    Raises:
        UsageError: the bundle has no such variant.
    """
    known = list(manifest.variants)
    if not known:
        raise UsageError(f"{manifest.name} has no ONNX graphs; export it with --formats onnx")
    if variant == "auto":
        wanted = _FASTEST[device]
        variant = next((name for name in wanted if name in known), known[0])
    if variant not in known:
        raise UsageError(
            f"{manifest.name} has no variant '{variant}'; it has {', '.join(known)}"
            f"{nearest(variant, known)}"
        )
    if device == "cuda" and manifest.variants[variant].flavour == "fused":
        raise UsageError(f"variant '{variant}' is for the CPU; use another, or device='cpu'")
    return variant
