"""The flow, as it is trained: to point from noise towards images."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from serving.content.pictures import to_uint8
from serving.errors import UsageError
from serving.families.flow.drawing import Drawing
from serving.families.flow.path import ONE_WAY, Course, follow, guided
from serving.families.inputs import checked_labels
from zoo.flow.config import FlowConfig
from zoo.flow.network import DiffusionTransformer
from zoo.training import replicas
from zoo.training.smaller.distillation import Student

# Across each segment. Heun would ask at the very end of the path, of which little is learned: a
# student in four steps of it had an FCD of 4.65 where its teacher alone has 2.35.
TEACHER = Course(steps=8, solver="euler")


class Flow(Student):
    """Says in which direction images lie, of images that are partly noise.

    Args:
        config: a `FlowConfig`, or its values as a dict.

    Call arguments:
        inputs: a dict with `image`, `(B, H, W, C)`, which is `(1 - time) * noise + time * image`
            of an image on [-1, 1]; `time`, float32 `(B,)`; and for a conditional model `labels`,
            int `(B,)`, where `classes` stands for no label.

    Returns:
        The velocity, float32 `(B, H, W, C)`: image minus noise, on average.

    Example:
        >>> model = Flow(FlowConfig(layers=1, width=16, heads=2, classes=10))
        >>> image, time = np.zeros((3, 28, 28, 1), np.float32), np.zeros(3, np.float32)
        >>> model({"image": image, "time": time, "labels": np.array([0, 5, 10])}).shape
        TensorShape([3, 28, 28, 1])
        >>> model.generate(2, labels=[3, 4], seed=7, steps=2).shape
        (2, 28, 28, 1)

    Reference:
        Lipman et al. 2023, Flow Matching for Generative Modeling (arXiv:2210.02747).
    """

    def __init__(self, config: FlowConfig | dict[str, Any], **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # images and times stay float32
        if isinstance(config, dict):
            config = FlowConfig.parse(config, "the model")
        self.config = config
        self.network = DiffusionTransformer(config, name="network")
        inputs = {"image": ops.zeros((1, *config.image_shape)), "time": ops.zeros((1,))}
        self(inputs | ({"labels": ops.zeros((1,), "int32")} if config.classes else {}))

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> KerasTensor:
        return self.velocity(inputs["image"], inputs["time"], inputs.get("labels"))

    def velocity(
        self, image: KerasTensor, time: KerasTensor, labels: KerasTensor | None = None
    ) -> KerasTensor:
        """Return the velocity of images at times; see the class."""
        return ops.cast(self.network(image, time, labels), "float32")

    # --- training ---

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return the mean squared error of the velocity, of a pixel."""
        loss = _mean_square(y_pred - y)
        if training and self.teaching is not None:
            taught = displacement(self.teaching.teacher, x, self.config)
            loss = self.teaching.shared(loss, _mean_square(y_pred - taught))
        return replicas.scale_loss(loss)

    def validation_loss(self, data: tuple[dict[str, KerasTensor], KerasTensor]) -> KerasTensor:
        """Return the mean squared error of a batch."""
        x, y = data
        return self.compute_loss(x, y, self(x), training=False)

    def check_teacher(self, teacher: keras.Model, name: str) -> None:
        """Make sure that a teacher draws the same images from the same labels."""
        ours = (self.config.image_shape, self.config.classes)
        if not isinstance(teacher, Flow):
            raise UsageError(f"{name} is a {type(teacher).__name__}; expected a Flow as a teacher")
        theirs = (teacher.config.image_shape, teacher.config.classes)
        if ours != theirs or teacher.config.segments:
            raise UsageError(
                f"{name} draws images {theirs[0]} of {theirs[1]} classes in "
                f"{teacher.config.segments} segments; expected {ours[0]} of {ours[1]}, in none"
            )

    # --- drawing ---

    def generate(
        self,
        count: int,
        labels: Sequence[int] | None = None,
        seed: int = 0,
        **course: Any,
    ) -> np.ndarray:
        """Draw images.

        Args:
            count: how many.
            labels: one label per image; conditional models only.
            seed: 0 <= seed < 2**32; the same seed gives the same images here and in every export.
            course: `steps`, `guidance` and `solver`, where they are not the configuration's.

        Returns:
            uint8 `(count, H, W, C)`.
        """
        if count < 1:
            raise UsageError(f"count is {count}; expected at least 1")
        labels = checked_labels(labels, count, self.config.classes)
        drawn = self._drawing(course).images(count, labels, seed)
        return np.concatenate([to_uint8(batch) for batch in drawn])

    def encode(
        self, image: np.ndarray, labels: Sequence[int] | None = None, **course: Any
    ) -> np.ndarray:
        """Return the noise, `(B, H * W * C)`, that images `(B, H, W, C)` in [0, 1] are drawn of.

        Raises:
            UsageError: of a student, which knows the way forward alone.
        """
        if self.config.segments:
            raise UsageError(ONE_WAY)
        labels = checked_labels(labels, len(image), self.config.classes)
        return self._drawing(course).noise(np.asarray(image, np.float32), labels)

    def decode(
        self, z: np.ndarray, labels: Sequence[int] | None = None, **course: Any
    ) -> np.ndarray:
        """Return images `(B, H, W, C)` in [0, 1] of noise `(B, H * W * C)`."""
        labels = checked_labels(labels, len(z), self.config.classes)
        return self._drawing(course).image(np.asarray(z, np.float32), labels)

    def _drawing(self, course: dict[str, Any]) -> Drawing:
        import tensorflow as tf  # the one backend that samples are drawn with

        config = self.config
        shape = tf.TensorSpec((None, *config.image_shape), tf.float32)
        time = tf.TensorSpec((None,), tf.float32)
        labels = [tf.TensorSpec((None,), tf.int64)] if config.classes else []
        if self._graph is None:
            self._graph = tf.function(self.velocity, [shape, time, *labels], autograph=False)
        graph = self._graph

        def network(*arrays: np.ndarray | None) -> np.ndarray:
            return graph(*(tf.constant(each) for each in arrays if each is not None)).numpy()

        return Drawing(
            network, config.image_shape, config.classes, replace(config.course, **course)
        )

    _graph: Any = None  # of the velocity, made when it is first drawn with

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}


def displacement(teacher: Flow, x: dict[str, KerasTensor], config: FlowConfig) -> KerasTensor:
    """Return how fast a teacher moves images in one segment from their time on; no gradient.

    Args:
        teacher: with the velocity.
        x: as `Flow` takes it.
        config: of the student, with `segments`, and the `guidance` that the teacher is given.
    """
    labels = x.get("labels")
    velocity = guided(teacher.velocity, labels, config.classes, config.guidance, ops)
    length = 1 / config.segments
    end = follow(velocity, x["image"], TEACHER, x["time"], length)
    return ops.stop_gradient((end - x["image"]) / length)


def _mean_square(error: KerasTensor) -> KerasTensor:
    return replicas.global_mean(ops.mean(ops.square(error), axis=(1, 2, 3)))
