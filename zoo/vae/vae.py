"""The variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from serving import noise
from serving.content.pictures import to_uint8
from serving.errors import UsageError
from zoo.data.augmentation.adversarial import Adversarial
from zoo.training import replicas
from zoo.training.built import BuiltModel
from zoo.vae import likelihoods, objectives
from zoo.vae.config import VAEConfig
from zoo.vae.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from zoo.vae.dense import DenseDecoder, DenseEncoder

NETWORKS = {
    "dense": (DenseEncoder, DenseDecoder),
    "convolutional": (ConvolutionalEncoder, ConvolutionalDecoder),
}
DECODED_ROWS = 1000  # images in memory at once


class VAE(Adversarial, BuiltModel):
    """Variational autoencoder with a Gaussian posterior and a Gaussian prior.

    With `config.classes` the model is conditional (Sohn et al. 2015): encoder, decoder and prior
    see the label, and every method takes `labels`.

    Args:
        config: a `VAEConfig`, or its values as a dict.
        seed: seed of the latent noise drawn while training.

    Call arguments:
        inputs: images `(B, H, W, C)` float32 in [0, 1]; for a conditional model a dict with
            `image` and `labels`, int `(B,)`.
        training: whether latents are sampled, `config.samples` per image, or the posterior mean.

    Returns:
        A dict: `mean` and `log_variance` of the posterior, `(B, D)`; the latents `z`, `(B, K, D)`;
        and the likelihood's `parameters`, `(B, K, H, W, P)`. K is 1 when not training.

    Example:
        >>> import numpy as np
        >>> model = VAE(VAEConfig(latent_dim=2, hidden=(8,)))
        >>> model(np.zeros((3, 28, 28, 1), "float32"))["parameters"].shape
        TensorShape([3, 1, 28, 28, 1])
        >>> model.generate(4, seed=7).shape
        (4, 28, 28, 1)
    """

    def __init__(self, config: VAEConfig | dict[str, Any], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.config = config if isinstance(config, VAEConfig) else VAEConfig.parse(config, "VAE")
        self.seed = seed
        self.noise_seed = keras.random.SeedGenerator(seed)
        encoder, decoder = NETWORKS[self.config.architecture]
        per_value = likelihoods.parameters_per_value(self.config.likelihood)
        self.encoder = encoder(self.config, name="encoder")
        self.decoder = decoder(self.config, self.config.image_shape[-1] * per_value, name="decoder")
        self.label_prior = None
        if self.config.classes:
            self.label_prior = keras.layers.Dense(
                2 * self.config.latent_dim,
                kernel_initializer="zeros",
                dtype="float32",
                name="label_prior",
            )
        self.reconstruction_metric = keras.metrics.Mean("reconstruction")
        self.kl_metric = keras.metrics.Mean("kl")
        self._create_variables()

    def _create_variables(self) -> None:
        image, labels = ops.zeros((1, *self.config.image_shape)), None
        if self.label_prior is not None:
            labels = ops.zeros((1,), "int32")
            self.prior(labels)
        self(image if labels is None else {"image": image, "labels": labels})

    # --- the model ---

    def encode(
        self, image: KerasTensor, labels: KerasTensor | None = None
    ) -> tuple[KerasTensor, KerasTensor]:
        """Map images `(B, H, W, C)` in [0, 1] to mean and log-variance, `(B, D)` each."""
        mean, log_variance = ops.split(self.encoder(image, self._condition(labels)), 2, axis=-1)
        return mean, log_variance

    def decode_parameters(self, z: KerasTensor, labels: KerasTensor | None = None) -> KerasTensor:
        """Map latents `(B, D)` to the likelihood's parameters `(B, H, W, P)`.

        P is C Bernoulli logits, or 2 C: logistic means on [-1, 1] and log scales.
        """
        return self.decoder(z, self._condition(labels))

    def decode(self, z: KerasTensor, labels: KerasTensor | None = None) -> KerasTensor:
        """Map latents `(B, D)` to the expected image `(B, H, W, C)` in [0, 1]."""
        return self.expected_image(self.decode_parameters(z, labels))

    def expected_image(self, parameters: KerasTensor) -> KerasTensor:
        """Return the mean image `(..., H, W, C)` in [0, 1] of parameters `(..., H, W, P)`."""
        return likelihoods.expected_image(parameters, self.config.likelihood)

    def prior(self, labels: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Return the prior's mean and log-variance, `(B, D)`, for each label."""
        mean, log_variance = ops.split(self.label_prior(self._condition(labels)), 2, axis=-1)
        return mean, log_variance

    def _condition(self, labels: KerasTensor | None) -> KerasTensor | None:
        """Return one-hot labels `(B, classes)` of a conditional model, None of any other."""
        if (labels is None) != (self.label_prior is None):
            expected = "needs labels" if self.label_prior else "takes no labels"
            raise UsageError(f"this model {expected} (classes = {self.config.classes})")
        return None if labels is None else ops.one_hot(labels, self.config.classes, dtype="float32")

    def call(
        self, inputs: KerasTensor | dict[str, KerasTensor], training: bool = False
    ) -> dict[str, KerasTensor]:
        image, labels = _split(inputs)
        mean, log_variance = self.encode(image, labels)
        samples = self.config.samples if training else 1
        z = mean[:, None, :]  # (B, 1, D)
        if training:
            epsilon = self._own_noise(ops.shape(mean)[0])  # (B, K, D)
            z = z + ops.exp(0.5 * log_variance)[:, None, :] * epsilon
        flat = ops.reshape(z, (-1, self.config.latent_dim))  # (B K, D)
        repeated = None if labels is None else ops.repeat(labels, samples, axis=0)
        parameters = self.decode_parameters(flat, repeated)  # (B K, H, W, P)
        parameters = ops.reshape(parameters, (-1, samples, *parameters.shape[1:]))
        return {"mean": mean, "log_variance": log_variance, "z": z, "parameters": parameters}

    def _own_noise(self, rows: KerasTensor) -> KerasTensor:
        """Draw `(B, K, D)` noise, the same for an image whichever replica holds it."""
        shape = (self.config.samples, self.config.latent_dim)
        return replicas.own_rows(
            lambda count: keras.random.normal(
                (count, *shape), dtype="float32", seed=self.noise_seed
            ),
            rows,
        )

    # --- training ---

    def compute_loss(
        self,
        x: KerasTensor | dict[str, KerasTensor] | None = None,
        y: Any = None,
        y_pred: dict[str, KerasTensor] | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return the negative objective in nats per image, ready to be summed over replicas."""
        image, labels = _split(x)
        image = x.get("target", image) if isinstance(x, dict) else image
        mean, log_variance, z = y_pred["mean"], y_pred["log_variance"], y_pred["z"]
        prior_mean, prior_log_variance = self.prior(labels) if labels is not None else (0.0, 0.0)
        log_likelihood = likelihoods.log_prob(
            image[:, None], y_pred["parameters"], self.config.likelihood
        )  # (B, K)
        kl = objectives.gaussian_kl(mean, log_variance, prior_mean, prior_log_variance)  # (B, D)
        reconstruction = -ops.mean(log_likelihood, axis=-1)  # (B,)
        self.reconstruction_metric.update_state(reconstruction)
        self.kl_metric.update_state(ops.sum(kl, axis=-1))
        if self.config.objective == "iwae":
            log_weights = objectives.log_importance_weights(
                log_likelihood, z, mean, log_variance, prior_mean, prior_log_variance
            )
            loss = -replicas.global_mean(objectives.importance_weighted_bound(log_weights))
        else:
            # Free bits are granted per dimension, to the mean over the batch.
            kl = ops.maximum(replicas.global_mean(kl), self.config.free_bits)  # (D,)
            loss = replicas.global_mean(reconstruction) + self.config.beta * ops.sum(kl)
        return replicas.scale_loss(loss)

    def beside_target(self, moved: KerasTensor, x: Any) -> dict[str, KerasTensor]:
        """Return moved images, and those that they should be decoded to."""
        image, labels = _split(x)
        moved = {"image": moved, "target": image}
        return moved if labels is None else moved | {"labels": labels}

    def validation_loss(self, batch: KerasTensor | dict[str, KerasTensor]) -> KerasTensor:
        """Return the negative objective in nats per image, with the same noise at every call."""
        self.noise_seed.state.assign(ops.convert_to_tensor([self.seed, 0], "int64"))
        return self.compute_loss(x=batch, y_pred=self(batch, training=True))

    # --- samples ---

    def generate(
        self, count: int, labels: Sequence[int] | None = None, seed: int = 0
    ) -> np.ndarray:
        """Draw images from the prior.

        Args:
            count: how many.
            labels: one label per image; conditional models only.
            seed: 0 <= seed < 2**32; the same seed gives the same images here and in every export.

        Returns:
            uint8 `(count, H, W, C)`.
        """
        if count < 1:
            raise UsageError(f"count is {count}; expected at least 1")
        z = noise.normal(count, self.config.latent_dim, seed)
        labels = None if labels is None else self._checked(labels, count)
        return self._pixels(self._of_prior(z, labels), labels)

    def drawn_of(self, noise: KerasTensor, labels: KerasTensor | None = None) -> KerasTensor:
        """Map standard normal noise `(B, D)` to expected images `(B, H, W, C)` in [0, 1]."""
        return self.decode(self._of_prior(noise, labels), labels)

    def _of_prior(self, noise: KerasTensor, labels: KerasTensor | None) -> KerasTensor:
        """Turn standard normal noise into latents of the prior."""
        if labels is None:
            return noise
        mean, log_variance = self.prior(labels)
        return mean + ops.exp(0.5 * log_variance) * noise

    def _checked(self, labels: Sequence[int], count: int) -> np.ndarray:
        labels = np.asarray(labels, "int32")
        if labels.shape != (count,) or not np.isin(labels, range(self.config.classes)).all():
            raise UsageError(
                f"labels are {labels.tolist()[:8]}...; expected {count} whole numbers from 0 to "
                f"{self.config.classes - 1}"
            )
        return labels

    def reconstruct(self, image: np.ndarray, labels: Sequence[int] | None = None) -> np.ndarray:
        """Encode images `(B, H, W, C)` in [0, 1] and decode the posterior mean, to uint8."""
        mean, _ = self.encode(image, labels)
        return self._pixels(mean, labels)

    def interpolate(
        self,
        start: np.ndarray,
        end: np.ndarray,
        steps: int = 8,
        labels: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Walk in a straight line between the latent means of image pairs.

        Args:
            start, end: `(B, H, W, C)` in [0, 1].
            steps: images per pair, both ends included.

        Returns:
            uint8 `(B, steps, H, W, C)`.
        """
        first, last = self.encode(start, labels)[0], self.encode(end, labels)[0]
        z = ops.linspace(first, last, steps, axis=1)  # (B, steps, D)
        return self._decode_rows(z, labels)

    def traverse(
        self,
        image: np.ndarray,
        dimension: int,
        values: Sequence[float],
        labels: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Set one latent dimension of each image's code to each of `values`.

        Returns:
            uint8 `(B, len(values), H, W, C)`.
        """
        mean = ops.convert_to_numpy(self.encode(image, labels)[0])
        z = np.repeat(mean[:, None], len(values), axis=1)  # (B, V, D)
        z[:, :, dimension] = values
        return self._decode_rows(z, labels)

    def _decode_rows(self, z: KerasTensor, labels: Sequence[int] | None) -> np.ndarray:
        rows, columns, size = z.shape
        repeated = None if labels is None else np.repeat(labels, columns)
        pixels = self._pixels(ops.reshape(z, (-1, size)), repeated)
        return pixels.reshape(rows, columns, *pixels.shape[1:])

    def _pixels(self, z: KerasTensor, labels: KerasTensor | None) -> np.ndarray:
        """Decode, a few rows at a time so that memory stays bounded, to uint8 `(B, H, W, C)`."""
        parts = [slice(start, start + DECODED_ROWS) for start in range(0, len(z), DECODED_ROWS)]
        decoded = (self.decode(z[part], None if labels is None else labels[part]) for part in parts)
        return np.concatenate([to_uint8(ops.convert_to_numpy(image)) for image in decoded])

    def get_config(self) -> dict[str, Any]:
        """Return what `VAE(**config)` rebuilds the model from."""
        return {"config": self.config.model_dump(), "seed": self.seed, "name": self.name}


def _split(
    inputs: KerasTensor | dict[str, KerasTensor],
) -> tuple[KerasTensor, KerasTensor | None]:
    return (inputs["image"], inputs.get("labels")) if isinstance(inputs, dict) else (inputs, None)
