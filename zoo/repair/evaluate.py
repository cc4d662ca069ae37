"""How near repaired photographs come to the real ones, beside what plain ways would do."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving.errors import UsageError
from serving.photographs.repairing import Mender
from serving.photographs.tasks import COLOURISE, DEBLUR, DENOISE, INPAINT
from zoo.config import Config
from zoo.judge.judge import Judge
from zoo.judge.loading import load_judge, own_judge
from zoo.metric import Metric
from zoo.repair.data import TEST_SEED, VALIDATION_SEED, RepairPhotographs, scaled
from zoo.repair.degradations import Degraded, degrade
from zoo.repair.floors import Plain, floors_of
from zoo.restoration.scores import PEAK, ssim

LARGEST = 256  # pixels of the shorter side of whole photographs, at most
UNDONE = {
    INPAINT: "of what was unknown",
    COLOURISE: "of what was made grey",
    DEBLUR: "of what was blurred",
    DENOISE: "of what was made noisy",
}


class RepairEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe that repairs photographs.

    Args:
        judge: the work directory of a classifier of the same photographs as small as a patch, such
            as `genzoo train judge-flowers` makes one; then it is also measured how often what it
            sees in a repaired photograph is what it sees in the real one. None unless given.
        limit: use only this many photographs; all unless given.

    Example:
        >>> RepairEvaluateConfig(limit=4).judge is None
        True
    """

    judge: str | None = None
    limit: int | None = None

    def places(self) -> dict[str, Path]:
        """Return where the judge lies."""
        path = own_judge(self.judge) if self.judge else None
        return {"judge": path.absolute()} if path else {}


class Case(NamedTuple):
    """A photograph, and what was done to it."""

    real: np.ndarray
    degraded: Degraded


def evaluate(
    mender: Mender, data: RepairPhotographs, settings: RepairEvaluateConfig
) -> list[Metric]:
    """Measure PSNR and SSIM for each task, and those of a plain way on the same photographs.

    Small photographs are whole ones as small as a patch; large ones are as they are, at most
    `LARGEST` pixels high or wide.

    Args:
        mender: of the model.
        data: of the recipe, of which the test part is measured.
        settings: of the recipe.

    Raises:
        UsageError: the judge takes other images.
    """
    judge = _judge(settings.judge, data.config.patch) if settings.judge else None
    pictures = data.pictures("test")[: settings.limit]
    small = [scaled(pixels, data.config.patch) for pixels in pictures]
    large = [scaled(pixels, min(LARGEST, *pixels.shape[:2])) for pixels in pictures]
    found = [mean_metric(mender, data, small)]
    for prefix, size, photographs in (("", "small", small), ("large_", "large", large)):
        for task in data.tasks:
            found += _measured(mender, data, task, photographs, prefix, size)
    if judge is not None:
        found += _agreement(mender, data, small, judge)
    return found


def mean_metric(mender: Mender, data: RepairPhotographs, photographs: list[np.ndarray]) -> Metric:
    """Return the mean PSNR of all tasks."""
    values = [
        psnr(_repaired(mender, task, case), case)
        for task in data.tasks
        for case in cases(data, task, photographs, TEST_SEED)
    ]
    return Metric(
        name="psnr",
        value=float(np.mean(values)),
        unit="dB",
        definition=f"mean PSNR in RGB of held-out photographs of {data.config.patch} pixels that "
        f"were repaired: {', '.join(data.tasks)}",
        samples=len(photographs),
        counted="photographs",
        seed=TEST_SEED,
        better="higher",
    )


def cases(
    data: RepairPhotographs, task: str, photographs: list[np.ndarray], seed: int
) -> list[Case]:
    """Degrade photographs for a task, the same for the same seed."""
    at = list(data.tasks).index(task)
    return [
        Case(real, degrade(real, task, np.random.RandomState([seed, row, at])))
        for row, real in enumerate(photographs)
    ]


