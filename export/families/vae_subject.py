"""The exported graphs of a VAE, as something that can be evaluated."""

from collections.abc import Mapping

import numpy as np

from export.proof.parity import Runner
from zoo.vae.config import VAEConfig
from zoo.vae.evaluation import LatentModel


class GraphVAE(LatentModel):
    """Graphs by role, run as the `LatentModel` that the evaluators take.

    Args:
        config: of the model the graphs were made from.
        runners: `encoder`, `decoder` and, with labels, `prior`.
    """

    def __init__(self, config: VAEConfig, runners: Mapping[str, Runner]):
        self.image_shape = tuple(config.image_shape)
        self.latent_dim = config.latent_dim
        self.likelihood = config.likelihood
        self.classes = config.classes
        self.runners = runners

    def encode(
        self, images: np.ndarray, labels: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Map images `(B, H, W, C)` to mean and log-variance of the posterior, `(B, D)`."""
        return _gaussian(self._run("encoder", image=images, labels=labels))

    def decode_parameters(self, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Map latents `(B, D)` to the parameters of the likelihood, `(B, H, W, P)`."""
        return self._run("decoder", z=z, labels=labels)["parameters"]

    def prior(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the label's prior, mean and log-variance `(B, D)`."""
        return _gaussian(self._run("prior", labels=labels))

    def _run(self, role: str, **inputs: np.ndarray | None) -> dict[str, np.ndarray]:
        given = {name: value for name, value in inputs.items() if value is not None}
        if "labels" in given:
            given["labels"] = given["labels"].astype(np.int64)
        return self.runners[role](given)


def _gaussian(outputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return outputs["mean"], outputs["log_variance"]
