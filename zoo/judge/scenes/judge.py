"""Whether pictures of scenes are as their captions say, as a detector sees it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from serving.scenes.grammar import Grammar
from serving.scenes.scene import Scene
from zoo.judge.judge import BATCH, receive
from zoo.judge.loading import JUDGES, trained
from zoo.judge.scenes.detector import Detector
from zoo.judge.scenes.reading import Agreement, Found, compare, read
from zoo.metric import Metric

PREFIX = "scene_"
# Numbers by two judges cannot be compared, so each name stands for these very weights.
PINNED = {"scenes": "05e47b2be37a3f7f817eb022915cfd00f677471af06f54ff831f3dd845b5f65f"}
_SAID = {
    "count": "as many things are found as it says",
    "things": "these are the things that it says, too",
    "colours": "each has its colour, too",
    "sizes": "each has its size, too",
    "all": "the groups lie to each other as it says, too: all attributes are right",
}


class SceneJudge:
    """A trained `Detector`, and how often it reads real test scenes right.

    Args:
        model: with its weights.
        grammar: of the scenes that it knows.
        name: for people.
        sha256: of its weights.
        own: its metrics on real test scenes by name, as far as they are known.
    """

    def __init__(
        self, model: Detector, grammar: Grammar, name: str, sha256: str, own: dict[str, float]
    ):
        self.model, self.grammar = model, grammar
        self.name, self.sha256, self.own = name, sha256, own

    def read(self, images: np.ndarray) -> list[list[Found]]:
        """Return the things in pictures uint8 `(N, H, W, 3)`.

        Raises:
            UsageError: they are of another size.
        """
        size = self.model.config.size
        if images.shape[1:] != (size, size, 3):
            shape = "x".join(map(str, images.shape[1:]))
            raise UsageError(
                f"judge '{self.name}' reads pictures of {size}x{size}x3, not {shape}; train one of "
                "that size with `genzoo train judge-scenes`"
            )
        return things_of(self.model, images, self.grammar)

    def measure(self, images: np.ndarray, captions: Sequence[str], seed: int) -> list[Metric]:
        """Say how many pictures are as their captions say.

        Args:
            images: uint8 `(N, H, W, 3)`, drawn for the captions.
            captions: `N` of them.
            seed: that the pictures were drawn with.

        Returns:
            The metrics of `agreement`, each with the judge's own on real scenes as its `floor`.

        Raises:
            UsageError: a caption cannot be read, or the pictures are of another size or number.
        """
        if len(images) != len(captions):
            raise UsageError(
                f"there are {len(images)} pictures and {len(captions)} captions; give one each"
            )
        scenes = [self.grammar.parse(caption) for caption in captions]
        judge: dict[str, Any] = {"judge": self.name, "judge_sha256": self.sha256}
        found = agreement(self.read(images), scenes, "pictures drawn for a caption", seed)
        return [metric.model_copy(update=judge | self._floor(metric.name)) for metric in found]

    def _floor(self, name: str) -> dict[str, float]:
        return {"floor": self.own[name]} if name in self.own else {}


def own_scene_judge(name: str) -> Path | None:
    """Return the work directory that a name stands for, None where it is one of the package's.

    Example:
        >>> own_scene_judge("scenes"), own_scene_judge("runs/judge").name
        (None, 'judge')
    """
    return None if name in PINNED else Path(name).expanduser()


def load_scene_judge(name_or_workdir: str | Path = "scenes") -> SceneJudge:
    """Return a judge of scenes.

    Args:
        name_or_workdir: `scenes`, which comes with the package, or the work directory of a run of
            a recipe such as `judge-scenes`.

    Raises:
        UsageError: there is no such judge, or its weights are not the ones that its name stands
            for.
    """
    name = str(name_or_workdir)
    place = own_scene_judge(name) or JUDGES / name
    directory, recipe = trained(place, "detector", [*PINNED], "judge-scenes")
    model = recipe.build()
    sha256 = receive(model, directory.best_weights, PINNED.get(name))
    measured = directory.metrics
    document = json.loads(measured.read_text(encoding="utf-8")) if measured.is_file() else {}
    own = {each["name"]: each["value"] for each in document.get("metrics", [])}
    return SceneJudge(model, recipe.data.grammar, recipe.name, sha256, own)


def things_of(model: Detector, images: np.ndarray, grammar: Grammar) -> list[list[Found]]:
    """Return what a detector finds in pictures uint8 `(N, H, W, 3)`."""
    answer = tf.function(_likeliest, reduce_retracing=True)
    found: list[list[Found]] = []
    for start in range(0, len(images), BATCH):
        some = tf.constant(images[start : start + BATCH])
        found += read(*(each.numpy() for each in answer(model, some)), grammar)
    return found


def agreement(
    found: Sequence[list[Found]], scenes: Sequence[Scene], what: str, seed: int = 0
) -> Iterator[Metric]:
    """Yield the share of pictures that are as they should be, first in number, last in all.

    Args:
        found: the things of each.
        scenes: what each should show.
        what: the pictures are, in words.
        seed: of everything random in them.
    """
    compared = [compare(some, scene) for some, scene in zip(found, scenes, strict=True)]
    for name, values in zip(Agreement._fields, zip(*compared, strict=True), strict=True):
        yield Metric(
            name=PREFIX + name,
            value=float(np.mean(values)),
            unit="",
            definition=f"share of {what} of which {_SAID[name]}, read by a detector of things",
            samples=len(compared),
            seed=seed,
            better="higher",
        )


def _likeliest(model: Detector, image: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return how near a centre is, and the likeliest thing, colour and size, of each cell."""
    answers = model(tf.cast(image, tf.float32) / 255)
    kinds = (tf.argmax(each, axis=-1) for each in answers[1:])
    return tf.sigmoid(answers.centre), *kinds
