"""How a video goes on, frame after frame, by whatever runs the networks.

The network says of each number of the next frame how likely each level is, all at the same time.
They are drawn as those of an image are filled in, in one step; then the frame is seen in its turn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from serving.families.codes.course import Course, fill
from serving.families.video.numbers import codes_of, numbers_of
from serving.noise import uniform_batches

BATCH = 32  # videos at once
MIDDLE = 0.5  # a draw of the median

# Numbers (B, seen, P) -> logits (B, P, levels) of those of the next frame.
Network: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Following:
    """How frames follow: the same by Keras and by ONNX Runtime.

    Attributes:
        network: see `Network`.
        encode: gives codes `(N, T)` of images uint8 `(N, H, W, C)`.
        decode: gives images float32 `(N, H, W, C)`, in [0, 1] or near it, of codes.
        seen: frames that the network takes.
        positions: codes of a frame.
        numbers, levels: of a code, and of each.
        temperature: 1 draws as it was learned, less what is likelier; 0 draws nothing and takes the
            middle level of each number, below which it is as often as above. As numbers are in
            order that is nearer to the truth than the likeliest level: of the frames of a small
            model the squared error was a sixth less.
    """

    network: Network
    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]
    seen: int
    positions: int
    numbers: int
    levels: int
    temperature: float

    def videos(self, given: np.ndarray, frames: int, seed: int) -> Iterator[np.ndarray]:
        """Yield what follows, a batch of videos at a time.

        Args:
            given: uint8 `(N, F, H, W, C)`; of each the last `seen` frames are looked at.
            frames: that are to follow.
            seed: of the numbers that are drawn; they depend on it, on `frames` and on the index.

        Yields:
            float32 `(<= BATCH, frames, H, W, C)`.
        """
        given = given[:, -self.seen :]
        shape, places = given.shape[2:], self.positions * self.numbers
        rows = uniform_batches(len(given), frames * places * 2, seed, BATCH)
        for at, uniforms in enumerate(rows):
            own = given[at * BATCH : (at + 1) * BATCH]
            codes = self.encode(own.reshape(-1, *shape))
            past = numbers_of(codes, self.numbers, self.levels).reshape(len(own), -1, places)
            made = self._followed(past, uniforms.reshape(len(own), frames, 1, places, 2))
            codes = codes_of(made, self.numbers, self.levels)  # (B, frames, T)
            image = self.decode(codes.reshape(-1, self.positions))
            yield image.reshape(len(own), frames, *shape)

    def _followed(self, past: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Return the numbers of the frames that follow `(B, seen, P)`, `(B, frames, P)`."""
        for step in range(uniforms.shape[1]):
            seen = np.ascontiguousarray(past[:, -self.seen :])
            past = np.concatenate([past, self._next(seen, uniforms[:, step])[:, None]], axis=1)
        return past[:, self.seen :]

    def _next(self, seen: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Draw the numbers of one frame, of which nothing is there yet: `(B, P)`."""
        if not self.temperature:
            uniforms = np.full_like(uniforms, MIDDLE)
        course = Course(1, temperature=self.temperature or 1.0, order=0)
        return fill(lambda hidden, _: self.network(seen), None, 0, uniforms, course)
