"""Which formats a model is written in: those of graphs, which all models have, and its own."""

from collections.abc import Sequence
from typing import NamedTuple

from export.checkpoints.format import Format
from export.errors import ExportError
from export.families.exporter import Exporter
from serving.errors import UsageError, nearest

SAVED_MODEL, ONNX = "saved_model", "onnx"
DEFAULT = (SAVED_MODEL, ONNX)


class Chosen(NamedTuple):
    """What is to be written: graphs in two formats, and checkpoints in any others."""

    saved_model: bool
    onnx: bool
    checkpoints: list[Format]


def chosen_formats(exporter: Exporter, names: Sequence[str]) -> Chosen:
    """Return the formats of these names, each once.

    Raises:
        UsageError: there is no such format.
        ExportError: this model cannot be written so, or the package that writes it is missing.
    """
    own = {each.name: each for each in exporter.formats()}
    known = [*DEFAULT, *own]
    there_are = f"; there are {', '.join(name for name in known if not _refusal(own, name))}"
    for name in names:
        if name not in known:
            raise UsageError(f"unknown format '{name}'{nearest(name, known) or there_are}")
        if refusal := _refusal(own, name):
            raise ExportError(f"no {name}: {refusal}{there_are}")
    if not names:
        raise UsageError(f"no format is given{there_are}")
    checkpoints = [each for name, each in own.items() if name in names]
    for each in checkpoints:
        each.check()
    return Chosen(SAVED_MODEL in names, ONNX in names, checkpoints)


def _refusal(own: dict[str, Format], name: str) -> str:
    return own[name].refusal if name in own else ""
