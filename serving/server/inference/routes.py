"""`/v2`: metadata, readiness, configuration, statistics, and inference."""

import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response

from serving.errors import nearest
from serving.server.errors import RequestError
from serving.server.exchange import Exchange, Way, json_response, origin
from serving.server.inference import control
from serving.server.inference.models import VERSION, Inferable, inferable
from serving.server.inference.tensors import read, write
from serving.server.repository import Repository
from serving.version import version

EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]
LENGTH = "inference-header-content-length"


@dataclass
class _Statistics:
    """What was asked of one model."""

    good: int = 0
    bad: int = 0
    rows: int = 0
    good_seconds: float = 0.0
    bad_seconds: float = 0.0
    last: int = 0

    def record(self, name: str) -> dict[str, Any]:
        """Return it as the protocol words it."""

        def duration(count: int, seconds: float) -> dict[str, int]:
            return {"count": count, "ns": int(1e9 * seconds)}

        return {
            "name": name,
            "version": VERSION,
            "last_inference": self.last,
            "inference_count": self.rows,
            "execution_count": self.good,
            "inference_stats": {
                "success": duration(self.good, self.good_seconds),
                "fail": duration(self.bad, self.bad_seconds),
                "compute_infer": duration(self.good, self.good_seconds),
            },
            "batch_stats": [],
        }


@dataclass
class Protocol:
    """The routes of one server.

    Attributes:
        models: what clients may name.
        statistics: of each that was asked.
    """

    repository: Repository
    models: dict[str, Inferable] = field(init=False)
    statistics: dict[str, _Statistics] = field(default_factory=lambda: defaultdict(_Statistics))

    def __post_init__(self) -> None:
        self._renew()
        self.repository.watch(self._renew)

    def _renew(self) -> None:
        self.models = inferable(self.repository)

    def routes(self) -> list[Way]:
        """Return the routes of the protocol."""
        found: list[Way] = [
            ("GET", "/v2", self.server, False),
            *control.routes(self),
            ("GET", "/v2/models/stats", self.stats, False),
        ]
        for path in ("/v2/models/{model}/versions/{version}", "/v2/models/{model}"):
            found += [
                ("GET", path, self.metadata, False),
                ("GET", f"{path}/ready", self.ready, False),
                ("GET", f"{path}/config", self.config, False),
                ("GET", f"{path}/stats", self.stats, False),
                ("POST", f"{path}/infer", self.infer, True, True),
            ]
        return found

    def _model(self, exchange: Exchange) -> Inferable:
        name = exchange.path["model"]
        found = self.models.get(name)
        if found is None:
            hint = nearest(name, self.models) or f"; there are {', '.join(self.models)}"
            raise RequestError(f"no model is called '{name:.80}'{hint}", 404, reason="unknown")
        if exchange.path.get("version", VERSION) != VERSION:
            raise RequestError(f"{name} has the version {VERSION} alone", 404, reason="unknown")
        return found

    async def server(self, exchange: Exchange) -> Response:
        """Say what this server is."""
        return json_response({"name": "genzoo", "version": version(), "extensions": EXTENSIONS})

    async def metadata(self, exchange: Exchange) -> Response:
        """Say what a model takes and gives."""
        model = self._model(exchange)
        document = {
            "name": model.name,
            "versions": [VERSION],
            "platform": model.platform,
            "inputs": [each.record() for each in model.inputs],
            "outputs": [each.record() for each in model.outputs],
        }
        return json_response(document, origin(model.served))

    async def ready(self, exchange: Exchange) -> Response:
        """Say whether a model is warm."""
        model = self._model(exchange)
        self.repository.get(model.served.name)
        return json_response({"name": model.name, "ready": True})

    async def config(self, exchange: Exchange) -> Response:
        """Give a model's configuration."""
        return json_response(self._model(exchange).config(exchange.server.limits.rows))

    async def stats(self, exchange: Exchange) -> Response:
        """Tell what was asked of a model, or of all."""
        names = [self._model(exchange).name] if "model" in exchange.path else list(self.models)
        return json_response({"model_stats": [self.statistics[n].record(n) for n in names]})

    async def infer(self, exchange: Exchange) -> Response:
        """Give what a model makes of tensors."""
        model, began = self._model(exchange), time.monotonic()
        said = self.statistics[model.name]
        try:
            response, rows = await self._inferred(exchange, model)
        except Exception:
            said.bad, said.bad_seconds = said.bad + 1, said.bad_seconds + time.monotonic() - began
            raise
        said.good, said.good_seconds = said.good + 1, said.good_seconds + time.monotonic() - began
        said.rows, said.last = said.rows + rows, int(1000 * time.time())
        return response

    async def _inferred(self, exchange: Exchange, model: Inferable) -> tuple[Response, int]:
        served = self.repository.get(model.served.name)
        length = exchange.request.headers.get(LENGTH)
        limits = exchange.server.limits
        asked = await exchange.parse(read, exchange.data, length, model.inputs, limits)
        known = {each.name for each in model.outputs}
        for each in asked.outputs:
            if each.name not in known:
                what = ", ".join(sorted(known))
                raise RequestError(f"there is no output '{each.name:.80}'; expected {what}")
        if asked.timeout is not None:
            until = time.monotonic() + asked.timeout / 1e6
            exchange = replace(exchange, deadline=min(exchange.deadline, until))
        results, told = await model.infer(exchange, asked)
        binary = dict.fromkeys(results, asked.binary) | {w.name: w.binary for w in asked.outputs}
        document: dict[str, Any] = {"model_name": model.name, "model_version": VERSION}
        document |= {"id": asked.id} if asked.id else {}
        document["parameters"] = told | {"model_hash": served.hash}
        body, header = write(document, results, binary)
        headers = origin(served, told.get("seed"))
        if header is None:
            return Response(body, headers=headers, media_type="application/json"), _rows(results)
        headers[LENGTH] = str(header)
        return Response(body, headers=headers, media_type="application/octet-stream"), _rows(
            results
        )


def _rows(results: dict[str, Any]) -> int:
    return max(len(each) for each in results.values())
