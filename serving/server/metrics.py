"""What a server counts, for Prometheus. Every label has a closed set of values."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serving.server.errors import REASONS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"  # route or model of whoever asks for what there is not
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


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

    def text(self) -> bytes:
        """Return everything in the format that Prometheus reads."""
        return generate_latest(self._registry)
