"""Collapse is noticed: a generator that begins to draw few images over and over says so itself."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
from tqdm import tqdm


class CollapseNotice(keras.callbacks.Callback):
    """After each epoch, says when samples are less varied than they were.

    A line is written when a measure falls below a share of its best, and not again until it has
    recovered.

    Args:
        names: measures in the log of each epoch, the higher the more varied.
        share: of the best so far, below which is a fall.
        history: `history.csv` of the epochs before, of a run that is resumed.
    """

    def __init__(self, names: Sequence[str], share: float = 0.7, history: Path | None = None):
        super().__init__()
        self.share = share
        self.best = _best(names, history)
        self.fallen: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        for name, best in self.best.items():
            value = logs[name]
            self.best[name] = max(value, best)
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


def _best(names: Sequence[str], history: Path | None) -> dict[str, float]:
    if history is None or not history.is_file():
        return dict.fromkeys(names, 0.0)
    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: max((float(row[name]) for row in rows), default=0.0) for name in names}