def psnr(found: np.ndarray, case: Case) -> float:
    """Return the peak signal-to-noise ratio of RGB in dB; of what was unknown, where something was.

    Example:
        >>> real, mask = np.zeros((1, 2, 3), np.uint8), np.array([[False, True]])
        >>> case = Case(real, Degraded(real, mask))
        >>> round(psnr(np.uint8([[[0] * 3, [16] * 3]]), case), 2)
        24.05
    """
    squares = (found.astype(float) - case.real) ** 2
    mask = case.degraded.mask
    error = squares[mask] if mask.any() else squares
    return float(10 * np.log10(PEAK**2 / max(error.mean(), 1e-10)))


def mean_ssim(found: np.ndarray, case: Case) -> float:
    """Return the structural similarity of red, green and blue, the mean of the three."""
    each = [ssim(found[..., at, None], case.real[..., at, None], 0) for at in range(3)]
    return float(np.mean(each))


def _repaired(mender: Mender, task: str, case: Case) -> np.ndarray:
    mask = case.degraded.mask
    return mender.pixels(case.degraded.pixels, task, mask if mask.any() else None)


def _measured(
    mender: Mender,
    data: RepairPhotographs,
    task: str,
    photographs: list[np.ndarray],
    prefix: str,
    size: str,
) -> Iterator[Metric]:
    found = cases(data, task, photographs, TEST_SEED)
    made = {"": ("the model", [_repaired(mender, task, case) for case in found])}
    for name, (words, way) in _plain_ways(data, task).items():
        made[f"{name}_"] = (words, [way(case.degraded) for case in found])
    for prefixed, (by, repaired) in made.items():
        for score, (measure, unit) in {"psnr": (psnr, "dB"), "ssim": (mean_ssim, "")}.items():
            pairs = zip(repaired, found, strict=True)
            part = UNDONE[task] if score == "psnr" else "of the whole"
            yield Metric(
                name=f"{prefix}{task}_{prefixed}{score}",
                value=float(np.mean([measure(ours, case) for ours, case in pairs])),
                unit=unit,
                definition=f"mean {score.upper()} in RGB {part}, {size} held-out photographs, "
                f"by {by}",
                samples=len(found),
                counted="photographs",
                seed=TEST_SEED,
                better="higher",
            )


def _plain_ways(data: RepairPhotographs, task: str) -> dict[str, tuple[str, Plain]]:
    """Return plain ways by name, in words and with the numbers best for photographs held out."""
    side = data.config.patch
    held_out = [scaled(pixels, side) for pixels in data.pictures("validation")]
    tried = cases(data, task, held_out, VALIDATION_SEED)

    def score(way: Plain) -> float:
        return float(np.mean([psnr(way(case.degraded), case) for case in tried]))

    return {
        floor.name: (floor.words, max(floor.ways, key=score)) for floor in floors_of(task, held_out)
    }


def _judge(name: str, side: int) -> Judge:
    """Return a judge of photographs of so many pixels."""
    judge = load_judge(name)
    if judge.image_shape not in (None, (side, side, 3)) or judge.classes < 2:
        raise UsageError(
            f"judge '{judge.name}' tells {judge.classes} classes of images of {judge.image_shape} "
            f"apart; expected one of images of {side}x{side}x3, as `genzoo train judge-flowers` "
            "makes it"
        )
    return judge


def _agreement(
    mender: Mender, data: RepairPhotographs, small: list[np.ndarray], judge: Judge
) -> Iterator[Metric]:
    """Measure how often a judge sees in a photograph what it sees in the real one."""

    def seen(photographs: list[np.ndarray]) -> np.ndarray:
        squares = np.stack([_square(pixels, data.config.patch) for pixels in photographs])
        return judge.probabilities(squares.astype(np.float32) / 255).argmax(axis=1)

    expected = seen(small)
    for task in data.tasks:
        found = cases(data, task, small, TEST_SEED)
        ways = {
            "": ("repaired", [_repaired(mender, task, case) for case in found]),
            "degraded_": ("degraded", [case.degraded.pixels for case in found]),
        }
        for way, (words, photographs) in ways.items():
            yield Metric(
                name=f"{task}_{way}agreement",
                value=float(np.mean(seen(photographs) == expected)),
                unit="",
                definition=f"share of {words} photographs ({task}) in which the judge "
                f"{judge.name} ({judge.sha256[:12]}) sees what it sees in the real ones",
                samples=len(expected),
                counted="photographs",
                seed=TEST_SEED,
                better="higher",
            )


def _square(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
