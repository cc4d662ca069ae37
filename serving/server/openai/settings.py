"""How texts are to be drawn, as requests of this API say it: their fields as a call's arguments."""

import secrets
from collections.abc import Sequence
from typing import Any

from serving.noise import SEED_LIMIT
from serving.server.calls import check_followed
from serving.server.errors import RequestError
from serving.server.limits import Limits
from serving.server.openai.fields import ResponseFormat, TextFields
from serving.server.repository import Repository, Served
from serving.text.decoding import Order
from serving.text.sampling_config import FOLLOWED, SETTINGS
from serving.text.text import Encoded

ANY_OBJECT = {"type": "object"}


def named(repository: Repository, name: str) -> tuple[Served, str | None]:
    """Return the model that a name means, and the adapter: `MODEL` or `MODEL:ADAPTER`.

    Raises:
        RequestError: there is none of that name.
    """
    model, given, adapter = name.partition(":")
    served = repository.known(model)
    if given and adapter not in served.adapters:
        there = f"it has {', '.join(served.adapters)}" if served.adapters else "it has none"
        raise RequestError(f"{served.name} has no adapter '{adapter:.80}'; {there}", 404,
                           param="model", code="model_not_found", reason="unknown")  # fmt: skip
    return served, adapter if given else None


def asked(repository: Repository, name: str) -> tuple[Served, str | None]:
    """Return the language model that a name means, and the adapter, once it is loaded.

    Raises:
        RequestError: there is none of that name, it is not loaded yet, or it writes no texts.
    """
    served, adapter = named(repository, name)
    if not repository.get(served.name).writers:
        raise RequestError(f"{served.name} writes no texts", param="model", code="model_not_found")
    return served, adapter


def checked(
    served: Served, call: str, fields: TextFields, most: int | None, **more: Any
) -> dict[str, Any]:
    """Return the arguments of a model's own call, each as it checks them, and a seed.

    Args:
        served: the model.
        call: `generate` or `chat`.
        fields: what the request says.
        most: tokens of each text; None for the call's own default.
        more: that the call needs.

    Raises:
        UsageError: one is out of its range.
    """
    declared = served.calls[call]
    given = {name: getattr(fields, name) for name in (*SETTINGS, "seed", "stop")}
    given |= {"max_new_tokens": most} | _followed(fields)
    given |= more
    named = {name: value for name, value in given.items() if value is not None}
    for name in FOLLOWED:
        check_followed(name, named.get(name))
    found = declared.check((), named)
    found.setdefault("max_new_tokens", declared.parameters["max_new_tokens"].default)
    found["seed"] = int(found["seed"]) if "seed" in found else secrets.randbelow(SEED_LIMIT)
    return found


def ordered(
    served: Served, prompts: Sequence[Encoded], n: int, arguments: dict[str, Any], limits: Limits
) -> list[Order]:
    """Return what decides each of the `n` texts of each prompt: text i has the seed `seed + i`.

    Raises:
        RequestError: they are more than one may ask for.
        UsageError: they cannot be written so, or a filter refuses a prompt.
    """
    count = n * len(prompts)
    tokens = count * arguments["max_new_tokens"]
    if tokens > limits.tokens:
        raise RequestError(f"{tokens} tokens are asked for, {limits.tokens} at most; ask for "
                           "fewer", param="max_tokens")  # fmt: skip
    settings = {name: value for name, value in arguments.items() if name in SETTINGS}
    orders: list[Order] = served.model.orders(
        [prompt for prompt in prompts for _ in range(n)],
        arguments["max_new_tokens"],
        seed=[(arguments["seed"] + at) % SEED_LIMIT for at in range(n)] * len(prompts),
        stop=arguments.get("stop"),
        **settings,
    )
    served.check_prompts(orders)
    return orders


def follows(fields: TextFields) -> bool:
    """Say whether texts are to follow something, which takes a while to make ready."""
    return fields.response_format is not None or any(getattr(fields, each) for each in FOLLOWED)


def _followed(fields: TextFields) -> dict[str, Any]:
    """Return what a text must follow to be of the format that is asked for."""
    form = fields.response_format
    if form is None or form.type == "text":
        if form is not None and form.json_schema is not None:
            raise _format("json_schema is for the type 'json_schema'")
        return {}
    for name in FOLLOWED:
        if getattr(fields, name) is not None:
            raise _format(f"it is given and {name} as well; a text follows one of them")
    return {"json_schema": _schema(form)}


def _schema(form: ResponseFormat) -> dict[str, Any]:
    described = form.json_schema
    if form.type == "json_object":
        if described is not None:
            raise _format("json_schema is for the type 'json_schema'")
        return ANY_OBJECT
    if described is None:
        raise _format("json_schema is missing")
    return described.schema_ or ANY_OBJECT


def _format(what: str) -> RequestError:
    return RequestError(f"response_format: {what}", param="response_format", code="invalid_value")
