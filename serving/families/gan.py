"""A generative adversarial network at run time: generate, decode, interpolate."""

from typing import Any

import numpy as np

from serving.errors import UsageError
from serving.families.images import Axes, ImageModel, cut
from serving.families.inputs import (
    checked_labels,
    checked_latents,
    checked_steps,
    checked_truncation,
    require_room,
)
from serving.families.walks import shares, spherical
from serving.noise import checked_count, normal


class GAN(ImageModel):
    """A GAN's generator loaded by `serving.load`.

    Labels, batches and errors are those of `ImageModel`.

    Example:
        >>> import serving
        >>> gan = serving.load("cgan-mnist", device="cpu")
        >>> gan.generate(10, labels=range(10), seed=7).shape
        (10, 28, 28, 1)
    """

    painter = "generator"

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        z, image = {"z": ["batch", self.latent_dim]}, {"image": ["batch", *self.image_shape]}
        graphs = {"generator": (z | ({"labels": ["batch"]} if self.classes else {}), image)}
        if "blender" in self.manifest.interface:
            graphs["blender"] = (z | {"shares": ["batch", self.classes]}, image)
        return graphs

    def interpolate(self, start: Any, end: Any, steps: int = 8, labels: Any = None) -> np.ndarray:
        """Walk between latents along arcs, on which they keep the length of typical latents.

        Args:
            start, end: as many latents each, `(N, D)`, such as `serving.noise.normal` draws.
            steps: images per pair, both ends included; from 2.
            labels: see the class; one per pair.

        Returns:
            uint8 `(N, steps, H, W, C)`.

        Reference:
            White 2016 (arXiv:1609.04468).
        """
        steps = checked_steps(steps)
        first, last = (checked_latents(each, self.latent_dim) for each in (start, end))
        if len(first) != len(last):
            raise UsageError(f"there are {len(first)} start latents but {len(last)} end latents")
        return self._decode_rows(spherical(first, last, steps), labels)

    def interpolate_classes(
        self,
        start: int,
        end: int,
        steps: int = 8,
        n: int = 1,
        seed: int | None = None,
        truncation: float = 1.0,
    ) -> np.ndarray:
        """Walk from one label to another, each row of images at one latent.

        Args:
            start, end: labels.
            steps: images per row, both ends included; from 2.
            n, seed, truncation: rows, and their latents, see `generate`; the ends of row i are the
                images i that `generate` draws of the two labels.

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
        if not self.classes:
            raise UsageError("this model is unconditional; there is no path between its labels")
        if "blender" not in self.sessions:
            raise UsageError(
                f"{self.manifest.name} has no graph 'blender', which mixes classes; export it again"
            )
        count, steps = checked_count(n), checked_steps(steps)
        require_room(count * steps, self.image_shape, "ask for fewer")
        start, end = checked_labels([start, end], 2, self.classes)
        path = shares(start, end, self.classes, steps)  # (steps, classes)
        z = checked_truncation(truncation) * normal(count, self.latent_dim, self._seed(seed))
        return np.stack([self._pixels(self._blend(row, path)) for row in z])

    def _blend(self, latent: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Draw one latent `(D,)` in every mixture `(steps, classes)`: float32 intensities."""
        z = np.repeat(latent[None], len(path), axis=0)  # (steps, D)
        return np.concatenate(
            [self._run("blender", ["image"], z=z[at], shares=path[at])[0] for at in cut(len(path))]
        )
