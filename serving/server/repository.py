"""The models of a server: which there are, what is known of them, and whether they are ready."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving import hub
from serving.bundle.adapter import adapters_of
from serving.bundle.manifest import Manifest, parse_manifest
from serving.bundle.records import MANIFEST_NAME
from serving.collecting import collect_everything
from serving.errors import GenzooError, UsageError, nearest
from serving.families.model import Model
from serving.hub.opening import open_manifest
from serving.loader import load, runtime_of
from serving.runtime.shared_memory import slots
from serving.server.errors import RequestError
from serving.server.limits import Limits
from serving.server.metrics import GraphMetrics, Metrics, TextMetrics
from serving.server.operations import tracing
from serving.server.work.draft import UNTOLD, Times
from serving.server.work.lane import Lane
from serving.server.work.line import Line
from serving.server.work.post import Post
from serving.server.work.texts import Texts
from serving.server.work.together import Together, by_rows
from serving.server.work.writer import Writer
from serving.text.decoding import Order
from serving.text.text import TextModel

if TYPE_CHECKING:
    from serving.server.exchange import Exchange

UNLOADED = "UNAVAILABLE"  # as the Open Inference Protocol calls it
THREADS = 2  # one does what graphs need before and after, while another runs one


class Served:
    """A model of a server.

    Attributes:
        name: of its manifest.
        source: the name or folder that it is loaded from.
        filtered: whether there are filters of what it is given and gives.
        manifest, calls: what is known before it is loaded.
        model: once it is loaded.
        hash: of the manifest, which pins every file of the bundle: what made an answer.
        graphs: those whose rows are computed together, by role.
        lane: the threads that ask the model.
        adapters: that a language model is served with, by the names that requests give.
        writers: of a language model, the threads that each write many texts at once: one with
            each adapter, and one without.
        posts: of the writers, which take what these write to the event loop.
        times: is told how long its texts take.
    """

    def __init__(
        self, source: str, filtered: bool = False, adapters: Mapping[str, Path] | None = None
    ) -> None:
        self.source, self.filtered = source, filtered
        self.manifest: Manifest = open_manifest(hub.find(source))
        self._places = dict(adapters or {})
        self.adapters = adapters_of(self.manifest, self._places)
        self.name = self.manifest.name
        self.calls = runtime_of(self.manifest).declared(self.manifest)
        self.model: Any = None
        self.hash = ""
        self.graphs: dict[str, Together] = {}
        self.lane: Lane | None = None
        self.writers: dict[str | None, Writer] = {}
        self.posts: dict[str | None, Post] = {}
        self._writing: dict[str | None, int] = {}  # texts at the moment
        self.times = UNTOLD

    def load(self, limits: Limits, metrics: Metrics, **options: Any) -> None:
        """Load the model and make its first result, so that the next is no slower than others."""
        adapters = {name: self._places[name] for name in self.adapters}
        model: Model = load(self.source, **options, adapters=adapters)
        self.calls = model.calls  # which know the adapters
        self.hash = self.hash_of(model)
        interfaces = model.manifest.interface_of(model.variant)
        for role, session in model.sessions.items():
            if by_rows(interfaces[role]):
                executed = partial(self._executed, metrics.of_graph(self.name, role), role)
                self.graphs[role] = Together(session, executed)
        # Only where all graphs can be shared, does more than one at a time gain anything.
        together = limits.rows_together if self.graphs.keys() == model.sessions.keys() else 1
        model.sessions |= self.graphs  # type: ignore[arg-type]  # each runs as a session does
        model.smallest()
        queued = metrics.queue.labels(self.name).observe
        self.lane = Lane(min(together, THREADS), together, limits.rows_together, self.name, queued,
                         limits.requests_of_model)  # fmt: skip
        if isinstance(model, TextModel):
            observed = (metrics.queue, metrics.first_token, metrics.next_token)
            self.times = Times(*(each.labels(self.name).observe for each in observed))
            self._writing = dict.fromkeys((None, *self.adapters), 0)
            for adapter in self._writing:
                told = partial(self._written, metrics.of_texts(self.name), adapter)
                places = slots(model.memory_of(adapter), limits.texts_together)
                self.posts[adapter] = post = Post()
                writer = Writer(places, told, post.send, filters=model.filters)
                writer.start(f"{self.name}-{adapter or 'writer'}")
                self.writers[adapter] = writer
        self.model = model

    def hash_of(self, model: Model) -> str:
        """Return the hash of the manifest; it must be that of which everything was read."""
        path = model.directory / MANIFEST_NAME
        data = path.read_bytes()
        if not self.manifest == model.manifest == parse_manifest(data, path):
            raise GenzooError(f"{path} was replaced while it was read; load it again")
        return hashlib.sha256(data).hexdigest()

    def check_prompts(self, orders: Sequence[Order]) -> None:
        """Have filters look at what texts go on from, at each prompt once; may take a while.

        Raises:
            FilteredError: a filter refuses one.
        """
        if self.model.filters is not None:
            for prompt in {tuple(order.prompt) for order in orders}:
                self.model.filters.check_prompt(self.model.tokenizer.decode(prompt))

    def orders_of(self, call: str, arguments: Mapping[str, Any]) -> list[Order]:
        """Return what decides each text of a call, once filters have seen the prompts.

        Raises:
            UsageError: as of the call.
        """
        orders: list[Order] = self.model.orders_of(call, arguments)
        self.check_prompts(orders)
        return orders

    def texts(
        self,
        orders: Sequence[Order],
        exchange: "Exchange",
        adapter: str | None = None,
        **options: Any,
    ) -> Texts:
        """Return the texts of a request, which it is to enter; see `Texts` for the options."""
        server = exchange.server
        return Texts(
            orders,
            self.writers[adapter],
            self.posts[adapter],
            self.model.tokenizer,
            server.admission,
            wanted=exchange.wanted,
            deadline=exchange.deadline,
            times=self.times,
            **options,
        )

    def _written(
        self, metrics: TextMetrics, adapter: str | None, drawn: int, texts: int, seconds: float
    ) -> None:
        self._writing[adapter] = texts
        metrics.tokens.inc(drawn)
        metrics.slots.set(sum(self._writing.values()))
        if drawn:
            metrics.batch.observe(drawn)

    def _executed(
        self, metrics: GraphMetrics, role: str, rows: int, seconds: float, traces: Sequence[Any]
    ) -> None:
        metrics.rows.inc(rows)
        metrics.executions.inc()
        metrics.batch.observe(rows)
        metrics.seconds.observe(seconds)
        tracing.executed(f"execute {role}", seconds, traces, model=self.name, rows=rows)

    def close(self) -> None:
        """Start no more work."""
        if self.lane is not None:
            self.lane.close()
        for writer in self.writers.values():
            writer.close()

    def forget(self) -> None:
        """Let go of the model, which nobody asks any more, and its memory at once; waits."""
        self.close()
        while self.writers:
            self.writers.popitem()[1].join()
        self.model, self.lane = None, None
        self.graphs.clear()  # each of which knows this
        collect_everything()  # a model may know itself


class Repository:
    """The models that a server was started with.

    Args:
        sources: names of the catalogue, or folders of bundles.
        adapters: folders by the names that requests give; of whichever model each is a change.
        options: of `serving.load`.

    Attributes:
        told: why a model was not loaded the last time, by its name.

    Raises:
        UsageError: there is no such model, or two have one name.
    """

    def __init__(
        self,
        sources: Sequence[str | Path],
        adapters: Mapping[str, Path] | None = None,
        **options: Any,
    ) -> None:
        self._options, self._adapters = options, adapters or {}
        self._served: dict[str, Served] = {}
        self._watching: list[Callable[[], None]] = []
        self.told: dict[str, str] = {}
        for source in sources:
            served = self._new(str(source))
            if served.name in self._served:
                raise UsageError(f"two models are called '{served.name}'; leave one of them out")
            self._served[served.name] = served
        self._sources = {served.name: served.source for served in self}
        taken = {name for served in self for name in served.adapters}
        for name in self._adapters.keys() - taken:
            raise UsageError(
                f"adapter '{name:.80}' is a change of none of these models, or of none in a "
                "variant that takes adapters; see genzoo export --variants fused-lora"
            )

    def _new(self, source: str) -> Served:
        return Served(source, bool(self._options.get("filters")), self._adapters)

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    @property
    def ready(self) -> bool:
        """Whether every model is warm."""
        return all(served.model is not None for served in self)

    def load(self, limits: Limits, metrics: Metrics) -> None:
        """Load every model that is not loaded yet; takes seconds."""
        for served in list(self):  # some may be unloaded meanwhile
            if served.model is None:
                served.load(limits, metrics, **self._options)

    def known(self, name: str, param: str | None = "model") -> Served:
        """Return a model, loaded or not.

        Raises:
            RequestError: there is none of that name.
        """
        served = self._served.get(name)
        if served is None and name in self._sources:
            raise RequestError(f"{name} was unloaded", 404, param=param, code="model_not_found",
                          reason="unknown")  # fmt: skip
        if served is None:
            hint = nearest(name, self._served) or f"; there are {', '.join(self._served)}"
            raise RequestError(f"no model is called '{name:.80}'{hint}", 404, param=param,
                          code="model_not_found", reason="unknown")  # fmt: skip
        return served

    def line_of(self, name: str) -> Line | None:
        """Return the line that requests for a model, or for a part of one, wait in."""
        served = self._served.get(name) or self._served.get(name.rpartition(".")[0])
        if served is None or served.lane is None or served.writers:
            return None
        return served.lane.line

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

    # --- models that change, see `serving.server.operations.renewal` ---

    def states(self) -> dict[str, str]:
        """Return of every model that the server was started with whether it is served."""
        here = {each.name: "LOADING" if each.model is None else "READY" for each in self}
        return {name: here.get(name, UNLOADED) for name in self._sources}

    def source(self, name: str) -> str:
        """Return from where a model is loaded.

        Raises:
            RequestError: the server was started without it.
        """
        if name not in self._sources:
            hint = nearest(name, self._sources) or f"; there are {', '.join(self._sources)}"
            raise RequestError(f"no model is called '{name:.80}'{hint}", 404, reason="unknown")
        return self._sources[name]

    def renewed(self, name: str, limits: Limits, metrics: Metrics) -> Served | None:
        """Return a model, loaded again and warm, or None where its bundle is still the same.

        Raises:
            GenzooError: it cannot be loaded.
        """
        fresh, old = self._new(self.source(name)), self._served.get(name)
        if fresh.name != name:
            raise UsageError(f"the bundle at {fresh.source} is '{fresh.name}' now; serve it anew")
        if old is not None:
            if (old.manifest, old.adapters) == (fresh.manifest, fresh.adapters):
                return None
            for adapter in old.adapters.keys() - fresh.adapters.keys():
                raise UsageError(
                    f"adapter '{adapter}' is no change of the new {name}; train it again from "
                    "that, or serve without it"
                )
        try:
            fresh.load(limits, metrics, **self._options)
        except Exception:
            fresh.close()
            raise
        return fresh

    def put(self, fresh: Served) -> Served | None:
        """Serve a model from now on; return the one that was served by its name."""
        old = self._served.get(fresh.name)
        self._served[fresh.name] = fresh
        self._changed()
        return old

    def remove(self, name: str) -> Served:
        """Serve a model no more, and return it."""
        old = self._served.pop(name)
        self._changed()
        return old

    def watch(self, changed: Callable[[], None]) -> None:
        """Have something called whenever other models are served."""
        self._watching.append(changed)

    def _changed(self) -> None:
        for changed in self._watching:
            changed()

    def close(self) -> None:
        """Start no more work."""
        for served in self:
            served.close()
