"""How much of images is left when they are told by codes, and how many codes tell anything."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.config import Config
from zoo.data.images import Images
from zoo.evaluation.distances import frechet_distance
from zoo.judge import load_judge
from zoo.judge.competence import check
from zoo.judge.loading import own_judge
from zoo.judge.samples import consult
from zoo.metric import Metric

SMALLEST = 0.25 / 255**2  # mean squared error of what is right to the last bit: at most 54 dB


class CodesEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe of codes.

    Args:
        judge: that compares reconstructed with real images; see `zoo.judge.load_judge`.

    Example:
        >>> CodesEvaluateConfig().judge
        'pixels'
    """

    judge: str = "pixels"

    def places(self) -> dict[str, Path]:
        """Return where a judge lies that is named by its work directory."""
        path = own_judge(self.judge)
        return {"judge": path.absolute()} if path else {}


def evaluate(
    codes: np.ndarray,
    reconstructed: np.ndarray,
    vocabulary: int,
    images: Images,
    settings: CodesEvaluateConfig,
) -> Iterator[Metric]:
    """Yield what is measured of the test images of a recipe.

    Args:
        codes: of them, int `(N, T)`.
        reconstructed: uint8 `(N, H, W, C)`.
        vocabulary: different codes that there are.
        images: of the recipe.
        settings: of the recipe.
    """
    real, _ = images.arrays("test")
    count = len(real)
    yield Metric(
        name="psnr",
        value=psnr(reconstructed, real),
        unit="dB",
        definition="peak signal-to-noise ratio of a reconstructed test image, mean",
        samples=count,
        seed=0,
        better="higher",
    )
    yield from usage(codes, vocabulary)
    judge = load_judge(settings.judge)
    check(judge, images)
    found, reference = (consult(judge, each).features for each in (reconstructed, real))
    half = count // 2
    yield Metric(
        name="reconstruction_fcd",
        value=frechet_distance(found, reference),
        unit="",
        definition="squared Frechet distance of the judge's features of reconstructed test images "
        "from those of the same images as they are; the floor is that of one half of these from "
        "the other",
        samples=count,
        seed=0,
        floor=frechet_distance(reference[:half], reference[half:]),
        judge=judge.name,
        judge_sha256=judge.sha256,
    )


def psnr(found: np.ndarray, real: np.ndarray) -> float:
    """Return the mean peak signal-to-noise ratio in dB of images uint8, beside others in [0, 1].

    Example:
        >>> round(psnr(np.full((1, 2, 2, 1), 255, np.uint8), np.full((1, 2, 2, 1), 0.9)), 3)
        20.0
    """
    error = np.square(found.astype(np.float32) / 255 - real).mean(axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(np.maximum(error, SMALLEST))))


def usage(codes: np.ndarray, vocabulary: int) -> Iterator[Metric]:
    """Yield how many codes come, how many it is as if there were, and what they cost in bits.

    Args:
        codes: int `(N, T)`.
        vocabulary: different codes that there are.
    """
    counts = np.bincount(codes.ravel(), minlength=vocabulary)
    share = counts[counts > 0] / counts.sum()
    entropy = float(-(share * np.log(share)).sum())
    measured = {"samples": len(codes), "seed": 0}
    yield Metric(
        name="code_usage",
        value=float((counts > 0).mean()),
        unit="",
        definition=f"share of the {vocabulary} codes that come in the test images",
        better="higher",
        **measured,
    )
    yield Metric(
        name="code_perplexity",
        value=math.exp(entropy),
        unit="codes",
        definition="exp of the entropy of the codes of the test images: of as many equally "
        "frequent ones it would be the same",
        better="higher",
        **measured,
    )
    yield Metric(
        name="bits",
        value=codes.shape[1] * math.log2(vocabulary),
        unit="bits/image",
        definition="that the codes of an image take, all of the same length; `entropy_bits` if "
        "each is as long as it is rare",
        entropy_bits=codes.shape[1] * entropy / math.log(2),
        **measured,
    )
