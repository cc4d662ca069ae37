"""Configurations of Triton's models, and the text that they are written in."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from serving.server.inference.models import Graph, Inferable, Pipeline
from serving.server.inference.tensors import Spec

ROWS = 64  # of an execution, as `genzoo serve` has it
Document = Mapping[str, Any]


class Word(NamedTuple):
    """A name of the format itself, which stands without quotes."""

    name: str


def graph_config(graph: Graph, file: str, settings: Mapping[str, str]) -> Document:
    """Return the configuration of a graph: rows of several requests run at once.

    Args:
        graph: as the server knows it.
        file: of the graph.
        settings: that say where it comes from.
    """
    return {
        "name": graph.name,
        "backend": "onnxruntime",
        "default_model_filename": file,
        "max_batch_size": ROWS,
        "input": [_rows(each) for each in graph.inputs],
        "output": [_rows(each) for each in graph.outputs],
        "dynamic_batching": {"max_queue_delay_microseconds": 100},
        "model_warmup": [_warmup(graph, rows) for rows in (1, ROWS)],
        "parameters": _settings(settings),
    }


def call_config(call: Pipeline, settings: Mapping[str, str]) -> Document:
    """Return the configuration of a call, whose tensors say themselves how many there are.

    Args:
        call: as the server knows it.
        settings: that its Python model reads.
    """
    return {
        "name": call.name,
        "backend": "python",
        "max_batch_size": 0,
        "input": [_whole(each) for each in call.inputs],
        "output": [_whole(each) for each in call.outputs],
        "parameters": _settings(settings),
    }


def _kind(spec: Spec) -> Word:
    return Word(f"TYPE_{spec.datatype.replace('BYTES', 'STRING')}")


def _rows(spec: Spec) -> dict[str, Any]:
    """Return a tensor without its first axis, which is that of the batch.

    A row of no axes is sent as one of a single value, since Triton has no others.
    """
    shape = list(spec.shape[1:])
    described = {"name": spec.name, "data_type": _kind(spec), "dims": shape or [1]}
    return described if shape else described | {"reshape": {"shape": []}}


def _whole(spec: Spec) -> dict[str, Any]:
    described = {"name": spec.name, "data_type": _kind(spec), "dims": list(spec.shape)}
    return described | ({"optional": True} if spec.optional else {})


def _warmup(model: Inferable, rows: int) -> dict[str, Any]:
    """Return a first request of so many rows: of random numbers, or of zeros where they number."""
    inputs = []
    for spec in model.inputs:
        data = "random_data" if spec.datatype.startswith("FP") else "zero_data"
        value = {"data_type": _kind(spec), "dims": list(spec.shape[1:]) or [1], data: True}
        inputs.append({"key": spec.name, "value": value})
    return {"name": f"rows of {rows}", "batch_size": rows, "inputs": inputs}


def _settings(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"string_value": value}} for key, value in settings.items()]


def as_text(document: Document) -> str:
    """Return a message in the text format of protocol buffers.

    Example:
        >>> tensor = {"dims": [1, 2], "data_type": Word("TYPE_INT8")}
        >>> print(as_text({"name": "x", "input": [tensor]}))
        name: "x"
        input {
          dims: [1, 2]
          data_type: TYPE_INT8
        }
    """
    return "\n".join(_lines(document, ""))


def _lines(document: Document, indent: str) -> Iterator[str]:
    for name, value in document.items():
        several = value if isinstance(value, list) else [value]
        if several and isinstance(several[0], Mapping):
            for each in several:
                yield f"{indent}{name} {{"
                yield from _lines(each, f"{indent}  ")
                yield f"{indent}}}"
        else:
            yield f"{indent}{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    """Return a value that is no message; strings are escaped as those of JSON are."""
    if isinstance(value, Word):
        return value.name
    return json.dumps(value, ensure_ascii=False)
