"""What every model of images does at run time: load, draw, cut into batches, round to pixels."""

import secrets
from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from serving.bundle.records import Record
from serving.calls import call
from serving.errors import GenzooError, UsageError
from serving.families.guidance.ascent import Look, moved
from serving.families.guidance.asking import (
    GRAPH,
    LABELS,
    LATENT,
    LOG_PROBABILITY,
    SLOPE,
    WANTED,
    Away,
    Guidance,
    GuidanceSteps,
    Guide,
    Strength,
    Towards,
    asked,
)
from serving.families.inputs import (
    as_array,
    checked_labels,
    checked_latents,
    one_for_each,
    require_room,
)
from serving.families.model import Axes, Model, Timed, check_interface
from serving.noise import SEED_LIMIT, checked_count, checked_seed, normal_batches
from serving.parameters import Parameter, Seed
from serving.runtime.loaded import Loaded

BATCH = 64  # images per call of a graph; more gains nothing on a CPU and costs memory

Side = Annotated[int, Field(gt=0, le=2**14)]


class ImageProcessing(Record):
    """How pixels enter and leave a graph: `pixel = round(clip(image, low, high) * scale)`.

    Attributes:
        guide: who steers what is drawn towards a class, where the bundle has such a graph.
    """

    image_shape: Annotated[list[Side], Field(min_length=3, max_length=3)]
    layout: Literal["NHWC"] = "NHWC"
    low: float = 0.0
    high: float = 1.0
    scale: float = 255.0
    latent_dim: Annotated[int, Field(gt=0, le=2**16)]
    classes: Annotated[int, Field(ge=0, le=2**16)] = 0
    noise: Literal["numpy.random.RandomState(seed).standard_normal"] = (
        "numpy.random.RandomState(seed).standard_normal"
    )
    guide: Guide | None = None


Labels = Annotated[
    Any,
    Parameter(
        "class of all, or one for each",
        kind="int",
        minimum=0,
        maximum=lambda model: model.classes - 1,
        each=True,
        options=("--label",),
        applies=lambda model: model.classes > 0,
        example=lambda model: model.classes - 1,
        refusal="this model is unconditional and takes no labels; leave them out",
    ),
]
Truncation = Annotated[
    float, Parameter("scale of the noise; less varied below 1", minimum=0, maximum=1)
]
Steps = Annotated[
    int, Parameter("images of a path, both ends included", minimum=2, multiplies="rows")
]
LATENTS = Parameter("latents, one a row", content="array", columns=lambda model: model.latent_dim)
Latents = Annotated[Any, LATENTS]
Count = Annotated[
    int,
    Parameter("how many", minimum=1, options=("-n", "--count"), example=16, multiplies="rows"),
]


