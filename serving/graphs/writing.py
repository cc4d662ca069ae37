"""Writes what `serving.graphs.protobuf` reads: a graph that was changed becomes a file again."""

from typing import Any, TypeAlias

from serving.graphs.protobuf import FIELDS, FLOAT, SIZED, VARINT, Message

Pieces: TypeAlias = list[bytes | memoryview]  # one after the other; numbers are not copied


def written(model: Message) -> Pieces:
    """Return the bytes of an ONNX file, from what `read_model` returns.

    Example:
        >>> b"".join(written({"ir_version": 9, "graph": {"name": "empty"}}))
        b'\\x08\\t:\\x07\\x12\\x05empty'
    """
    return _message("model", model)


def _message(kind: str, message: Message) -> Pieces:
    pieces: Pieces = []
    for key, field in FIELDS[kind].items():
        found = message.get(field.name)
        if found is None:
            continue
        for value in found if field.repeated else [found]:
            pieces.append(_varint(key))
            if field.written == VARINT:
                pieces.append(_varint(value))
            elif field.written == SIZED:
                content = _content(field.kind, value)
                pieces.append(_varint(sum(map(len, content))))
                pieces += content
            else:
                pieces.append(FLOAT.pack(value))
    return pieces


def _content(kind: str, value: Any) -> Pieces:
    if kind == "text":
        return [value.encode()]
    return [value] if kind == "data" else _message(kind, value)


def _varint(value: int) -> bytes:
    """Return an integer in as many bytes as it takes, seven bits in each; a negative one in ten."""
    value &= 0xFFFFFFFFFFFFFFFF
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
