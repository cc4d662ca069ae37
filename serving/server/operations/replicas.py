"""The server as an application of Ray Serve, which runs many copies of it on one machine or many.

`serve run serving.server.operations.replicas:application models=cgan-mnist,vae-mnist replicas=2`
"""

from collections.abc import Mapping
from typing import Any

from serving.errors import UsageError
from serving.server.application import Server
from serving.server.limits import Limits
from serving.server.repository import Repository

OPTIONS = ("models", "replicas", "device", "variant", "threads", "cpus", "gpus", "keys", "prefix",
           "filters")  # fmt: skip


def application(arguments: Mapping[str, Any]) -> Any:
    """Return what `serve run` runs: copies of the server, each with all models, warm at once.

    Args:
        arguments: `models`, names or folders, a list or with commas between; `replicas`; `device`,
            `variant` and `threads` of each, as `serving.load` takes them; `cpus` and `gpus` that
            each occupies; `keys`, `prefix` and `filters`, a list or with commas between, as
            `genzoo serve` takes them.

    Raises:
        UsageError: an argument is unknown, or no model is named.
    """
    for name in arguments.keys() - set(OPTIONS):
        raise UsageError(f"there is no argument '{name}'; expected {', '.join(OPTIONS)}")
    models, filters = (_several(arguments.get(name)) for name in ("models", "filters"))
    if not models:
        raise UsageError("no model is named; say models=NAME_OR_DIR,NAME_OR_DIR")
    from ray import serve

    limits, threads = Limits(), arguments.get("threads")
    options = {name: arguments[name] for name in ("device", "variant") if name in arguments}
    keys, prefix = arguments.get("keys"), arguments.get("prefix", "")

    def started() -> Any:
        """Return the ASGI application of one copy; Ray sends requests when it is made."""
        repository = Repository(
            models,
            filters=filters,
            threads=None if threads is None else int(threads),
            spinning=False,
            **options,
        )
        server = Server(repository, limits, prefix, keys=keys)
        server.load()
        return server.application()

    deployment: Any = serve.deployment(
        serve.ingress(started)(),
        name="genzoo",
        num_replicas=int(arguments.get("replicas", 1)),
        max_ongoing_requests=limits.requests,
        ray_actor_options={
            "num_cpus": float(arguments.get("cpus", 1)),
            "num_gpus": float(arguments.get("gpus", 0)),
        },
    )
    return deployment.bind()


def _several(given: Any) -> list[str]:
    return given.split(",") if isinstance(given, str) else list(given or ())
