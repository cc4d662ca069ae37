"""What the requests of this API may say. What is not answered is refused by name, never ignored."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.server.errors import RequestError

Words = Annotated[str, Field(max_length=1024)]
LongWords = Annotated[str, Field(max_length=2**16)]


class Fields(BaseModel):
    """Base of what a request says: no conversions, and nothing that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Fields)


class StreamOptions(Fields):
    """What a stream says beside its pieces."""

    include_usage: bool = False


class JsonSchema(Fields):
    """A JSON schema that a text follows, strictly whatever is said of that."""

    name: Words
    description: Words | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Fields):
    """What a text is: any, a JSON object, or JSON of a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class TextFields(Fields):
    """Of all that write texts; what has no default here has the one of the model's own call."""

    model: str
    n: Annotated[int, Field(ge=1)] = 1
    stream: bool = False
    stream_options: StreamOptions | None = None
    stop: Words | Annotated[list[Words], Field(max_length=16)] | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=1024)] | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None
    # Of this server, and of others that serve language models of their own:
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    json_schema: dict[str, Any] | LongWords | None = None
    regex: LongWords | None = None
    grammar: LongWords | None = None


class CompletionFields(TextFields):
    """Of `/v1/completions`."""

    prompt: str | list[str] | list[int] | list[list[int]] | None = None
    max_tokens: int = 16
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool = False
    style: Words | None = None  # of this server, as the settings above


class ChatFields(TextFields):
    """Of `/v1/chat/completions`."""

    messages: list[Any]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class ImageFields(Fields):
    """Of `/v1/images/generations`."""

    prompt: Annotated[str, Field(max_length=1024)]
    model: str
    n: Annotated[int, Field(ge=1)] | None = 1
    response_format: str | None = "b64_json"
    output_format: str | None = "png"
    size: str | None = "auto"
    user: str | None = None
    seed: int | None = None
    truncation: float | None = None


def read(kind: type[Kind], document: dict[str, Any]) -> Kind:
    """Return what a request says.

    Raises:
        RequestError: a field is unknown, missing, or not what it may be.

    Example:
        >>> read(CompletionFields, {"model": "x", "suffix": "y"})
        Traceback (most recent call last):
        serving.server.errors.RequestError: suffix is not supported; leave it out
    """
    # What clients send for everything that is not asked for stands for nothing.
    given = {name: value for name, value in document.items() if value is not None}
    try:
        found = kind.model_validate(given)
        if isinstance(found, TextFields) and found.stream_options and not found.stream:
            raise RequestError("stream_options is for streams; leave it out, or ask for a stream",
                               param="stream_options", code="invalid_value")  # fmt: skip
        return found
    except ValidationError as error:
        # Of a field that may be one of several types, the last is what several values are.
        first = error.errors(include_input=False, include_url=False)[-1]
    name = ".".join(str(part) for part in first["loc"] if not _is_type(part))[:100]
    if first["type"] == "extra_forbidden":
        message = f"{name} is not supported; leave it out"
    elif first["type"] == "missing":
        message = f"{name} is missing"
    else:
        message = f"{name}: {first['msg'][:200]}"
    raise RequestError(message, param=str(first["loc"][0])[:100], code="invalid_value")


def _is_type(part: object) -> bool:
    """Say whether a part of a place is the name of one of several types."""
    return isinstance(part, str) and ("[" in part or part in ("str", "list", "constrained-str"))
