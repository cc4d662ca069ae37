"""Collapse is noticed: a generator that begins to draw few images over and over says so itself."""

import sys
from collections.abc import Callable

import keras
import numpy as np
from tqdm import tqdm

from zoo.evaluation.neighbours import coverage, diversity
from zoo.judge import Judge

Spread = Callable[[keras.Model], dict[str, float]]


class CollapseNotice(keras.callbacks.Callback):
    """After each epoch, measures how varied samples are and says when that has fallen.

    A line is written when a measure falls below a share of its best, and not again until it has
    recovered. The measures go into the logs of the epoch, and so into `history.csv`.

    Args:
        measure: what of the model is watched, the higher the better; see `spread`.
        shipped: the model to measure; the one in training unless given.
        share: of the best so far, below which is a fall.
        best: best values so far, of a run that is resumed.
    """

    def __init__(
        self,
        measure: Spread,
        shipped: keras.Model | None = None,
        share: float = 0.7,
        best: dict[str, float] | None = None,
    ):
        super().__init__()
        self.measure = measure
        self.shipped = shipped
        self.share = share
        self.best = dict(best or {})
        self.fallen: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        values = self.measure(self.shipped or self.model)
        if logs is not None:
            logs.update(values)
        for name, value in values.items():
            best = self.best[name] = max(value, self.best.get(name, value))
            if value >= self.share * best:
                self.fallen.discard(name)
            elif name not in self.fallen:
                self.fallen.add(name)
                tqdm.write(
                    f"epoch {epoch + 1}  {name} of the samples fell to {value:.3g} from "
                    f"{best:.3g}: the generator may be collapsing; stop, and lower the learning "
                    "rate or set model.r1, or take the best weights so far",
                    file=sys.stderr,
                )


def spread(judge: Judge, images: np.ndarray, seed: int = 0) -> Spread:
    """Return a measure of a GAN: coverage of real images by as many samples, and their diversity.

    Args:
        judge: whose features are compared.
        images: real, float32 in [0, 1], `(N, H, W, C)`; a thousand take about a second.
        seed: of the latents, the same after every epoch.
    """
    real = judge.features(images)

    def measure(model: keras.Model) -> dict[str, float]:
        classes = model.config.classes
        labels = np.arange(len(images)) % classes if classes else None
        samples = model.generate(len(images), labels=labels, seed=seed)
        features = judge.features(samples.astype(np.float32) / 255)
        return {"coverage": coverage(features, real), "diversity": diversity(features)}

    return measure
