"""`/v1/images/generations`: images, drawn as a prompt says.

The prompt of a model that knows words is what to draw, and of a model with classes the number of a
class: `3`, or `class 3`. All but the latter take an empty prompt, or `any`.
"""

import re
import time
from typing import Any

from starlette.responses import Response

from serving import registry
from serving.calls import Call
from serving.content.content import Content
from serving.server.bodies import parsed_object
from serving.server.calls import checked_amount, seeded
from serving.server.errors import RequestError
from serving.server.exchange import Exchange, json_response, origin
from serving.server.marking import marking
from serving.server.openai.fields import ImageFields, read
from serving.server.repository import Served

_CLASS = re.compile(r"(?:class\s+)?(\d{1,9})", re.IGNORECASE | re.ASCII)
_ANYTHING = ("", "any")


async def generated(exchange: Exchange) -> Response:
    """Draw images."""
    fields = read(ImageFields, parsed_object(exchange.data, exchange.server.limits))
    served = exchange.server.repository.get(fields.model)
    call = served.calls.get("generate")
    if call is None or call.gives != "image":
        raise RequestError(f"{served.name} draws no images", param="model", code="model_not_found")
    _check(fields, served)
    given = {"n": fields.n or 1, "seed": fields.seed, "truncation": fields.truncation}
    arguments = {name: value for name, value in given.items() if value is not None}
    arguments, seed = seeded(call, arguments | _told(call, fields.prompt))
    rows = checked_amount(call, arguments, exchange.server.limits)
    content: Content = registry.content(call.gives)

    marked = marking(exchange, served, call, arguments, seed)

    def work() -> list[str]:
        images = served.model.generate(**arguments)
        addresses: list[str] = marked(content.to_json(images, served.manifest.processing))
        return [address.partition(",")[2] for address in addresses]

    cell = content.cell(served.manifest.processing, given=False)
    size = 0 if cell is None else cell.bytes
    pictures = await exchange.compute(served, rows, work, size)
    document: dict[str, Any] = {
        "created": int(time.time()),
        "data": [{"b64_json": picture} for picture in pictures],
        "output_format": "png",
        "seed": seed,
        "system_fingerprint": served.hash,
    }
    return json_response(document, origin(served, seed))


def _told(call: Call, prompt: str) -> dict[str, Any]:
    """Return the argument that a prompt stands for."""
    word = prompt.strip()
    if "prompt" in call.parameters:
        return {} if word.lower() in _ANYTHING else {"prompt": prompt}
    if "labels" not in call.parameters:
        if word.lower() not in _ANYTHING:
            raise RequestError(
                f"prompt is '{word:.60}'; this model has no classes, so expected '' or 'any'",
                param="prompt",
            )
        return {}
    found = _CLASS.fullmatch(word)
    most = call.parameters["labels"].maximum
    if found is None or int(found[1]) > most:  # type: ignore[operator]  # a number by now
        raise RequestError(
            f"prompt is '{word:.60}'; expected the number of a class, 0 to {most}", param="prompt"
        )
    return {"labels": int(found[1])}


def _check(fields: ImageFields, served: Served) -> None:
    """Refuse what the images of a model cannot be."""
    height, width, _ = served.manifest.processing["image_shape"]
    known = {
        "size": ("auto", f"{width}x{height}"),
        "response_format": ("b64_json",),
        "output_format": ("png",),
    }
    for name, values in known.items():
        given = getattr(fields, name)
        if given is not None and given not in values:
            raise RequestError(f"{name} is '{given:.40}'; expected {' or '.join(values)}",
                               param=name)  # fmt: skip


ROUTES = (("POST", "/v1/images/generations", generated),)
