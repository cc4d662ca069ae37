"""The generative adversarial network (Goodfellow et al. 2014, arXiv:1406.2661)."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops

from serving import noise
from serving.errors import UsageError
from zoo.gan import losses
from zoo.gan.augmentation import UNIFORMS, augment
from zoo.gan.config import GANConfig
from zoo.gan.discriminator import Discriminator
from zoo.gan.networks.dcgan import DCGANGenerator, DCGANTrunk
from zoo.gan.networks.dense import DenseGenerator, DenseTrunk
from zoo.gan.networks.infogan import InfoGANGenerator, InfoGANTrunk
from zoo.gan.networks.residual import ResidualGenerator, ResidualTrunk
from zoo.gan.normalization import recalibrate
from zoo.gan.sampling import Sampler, split
from zoo.training import replicas

NETWORKS = {
    "dense": (DenseGenerator, DenseTrunk),
    "dcgan": (DCGANGenerator, DCGANTrunk),
    "residual": (ResidualGenerator, ResidualTrunk),
    "infogan": (InfoGANGenerator, InfoGANTrunk),
}
SHOWN = ("discriminator_loss", "generator_loss", "real_logit", "fake_logit")


class GAN(Sampler):
    """Generative adversarial network; with `config.classes` a conditional one.

    Images are in [0, 1] outside, and on [-1, 1] for both networks. What ships is the generator,
    with its averaged weights if its optimizer has `use_ema`; how to draw from it is in `Sampler`.

    Args:
        config: a `GANConfig`, or its values as a dict.
        seed: seed of all noise drawn while training.

    Call arguments:
        inputs: latents `(B, D)`; for a conditional model a dict with `z` and `labels`, int `(B,)`.
        training: whether batch normalisation takes the statistics of this batch.

    Returns:
        Images `(B, H, W, C)` float32 in [0, 1].

    Example:
        >>> import numpy as np
        >>> model = GAN(GANConfig(channels=(4, 8), latent_dim=2))
        >>> model(np.zeros((3, 2), "float32")).shape
        TensorShape([3, 28, 28, 1])
        >>> model.generate(4, seed=7).shape
        (4, 28, 28, 1)
    """

    def __init__(self, config: GANConfig | dict[str, Any], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.config = config if isinstance(config, GANConfig) else GANConfig.parse(config, "GAN")
        self.seed = seed
        self.noise_seed = keras.random.SeedGenerator(seed)
        generator, trunk = NETWORKS[self.config.architecture]
        self.generator = generator(self.config, name="generator")
        self.discriminator = Discriminator(
            self.config, trunk(self.config, name="trunk"), name="discriminator"
        )
        shown = (*SHOWN, "bound") if self.config.implicit else SHOWN
        self.means = {name: keras.metrics.Mean(name) for name in shown}
        self._create_variables()

    def _create_variables(self) -> None:
        z = ops.zeros((1, self.config.latent_dim))
        labels = ops.zeros((1,), "int32") if self.config.classes else None
        self.discriminator(ops.zeros((1, *self.config.image_shape)), self._condition(labels))
        self(z if labels is None else {"z": z, "labels": labels})

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        **kwargs,
    ) -> None:
        """Set the two optimizers and make their variables.

        Args:
            generator_optimizer: becomes `optimizer`; its `iterations` are the training steps.
            discriminator_optimizer: takes `config.discriminator_steps` steps in each.
            kwargs: of `keras.Model.compile`, as `jit_compile`.
        """
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer = keras.optimizers.get(discriminator_optimizer)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        return [self.optimizer, self.discriminator_optimizer]

    def train_step(self, data: KerasTensor | dict[str, KerasTensor]) -> dict[str, KerasTensor]:
        """Train on images in [0, 1], `(B, H, W, C)`, or on a dict with `image` and `labels`.

        Generated images take the labels of the batch, so that both have the same classes. The last
        step of the discriminator and that of the generator share one draw of images.
        """
        image, labels = split(data, "image")
        implicit = self.config.implicit
        condition = self._drawn_classes(image) if implicit else self._condition(labels)
        real = 2 * ops.convert_to_tensor(image) - 1
        for _ in range(self.config.discriminator_steps - 1):
            z, fake = self._draw(image, condition)
            self._train_discriminator(real, ops.stop_gradient(fake), z, condition)
        with tf.GradientTape() as tape:
            z, fake = self._draw(image, condition)
            with tape.stop_recording():
                self._train_discriminator(real, ops.stop_gradient(fake), z, condition)
            loss = self._generator_loss(fake, z, condition)
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, KerasTensor]:
        return {name: mean.result() for name, mean in self.means.items()}

    def _draw(
        self, image: KerasTensor, condition: KerasTensor | None
    ) -> tuple[KerasTensor, KerasTensor]:
        """Generate as many images as there are, on [-1, 1]: latents and images."""
        z = self._random(keras.random.normal, image, self.config.latent_dim)
        return z, self.generator(z, condition, training=True)

    def _drawn_classes(self, image: KerasTensor) -> KerasTensor:
        """Draw a class for as many images as there are, one-hot `(B, classes)`."""
        share = self._random(keras.random.uniform, image)
        classes = self.config.classes
        drawn = ops.minimum(ops.cast(share * classes, "int32"), classes - 1)
        return ops.one_hot(drawn, classes, dtype="float32")

    def _random(self, draw: Any, image: KerasTensor, *shape: int) -> KerasTensor:
        """Draw `(B, *shape)`, the same for an image whichever replica holds it."""
        return replicas.own_rows(
            lambda count: draw((count, *shape), dtype="float32", seed=self.noise_seed),
            ops.shape(image)[0],
        )

    def _augment(self, *images: KerasTensor) -> tuple[KerasTensor, ...]:
        if not self.config.augment:
            return images
        uniforms = self._random(keras.random.uniform, images[0], len(images), UNIFORMS)
        return tuple(
            augment(image, uniforms[:, index], self.config.augment)
            for index, image in enumerate(images)
        )

    def _train_discriminator(
        self, real: KerasTensor, fake: KerasTensor, z: KerasTensor, condition: KerasTensor | None
    ) -> None:
        views = 2 if self.config.agreement else 1  # of the real images
        *real, fake = self._augment(*[real] * views, fake)
        with tf.GradientTape() as tape:
            loss = self._discriminator_loss(real, fake, z, condition)
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(loss, variables), variables)

    def _discriminator_loss(
        self,
        real: list[KerasTensor],
        fake: KerasTensor,
        z: KerasTensor,
        condition: KerasTensor | None,
    ) -> KerasTensor:
        config, seen = self.config, [*real, fake]
        told = None if condition is None else ops.concatenate([condition] * len(seen))
        outputs = self.discriminator(ops.concatenate(seen), told, training=True)
        said = {name: ops.split(values, len(seen)) for name, values in outputs.items()}
        real_logits, fake_logits = said["logits"][0], said["logits"][-1]  # (B,) each
        loss = losses.discriminator_loss(
            real_logits, fake_logits, config.loss, config.label_smoothing
        )
        if config.implicit:
            of_fake = {name: values[-1] for name, values in said.items()}
            loss = loss + self._information_loss(of_fake, z, condition)
            if config.agreement:
                loss = loss + config.agreement * _agreement_loss(*said["class_logits"][:-1])
        elif "class_logits" in said:
            # Of real images alone, unlike the paper's: learning labels from generated images too,
            # the two networks would agree on signs that mean nothing to anybody else.
            loss = loss + losses.classification_loss(said["class_logits"][0], condition)
        loss = loss + self._penalty(real[0], fake, condition)
        self.means["discriminator_loss"].update_state(loss)
        self.means["real_logit"].update_state(real_logits)
        self.means["fake_logit"].update_state(fake_logits)
        return replicas.scale_loss(replicas.global_mean(loss))

    def _penalty(
        self, real: KerasTensor, fake: KerasTensor, condition: KerasTensor | None
    ) -> KerasTensor | float:
        """Return the penalty on each example's slope, `(B,)`."""
        if self.config.gradient_penalty:
            share = self._random(keras.random.uniform, real, 1, 1, 1)
            slopes = self._slopes(real + share * (fake - real), condition)
            return self.config.gradient_penalty * losses.gradient_penalty(slopes)
        if self.config.r1:
            return 0.5 * self.config.r1 * losses.r1_penalty(self._slopes(real, condition))
        return 0.0

    def _slopes(self, image: KerasTensor, condition: KerasTensor | None) -> KerasTensor:
        """Return the gradient of each logit by its own image, `(B, H, W, C)`."""
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = self.discriminator(image, condition)["logits"]
        return tape.gradient(logits, image)

    def _information_loss(
        self, said: dict[str, KerasTensor], z: KerasTensor, condition: KerasTensor
    ) -> KerasTensor:
        """Return how little of what images were drawn with is found in them, `(B,)`.

        Its negative bounds from below what images tell of their classes and codes.
        """
        of_class = losses.classification_loss(said["class_logits"], condition)
        self.means["bound"].update_state(math.log(self.config.classes) - of_class)
        loss = self.config.auxiliary_weight * of_class
        if "codes" in said:
            error = ops.square(said["codes"] - z[:, : self.config.continuous])
            loss = loss + self.config.continuous_weight * ops.sum(error, axis=-1)
        return loss

    def _generator_loss(
        self, fake: KerasTensor, z: KerasTensor, condition: KerasTensor | None
    ) -> KerasTensor:
        (seen,) = self._augment(fake)
        outputs = self.discriminator(seen, condition)
        loss = losses.generator_loss(outputs["logits"], self.config.loss)
        if self.config.implicit:
            loss = loss + self._information_loss(outputs, z, condition)
        elif "class_logits" in outputs:
            of_labels = losses.classification_loss(outputs["class_logits"], condition)
            loss = loss + self.config.auxiliary_weight * of_labels
        self.means["generator_loss"].update_state(loss)
        return replicas.scale_loss(replicas.global_mean(loss))

    def recognise(self, images: KerasTensor) -> KerasTensor:
        """Return how likely each class is of images `(B, H, W, C)` in [0, 1]: `(B, classes)`.

        Raises:
            UsageError: the model has no classifier.
        """
        if not self.config.classifies:
            raise UsageError("this model has no classifier, and recognises nothing")
        said = self.discriminator(2 * ops.convert_to_tensor(images) - 1)
        return ops.softmax(said["class_logits"], axis=-1)

    def recalibrate(self, batches: int = 20, batch_size: int = 256, seed: int = 0) -> None:
        """Replace the moving averages of batch normalisation by means over fresh batches.

        Averaged weights have other statistics than the weights in training, whose moving averages
        they carry; call this on what ships, before it is evaluated. Not under a strategy.

        Reference:
            The standing statistics of Brock et al. 2019 (arXiv:1809.11096), section 4.1.
        """
        size, classes = self.config.latent_dim, self.config.classes
        labels = np.arange(batch_size) % classes if classes else None
        condition = self._condition(labels)
        drawn = noise.normal_batches(batches * batch_size, size, seed, batch_size)
        recalibrate(self.generator, ((z, condition) for z in drawn))

    def get_config(self) -> dict[str, Any]:
        """Return what `GAN(**config)` rebuilds the model from."""
        return {"config": self.config.model_dump(), "seed": self.seed, "name": self.name}


def _agreement_loss(first: KerasTensor, second: KerasTensor) -> KerasTensor:
    """Return how much is said of one view of an image and not of the other, `(B,)`.

    Saying the same of all images would be the easiest agreement: so all classes together should be
    alike likely, over the global batch.
    """
    likely = ops.softmax(ops.concatenate([first, second]))
    together = losses.entropy(replicas.global_mean(likely))
    return losses.disagreement(first, second) - together
