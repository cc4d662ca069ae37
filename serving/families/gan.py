"""A generative adversarial network at run time: generate, decode, interpolate."""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from serving.calls import call
from serving.errors import UsageError
from serving.families.images import (
    LATENTS,
    ImageModel,
    ImageProcessing,
    Labels,
    Steps,
    Truncation,
    slices,
)
from serving.families.inputs import checked_images, checked_latents, require_room, to_unit
from serving.families.model import Axes
from serving.families.vae import Images, Values
from serving.families.walks import shares, spherical
from serving.noise import SEED_LIMIT, normal
from serving.numbers import real
from serving.parameters import Parameter, Seed

Ends = Annotated[Any, replace(LATENTS, help="latents, one a row; drawn if none")]


START = Parameter("class at the start", minimum=0, maximum=lambda model: model.classes - 1,
                  example=0)  # fmt: skip
ROWS = Parameter("rows", minimum=1, options=("-n", "--count"), multiplies="rows")
CODE = Parameter("of the latent", minimum=0, maximum=lambda model: model.continuous - 1,
                 example=0)  # fmt: skip
END = replace(START, help="class at the end", example=lambda model: model.classes - 1)


class GANProcessing(ImageProcessing):
    """What a GAN knows beside how pixels enter and leave.

    Attributes:
        recognises: whether it also finds the class of an image, which nobody named.
        continuous: so many numbers at the beginning of a latent mean something.
    """

    recognises: bool = False
    continuous: Annotated[int, Field(ge=0, le=2**16)] = 0


class GAN(ImageModel):
    """A GAN's generator loaded by `serving.load`.

    Labels, batches and errors are those of `ImageModel`.

    Example:
        >>> import serving
        >>> gan = serving.load("cgan-mnist", device="cpu")
        >>> gan.generate(10, labels=range(10), seed=7).shape
        (10, 28, 28, 1)
    """

    generator = "generator"
    Processing = GANProcessing

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        z: Axes = {"z": ["batch_size", self.latent_dim]}
        image: Axes = {"image": ["batch_size", *self.image_shape]}
        labels: Axes = {"labels": ["batch_size"]} if self.classes else {}
        graphs = {"generator": (z | labels, image)}
        if "blender" in self.manifest.interface:
            graphs["blender"] = (z | {"shares": ["batch_size", self.classes]}, image)
        if self.processing.recognises:
            graphs["recogniser"] = (image, {"probabilities": ["batch_size", self.classes]})
        return graphs

    @call(
        gives="array",
        applies=lambda model: model.recognises,
        refusal="this model has learned no classes of its own, and recognises none",
    )
    def recognise(self, images: Images) -> np.ndarray:
        """Return how likely each class that it has found is of images: float32 `(N, classes)`."""
        images = checked_images(images, self.image_shape)
        scale = self.processing.scale
        found = [
            self._run("recogniser", ["probabilities"], image=to_unit(images[rows], scale))[0]
            for rows in slices(len(images))
        ]
        return np.concatenate(found)

    @call(
        gives="image",
        applies=lambda model: model.continuous > 0,
        refusal="no number of this model's latent means something by itself",
    )
    def traverse(
        self,
        dimension: Annotated[int, CODE],
        labels: Labels = None,
        values: Values = tuple(range(-2, 3)),
        n: Annotated[int, ROWS] = 8,
        seed: Seed = None,
    ) -> np.ndarray:
        """Set one number of latents, that means something, to each of some values.

        Returns:
            uint8 `(n, len(values), H, W, C)`.
        """
        chosen = [real(value, "a value of values") for value in np.atleast_1d(values).tolist()]
        require_room(n * len(chosen), self.image_shape, "ask for fewer")
        latents = normal(n, self.latent_dim, self._seed(seed))
        z = np.repeat(latents[:, np.newaxis], len(chosen), axis=1)  # (n, V, D)
        z[:, :, dimension] = chosen
        return self._decode_rows(z, labels)

    @call(gives="image")
    def interpolate(
        self,
        start: Ends = None,
        end: Ends = None,
        steps: Steps = 8,
        labels: Labels = None,
        seed: Seed = None,
    ) -> np.ndarray:
        """Walk between latents along arcs, on which they keep the length of typical latents.

        Args:
            start, end: as many latents each, `(N, D)`, such as `serving.noise.normal` draws; one of
                `seed` and one of the seed after it unless given.
            steps: images per pair, both ends included; from 2.
            labels: see the class; one per pair.
            seed: of ends that are not given.

        Returns:
            uint8 `(N, steps, H, W, C)`.

        Reference:
            White 2016 (arXiv:1609.04468).
        """
        if start is None or end is None:
            first_seed = self._seed(seed)
            count = len(end) if start is None and end is not None else 1
            start = normal(count, self.latent_dim, first_seed) if start is None else start
            if end is None:
                end = normal(len(start), self.latent_dim, (first_seed + 1) % SEED_LIMIT)
        first, last = (checked_latents(each, self.latent_dim) for each in (start, end))
        if len(first) != len(last):
            raise UsageError(f"there are {len(first)} start latents but {len(last)} end latents")
        return self._decode_rows(spherical(first, last, steps), labels)

    @call(
        gives="image",
        applies=lambda model: model.classes > 0,
        refusal="this model is unconditional; there is no path between its labels",
    )
    def interpolate_classes(
        self,
        start: Annotated[int, START],
        end: Annotated[int, END],
        steps: Steps = 8,
        n: Annotated[int, ROWS] = 1,
        seed: Seed = None,
        truncation: Truncation = 1.0,
    ) -> np.ndarray:
        """Walk from one label to another, each row of images at one latent.

        The ends of row i are the images i that `generate` draws of the two labels.

        Returns:
            uint8 `(n, steps, H, W, C)`.

        Raises:
            UsageError: a wrong argument, or a model without classes.

        Example:
            >>> import serving
            >>> gan = serving.load("cgan-mnist", device="cpu")
            >>> gan.interpolate_classes(3, 8, steps=6, n=2, seed=7).shape
            (2, 6, 28, 28, 1)
        """
        if "blender" not in self.sessions:
            raise UsageError(
                f"{self.manifest.name} has no graph 'blender', which mixes classes; export it again"
            )
        require_room(n * steps, self.image_shape, "ask for fewer")
        path = shares(start, end, self.classes, steps)  # (steps, classes)
        z = np.float32(truncation) * normal(n, self.latent_dim, self._seed(seed))
        return np.stack([self._pixels(self._blend(row, path)) for row in z])

    def _blend(self, latent: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Draw one latent `(D,)` in every mixture `(steps, classes)`: float32 intensities."""
        z = np.repeat(latent[None], len(path), axis=0)  # (steps, D)
        return np.concatenate(
            [
                self._run("blender", ["image"], z=z[rows], shares=path[rows])[0]
                for rows in slices(len(path))
            ]
        )
