"""The graphs of a network that restyles: one finds the style of a picture, the other paints."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from serving.families.style.restyler import IMAGE, PAINTED, PAINTER, PREDICTOR, STYLE
from serving.photographs import bicubic
from zoo.style.model import Restyler

SEEDS = (0, 1)
SIZES = ((1, 32, 32), (1, 61, 34), (2, 33, 90), (3, 48, 40))  # batch, height, width
SAMPLED = (40, 36)  # height and width of what conversion is tried with


@dataclass(frozen=True)
class PictureGraph(GraphSpec):
    """A graph of pictures of any size."""

    def count(self, inputs: Arrays) -> int:
        return len(inputs[IMAGE])


def graphs(model: Restyler) -> list[GraphSpec]:
    """Describe the painter, which serves by default, and the predictor."""
    size = model.config.style
    image = port(IMAGE, "height", "width", 3, meaning="intensities from 0 to 1")
    painted = port(PAINTED, "height", "width", 3, meaning="intensities from 0 to 1")
    style = port(STYLE, size, meaning="how pictures are painted")
    painter = PictureGraph(
        role=PAINTER,
        signature="paint",
        call=lambda image, style: {PAINTED: model.painter(image, style)},
        inputs=(image, style),
        outputs=(painted,),
        sample=lambda count, seed: _painted(model, count, *SAMPLED, seed),
        sensitivity=(STYLE, PAINTED),
        trials=lambda: _trials(model, True),
    )
    predictor = PictureGraph(
        role=PREDICTOR,
        signature="find_style",
        call=lambda image: {STYLE: model.predictor(image)},
        inputs=(image,),
        outputs=(style,),
        sample=lambda count, seed: {IMAGE: images(count, *SAMPLED, seed)},
        sensitivity=(IMAGE, STYLE),
        trials=lambda: _trials(model, False),
    )
    return [painter, predictor]


def images(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Draw smooth pictures, as photographs are: noise of a quarter of the size, enlarged."""
    random = np.random.RandomState(seed)
    rows, columns = -(-height // 4), -(-width // 4)
    noise = random.random_sample((count, rows, columns, 3)).astype(np.float32)
    smooth = np.stack([bicubic.enlarge(each, 4) for each in noise])
    return np.clip(smooth[:, :height, :width], 0, 1)


def _painted(model: Restyler, count: int, height: int, width: int, seed: int) -> Arrays:
    """Draw pictures, and find styles in others."""
    others = images(count, *SAMPLED, seed + len(SEEDS))
    styles = np.asarray(model.predictor(others), np.float32)
    return {IMAGE: images(count, height, width, seed), STYLE: styles}


def _trials(model: Restyler, painting: bool) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of pictures of several sizes."""
    for count, height, width in SIZES:
        for seed in SEEDS:
            words = f"batch {count}, {height}x{width}, seed {seed}"
            if painting:
                yield words, _painted(model, count, height, width, seed)
            else:
                yield words, {IMAGE: images(count, height, width, seed)}
