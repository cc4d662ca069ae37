"""The model of video, as it is trained: to say the codes of a frame, given those before it."""

from typing import Any

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.training import replicas
from zoo.training.built import BuiltModel
from zoo.transformer.block import Block, normalisation
from zoo.video.config import VideoConfig

STDDEV = 0.02
WINDOW = 5  # rows and columns of codes that a place sees at first, its own in the middle


class Video(BuiltModel):
    """A Transformer over the places of a frame, each with its codes in the frames before.

    Codes are of finite scalars: told by a few numbers, each one of a few levels. What is near in
    a picture is near in its numbers, so they are taken as they are, those of all frames together;
    a convolution lets each place see those beside it, which digits move no further than. All
    numbers of the next frame are predicted at the same time, each by itself.

    Args:
        config: a `VideoConfig` with all sizes, or its values as a dict.

    Call arguments:
        numbers: int `(B, seen, P)`, below `levels`, of the frames from the oldest on; P are the
            numbers of a frame, code by code.

    Returns:
        Logits of each number of the next frame, float32 `(B, P, levels)`.

    Example:
        >>> sizes = {"grid": (2, 3), "numbers": 2, "levels": 4, "layers": 1, "width": 16}
        >>> model = Video({"codes": "runs/codes", "heads": 2} | sizes)
        >>> model(ops.zeros((2, 4, 12), "int32")).shape
        TensorShape([2, 12, 4])

    References:
        Yan et al. 2021, VideoGPT (arXiv:2104.10157); Chang et al. 2022 (arXiv:2202.04200).
    """

    def __init__(self, config: VideoConfig | dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(config, dict):
            config = VideoConfig.parse(config, "the model")
        self.config, normal = config, initializers.RandomNormal(stddev=STDDEV)
        sizes, seeds = config.transformer, keras.random.SeedGenerator(0)
        self.enter = layers.Conv2D(config.width, WINDOW, padding="same", name="enter")
        self.place = self.add_weight((config.positions, config.width), normal, name="place")
        self.blocks = [
            Block(sizes, seeds, STDDEV, name=f"block_{index}") for index in range(config.layers)
        ]
        self.norm = normalisation(sizes, "norm")
        columns = config.numbers * config.levels
        self.predict = layers.Dense(columns, dtype="float32", name="predict")
        self(ops.zeros((1, config.seen, config.frame_numbers), "int32"))

    def call(self, numbers: KerasTensor, training: bool = False) -> KerasTensor:
        config = self.config
        rows, columns = config.grid
        x = ops.cast(numbers, "float32") * (2 / (config.levels - 1)) - 1
        x = ops.reshape(x, (-1, config.seen, config.positions, config.numbers))
        x = ops.transpose(x, (0, 2, 1, 3))  # (B, T, seen, N)
        x = self.enter(ops.reshape(x, (-1, rows, columns, config.seen * config.numbers)))
        x = ops.reshape(x, (-1, config.positions, config.width))  # (B, T, W)
        x = x + ops.cast(self.place, x.dtype)
        all_see_all = ops.zeros((1, 1, 1, 1), "float32")
        for block in self.blocks:
            x, _ = block(x, all_see_all)
        logits = self.predict(self.norm(x))  # (B, T, N levels)
        return ops.reshape(logits, (-1, config.frame_numbers, config.levels))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return nats of a number."""
        nats = ops.sparse_categorical_crossentropy(y, y_pred, from_logits=True)  # (B, P)
        return replicas.scale_loss(replicas.global_mean(ops.mean(nats, axis=1)))

    def validation_loss(self, data: tuple[KerasTensor, KerasTensor]) -> KerasTensor:
        """Return nats of a number of a batch."""
        x, y = data
        return self.compute_loss(x, y, self(x), training=False)

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}
