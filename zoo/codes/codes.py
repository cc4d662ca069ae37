"""The tokenizer of images, as it is trained: to tell images by codes and know them again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import KerasTensor, ops

from serving.content.pictures import to_uint8
from zoo.codes.config import CodesConfig
from zoo.codes.networks import Decoder, Encoder
from zoo.codes.quantizers import quantizer
from zoo.training import replicas
from zoo.training.built import BuiltModel

BATCH = 256  # images at once, of those that are encoded


class Codes(BuiltModel):
    """Tells images by codes, one for each square of them.

    Args:
        config: a `CodesConfig`, or its values as a dict.

    Call arguments:
        image: `(B, H, W, C)`, in [0, 1].

    Returns:
        What is left of the images, `(B, H, W, C)`, and the quantizer's loss, `(B,)`.

    Example:
        >>> model = Codes(CodesConfig(image_shape=(8, 8, 3), channels=(8, 8), levels=(4, 4)))
        >>> codes = model.encode(np.zeros((2, 8, 8, 3), "float32"))
        >>> codes.shape, model.decode(codes).shape
        (TensorShape([2, 4]), TensorShape([2, 8, 8, 3]))

    References:
        van den Oord et al. 2017 (arXiv:1711.00937); Mentzer et al. 2023 (arXiv:2309.15505).
    """

    def __init__(self, config: CodesConfig | dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(config, dict):
            config = CodesConfig.parse(config, "the model")
        self.config = config
        self.mean = np.array(config.mean or 0, "float32")  # (C,), or of all channels
        self.encoder = Encoder(config, name="encoder")
        self.quantizer = quantizer(config)
        self.decoder = Decoder(config, name="decoder")
        self(ops.zeros((1, *config.image_shape)))

    def call(self, image: KerasTensor, training: bool = False) -> tuple[KerasTensor, KerasTensor]:
        values, loss = self.quantizer(self.encoder(image - self.mean))
        return self._image(values), ops.mean(loss, axis=(1, 2, 3))

    def encode(self, image: KerasTensor) -> KerasTensor:
        """Map images to codes, row by row of the grid: int32 `(B, T)`."""
        codes = self.quantizer.codes(self.encoder(image - self.mean))
        return ops.reshape(codes, (-1, self.config.positions))  # (B, rows, columns) -> (B, T)

    def decode(self, codes: KerasTensor) -> KerasTensor:
        """Map codes to images, in [0, 1] or near it."""
        values = self.quantizer.values(ops.reshape(codes, (-1, *self.config.grid)))
        return self._image(values)

    def _image(self, values: KerasTensor) -> KerasTensor:
        return ops.cast(self.decoder(values), "float32") + self.mean  # (B, H, W, C)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Return what is left of images, uint8 or float in [0, 1]: uint8 `(N, H, W, C)`."""
        return np.concatenate(
            [to_uint8(self.decode_batch(codes)) for codes in self._encoded(images)]
        )

    def encode_all(self, images: np.ndarray) -> np.ndarray:
        """Return the codes of many images, uint8 or float in [0, 1]: int32 `(N, T)`."""
        return np.concatenate(list(self._encoded(images)))

    def _encoded(self, images: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            levels = 255 if batch.dtype == np.uint8 else 1
            yield self._run("encode", batch.astype(np.float32) / np.float32(levels))

    def decode_batch(self, codes: np.ndarray) -> np.ndarray:
        """Return the images of a batch of codes, float32 `(B, H, W, C)`, by a graph."""
        return self._run("decode", codes.astype(np.int32))

    def _run(self, name: str, batch: np.ndarray) -> np.ndarray:
        """Run a method as a graph, made when it is first asked for."""
        import tensorflow as tf  # the one backend that images are made with

        if name not in self._graphs:
            spec = tf.TensorSpec((None, *batch.shape[1:]), batch.dtype)
            self._graphs[name] = tf.function(getattr(self, name), [spec], autograph=False)
        return self._graphs[name](tf.constant(batch)).numpy()

    @property
    def _graphs(self) -> dict[str, Any]:
        # Not an attribute as Keras knows them, which it would look for weights in.
        return self.__dict__.setdefault("_made_graphs", {})

    # --- training ---

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return the mean squared error of a value, and the quantizer's loss."""
        image, loss = y_pred
        loss = loss + ops.mean(ops.square(image - x), axis=(1, 2, 3))
        return replicas.scale_loss(replicas.global_mean(loss))

    def validation_loss(self, image: KerasTensor) -> KerasTensor:
        """Return the mean squared error of a value."""
        error = ops.square(self(image)[0] - image)
        return replicas.scale_loss(replicas.global_mean(ops.mean(error, axis=(1, 2, 3))))

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}
