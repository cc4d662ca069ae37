"""Messages of a conversation, as requests of this API say them."""

from collections.abc import Sequence
from typing import Any

from serving.numbers import shown
from serving.server.errors import RequestError

ROLES = ("system", "developer", "user", "assistant")
TEXT = "text"


def read_messages(given: Sequence[Any], characters: int) -> list[dict[str, str]]:
    """Return messages with role and text, as `serving.text.chat` takes them.

    Args:
        given: of the request: each with `role` and `content`, a string or a list of parts.
        characters: of all texts together, at most.

    Raises:
        RequestError: one is not such, or says what is not supported.

    Example:
        >>> part = {"type": "text", "text": "Hello"}
        >>> read_messages([{"role": "user", "content": [part, part]}], 100)
        [{'role': 'user', 'content': 'HelloHello'}]
    """
    found = [_message(each, f"messages.{at}") for at, each in enumerate(given)]
    size = sum(len(each["content"]) for each in found)
    if size > characters:
        raise _refusal(f"messages have {size} characters; expected {characters} at most")
    return found


def _message(given: Any, place: str) -> dict[str, str]:
    if not isinstance(given, dict):
        raise _refusal(f"{place} is {shown(given)}; expected an object with role and content")
    # What clients say of an answer that they give back stands for nothing where it is null.
    said = {name: value for name, value in given.items() if value is not None}
    for name in said.keys() - {"role", "content"}:
        raise _refusal(f"{place}.{name:.60} is not supported; leave it out")
    role = said.get("role")
    if role not in ROLES:
        what = "is missing" if role is None else f"is {shown(role)}, which is not supported"
        raise _refusal(f"{place}.role {what}; expected one of {', '.join(ROLES)}")
    content = said.get("content")
    if isinstance(content, str):
        return {"role": role, "content": content}
    if not isinstance(content, list) or not content:
        what = "missing" if content is None else shown(content)
        raise _refusal(f"{place}.content is {what}; expected a string or a list of texts")
    parts = [_part(each, f"{place}.content.{at}") for at, each in enumerate(content)]
    return {"role": role, "content": "".join(parts)}


def _part(given: Any, place: str) -> str:
    if not isinstance(given, dict):
        raise _refusal(f"{place} is {shown(given)}; expected an object with type and text")
    if given.get("type") != TEXT:
        raise _refusal(f"{place} is of the type {shown(given.get('type'))}, which is not "
                       "supported; expected 'text'")  # fmt: skip
    for name in given.keys() - {"type", TEXT}:
        raise _refusal(f"{place}.{name:.60} is not supported; leave it out")
    text = given.get(TEXT)
    if not isinstance(text, str):
        raise _refusal(f"{place}.text is {shown(text)}; expected a string")
    return text


def _refusal(message: str) -> RequestError:
    return RequestError(message, param="messages", code="invalid_value")
