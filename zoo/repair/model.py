"""A network that repairs photographs, as it is trained."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops

from serving.photographs.colouring import WEIGHTS
from serving.photographs.tasks import COLOURISE, INPAINT
from zoo.gan import losses
from zoo.repair.config import RepairConfig
from zoo.repair.networks.discriminator import PatchDiscriminator
from zoo.repair.networks.unet import UNet
from zoo.training import replicas
from zoo.training.built import BuiltModel

BRIGHTNESS = "brightness"  # the layer

Inputs = dict[str, KerasTensor]


class Repairer(BuiltModel):
    """Repairs images: fills what is unknown, gives colours, takes blur or noise away.

    The U-Net says what to add to an image. Of that counts, to fill what is unknown, only what is
    said of unknown pixels, and to give colours, only what changes no brightness: the rest of a
    photograph stays what it is, exactly.

    Args:
        config: a `RepairConfig`, or its values as a dict.

    Call arguments:
        inputs: a dict of `image`, intensities in [0, 1], `(B, H, W, 3)`, best of H and W that are
            multiples of `config.multiple`; `mask`, 1 where it is unknown and 0 elsewhere,
            `(B, H, W, 1)`; and `task`, the places of what to do in `config.tasks`, int `(B,)`.

    Returns:
        float32 `(B, H, W, 3)`, not limited to [0, 1].

    Attributes:
        reach: how many pixels around one the model looks at, at most.

    Example:
        >>> model = Repairer({"channels": [4, 8], "depth": 1})
        >>> image, mask = np.ones((1, 4, 6, 3), "float32"), np.zeros((1, 4, 6, 1), "float32")
        >>> model({"image": image, "mask": mask, "task": np.array([3])}).shape
        TensorShape([1, 4, 6, 3])
    """

    def __init__(self, config: RepairConfig | dict[str, Any], **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # images stay float32
        if isinstance(config, dict):
            config = RepairConfig.parse(config, "the model")
        self.config = config
        self.network = UNet(config, name="unet")
        self.brightness = Brightness(name=BRIGHTNESS)
        self.reach = self.network.reach
        self.discriminator = (
            PatchDiscriminator(config, name="discriminator") if config.adversarial else None
        )
        self.means = {name: keras.metrics.Mean(name) for name in self._shown}
        side = config.multiple * 2 ** len(config.discriminator_channels)
        image, mask = ops.zeros((1, side, side, 3)), ops.zeros((1, side, side, 1))
        inputs = {"image": image, "mask": mask, "task": ops.zeros((1,), "int32")}
        if self.discriminator is not None:
            self.discriminator(image, *self._seen(inputs)[1:])
        self(inputs)

    @property
    def _shown(self) -> tuple[str, ...]:
        against = ("discriminator_loss", "adversarial_loss", "feature_loss")
        return ("error", *(against if self.config.adversarial else ()))

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        base, seen, task = self._seen(inputs)
        added = self.network(_filled_up(seen, self.config.multiple), task)
        added = ops.cast(added, "float32")
        added = added - self._is(COLOURISE, inputs["task"]) * self.brightness(added)
        added = _as_large(added, base)  # (B, H, W, 3)
        filled = self._is(INPAINT, inputs["task"])
        return base + added * (1 - filled + filled * seen[..., 3:])

    def _seen(self, inputs: Inputs) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
        """Return images in which what is unknown is grey, what the network sees, and tasks."""
        image = ops.cast(inputs["image"], "float32") - 0.5
        mask = ops.cast(inputs["mask"], "float32")
        known = image * (1 - mask)
        task = ops.one_hot(inputs["task"], len(self.config.tasks), dtype="float32")
        return known + 0.5, ops.concatenate([known, mask], axis=-1), task

    def _is(self, wanted: str, task: KerasTensor) -> KerasTensor:
        """Return 1 for each image of a task, else 0: `(B, 1, 1, 1)`."""
        return ops.reshape(self._of_tasks([wanted], task), (-1, 1, 1, 1))

    def _of_tasks(self, wanted: Sequence[str], task: KerasTensor) -> KerasTensor:
        """Return 1 for each image of some tasks, else 0: `(B,)`."""
        chosen = np.array([each in wanted for each in self.config.tasks], np.float32)
        return ops.take(ops.convert_to_tensor(chosen), task)

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the optimizers and make their variables; the second is the discriminator's."""
        super().compile(optimizer=optimizer, **kwargs)
        self.optimizer.build(self.network.trainable_variables)
        self.discriminator_optimizer = discriminator_optimizer
        if discriminator_optimizer is not None:
            discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        return [each for each in (self.optimizer, self.discriminator_optimizer) if each is not None]

    def train_step(self, data: tuple[Inputs, KerasTensor]) -> dict[str, KerasTensor]:
        """Train on degraded images and the real ones; first the discriminator, if there is one."""
        inputs, real = data
        with tf.GradientTape() as tape:
            repaired = self(inputs, training=True)
            error = self._error(inputs, real, repaired)  # (B,)
            self.means["error"].update_state(error)
            loss = error
            if self.discriminator is not None:
                with tape.stop_recording():
                    self._train_discriminator(inputs, real, ops.stop_gradient(repaired))
                loss = loss + self._judged(inputs) * self._opinion(inputs, real, repaired)
            loss = replicas.scale_loss(replicas.global_mean(loss))
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, KerasTensor]:
        return {name: mean.result() for name, mean in self.means.items()}

    def validation_loss(self, data: tuple[Inputs, KerasTensor]) -> KerasTensor:
        """Return the mean absolute error of a batch of degraded images and real ones."""
        inputs, real = data
        return replicas.global_mean(self._error(inputs, real, self(inputs)))

    def _error(self, inputs: Inputs, real: KerasTensor, repaired: KerasTensor) -> KerasTensor:
        """Return the mean absolute error of each image `(B,)`, of what it is that was unknown."""
        error = ops.mean(ops.abs(repaired - real), axis=(1, 2, 3))
        unknown = ops.mean(ops.cast(inputs["mask"], "float32"), axis=(1, 2, 3))
        return error / ops.where(unknown > 0, unknown, 1.0)

    def _judged(self, inputs: Inputs) -> KerasTensor:
        """Return 1 for each image whose task the discriminator judges, else 0: `(B,)`."""
        return self._of_tasks(self.config.judged, inputs["task"])

    def _train_discriminator(
        self, inputs: Inputs, real: KerasTensor, repaired: KerasTensor
    ) -> None:
        _, seen, task = self._seen(inputs)
        twice = [ops.concatenate([each, each]) for each in (seen, task)]
        with tf.GradientTape() as tape:
            both = ops.concatenate([real, repaired])
            logits, _ = self.discriminator(both, *twice, training=True)
            loss = losses.discriminator_loss(*ops.split(logits, 2), "hinge")  # (B, h, w)
            loss, judged = ops.mean(loss, axis=(1, 2)), self._judged(inputs)
            self.means["discriminator_loss"].update_state(loss, judged)
            loss = replicas.scale_loss(replicas.global_mean(judged * loss))
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(loss, variables), variables)

    def _opinion(self, inputs: Inputs, real: KerasTensor, repaired: KerasTensor) -> KerasTensor:
        """Return what the discriminator holds against each repaired image: `(B,)`."""
        _, seen, task = self._seen(inputs)
        logits, found = self.discriminator(repaired, seen, task)
        _, wanted = self.discriminator(real, seen, task)
        adversarial = ops.mean(losses.generator_loss(logits, "hinge"), axis=(1, 2))
        features = feature_distance(found, [ops.stop_gradient(each) for each in wanted])
        judged = self._judged(inputs)
        self.means["adversarial_loss"].update_state(adversarial, judged)
        self.means["feature_loss"].update_state(features, judged)
        config = self.config
        return config.adversarial_weight * adversarial + config.feature_weight * features

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}


