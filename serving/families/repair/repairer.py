"""A network that repairs photographs, at run time."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from serving.bundle.manifest import Manifest
from serving.bundle.records import Record
from serving.calls import Call, call
from serving.errors import UsageError
from serving.families.model import Axes, Model, Timed, check_interface
from serving.parameters import Parameter
from serving.photographs.given import as_photograph, changed
from serving.photographs.repairing import Mender
from serving.photographs.tasks import INPAINT, TASKS
from serving.runtime.loaded import Loaded

GRAPH, IMAGE, MASK, TASK, REPAIRED = "model", "image", "mask", "task", "repaired"
TIMED = 128  # pixels of a side of what is timed, of which many go into a batch

Photographs = Annotated[Any, Parameter("to repair, of any size", content="photograph")]
Mask = Annotated[
    Any,
    Parameter(
        "of the same size, white where to repair",
        content="photograph",
        options=("--mask",),
        file=True,
    ),
]
Task = Annotated[
    str | None,
    Parameter(
        "what to do; inpaint, to fill what the mask is white of, if there is a mask",
        choices=TASKS,
        example=lambda processing: processing.tasks[-1],
    ),
]


class RepairProcessing(Record):
    """How photographs enter and leave the graph.

    Intensities are RGB in levels of 255 divided by 255, `(batch, height, width, 3)`.

    Attributes:
        tasks: what the graph can do, in the order of the numbers that it takes.
        multiple: of which height and width are multiples.
        reach: how many pixels around one the network looks at.
        coloured: pixels of the shorter side of a photograph in which colours are found.
        depth: pixels from what is known to the inside of a hole, which is filled before the rest,
            in a photograph half as large.
    """

    tasks: Annotated[
        list[Literal["inpaint", "colourise", "deblur", "denoise"]],
        Field(min_length=1, max_length=len(TASKS)),
    ]
    multiple: Annotated[int, Field(ge=1, le=256)]
    reach: Annotated[int, Field(ge=0, le=1024)]
    coloured: Annotated[int, Field(ge=8, le=4096)]
    depth: Annotated[int, Field(ge=1, le=1024)]
    layout: Literal["NHWC"] = "NHWC"


class Repairer(Model):
    """A network that repairs photographs, loaded by `serving.load`.

    A photograph of any size goes through piece by piece, in memory that does not grow beyond what
    the photograph and its repair take. Wrong arguments raise `UsageError`.

    Attributes:
        tasks: what it can do.

    Example:
        >>> import serving
        >>> model = serving.load("bundles/photos")  # doctest: +SKIP
        >>> model.edit(np.zeros((20, 30, 3), np.uint8), task="denoise").shape  # doctest: +SKIP
        (20, 30, 3)
    """

    Processing = RepairProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        processing: RepairProcessing = self.processing
        self.tasks = processing.tasks
        _check_graph(loaded)
        session = loaded.sessions[GRAPH]

        def network(image: np.ndarray, mask: np.ndarray, task: np.ndarray) -> np.ndarray:
            given = {IMAGE: image, MASK: mask, TASK: task.astype(np.int64)}
            return np.asarray(session.run([REPAIRED], given)[0])

        self.mender = Mender(
            network,
            self.tasks,
            processing.multiple,
            processing.reach,
            processing.coloured,
            processing.depth,
        )

    @classmethod
    def declared(cls, manifest: Manifest) -> dict[str, Call]:
        """Return `edit`, with what this model can do as the choices of its task."""
        tasks = cls.processing_of(manifest).tasks
        return {
            name: each.with_choices("task", tasks)
            for name, each in super().declared(manifest).items()
        }

    @call(gives="photograph")
    def edit(self, photograph: Photographs, mask: Mask = None, task: Task = None) -> Any:
        """Repair a photograph: fill what is missing, give colours, take blur or noise away.

        Args:
            photograph: pixels, uint8 `(H, W)` or `(H, W, C)` of 1 to 4 channels, of 2 and 4 the
                last being alpha; an image of Pillow; a `Photograph`; or a list of such.
            mask: one of these, of the same size: white, 128 and above, where the photograph is to
                be repaired, all else staying as it is. To `inpaint` takes one; what else is done
                is done everywhere without. Of a list, that of all.
            task: `inpaint`, `colourise`, `deblur` or `denoise`, as far as the model can.

        Returns:
            Pixels for pixels, of the same size; else a `Photograph`, with the alpha and the colour
            profile of the one given; a list for a list. What was grey stays so, unless it is given
            colours.
        """
        wanted = self._task(mask, task)
        white = None if mask is None else as_photograph(mask)

        def repaired(given: Any) -> Any:
            return changed(given, lambda each: self.mender(each, wanted, white))

        if isinstance(photograph, list | tuple):
            return [repaired(each) for each in photograph]
        return repaired(photograph)

    def _task(self, mask: Any, task: str | None) -> str:
        if task is not None:
            return task
        if mask is not None and INPAINT in self.tasks:
            return INPAINT
        others = " or ".join(each for each in self.tasks if each != INPAINT)
        filled = "give a mask, to fill what it is white of, or " if INPAINT in self.tasks else ""
        raise UsageError(f"nothing says what to do; {filled}say task {others}")

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `generate`, which is `edit`, and the graph alone, of so many photographs."""
        random = np.random.default_rng(0)
        image = random.random((batch, TIMED, TIMED, 3), np.float32)
        mask = np.zeros((batch, TIMED, TIMED, 1), np.float32)
        pixels, numbers = (image * 255).astype(np.uint8), np.full(batch, len(self.tasks) - 1)
        half = np.zeros((TIMED, TIMED), np.uint8)
        half[: TIMED // 2] = 255  # known and unknown, for whatever the task is
        run = self.mender.network
        return {
            "graph": Timed(lambda: run(image, mask, numbers), batch),
            "generate": Timed(
                lambda: [self.edit(each, half, self.tasks[-1]) for each in pixels], batch
            ),
        }

    def smallest(self) -> object:
        pixels = np.zeros((1, 2, 3), np.uint8)
        return self.edit(pixels, np.array([[0, 255]], np.uint8), self.tasks[0])


def _check_graph(loaded: Loaded) -> None:
    """Refuse a bundle whose graph is not of the sizes that it names."""
    size: list[str | int] = ["batch_size", "height", "width"]
    takes: Axes = {IMAGE: [*size, 3], MASK: [*size, 1], TASK: ["batch_size"]}
    returns: Axes = {REPAIRED: [*size, 3]}
    check_interface(loaded.manifest, {GRAPH: (takes, returns)})
