"""A generative adversarial network at run time: generate, decode, interpolate."""

from typing import Any

import numpy as np

from serving.images import Axes, ImageModel
from serving.inputs import checked_latents
from zoo.errors import UsageError
from zoo.noise import checked_count
from zoo.walks import spherical


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
        labels = {"labels": ["batch"]} if self.classes else {}
        inputs = {"z": ["batch", self.latent_dim]} | labels
        return {"generator": (inputs, {"image": ["batch", *self.image_shape]})}

    def interpolate(self, start: Any, end: Any, steps: int = 8, labels: Any = None) -> np.ndarray:
        """Walk between latents along arcs, on which they keep the length of typical latents.

        Args:
            start, end: as many latents each, `(N, D)`, such as `zoo.noise.normal` draws.
            steps: images per pair, both ends included; from 2.
            labels: see the class; one per pair.

        Returns:
            uint8 `(N, steps, H, W, C)`.

        Reference:
            White 2016 (arXiv:1609.04468).
        """
        if checked_count(steps, "steps") < 2:
            raise UsageError("steps is 1; expected at least 2, for both ends")
        first, last = (checked_latents(each, self.latent_dim) for each in (start, end))
        if len(first) != len(last):
            raise UsageError(f"there are {len(first)} start latents but {len(last)} end latents")
        return self._decode_rows(spherical(first, last, steps), labels)
