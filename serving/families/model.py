"""What every model is at run time: a bundle's sessions, and the calls that use them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from pydantic import ValidationError

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Interface, Record
from serving.bundle.refusal import plain
from serving.calls import Call, calls_of
from serving.reloading import Reloadable
from serving.runtime.loaded import Loaded

Axes = dict[str, list[str | int]]


class Timed(NamedTuple):
    """What is timed of a model, and how many images or tokens come of it."""

    function: Callable[[], object]
    items: int


class Model(Reloadable, ABC):
    """A model loaded by `serving.load`; the base of every family's runtime.

    A family declares the methods that make something with `serving.calls.call`.

    Attributes:
        Processing: what the family's manifests say of how content enters and leaves.
        manifest: everything that is known about the model.
        processing: of the manifest, parsed.
        calls: what it can be asked for, with every parameter.
        directory: of the bundle.
        variant, device, providers, threads: what was loaded, and where it runs.
        sessions: of the graphs, by role.
        filters: what it may not be given, and may not give; None for no filters.
        last_seed: of the last call that drew anything at random, to get the same again.
    """

    Processing: ClassVar[type[Record]]
    filters: Any = None  # a `serving.filters.filters.Filters`, which knows calls; see `load`

    def __init__(self, loaded: Loaded) -> None:
        self.manifest, self.directory = loaded.manifest, loaded.directory
        self.variant, self.sessions = loaded.variant, loaded.sessions
        self.processing: Any = self.processing_of(loaded.manifest)
        self.calls = self.declared(loaded.manifest)
        session = next(iter(loaded.sessions.values()))
        self.device, self.providers = session.device, session.providers
        self.threads = session.threads
        self.last_seed: int | list[int] | None = None

    @classmethod
    def processing_of(cls, manifest: Manifest) -> Any:
        """Return what a manifest says of how content enters and leaves.

        Raises:
            BundleError: it is not what models of this family say.
        """
        try:
            return cls.Processing.model_validate(manifest.processing)
        except ValidationError as error:
            first = error.errors()[0]
            where = plain(".".join(str(part) for part in first["loc"]), 100)
            raise BundleError(
                f"{manifest.name} is no model of family {manifest.family}: processing.{where}: "
                f"{first['msg'][:100]}"
            ) from None

    @classmethod
    def declared(cls, manifest: Manifest) -> dict[str, Call]:
        """Return what the model of a manifest can be asked for; no graph is opened."""
        return calls_of(cls, cls.processing_of(manifest))

    @classmethod
    def window_of(cls, manifest: Manifest) -> int | None:
        """Return the most steps of a sequence that its graphs see at once; None without sequences.

        Raises:
            BundleError: its processing is not that of this family.
        """
        return getattr(cls.processing_of(manifest), "context", None)

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        """Refuse assets that are not what the family takes them for, and say what they are.

        Raises:
            BundleError: one is missing or unusable.
        """
        return ", ".join(assets)

    @abstractmethod
    def timed(self, batch: int) -> dict[str, Timed]:
        """Return what `genzoo bench` times for a batch, by name; `generate` is one of them."""

    @abstractmethod
    def smallest(self) -> object:
        """Return the first result that the model can give: an image, or a text of one token."""


def check_interface(manifest: Manifest, expected: dict[str, tuple[Axes, Axes]]) -> None:
    """Refuse a bundle whose graphs are not of the sizes that it names.

    Args:
        manifest: of the bundle.
        expected: by role, the axes of all inputs, and of outputs that are used.

    Raises:
        BundleError: a graph is missing, or has other inputs, outputs or axes.
    """
    for role, (inputs, outputs) in expected.items():
        interface = manifest.interface.get(role)
        if interface is None:
            raise BundleError(f"{manifest.name} has no graph '{role}', which such a model needs")
        takes, returns = axes_of(interface)
        wrong = {name: axes for name, axes in inputs.items() if takes.get(name) != axes}
        wrong |= {name: axes for name, axes in outputs.items() if returns.get(name) != axes}
        for name, axes in wrong.items():
            found = takes.get(name) or returns.get(name) or "missing"
            raise BundleError(
                f"graph '{role}' of {manifest.name} is not of the sizes it names: {name} is "
                f"{found}, expected {axes}"
            )
        if takes.keys() != inputs.keys():
            raise BundleError(f"graph '{role}' of {manifest.name} takes more than {[*inputs]}")


# Graphs that were exported before axes had the names that other programs look for.
_NOW = {
    "batch": "batch_size",
    "sequence": "sequence_length",
    "past": "past_sequence_length",
    "total": "total_sequence_length",
}


def axes_of(interface: Interface) -> tuple[Axes, Axes]:
    """Return the axes of inputs and of outputs by name, old names of axes as they are now."""
    takes, returns = (
        {port.name: [_NOW.get(str(axis), axis) for axis in port.axes] for port in ports}
        for ports in (interface.inputs, interface.outputs)
    )
    return takes, returns
