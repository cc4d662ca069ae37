"""Images of codes that are drawn, by whatever runs the two networks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from serving.families.codes.choosing import Score, best
from serving.families.codes.course import Course, Network, fill
from serving.families.images import parts
from serving.noise import uniform_batches

BATCH = 64  # images at once; with guidance the network sees twice as many


@dataclass(frozen=True)
class Drawing:
    """How images are drawn: the same by Keras and by ONNX Runtime.

    Attributes:
        network: gives logits `(B, T, V)` of codes `(B, T)`, V where one is hidden, and of what they
            are conditioned on, `(B, ...)`.
        decode: gives images `(B, H, W, C)` of codes.
        places: codes of an image, T.
        vocabulary: different codes, V.
        nothing: what stands for no condition.
        course: how codes are filled in.
    """

    network: Network
    decode: Callable[[np.ndarray], np.ndarray]
    places: int
    vocabulary: int
    nothing: int
    course: Course

    def images(self, count: int, condition: np.ndarray | None, seed: int) -> Iterator[np.ndarray]:
        """Draw images, a batch at a time: float32 `(<= BATCH, H, W, C)`, in [0, 1] or near it."""
        return map(self.decode, self.codes(count, condition, seed))

    def chosen(
        self, count: int, words: np.ndarray, seed: int, score: Score, each: int
    ) -> Iterator[np.ndarray]:
        """Draw `each` images after every caption, and yield the best; see `choosing.best`."""
        repeated = np.repeat(words, each, axis=0)
        return best(self.images(count * each, repeated, seed), repeated, score, each)

    def codes(self, count: int, condition: np.ndarray | None, seed: int) -> Iterator[np.ndarray]:
        """Draw codes, a batch at a time: int32 `(<= BATCH, T)`.

        Those of image i depend on the seed, the steps, i and its condition.
        """
        steps, places = self.course.steps, self.places
        rows = uniform_batches(count, steps * places * 2, seed, BATCH)
        for numbers, part in zip(rows, parts(condition, count, BATCH), strict=True):
            uniforms = numbers.reshape(-1, steps, places, 2)
            yield fill(self._asked, part, self.nothing, uniforms, self.course)

    def _asked(self, codes: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        return self.network(np.where(codes < 0, np.int32(self.vocabulary), codes), condition)
