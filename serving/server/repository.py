"""The models of a server: which there are, what is known of them, and whether they are ready."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving import hub
from serving.bundle.manifest import Manifest
from serving.bundle.records import MANIFEST_NAME
from serving.errors import UsageError, nearest
from serving.families.model import Model
from serving.hub.opening import open_manifest
from serving.loader import load, runtime_of
from serving.runtime.shared_memory import slots
from serving.server.errors import RequestError
from serving.server.limits import Limits
from serving.server.metrics import Metrics
from serving.server.work.lane import Lane
from serving.server.work.post import Post
from serving.server.work.texts import Texts
from serving.server.work.together import Together, by_rows
from serving.server.work.writer import Writer
from serving.text.decoding import Order
from serving.text.text import TextModel

if TYPE_CHECKING:
    from serving.server.exchange import Exchange


THREADS = 2  # one does what graphs need before and after, while another runs one


class Served:
    """A model of a server.

    Attributes:
        name: of its manifest.
        source: the name or folder that it is loaded from.
        manifest, calls: what is known before it is loaded.
        model: once it is loaded.
        hash: of the manifest, which pins every file of the bundle: what made an answer.
        graphs: those whose rows are computed together, by role.
        lane: the threads that ask the model.
        writer: of a language model, the thread that writes many texts at once.
        post: takes what it writes to the event loop.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.manifest: Manifest = open_manifest(hub.find(source))
        self.name = self.manifest.name
        self.calls = runtime_of(self.manifest).declared(self.manifest)
        self.model: Any = None
        self.hash = ""
        self.graphs: dict[str, Together] = {}
        self.lane: Lane | None = None
        self.writer: Writer | None = None
        self.post = Post()

    def load(self, limits: Limits, metrics: Metrics, **options: Any) -> None:
        """Load the model and make its first result, so that the next is no slower than others."""
        model: Model = load(self.source, **options)
        self.hash = hashlib.sha256((model.directory / MANIFEST_NAME).read_bytes()).hexdigest()
        interfaces = model.manifest.interface_of(model.variant)
        for role, session in model.sessions.items():
            if by_rows(interfaces[role]):
                executed = partial(self._executed, metrics, role)
                self.graphs[role] = Together(session, executed)
        # Only where all graphs can be shared, does more than one at a time gain anything.
        together = limits.rows_together if self.graphs.keys() == model.sessions.keys() else 1
        model.sessions |= self.graphs  # type: ignore[arg-type]  # each runs as a session does
        model.smallest()
        self.lane = Lane(min(together, THREADS), together, limits.rows_together, self.name,
                         metrics.queue.labels(self.name).observe)  # fmt: skip
        if isinstance(model, TextModel):
            told = partial(self._written, metrics)
            places = slots(model.new_memory, limits.texts_together)
            self.writer = Writer(places, told, self.post.send)
            self.writer.start(f"{self.name}-writer")
        self.model = model

    def texts(self, orders: Sequence[Order], exchange: "Exchange", **options: Any) -> Texts:
        """Return the texts of a request, which it is to enter; see `Texts` for the options."""
        assert self.writer is not None
        server = exchange.server
        return Texts(
            orders,
            self.writer,
            self.post,
            self.model.tokenizer,
            server.admission,
            wanted=exchange.wanted,
            deadline=exchange.deadline,
            first=server.metrics.first_token.labels(self.name).observe,
            **options,
        )

    def _written(self, metrics: Metrics, drawn: int, texts: int, seconds: float) -> None:
        metrics.tokens.labels(self.name).inc(drawn)
        metrics.slots.labels(self.name).set(texts)
        if drawn:
            metrics.next_token.labels(self.name).observe(seconds)

    def _executed(self, metrics: Metrics, role: str, rows: int, seconds: float) -> None:
        metrics.rows.labels(self.name, role).inc(rows)
        metrics.executions.labels(self.name, role).inc()
        metrics.batch.labels(self.name, role).observe(rows)
        metrics.execution.labels(self.name, role).observe(seconds)

    def close(self) -> None:
        """Start no more work."""
        if self.lane is not None:
            self.lane.close()
        if self.writer is not None:
            self.writer.close()


class Repository:
    """The models that a server was started with.

    Args:
        sources: names of the catalogue, or folders of bundles.
        options: of `serving.load`.

    Raises:
        UsageError: there is no such model, or two have one name.
    """

    def __init__(self, sources: Sequence[str | Path], **options: Any) -> None:
        self._options = options
        self._served: dict[str, Served] = {}
        for source in sources:
            served = Served(str(source))
            if served.name in self._served:
                raise UsageError(f"two models are called '{served.name}'; leave one of them out")
            self._served[served.name] = served

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    @property
    def ready(self) -> bool:
        """Whether every model is warm."""
        return all(served.model is not None for served in self)

    def load(self, limits: Limits, metrics: Metrics) -> None:
        """Load every model; takes seconds."""
        for served in self:
            served.load(limits, metrics, **self._options)

    def known(self, name: str, param: str | None = "model") -> Served:
        """Return a model, loaded or not.

        Raises:
            RequestError: there is none of that name.
        """
        served = self._served.get(name)
        if served is None:
            hint = nearest(name, self._served) or f"; there are {', '.join(self._served)}"
            raise RequestError(f"no model is called '{name:.80}'{hint}", 404, param=param,
                          code="model_not_found", reason="unknown")  # fmt: skip
        return served

    def get(self, name: str, param: str | None = "model") -> Served:
        """Return a model that is loaded.

        Raises:
            RequestError: there is none of that name, or it is not loaded yet.
        """
        served = self.known(name, param)
        if served.model is None:
            raise RequestError(f"{name} is not loaded yet; try again", 503, code="loading",
                          reason="loading")  # fmt: skip
        return served

    def close(self) -> None:
        """Start no more work."""
        for served in self:
            served.close()
