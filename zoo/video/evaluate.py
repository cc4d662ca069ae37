"""How near predicted frames are to those that came, and whether digits stay digits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from serving.errors import UsageError
from serving.noise import SEED_LIMIT
from serving.text.filters import log_softmax
from zoo.config import Config
from zoo.data.moving.config import FRAMES, GIVEN
from zoo.data.moving.moving import Moving, MovingDigits
from zoo.judge import load_judge
from zoo.judge.judge import Judge
from zoo.judge.loading import own_judge
from zoo.metric import Metric
from zoo.video.data import Pair
from zoo.video.scores import absolute_error, similarity, squared_error

BATCH = 64

Follow = Callable[[np.ndarray, int, int], np.ndarray]  # videos, frames, seed -> uint8 videos
Logits = Callable[[np.ndarray], np.ndarray]


class VideoEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe of video.

    Args:
        judge: of digits as large as those in the frames, see `zoo.judge.load_judge`, which is
            asked for those of the last frame; none unless given.
        samples: use only the first so many sequences of the test part.
        seed: of what is drawn.

    Example:
        >>> VideoEvaluateConfig(samples=8).seed
        0
    """

    judge: str | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0

    def places(self) -> dict[str, Path]:
        """Return where a judge lies that is named by its work directory."""
        path = None if self.judge is None else own_judge(self.judge)
        return {"judge": path.absolute()} if path else {}


class Score(NamedTuple):
    """A score of frames, and its words."""

    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    definition: str
    better: str


SCORES = {
    "mse": Score(squared_error, "squared error, pixels in [0, 1], summed over a frame", "lower"),
    "mae": Score(absolute_error, "absolute error, pixels in [0, 1], summed over a frame", "lower"),
    "ssim": Score(
        similarity,
        "structural similarity of a frame, in windows of 7x7 pixels that weigh the same, floats "
        "taken to reach from -1 to 1",
        "higher",
    ),
}
# Beside what the model predicts.
OTHERS = {
    "copy_last": "the last frame that is given, again and again",
    "straight_on": "the true digits moved on from their true places at their true speed, which no "
    "edge turns back",
    "reconstruction": "the frames that came, told by the codes, which bounds what the model can do",
}


def evaluate(
    follow: Follow,
    reconstruct: Callable[[np.ndarray], np.ndarray],
    data: MovingDigits,
    settings: VideoEvaluateConfig,
) -> list[Metric]:
    """Measure the predicted frames of the test part, beside others.

    Args:
        follow: gives the frames that follow videos uint8 `(N, F, H, W, C)`.
        reconstruct: gives what codes leave of videos.
        data: of the recipe.
        settings: of the recipe.
    """
    count = min(data.config.test, settings.samples or data.config.test)
    sequences = data.read("test", 0, count)
    given, real = sequences.frames[:, :GIVEN], sequences.frames[:, GIVEN:]
    made = {
        "": follow(given, FRAMES - GIVEN, settings.seed),
        "copy_last": np.repeat(given[:, -1:], FRAMES - GIVEN, axis=1),
        "straight_on": data.straight_on("test", 0, count),
        "reconstruction": reconstruct(real),
    }
    found = [metric for each in SCORES for metric in _scored(each, made, real, settings.seed)]
    if settings.judge is not None:
        judge = load_judge(settings.judge)
        found += _digits(judge, made, sequences, data.side, settings.seed)
    return found


def _scored(
    name: str, made: dict[str, np.ndarray], real: np.ndarray, seed: int
) -> Iterator[Metric]:
    """Yield a score of what is predicted, with that of each frame, and of what it is beside."""
    score = SCORES[name]
    for other, frames in made.items():
        each = np.concatenate(
            [score.of(_unit(frames[rows]), _unit(real[rows])) for rows in _batches(len(real))]
        )  # (N, F)
        yield Metric(
            name=f"{name}_{other}" if other else name,
            value=float(each.mean()),
            unit="",
            definition=f"{score.definition}, mean of {len(each[0])} predicted frames"
            if not other
            else f"the same of {OTHERS[other]}",
            samples=len(each),
            counted="sequences",
            seed=seed,
            better=score.better,  # type: ignore[arg-type]  # one of two words
            by_frame=[round(value, 5) for value in each.mean(axis=0).tolist()],
        )


def _digits(
    judge: Judge, made: dict[str, np.ndarray], sequences: Moving, side: int, seed: int
) -> Iterator[Metric]:
    """Yield how many digits of the last frame a judge knows, cut out at their true places."""
    if judge.image_shape not in (None, (side, side, 1)) or judge.classes < 2:
        raise UsageError(
            f"judge '{judge.name}' does not tell digits of {side}x{side} apart; name another as "
            "evaluate.judge, or leave it out"
        )
    made = made | {"true": sequences.frames[:, GIVEN:]}
    shares = {
        name: float(np.mean(_seen(judge, frames[:, -1], sequences, side) == sequences.labels))
        for name, frames in made.items()
        if name != "straight_on"  # whose digits are elsewhere, or gone
    }
    for name, share in shares.items():
        words = {"": "predicted", "true": "true"}.get(name, OTHERS.get(name))
        yield Metric(
            name=f"digit_accuracy_{name}" if name else "digit_accuracy",
            value=share,
            unit="",
            definition="share of the digits of the last frame that the judge takes for what they "
            f"are, cut out where they truly are, with what lies over them; {words}",
            samples=len(sequences.labels),
            counted="sequences",
            seed=seed,
            better="higher",
            judge=judge.name,
            judge_sha256=judge.sha256,
        )


def _seen(judge: Judge, frames: np.ndarray, sequences: Moving, side: int) -> np.ndarray:
    """Return what a judge takes the digits of last frames for, int `(N, digits)`."""
    corners = sequences.corners[:, -1]  # (N, digits, 2)
    cut = [
        frame[top : top + side, left : left + side]
        for frame, both in zip(frames, corners, strict=True)
        for top, left in both
    ]
    likely = judge.probabilities(_unit(np.stack(cut)))
    return likely.argmax(axis=1).reshape(corners.shape[:2])


def number_nats(logits: Logits, pair: Pair) -> Metric:
    """Measure how well the numbers of the next frame are known.

    Args:
        logits: gives those `(B, P, levels)` of numbers `(B, seen, P)`.
        pair: see `zoo.video.data.measured`.
    """
    seen, following = pair
    nats = 0.0
    for rows in _batches(len(seen)):
        found = log_softmax(logits(seen[rows]))
        nats -= float(np.take_along_axis(found, following[rows][..., None], axis=-1).sum())
    return Metric(
        name="number_nats",
        value=nats / following.size,
        unit="nats/number",
        definition="mean -log p of a number of the next frame's codes, after true frames, in test "
        "sequences",
        samples=len(seen),
        counted="frames",
        seed=0,
    )


def _unit(frames: np.ndarray) -> np.ndarray:
    return frames.astype(np.float32) / 255


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + BATCH) for start in range(0, count, BATCH))
