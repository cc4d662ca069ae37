"""A call of a bundle in somebody else's server, such as Triton: tensors in, tensors out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import GenzooError
from serving.loader import load
from serving.server.calls import checked_amount, seeded
from serving.server.inference.models import Pipeline, parts
from serving.server.inference.tensors import Inference
from serving.server.limits import Limits
from serving.server.repository import Repository


class Alone:
    """What the server of this package answers of one call, without the server.

    Args:
        bundle: its folder, or a model's name.
        call: what is asked of it.
        options: of `serving.load`.

    Raises:
        GenzooError: the bundle cannot be loaded, or has no such call.

    Example:
        >>> asked = Alone("cgan-mnist", "generate", device="cpu")
        >>> tensors, told = asked({"labels": np.array([3, 8])}, {"seed": 7})
        >>> tensors["image"].shape, told["seed"]
        ((2, 28, 28, 1), 7)
    """

    def __init__(self, bundle: str | Path, call: str, **options: Any) -> None:
        [self._served] = Repository([bundle])
        found = [each for each in parts(self._served) if isinstance(each, Pipeline)]
        chosen = [each for each in found if each.call.name == call]
        if not chosen:
            known = ", ".join(each.call.name for each in found)
            raise GenzooError(
                f"{self._served.name} has no call '{call}' of tensors; it has {known}"
            )
        [self._pipeline] = chosen
        self._limits = Limits()
        self._served.model = load(bundle, **options)
        self._served.model.smallest()  # so that the first request is no slower than others
        self._hash = self._served.hash_of(self._served.model)

    def __call__(
        self, tensors: Mapping[str, np.ndarray], parameters: Mapping[str, Any]
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what the call makes, and what the answer says beside it.

        Args:
            tensors: by name, texts as bytes in UTF-8.
            parameters: of the call, that are no tensors.

        Raises:
            GenzooError: the request is wrong, or asks for more than one may.
        """
        pipeline = self._pipeline
        for name in tensors.keys() - {each.name for each in pipeline.inputs}:
            raise GenzooError(f"there is no input '{name:.80}'; leave it out")
        asked = Inference("", dict(tensors), [], True, dict(parameters), None)
        arguments, seed = seeded(pipeline.call, pipeline.arguments(asked))
        checked_amount(pipeline.call, arguments, self._limits)
        value = getattr(self._served.model, pipeline.call.name)(**arguments)
        told: dict[str, Any] = {"model_hash": self._hash}
        told |= {} if seed is None else {"seed": seed if isinstance(seed, int) else str(seed)}
        return {pipeline.call.gives: pipeline.content.to_tensor(value)}, told
