"""A flow at run time: generate, encode, decode, interpolate."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from serving.calls import call
from serving.errors import UsageError
from serving.families.flow.drawing import BATCH, Drawing
from serving.families.flow.path import ONE_WAY, Course, Solver
from serving.families.images import (
    Count,
    ImageModel,
    ImageProcessing,
    Labels,
    Steps,
    gather,
    parts,
    slices,
)
from serving.families.inputs import (
    checked_images,
    checked_labels,
    one_for_each,
    require_room,
    to_unit,
)
from serving.families.model import Axes, Timed
from serving.families.vae import Images
from serving.families.walks import spherical
from serving.noise import checked_count
from serving.parameters import Parameter, Seed

GRAPH = "velocity"
IMAGE, TIME, LABELS, VELOCITY = "image", "time", "labels", "velocity"


class FlowProcessing(ImageProcessing):
    """How a flow is followed, beside how pixels enter and leave.

    Attributes:
        steps, guidance, solver: unless a call says otherwise, see
            `serving.families.flow.path.Course`.
        segments: 0, or the steps that it was made for and takes no others.
    """

    steps: Annotated[int, Field(gt=0, le=10_000)]
    guidance: Annotated[float, Field(ge=0, le=100)] = 1.0
    solver: Solver = "heun"
    segments: Annotated[int, Field(ge=0, le=64)] = 0


def _is_free(processing: Any) -> bool:
    return not processing.segments


FIXED = "this model was made for a fixed course and takes no other; leave it out"
FlowSteps = Annotated[
    int | None,
    Parameter(
        "from noise to image; more are more exact, and slower",
        minimum=1,
        maximum=1000,
        applies=_is_free,
        refusal=FIXED,
    ),
]
Guidance = Annotated[
    float | None,
    Parameter(
        "how strongly the label steers; 0 not at all, 1 as it was learned",
        minimum=0,
        maximum=100,
        applies=lambda model: model.classes > 0 and not model.segments,
        refusal="this model has no labels to be steered by, or its course is fixed; leave it out",
    ),
]
SolverName = Annotated[
    str | None,
    Parameter(
        "euler, or heun: two looks a step, and more exact",
        choices=("euler", "heun"),
        applies=_is_free,
        refusal=FIXED,
    ),
]


class Flow(ImageModel):
    """A flow loaded by `serving.load`.

    Labels, batches and errors are those of `ImageModel`. A latent is the noise `(H * W * C,)` that
    an image is drawn of.

    Example:
        >>> import serving
        >>> flow = serving.load("bundles/flow", device="cpu")  # doctest: +SKIP
        >>> flow.generate(16, seed=7, steps=10).shape  # doctest: +SKIP
        (16, 28, 28, 1)
    """

    generator = GRAPH
    Processing = FlowProcessing

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        image: list[str | int] = ["batch_size", *self.image_shape]
        takes: Axes = {IMAGE: image, TIME: ["batch_size"]}
        labels: Axes = {LABELS: ["batch_size"]} if self.classes else {}
        return {GRAPH: (takes | labels, {VELOCITY: image})}

    @call(gives="image")
    def generate(  # type: ignore[override]  # it is steered otherwise than by truncation
        self,
        n: Count = 64,
        labels: Labels = None,
        seed: Seed = None,
        steps: FlowSteps = None,
        guidance: Guidance = None,
        solver: SolverName = None,
    ) -> np.ndarray:
        """Draw new images.

        Returns:
            uint8 `(n, H, W, C)`, 0..255. Up to rounding, image i depends on the seed, i and its
            label, not on n. `last_seed` tells a fresh seed.
        """
        require_room(n, self.image_shape, "use generate_batches")
        labels = one_for_each(labels, n, self.classes)
        drawing = self._drawing(steps, guidance, solver)
        batches = drawing.images(n, labels, self._seed(seed))
        return gather((self._pixels(batch) for batch in batches), n)

    def generate_batches(  # type: ignore[override]
        self, n: int, labels: Any = None, seed: int | None = None, **course: Any
    ) -> Iterator[np.ndarray]:
        """Draw the images of `generate` a batch at a time: uint8 `(<= 64, H, W, C)`."""
        checked = self.calls["generate"].check((), course)
        count = checked_count(n)
        labels = checked_labels(labels, count, self.classes)
        drawing = self._drawing(**checked)
        return map(self._pixels, drawing.images(count, labels, self._seed(seed)))

    @call(gives="array")
    def encode(self, images: Images, labels: Labels = None, steps: FlowSteps = None) -> np.ndarray:
        """Return the noise that images are drawn of: float32 `(N, H * W * C)`.

        The flow is followed backwards; `decode` of it gives the images again, the better the more
        steps there are.
        """
        if self.processing.segments:
            raise UsageError(ONE_WAY)
        images = checked_images(images, self.image_shape)
        labels = checked_labels(labels, len(images), self.classes)
        drawing = self._drawing(steps, None, None)
        found = [
            drawing.noise(to_unit(images[rows], self.processing.scale), part)
            for rows, part in zip(
                slices(len(images), BATCH), parts(labels, len(images), BATCH), strict=True
            )
        ]
        return np.concatenate(found)

    @call(gives="image")
    def interpolate(
        self, start: Images, end: Images, steps: Steps = 8, labels: Labels = None
    ) -> np.ndarray:
        """Walk from images to others along arcs between the noise that they are drawn of.

        Args:
            start, end: as many images each.
            steps: images per pair, both ends included; from 2.
            labels: see the class; one per pair.

        Returns:
            uint8 `(N, steps, H, W, C)`; N is 1 for a single pair.
        """
        first, last = self.encode(start, labels), self.encode(end, labels)
        if len(first) != len(last):
            raise UsageError(f"there are {len(first)} start images but {len(last)} end images")
        return self._decode_rows(spherical(first, last, steps), labels)

    def timed(self, batch: int) -> dict[str, Timed]:
        labels = np.arange(batch) % self.classes if self.classes else None
        noise = np.random.default_rng(0).standard_normal((batch, *self.image_shape))
        image, time = noise.astype(np.float32), np.zeros(batch, np.float32)
        return {
            "graph": Timed(lambda: self._velocity(image, time, labels), batch),
            "generate": Timed(lambda: self.generate(batch, labels, seed=0), batch),
        }

    def _images(self, output: str, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        return self._drawing(None, None, None).image(z, labels)

    def _velocity(
        self, image: np.ndarray, time: np.ndarray, labels: np.ndarray | None
    ) -> np.ndarray:
        return self._run(GRAPH, [VELOCITY], image=image, time=time, labels=labels)[0]

    def _drawing(
        self,
        steps: int | None = None,
        guidance: float | None = None,
        solver: Any = None,
    ) -> Drawing:
        own = self.processing
        given = {"steps": steps, "guidance": guidance, "solver": solver}
        course = replace(
            Course(own.steps, own.guidance, own.solver),
            **{name: value for name, value in given.items() if value is not None},
        )
        return Drawing(self._velocity, self.image_shape, self.classes, course)
