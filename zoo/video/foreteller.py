"""Frames that follow, by a model of video and the codes that it was trained on, in Keras."""

from typing import Any

import numpy as np

from serving.content.pictures import to_uint8
from serving.families.video.following import Following
from zoo.codes.codes import Codes
from zoo.video.video import Video


class Foreteller:
    """Says how videos go on, as `serving.families.video.video.Video` does.

    Args:
        video, codes: the two models.
    """

    def __init__(self, video: Video, codes: Codes):
        self.video, self.codes = video, codes
        self._graph: Any = None

    def continue_from(
        self,
        video: np.ndarray,
        frames: int = 10,
        seed: int = 0,
        temperature: float | None = None,
    ) -> np.ndarray:
        """Return the frames that follow.

        Args:
            video: uint8 `(N, F, H, W, C)`, F at least `seen`.
            frames: how many.
            seed: 0 <= seed < 2**32.
            temperature: where it is not the configuration's.

        Returns:
            uint8 `(N, frames, H, W, C)`.
        """
        config = self.video.config
        following = Following(
            self.logits,
            self.codes.encode_all,
            self.codes.decode_batch,
            config.seen,
            config.positions,
            config.numbers or 1,
            config.levels or 2,
            config.temperature if temperature is None else temperature,
        )
        return np.concatenate([to_uint8(each) for each in following.videos(video, frames, seed)])

    def reconstruct(self, video: np.ndarray) -> np.ndarray:
        """Return what codes leave of videos, uint8 `(N, F, H, W, C)`."""
        frames = self.codes.reconstruct(video.reshape(-1, *video.shape[2:]))
        return frames.reshape(video.shape)

    def logits(self, numbers: np.ndarray) -> np.ndarray:
        """Return what the model says of the next frame: float32 `(B, P, levels)`."""
        import tensorflow as tf  # the one backend that samples are drawn with

        if self._graph is None:
            config = self.video.config
            spec = tf.TensorSpec((None, config.seen, config.frame_numbers), tf.int32)
            self._graph = tf.function(self.video.call, [spec], autograph=False)
        return self._graph(tf.constant(numbers, tf.int32)).numpy()