class ImageModel(Model):
    """A model loaded by `serving.load` that turns latents into images; the base of `VAE` and `GAN`.

    Any number of images goes through in batches, so memory beyond the result itself is bounded.
    `labels` (one whole number for all images, or one for each) is required by a model with classes
    and refused by one without. Wrong arguments of any method raise `UsageError`.

    Attributes:
        generator: the role of the graph that turns latents into images.
        image_shape, latent_dim, classes: the model's sizes; an unconditional model has 0 classes.
    """

    Processing: ClassVar[type[ImageProcessing]] = ImageProcessing
    generator: ClassVar[str]

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.image_shape = tuple(self.processing.image_shape)
        self.latent_dim: int = self.processing.latent_dim
        self.classes: int = self.processing.classes
        check_interface(loaded.manifest, self._graphs() | self._guiding())

    @abstractmethod
    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        """Return the inputs and outputs, with their axes, that each graph must have, by role."""

    def _guiding(self) -> dict[str, tuple[Axes, Axes]]:
        """Return the same of the graph that guides, where there is one."""
        guide = self.processing.guide
        if guide is None:
            return {}
        takes: Axes = {LATENT: ["batch_size", self.latent_dim]}
        takes |= {LABELS: ["batch_size"]} if self.classes else {}
        takes |= {WANTED: ["batch_size", guide.classes]}
        gives: Axes = {LOG_PROBABILITY: ["batch_size"], SLOPE: ["batch_size", self.latent_dim]}
        return {GRAPH: (takes, gives)}

    def _latents(self, epsilon: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Turn standard normal noise into latents of the prior."""
        return epsilon

    def _deviation(self, labels: np.ndarray | None) -> np.ndarray | np.float32:
        """Return how far latents of the prior move when noise moves by 1."""
        return np.float32(1)

    @call(gives="image")
    def generate(
        self,
        n: Count = 64,
        labels: Labels = None,
        seed: Seed = None,
        truncation: Truncation = 1.0,
        towards: Towards = None,
        away: Away = None,
        strength: Strength = 1.0,
        guidance_steps: GuidanceSteps = 40,
    ) -> np.ndarray:
        """Draw new images.

        Args:
            n, labels, seed, truncation: see the class, and `Returns`.
            towards, away: a class that a judge shall see in the images, or shall not, of models
                that were exported with one; see `serving.families.guidance`.
            strength, guidance_steps: of that; with 0 of either nothing is steered.

        Returns:
            uint8 `(n, H, W, C)`, 0..255; one array holds at most 2 GiB, `generate_batches` has no
            such limit. Up to rounding, image i depends on the seed, i and its label, not on n.
            `last_seed` tells a fresh seed. Less truncation gives images that are more typical.
        """
        require_room(n, self.image_shape, "use generate_batches")
        labels = one_for_each(labels, n, self.classes)
        guidance = self._guidance(n, towards, away, strength, guidance_steps)
        return gather(self._drawn(n, labels, self._seed(seed), BATCH, truncation, guidance), n)

    def generate_batches(
        self,
        n: int,
        labels: Any = None,
        seed: int | None = None,
        batch_size: int = BATCH,
        truncation: float = 1.0,
        **guidance: Any,
    ) -> Iterator[np.ndarray]:
        """Draw the images of `generate` a batch at a time: uint8 `(<= batch_size, H, W, C)`."""
        checked = self.calls["generate"].check((), {"truncation": truncation, **guidance})
        count, size = checked_count(n), checked_count(batch_size, "batch_size")
        labels = checked_labels(labels, count, self.classes)
        scale = checked.pop("truncation")
        steered = self._guidance(count, **checked)
        return self._drawn(count, labels, self._seed(seed), size, scale, steered)

    def _drawn(
        self,
        count: int,
        labels: np.ndarray | None,
        seed: int,
        size: int,
        truncation: float,
        guidance: Guidance | None = None,
    ) -> Iterator[np.ndarray]:
        """Draw what was asked for and is in order, a batch at a time."""
        noise = normal_batches(count, self.latent_dim, seed, size)
        wanted = None if guidance is None else guidance.wanted
        scale = np.float32(truncation)
        for epsilon, part, classes in zip(
            noise, parts(labels, count, size), parts(wanted, count, size), strict=True
        ):
            epsilon = scale * epsilon
            if guidance is not None:
                look = self._look(part, classes)
                epsilon = moved(epsilon, look, guidance.strength, guidance.steps)
            yield self._pixels(self._images("image", self._latents(epsilon, part), part))

    def _guidance(
        self,
        count: int,
        towards: Any = None,
        away: Any = None,
        strength: float = 1.0,
        guidance_steps: int = 40,
    ) -> Guidance | None:
        """Return where images are steered to; None where they are drawn as they come."""
        guide = self.processing.guide
        classes = 0 if guide is None else guide.classes
        return asked(towards, away, strength, guidance_steps, count, classes)

    def _look(self, labels: np.ndarray | None, wanted: np.ndarray) -> Look:
        """Return what the judge says of noise."""
        deviation = self._deviation(labels)

        def look(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            z = self._latents(noise, labels)
            outputs = [LOG_PROBABILITY, SLOPE]
            likely, slope = self._run(GRAPH, outputs, z=z, labels=labels, wanted=wanted)
            return likely, slope * deviation

        return look

    def _seed(self, seed: int | None) -> int:
        """Return the seed that is asked for, or a fresh one; `last_seed` remembers it."""
        drawn = secrets.randbelow(SEED_LIMIT) if seed is None else checked_seed(seed)
        self.last_seed = drawn
        return drawn

    @call(gives="image")
    def decode(self, z: Latents, labels: Labels = None, dtype: Any = np.uint8) -> np.ndarray:
        """Turn latents into images.

        Args:
            z: `(N, D)`, finite.
            labels: see the class.
            dtype: uint8 for pixels 0..255, float32 for intensities in [0, 1].

        Returns:
            `(N, H, W, C)`.
        """
        finish = {np.uint8: self._pixels, np.float32: self._clipped}.get(np.dtype(dtype).type)
        if finish is None:
            raise UsageError(f"dtype is {np.dtype(dtype)}; expected uint8 or float32")
        return self._decode(z, labels, "image", finish)

    # --- measuring ---

    def timed(self, batch: int) -> dict[str, Timed]:
        z = np.random.default_rng(0).standard_normal((batch, self.latent_dim)).astype(np.float32)
        labels = np.arange(batch) % self.classes if self.classes else None
        feeds = {"z": z} | ({} if labels is None else {"labels": labels})
        functions: dict[str, Callable[[], object]] = {
            "graph": lambda: self.sessions[self.generator].run(["image"], feeds),
            "decode": lambda: self.decode(z, labels),
            "generate": lambda: self.generate(batch, labels, seed=0),
        }
        return {name: Timed(function, batch) for name, function in functions.items()}

    def smallest(self) -> np.ndarray:
        return self.generate(1, 0 if self.classes else None, seed=0)

    # --- graphs ---

    def _run(self, role: str, outputs: list[str], **feeds: np.ndarray | None) -> list[np.ndarray]:
        given = {name: array for name, array in feeds.items() if array is not None}
        return self.sessions[role].run(outputs, given)

    def _images(self, output: str, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        return self._run(self.generator, [output], z=z, labels=labels)[0]

    def _decode(
        self, z: Any, labels: Any, output: str, finish: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        z = checked_latents(z, self.latent_dim)
        count = len(z)
        labels = checked_labels(labels, count, self.classes)
        batches = (
            finish(self._images(output, z[rows], part))
            for rows, part in zip(slices(count), parts(labels, count), strict=True)
        )
        return gather(batches, count)

    def _decode_rows(self, z: np.ndarray, labels: Any) -> np.ndarray:
        """Decode latents `(N, V, D)` to `(N, V, H, W, C)`; labels are N, or one for all."""
        rows, columns, size = z.shape
        if labels is not None and np.ndim(as_array(labels, "labels")) == 1:
            labels = np.repeat(labels, columns)
        return self.decode(z.reshape(-1, size), labels).reshape(rows, columns, *self.image_shape)

    # --- pixels ---

    def _clipped(self, image: np.ndarray) -> np.ndarray:
        # For one image `np.clip` takes longer to begin than both of these.
        np.maximum(image, self.processing.low, out=image)
        clipped: np.ndarray = np.minimum(image, self.processing.high, out=image)
        return clipped

    def _pixels(self, image: np.ndarray) -> np.ndarray:
        """Round intensities to pixels, in place: a copy would cost more than the arithmetic."""
        image = self._clipped(image)
        image *= np.float32(self.processing.scale)
        try:
            with np.errstate(invalid="raise"):
                pixels: np.ndarray = np.rint(image, out=image).astype(np.uint8)
                return pixels
        except FloatingPointError:
            raise GenzooError("the model returned values that are not numbers") from None


def slices(count: int, size: int = BATCH) -> Iterator[slice]:
    """Divide `range(count)` into batches."""
    return (slice(start, start + size) for start in range(0, count, size))


def parts(labels: np.ndarray | None, count: int, size: int = BATCH) -> Iterator[Any]:
    """Divide labels into the same batches, each None where there are no labels."""
    return (None if labels is None else labels[rows] for rows in slices(count, size))


def gather(batches: Iterator[np.ndarray], count: int) -> np.ndarray:
    """Join batches of `count` rows in all, without holding them twice."""
    first = next(batches)
    if len(first) == count:
        return first
    whole = np.empty((count, *first.shape[1:]), first.dtype)
    filled = 0
    for batch in chain([first], batches):
        whole[filled : filled + len(batch)] = batch
        filled += len(batch)
    return whole
