"""A small convolutional classifier, accurate enough to judge generated images by."""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from zoo.data.augmentation.adversarial import Adversarial
from zoo.judge.config import ClassifierConfig
from zoo.training import replicas
from zoo.training.built import BuiltModel


class Classifier(Adversarial, BuiltModel):
    """Blocks of two convolutions with batch normalisation and a halving; then the features.

    Args:
        config: a `ClassifierConfig`, or its values as a dict.
        seed: seed of what varies the training images.

    Call arguments:
        inputs: images `(B, H, W, C)` float32 in [0, 1], or a dict with `image`.
        training: whether images are varied and batch statistics are used.

    Returns:
        Logits `(B, classes)`.

    Example:
        >>> import numpy as np
        >>> model = Classifier(ClassifierConfig(channels=(4, 8, 8), features=16))
        >>> model(np.zeros((3, 28, 28, 1), "float32")).shape
        TensorShape([3, 10])
        >>> model.features(np.zeros((3, 28, 28, 1), "float32")).shape
        TensorShape([3, 16])
    """

    def __init__(self, config: ClassifierConfig | dict[str, Any], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(config, ClassifierConfig):
            config = ClassifierConfig.parse(config, "classifier")
        self.config = config
        self.seed = seed
        self.noise_seed = keras.random.SeedGenerator(seed)
        self.blocks = [
            Block(width, name=f"block_{level}") for level, width in enumerate(config.channels)
        ]
        self.feature_layer = layers.Dense(config.features, dtype="float32", name="features")
        self.output_layer = layers.Dense(config.classes, dtype="float32", name="logits")
        self.accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
        self(ops.zeros((1, *config.image_shape)))

    def features(self, image: KerasTensor) -> KerasTensor:
        """Map images `(B, H, W, C)` in [0, 1] to the features `(B, F)` below the logits."""
        x = 2 * image - 1
        for block in self.blocks:
            x = block(x)
        return ops.relu(self.feature_layer(layers.Flatten("channels_last")(x)))

    def call(
        self, inputs: KerasTensor | dict[str, KerasTensor], training: bool = False
    ) -> KerasTensor:
        image = inputs["image"] if isinstance(inputs, dict) else inputs
        return self.output_layer(self.features(self._vary(image) if training else image))

    def probabilities(self, image: KerasTensor) -> KerasTensor:
        """Map images `(B, H, W, C)` in [0, 1] to the probability of each label, `(B, classes)`."""
        return ops.softmax(self(image), axis=-1)

    def _vary(self, image: KerasTensor) -> KerasTensor:
        """Turn, zoom and move images, the same for an image whichever replica holds it."""
        config = self.config
        random = replicas.own_rows(
            lambda count: keras.random.uniform((count, 4), -1, 1, "float32", self.noise_seed),
            ops.shape(image)[0],
        )  # (B, 4)
        maps = affine_maps(
            config.image_shape,
            angle=math.radians(config.rotation) * random[:, 0],
            scale=1 + config.zoom * random[:, 1],
            shift=config.shift * random[:, 2:],
        )
        return ops.image.affine_transform(
            image, maps, fill_mode="nearest", data_format="channels_last"
        )

    def compute_loss(
        self,
        x: dict[str, KerasTensor] | None = None,
        y: Any = None,
        y_pred: KerasTensor | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return the cross-entropy in nats per image, ready to be summed over replicas."""
        self.accuracy.update_state(x["labels"], y_pred)
        loss = keras.losses.sparse_categorical_crossentropy(x["labels"], y_pred, from_logits=True)
        if "share" in x:  # of an image over which another lies
            other = keras.losses.sparse_categorical_crossentropy(
                x["other_labels"], y_pred, from_logits=True
            )
            loss = x["share"] * loss + (1 - x["share"]) * other
        return replicas.scale_loss(replicas.global_mean(loss))

    def validation_loss(self, batch: dict[str, KerasTensor]) -> KerasTensor:
        """Return the cross-entropy in nats per image, of images as they are."""
        return self.compute_loss(x=batch, y_pred=self(batch))

    def get_config(self) -> dict[str, Any]:
        """Return what `Classifier(**config)` rebuilds the model from."""
        return {"config": self.config.model_dump(), "seed": self.seed, "name": self.name}


class Block(layers.Layer):
    """Two convolutions, normalised over the global batch and rectified; then the largest of 2x2."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = [
            layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"convolve_{index}")
            for index in range(2)
        ]
        self.normalizations = [
            layers.BatchNormalization(momentum=0.9, synchronized=True, name=f"normalize_{index}")
            for index in range(2)
        ]
        self.halve = layers.MaxPooling2D(2, name="halve")

    def call(self, x: KerasTensor) -> KerasTensor:
        for convolve, normalize in zip(self.convolutions, self.normalizations, strict=True):
            x = ops.relu(normalize(convolve(x)))
        return self.halve(x)


def affine_maps(
    image_shape: tuple[int, int, int], angle: KerasTensor, scale: KerasTensor, shift: KerasTensor
) -> KerasTensor:
    """Describe turns and zooms about the centre, and moves, as `keras.ops.image` takes them.

    Args:
        image_shape: height, width and channels.
        angle: radians, `(B,)`.
        scale: `(B,)`; above 1 the image becomes smaller.
        shift: pixels to the left and up, `(B, 2)`.

    Returns:
        `(B, 8)`: where each pixel of the result comes from.
    """
    height, width, _ = image_shape
    x, y = (width - 1) / 2, (height - 1) / 2
    cosine, sine = scale * ops.cos(angle), scale * ops.sin(angle)
    right = x - cosine * x + sine * y + shift[:, 0]
    down = y - sine * x - cosine * y + shift[:, 1]
    zero = ops.zeros_like(angle)
    return ops.stack([cosine, -sine, right, sine, cosine, down, zero, zero], axis=-1)
