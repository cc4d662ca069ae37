"""What is known of a result: what made it, as marks in files say it, and how it is made again."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving import registry
from serving.bundle.records import MANIFEST_NAME
from serving.bundle.refusal import plain
from serving.calls import Call
from serving.catalogue import models
from serving.content.content import Content, Processing, data_address
from serving.errors import GenzooError, UsageError
from serving.families.model import Model
from serving.loader import load
from serving.parameters import Parameter
from serving.provenance.credentials import Signer
from serving.provenance.origin import Origin, hashed, manifest_hash, told


def origin_of(
    model: Model, call: Call, arguments: Mapping[str, Any], seed: Any, model_hash: str = ""
) -> Origin:
    """Return what made the result of a call.

    Args:
        model: that was asked.
        call: of it.
        arguments: that it was given, by name.
        seed: of the result, if the call draws anything.
        model_hash: of the model's manifest, where it is known.
    """
    processing = model.manifest.processing
    parameters = {
        name: _told(call.parameters.get(name), value, processing)
        for name, value in arguments.items()
        if name != "seed" and value is not None
    }
    return Origin(
        model=model.manifest.name,
        model_hash=model_hash or manifest_hash(model.directory / MANIFEST_NAME),
        variant=model.variant,
        device=model.device,
        call=call.name,
        parameters=parameters,
        seed=_plain(seed),
    )


class Marks:
    """Marks files with their origin.

    Args:
        signer: signs them too, if given.
    """

    def __init__(self, signer: Signer | None = None) -> None:
        self._signer = signer

    def put(self, content: Content, data: bytes, origin: Origin) -> bytes:
        """Return a file of a kind of content with a mark, where there is a place for one."""
        marked = content.marked(data, origin)
        return marked if self._signer is None else self._signer.signed(marked, origin)

    def put_all(self, content: Content, value: Any, origin: Origin, *index: int) -> Any:
        """Return a value of JSON whose files, as `data:` addresses, have a mark each."""
        if isinstance(value, list):
            return [
                self.put_all(content, each, origin, *index, at) for at, each in enumerate(value)
            ]
        if not isinstance(value, str) or not value.startswith("data:"):
            return value
        head, _, data = value.partition(",")
        own = origin.of(*index) if index else origin
        kind = head.removeprefix("data:").removesuffix(";base64")
        return data_address(kind, self.put(content, base64.b64decode(data), own))


def remade(origin: Origin, inputs: Sequence[Path], place: str | None) -> tuple[Model, Call, Any]:
    """Make again what an origin tells of.

    Args:
        origin: of the content.
        inputs: the files that the call was given, in order; their content is not in the origin.
        place: of the model; the catalogue's of that name if None.

    Returns:
        The model, the call, and its result.

    Raises:
        UsageError: the model or an input is another, or is missing.
    """
    if place is None and origin.model not in models():
        raise UsageError(f"{plain(origin.model)} is none of the catalogue; name it by --model")
    device = "cpu" if origin.device == "cpu" else "auto"  # there may be no GPU here
    model = load(place or origin.model, variant=origin.variant, device=device)
    found = manifest_hash(model.directory / MANIFEST_NAME)
    if found != origin.model_hash:
        raise UsageError(
            f"{model.manifest.name} is here with hash {found[:12]}, and it was made by "
            f"{origin.model_hash[:12]:.12}; name that one by --model"
        )
    call = model.calls.get(origin.call)
    if call is None:
        raise UsageError(f"{model.manifest.name} cannot {plain(origin.call)}")
    arguments = _arguments(model, call, origin, list(inputs))
    result = getattr(model, call.name)(**arguments)
    for at in origin.index or ():
        if not 0 <= at < len(result):
            raise UsageError(f"it was number {at} of {len(result)} that are made")
        result = result[at]
    if origin.index:
        result = result[None] if isinstance(result, np.ndarray) else [result]
    return model, call, result


def _arguments(model: Model, call: Call, origin: Origin, inputs: list[Path]) -> dict[str, Any]:
    processing = model.manifest.processing
    found = {} if origin.seed is None else {"seed": origin.seed}
    for name, value in origin.parameters.items():
        parameter = call.parameters.get(name)
        if parameter is None or parameter.folders:
            raise UsageError(f"{name:.80}={value!s:.80} cannot be given again")
        hidden = isinstance(value, dict) and value.keys() == {"sha256"}
        if parameter.content and hidden:
            found[name] = _given(model, call, name, value, inputs)
        elif hidden:
            raise GenzooError(f"{name} was too long for the mark, which has only its hash")
        elif parameter.content:
            kind: Content = registry.content(parameter.content)
            found[name] = kind.from_json(value, processing)
        else:
            found[name] = value
    if inputs:
        raise UsageError(f"nothing of {' '.join(map(str, inputs))} was given to it")
    return found


def _given(model: Model, call: Call, name: str, value: Any, inputs: list[Path]) -> Any:
    """Return what a file holds that was given to a call, if it is the same."""
    processing = model.manifest.processing
    if not inputs:
        raise UsageError(f"{name} was given as a file, whose content the mark does not have; "
                         "name it after the other")  # fmt: skip
    kind: Content = registry.content(str(call.parameters[name].content))
    path = inputs.pop(0)
    found = kind.read([path], processing)
    if _told(call.parameters[name], found, processing) != value:
        raise UsageError(f"{path} is not the {name} that it was made of")
    return found


def _told(parameter: Parameter | None, value: Any, processing: Processing) -> Any:
    """Return an argument as an origin tells it: of files that somebody gave only the hash."""
    if parameter is not None and parameter.folders:
        return Path(str(value)).name  # where it lies is nobody's business
    if parameter is None or not parameter.content:
        return told(_plain(value))
    if isinstance(value, np.ndarray) and not parameter.columns:
        return hashed(f"{value.dtype} {value.shape} ".encode() + value.tobytes())
    kind: Content = registry.content(parameter.content)
    plain = kind.to_json(value, processing)
    return hashed(plain.encode()) if str(plain).startswith("data:") else told(plain)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple | range) else value
