"""What a server counts, for Prometheus. Every label has a closed set of values."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serving.server.errors import REASONS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"  # route or model of whoever asks for what there is not
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class GraphMetrics(NamedTuple):
    """What is counted of one graph, see `Metrics`: to look it up by its labels takes time."""

    rows: Counter
    executions: Counter
    batch: Histogram
    seconds: Histogram


class TextMetrics(NamedTuple):
    """The same of the texts of one model."""

    tokens: Counter
    slots: Gauge
    batch: Histogram


class Metrics:
    """The counters of one server.

    Models are those that it was started with, routes the patterns that it knows, statuses those
    of its error layer: nothing that a client makes up becomes a label.

    Example:
        >>> metrics = Metrics()
        >>> metrics.rejected.labels("full").inc()
        >>> b'genzoo_rejected_total{reason="full"} 1.0' in metrics.text()
        True
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"genzoo_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"genzoo_{name}", words, labels, registry=registry)

        def histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"genzoo_{name}", words, labels, registry=registry, buckets=buckets)

        self.requests = counter("requests", "Requests answered", "route", "status")
        self.seconds = histogram("request_seconds", "From request to answer", _SECONDS, "route")
        self.rejected = counter("rejected", "Requests refused", "reason")
        for reason in REASONS:  # so that there is a series of each before the first
            self.rejected.labels(reason)
        self.cancelled = counter("cancelled", "Requests whose client went away")
        self.here = gauge("requests_here", "Requests that wait or are being answered")
        self.rows_here = gauge("rows_here", "Rows of these")
        self.queue = histogram(
            "queue_seconds", "Until a thread or a slot is free", _SECONDS, "model"
        )
        self.rows = counter("rows", "Rows computed by graphs", "model", "graph")
        self.executions = counter("executions", "Runs of graphs", "model", "graph")
        self.batch = histogram(
            "batch_rows", "Rows of a run, texts of a turn", _ROWS, "model", "graph"
        )
        self.execution = histogram("execution_seconds", "Of a run", _SECONDS, "model", "graph")
        self.tokens = counter("tokens", "Tokens written", "model")
        self.first_token = histogram("first_token_seconds", "Until the first token", _SECONDS,
                                     "model")  # fmt: skip
        self.next_token = histogram("next_token_seconds", "Between two tokens", _SECONDS, "model")
        self.loads = counter("model_loads", "Models taken anew", "model", "outcome")
        self.slots = gauge("slots_in_use", "Texts in the making", "model")
        self._answered: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, status: str, seconds: float) -> None:
        """Count a request that was answered."""
        known = self._answered.get((route, status))
        if known is None:
            known = self.requests.labels(route, status), self.seconds.labels(route)
            self._answered[route, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def of_graph(self, model: str, graph: str) -> GraphMetrics:
        """Return what is counted of the runs of one graph."""
        return GraphMetrics(
            self.rows.labels(model, graph),
            self.executions.labels(model, graph),
            self.batch.labels(model, graph),
            self.execution.labels(model, graph),
        )

    def of_texts(self, model: str) -> TextMetrics:
        """Return what is counted of the texts of one model."""
        batch = self.batch.labels(model, "texts")
        return TextMetrics(self.tokens.labels(model), self.slots.labels(model), batch)

    def text(self) -> bytes:
        """Return everything in the format that Prometheus reads."""
        return generate_latest(self._registry)
