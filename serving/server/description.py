"""One OpenAPI document of everything that the models of a server can be asked for.

It is generated from the declared calls, so it says what they check. Fields whose names begin with
`x-` say what the page at `/` makes its controls of.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from serving import registry
from serving.calls import Call
from serving.content.content import Content
from serving.parameters import Parameter
from serving.server.calls import JSON
from serving.server.exchange import Exchange, json_response
from serving.server.limits import Limits
from serving.server.repository import Served
from serving.version import version

Schema = dict[str, Any]
_TYPES = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}
_HEADERS = {
    "x-request-id": "Of this request, as the client named it, or a new one.",
    "x-model": "The model.",
    "x-model-hash": "sha256 of its manifest, which pins every file.",
    "x-model-variant": "The variant that was run.",
    "x-seed": "The seed, to make the same again.",
}
_STATUSES = {
    "400": "A parameter is wrong, or more is asked for than one may.",
    "404": "There is no such model or call.",
    "406": "There are no such files of this content.",
    "408": "The request came too slowly.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not read.",
    "429": "Too many requests of one client; see Retry-After.",
    "503": "The server is full, loading or closing; see Retry-After.",
    "504": "The request took longer than it may.",
}
_SHOWN: Schema = {
    "description": "With `prefer: shown`: a picture of it as a `data:` address, or words, or both.",
    "type": "object",
    "properties": {
        "picture": {"type": ["string", "null"]},
        "words": {"type": ["string", "null"]},
    },
}
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


async def described(exchange: Exchange) -> Response:
    """Give the document."""
    server = exchange.server
    return json_response(document(server.repository, server.limits, server.prefix))


def document(models: Any, limits: Limits, prefix: str = "") -> Schema:
    """Return the document of some models.

    Args:
        models: each a `serving.server.repository.Served`.
        limits: of the server.
        prefix: of its paths.
    """
    paths: Schema = {}
    tags: list[Schema] = []
    for served in models:
        manifest = served.manifest
        tags.append({"name": served.name, "description": manifest.summary, "x-task": manifest.task})
        for call in served.calls.values():
            paths[f"/v1/calls/{served.name}/{call.name}"] = {
                "post": _operation(served, call, limits)
            }
    return {
        "openapi": "3.1.0",
        "info": {"title": "genzoo", "version": version()},
        "servers": [{"url": prefix or "/"}],
        "tags": tags,
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
        "x-contents": {name: _kind(registry.content(name)) for name in sorted(_contents(models))},
    }


def _contents(models: Any) -> set[str]:
    """Return the kinds of content that the calls of models take or give."""
    calls = [call for served in models for call in served.calls.values()]
    takes = {each.content for call in calls for each in call.parameters.values() if each.content}
    return takes | {call.gives for call in calls}


def _kind(content: Content) -> Schema:
    """Return what is known of a kind of content: its words, and its files by suffix."""
    return {
        "noun": content.noun,
        "unit": content.unit,
        "files": dict(content.files()),
        "made": dict(content.made_files()),
    }


def _operation(served: Served, call: Call, limits: Limits) -> Schema:
    """Return what is said of one call of one model."""
    gives: Content = registry.content(call.gives)
    properties = {name: schema(each, limits) for name, each in call.parameters.items()}
    required = [name for name, each in call.parameters.items() if each.required]
    body: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    content: Schema = {JSON: {"schema": body | ({"required": required} if required else {})}}
    takes = call.files
    if len(takes) == 1:
        kind: Content = registry.content(str(takes[0].content))
        content |= {media: {} for media in kind.files().values()}
    words = [
        {"name": name, "in": "query", "schema": properties[name], "description": each.help}
        for name, each in call.parameters.items()
        if each.kind in _TYPES and not each.each and not each.content
    ]
    return {
        "operationId": f"{served.name}-{call.name}",
        "summary": call.help,
        "tags": [served.name],
        "parameters": words,
        "requestBody": {"content": content, "required": bool(required)},
        "responses": _responses(call, gives),
        "x-call": {
            "model": served.name,
            "name": call.name,
            "gives": call.gives,
            "streams": call.stream is not None,
            "continues": call.continues,
            "turns": call.turns,
        },
    }


def _responses(call: Call, gives: Content) -> Schema:
    made: Schema = {
        "type": "object",
        "required": ["model", "model_hash", "variant", "seed", call.gives],
        "properties": {
            "model": {"type": "string"},
            "model_hash": {"type": "string"},
            "variant": {"type": "string"},
            "seed": {"type": ["integer", "null", "array"]},
            call.gives: {"description": f"The {gives.noun}s."},
            "shown": _SHOWN,
        },
    }
    content: Schema = {JSON: {"schema": made}} | {kind: {} for kind in gives.made_files().values()}
    headers = {name: {"schema": {"type": "string"}, "description": words}
               for name, words in _HEADERS.items()}  # fmt: skip
    refused = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"200": {"description": call.help, "headers": headers, "content": content}} | {
        status: {"description": words, "content": refused} for status, words in _STATUSES.items()
    }


def schema(parameter: Parameter, limits: Limits) -> Schema:
    """Return the JSON schema of a parameter's values.

    Example:
        >>> schema(Parameter("how many", minimum=1, kind="int", default=4), Limits())
        {'type': 'integer', 'minimum': 1, 'description': 'how many', 'default': 4}
    """
    one: Schema = _one(parameter)
    if parameter.multiplies == "rows" and parameter.kind == "int":
        one["maximum"] = min(one.get("maximum", limits.rows), limits.rows)
    if parameter.multiplies == "tokens":
        one["maximum"] = limits.tokens
    kinds = [one]
    if parameter.each and not parameter.content:
        kinds.append({"type": "array", "items": one, "minItems": 1, "maxItems": limits.rows})
    if parameter.default is None:
        kinds.append({"type": "null"})
    found = one if len(kinds) == 1 else {"anyOf": kinds}
    default = _plain(parameter.default)
    told: Schema = {"description": parameter.help} | _hints(parameter)
    return found | told | ({} if parameter.required or default is None else {"default": default})


def _hints(parameter: Parameter) -> Schema:
    """Return what a page that asks for a value needs beside its schema."""
    known = {
        "x-content": parameter.content,
        "x-columns": parameter.columns,
        "x-multiplies": parameter.multiplies or None,
        "x-example": parameter.example,
    }
    return {name: each for name, each in known.items() if each is not None}


def _one(parameter: Parameter) -> Schema:
    """Return the schema of one value."""
    if parameter.content:
        return {}  # its kind reads it: text, nested lists, or files as `data:` addresses
    if parameter.kind == "mapping":
        return {"type": "object", "additionalProperties": {"type": "number"}}
    if parameter.kind not in _TYPES:
        return {}
    bounds = {
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "exclusiveMinimum": parameter.above,
        "enum": list(parameter.choices) or None,
    }
    known: Mapping[str, Any] = {name: each for name, each in bounds.items() if each is not None}
    return {"type": _TYPES[parameter.kind], **known}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


ROUTES = (("GET", "/openapi.json", described),)
