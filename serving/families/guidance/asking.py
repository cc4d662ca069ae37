"""What is asked for when images are to be of a class, or of any other."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from serving.bundle.records import Record
from serving.errors import UsageError
from serving.parameters import Parameter

GRAPH = "guide"
LATENT, LABELS, WANTED = "z", "labels", "wanted"
LOG_PROBABILITY, SLOPE = "log_probability", "slope"


class Guide(Record):
    """Who says what class an image is of.

    Attributes:
        judge: its name.
        sha256: of its weights.
        classes: that it tells apart.
    """

    judge: str
    sha256: str
    classes: Annotated[int, Field(ge=2, le=2**16)]


def _has_guide(processing: Any) -> bool:
    return getattr(processing, "guide", None) is not None


NO_GUIDE = "this model has no guide; export it with --judge, naming a judge of such images"
CLASS = Parameter(
    "class that a judge shall see in them; of all, or one for each",
    kind="int",
    minimum=0,
    maximum=lambda model: model.guide.classes - 1,
    each=True,
    applies=_has_guide,
    refusal=NO_GUIDE,
)
Towards = Annotated[Any, CLASS]
Away = Annotated[
    Any,
    Parameter(
        "class that a judge shall not see in them; of all, or one for each",
        kind="int",
        minimum=0,
        maximum=lambda model: model.guide.classes - 1,
        each=True,
        applies=_has_guide,
        refusal=NO_GUIDE,
    ),
]
Strength = Annotated[
    float,
    Parameter(
        "how far each step towards or away from a class goes; 0 not at all",
        minimum=0,
        maximum=10,
        applies=_has_guide,
        refusal=NO_GUIDE,
    ),
]
GuidanceSteps = Annotated[
    int,
    Parameter(
        "towards or away from a class; an image takes as much longer",
        minimum=0,
        maximum=100,
        applies=_has_guide,
        refusal=NO_GUIDE,
    ),
]


class Guidance(NamedTuple):
    """What is asked for.

    Attributes:
        wanted: 1 for each class that will do, float32 `(N, classes)`.
        strength: of a step.
        steps: how many.
    """

    wanted: np.ndarray
    strength: float
    steps: int


def asked(
    towards: Any, away: Any, strength: float, steps: int, count: int, classes: int
) -> Guidance | None:
    """Return what is asked for; None where nothing is to be moved.

    Args:
        towards, away: a class, or one for each image; one of the two at most.
        strength, steps: see `Guidance`.
        count: images.
        classes: of the judge.

    Raises:
        UsageError: both are given, or there are too few or too many.

    Example:
        >>> asked(None, 1, 1.0, 10, count=2, classes=3).wanted.tolist()
        [[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]]
    """
    if towards is not None and away is not None:
        raise UsageError("towards and away are both given; choose one of them")
    chosen = away if towards is None else towards
    if chosen is None:
        return None
    named = np.asarray(chosen)
    if named.ndim and len(named) != count:
        raise UsageError(f"there are {len(named)} classes for {count} images; expected as many")
    if not strength or not steps:
        return None
    wanted = np.eye(classes, dtype=np.float32)[np.broadcast_to(named, count)]
    return Guidance(wanted if away is None else 1 - wanted, strength, steps)
