"""What a graph says of adapters: inputs beside its own, which change its matrices for one call."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from serving.bundle.records import Port, Record, Word

MOST_RANK = 256  # of a change of weights; more is hardly less than all
RANK = "lora_rank"  # the axis, of a size that is the adapter's

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Adaptable(Record):
    """What adapters a variant takes.

    Each changes matrices of its graphs: where there was `x W`, there is `x W + (x A) B`. A and B
    are inputs that may be left out, and then are zero.

    Attributes:
        weights: sha256 of the weights that adapters must be a change of.
        inputs: of each graph that takes any, by role.
    """

    weights: Sha256
    inputs: Annotated[dict[Word, list[Port]], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _are_factors(self) -> Self:
        for port in (port for ports in self.inputs.values() for port in ports):
            named = [axis for axis in port.axes if not isinstance(axis, int)]
            if port.dtype != "float32" or len(port.axes) != 2 or named != [RANK]:
                raise ValueError(f"{port.name} is no factor of a change of low rank")
        return self
