"""How near enlarged photographs come to the real ones, beside what bicubic enlarging would do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from serving.bundle.files import sha256
from serving.errors import UsageError
from serving.photographs import bicubic
from serving.photographs.enlarging import Enlarger
from serving.photographs.photograph import SUFFIXES, Photograph
from zoo.config import Config
from zoo.data.files import listed, own_path
from zoo.metric import Metric
from zoo.restoration.data import Photographs
from zoo.restoration.scores import psnr, ssim

# Where the usual test sets lie in a folder of them, by name; BSD100 is a part of BSDS500.
BENCHMARKS = {"set5": ("Set5",), "set14": ("Set14",), "bsd100": ("BSD100", "BSDS500/val")}


class RestorationEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe that enlarges photographs.

    Args:
        benchmarks: a folder with the usual test sets: `Set5`, `Set14`, `BSD100` (or `BSDS500/val`,
            which is the same), as far as they are there; none unless given.
        limit: use only this many photographs of each; all unless given.

    Example:
        >>> RestorationEvaluateConfig(limit=4).limit
        4
    """

    benchmarks: str | None = None
    limit: int | None = None

    def places(self) -> dict[str, Path]:
        """Return where the test sets lie."""
        path = own_path(self.benchmarks) if self.benchmarks else None
        return {"benchmarks": path.absolute()} if path else {}


def evaluate(
    enlarger: Enlarger, data: Photographs, settings: RestorationEvaluateConfig
) -> list[Metric]:
    """Measure PSNR and SSIM on Y, and those of bicubic enlarging on the same pictures.

    Args:
        enlarger: of the model.
        data: of the recipe, of which the test part is measured.
        settings: of the recipe.

    Raises:
        UsageError: the folder of test sets holds none, or what was learned from.
    """
    pictures = data.pictures("test")[: settings.limit]
    found = list(_measured(enlarger, "", pictures, "held-out photographs"))
    if settings.benchmarks:
        learned = data.digests()
        for name, files in benchmarks(Path(settings.benchmarks).expanduser()).items():
            _check_apart(files, learned)
            chosen = [Photograph.read(file).pixels for file in files[: settings.limit]]
            even = [_cut(pixels, enlarger.scale) for pixels in chosen]
            found += _measured(enlarger, f"{name}_", even, name.capitalize())
    return found


def benchmarks(root: Path) -> dict[str, list[Path]]:
    """Return the pictures of the test sets that are there, by name.

    Raises:
        UsageError: none is.
    """
    found = {}
    for name, places in BENCHMARKS.items():
        for place in (root / each for each in places):
            if place.is_dir():
                found[name] = [place / file for file in listed(place, SUFFIXES)]
                break
    if not found:
        known = ", ".join(places[0] for places in BENCHMARKS.values())
        raise UsageError(f"{root} holds none of the folders {known}; name the one that does")
    return found


def _check_apart(files: list[Path], learned: set[str]) -> None:
    """Refuse to measure a model on photographs that it has learned from."""
    for file in files:
        if sha256(file) in learned:
            raise UsageError(
                f"{file} is among the photographs that the model has learned from; train without "
                "it (data.folders chooses some folders), or measure on others"
            )


def mean_psnr(enlarge: Callable[[np.ndarray], np.ndarray], scale: int,
              pictures: list[np.ndarray]) -> float:  # fmt: skip
    """Return the mean PSNR of pictures that are made smaller and enlarged again."""
    return float(np.mean([psnr(enlarge(bicubic.shrink(pixels, scale)), pixels, scale)
                          for pixels in pictures]))  # fmt: skip


def _measured(
    enlarger: Enlarger, prefix: str, pictures: list[np.ndarray], what: str
) -> Iterator[Metric]:
    scale = enlarger.scale
    small = [bicubic.shrink(pixels, scale) for pixels in pictures]
    ways = {"": enlarger.pixels, "bicubic_": lambda pixels: bicubic.enlarge(pixels, scale)}
    scores = {"psnr": (psnr, "dB"), "ssim": (ssim, "")}
    for way, enlarge in ways.items():
        larger = [enlarge(pixels) for pixels in small]
        for score, (measure, unit) in scores.items():
            pairs = zip(larger, pictures, strict=True)
            values = [measure(ours, real, scale) for ours, real in pairs]
            by = "bicubic enlarging" if way else "the model"
            yield Metric(
                name=f"{prefix}{way}{score}",
                value=float(np.mean(values)),
                unit=unit,
                definition=f"mean {score.upper()} of Y of {what}, made {scale} times smaller by "
                f"antialiased bicubic and enlarged by {by}, without {scale} pixels at the edges",
                samples=len(values),
                counted="photographs",
                seed=0,
                better="higher",
            )


def _cut(pixels: np.ndarray, scale: int) -> np.ndarray:
    height, width = (length - length % scale for length in pixels.shape[:2])
    return pixels[:height, :width]
