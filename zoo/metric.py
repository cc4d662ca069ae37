"""One measured number, with all that is needed to measure it again."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from serving.errors import GenzooError
from serving.files import replacing


class EvaluationError(GenzooError):
    """A model whose outputs cannot be measured."""


class Metric(BaseModel):
    """A number and its meaning. Further keywords, such as `importance_samples`, are kept as given.

    Args:
        name: as in `metrics.json`.
        value: finite.
        unit: empty for a pure number.
        definition: what was computed, on what, in words.
        samples: how many it is the mean over.
        counted: what these are.
        seed: of everything random in it.
        better: whether a lower or a higher value is.

    Raises:
        EvaluationError: the value is not finite.

    Example:
        >>> Metric(name="mse", value=0.01, unit="", definition="...", samples=10, seed=0).value
        0.01
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    value: float
    unit: str
    definition: Annotated[str, Field(min_length=1)]
    samples: Annotated[int, Field(ge=1)]
    counted: str = "images"
    seed: int
    better: Literal["lower", "higher"] = "lower"

    @field_validator("value")
    @classmethod
    def _is_finite(cls, value: float, info: Any) -> float:
        if not math.isfinite(value):
            name = info.data["name"]
            raise EvaluationError(
                f"{name} is {value}: the model gives values that are not finite or out of range; "
                "evaluate an earlier checkpoint, or train at a lower learning rate"
            )
        return value


def write_metrics(
    path: str | Path, metrics: Iterable[Metric], subject: str, split: str = "test", **details: Any
) -> None:
    """Write `metrics.json`, whole or not at all.

    Args:
        path: the file.
        metrics: what the evaluators yielded.
        subject: what was evaluated: `keras`, or `onnx:` and the variant.
        split: the split of the data set the images come from.
        details: further keys of the document, plain values.
    """
    document = {
        "subject": subject,
        "split": split,
        **details,
        "metrics": [metric.model_dump() for metric in metrics],
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