class Brightness(keras.layers.Layer):
    """Maps images `(B, H, W, 3)` to how bright they are, of each channel the same; exactly."""

    def __init__(self, **kwargs: Any):
        super().__init__(dtype="float32", trainable=False, **kwargs)
        self.kernel = np.repeat(WEIGHTS[:, None], 3, axis=1)[None, None]  # (1, 1, 3, 3)

    def call(self, image: KerasTensor) -> KerasTensor:
        return ops.conv(image, self.kernel)


def feature_distance(found: list[KerasTensor], wanted: list[KerasTensor]) -> KerasTensor:
    """Return the mean absolute difference of each image's features, the mean of layers: `(B,)`.

    Reference:
        Wang et al. 2018 (pix2pixHD, arXiv:1711.11585), eq. 4.
    """
    distances = [
        ops.mean(ops.abs(ours - theirs), axis=(1, 2, 3))
        for ours, theirs in zip(found, wanted, strict=True)
    ]
    return sum(distances) / len(distances)


def _filled_up(image: KerasTensor, multiple: int) -> KerasTensor:
    """Put zeros below and at the right of `(B, H, W, C)`, up to a multiple of H and of W."""
    if _are_multiples(image.shape[1:3], multiple):
        return image
    height, width = ops.shape(image)[1:3]
    # Of negative numbers there are two remainders: one of TensorFlow, another of ONNX.
    below, beside = (
        multiple - 1 - (length + multiple - 1) % multiple for length in (height, width)
    )
    return ops.pad(image, ((0, 0), (0, below), (0, beside), (0, 0)))


def _as_large(image: KerasTensor, other: KerasTensor) -> KerasTensor:
    """Cut an image `(B, H, W, C)` to the height and width of another with as many channels."""
    if None not in other.shape[1:3] and image.shape[1:3] == other.shape[1:3]:
        return image
    return ops.slice(image, (0, 0, 0, 0), ops.shape(other))


def _are_multiples(lengths: tuple[int | None, ...], of: int) -> bool:
    """Say whether it is known before there is an image that its sizes are multiples."""
    return all(length is not None and length % of == 0 for length in lengths)


def network_of(model: Repairer) -> Any:
    """Return what repairs with a Keras model, as a `serving.photographs.repairing.Network`."""
    run = tf.function(lambda image, mask, task: model({"image": image, "mask": mask, "task": task}),
                      [tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, None, None, 1)),
                       tf.TensorSpec((None,), tf.int32)], autograph=False)  # fmt: skip
    return lambda image, mask, task: np.asarray(run(image, mask, np.asarray(task, np.int32)))
