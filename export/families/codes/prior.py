"""How a prior of codes is exported, with the codes: three graphs, and words where it knows any."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import ExportError
from export.families.codes.codes import codes_note
from export.families.codes.graphs import decoder, encoder, prior
from export.families.codes.scorer import scorer
from export.families.exporter import Exporter
from export.families.forms import Form, keeping, portable_forms
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner, session_runners
from serving.bundle.manifest import Quality, Variant
from serving.content.content import Distance
from serving.content.image import LEVELS
from serving.families.codes.captions import CaptionWords
from serving.families.codes.codes import ENCODER
from serving.families.codes.prior import (
    LABELS,
    LOGITS,
    PRIOR,
    SCORER,
    TOKENIZER,
    PriorProcessing,
)
from zoo.codes.codes import Codes
from zoo.data.images import Images
from zoo.data.tokenizers import FILE
from zoo.metric import Metric
from zoo.prior.data import Batch, measured, told
from zoo.prior.evaluate import PriorEvaluateConfig, code_nats, evaluate
from zoo.prior.generator import Generator
from zoo.prior.task import draw_samples
from zoo.recipe import Recipe
from zoo.scorer.scorer import Scorer

QUALITY_IMAGES, CALIBRATION_IMAGES, BATCH = 2000, 512, 64
SAME = 0.95  # share of samples that must be those of Keras


class PriorExporter(Exporter):
    """A trained prior, with the codes that it was trained on, as the exporter sees it."""

    task = "image generation"
    pipeline_tag = "unconditional-image-generation"
    tags = ("image-codes", "maskgit", "image-generation")
    metric = "fcd"

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        found = [prior(self.run.model), decoder(self._codes), encoder(self._codes)]
        return found if self._scorer is None else [*found, scorer(self._scorer)]

    @property
    def processing(self) -> dict[str, Any]:
        config, codes = self.run.model.config, self._codes.config
        return PriorProcessing(
            image_shape=list(codes.image_shape),
            grid=list(codes.grid),
            vocabulary=codes.vocabulary,
            classes=config.classes,
            words=config.words,
            vocabulary_of_words=config.vocabulary_of_words if config.words else 0,
            filling=config.filling,
            steps=config.course.steps,
            guidance=config.guidance,
            temperature=config.temperature,
            order=config.order,
            scorer=self._scorer is not None,
        ).model_dump()

    def forms(self) -> list[Form]:
        """Return the forms in standard ONNX; encoder and scorer are in float32 in each.

        A code is on one side of an edge or the other, and so is a choice; rounding would move
        images across.
        """
        exact, *rounded = portable_forms(self)
        return [
            exact,
            *(replace(form, make=keeping((ENCODER, SCORER), form.make)) for form in rounded),
        ]

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Codes of the validation part, of which few to all are hidden."""
        if spec.role != PRIOR:
            return super().calibration(spec)
        return _batches(self._measured("validation", CALIBRATION_IMAGES)[0])

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure how well hidden codes of test images are known, the same for all variants."""
        config = self.run.model.config
        test = self._measured("test", QUALITY_IMAGES)
        found = code_nats(_logits(runners), test, config.filling)
        return Quality(
            metric=found.name,
            value=found.value,
            change=0.0,
            definition=found.definition,
            samples=found.samples,
        )

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: PriorEvaluateConfig) -> list[Metric]:
        """Measure generated images against the test split, and how well codes of it are known."""
        processing, words = served.processing, served.words
        images = Images(recipe.data, tuple(processing.image_shape), processing.classes)
        examples = told(images, "test", served.encode, words, processing.words)
        test = measured(examples, recipe.model)
        captions = images.captions("test") if words else None
        return [
            *evaluate(served.generate, captions, images, settings),
            code_nats(_logits(session_runners(served)), test, processing.filling),
        ]

    def samples(self, generator: Any) -> np.ndarray:
        """Draw rows of samples, a column for each class, or a row for each of eight captions."""
        if not hasattr(generator, "calls"):
            generator = Generator(generator, self._codes, self._words)
        config = self.run.model.config
        captions = self._images.captions("validation") if config.words else None
        return draw_samples(generator, config.classes, captions, seed=0)

    def compare(self, found: np.ndarray, expected: np.ndarray) -> Distance:
        """Count the images that are those of Keras.

        Where two codes are equally likely to seven digits, rounding decides, and what is filled in
        later follows.
        """
        apart = np.abs(found.astype(int) - expected).max(axis=(1, 2, 3))
        share = float(np.mean(apart <= LEVELS))
        return Distance(f"{share:.1%} of images those of Keras", share >= SAME)

    def write_assets(self, directory: Path, variants: Mapping[str, Variant]) -> dict[str, str]:
        """Write the words of captions, where the prior has any."""
        if self._words_file is None:
            return {}
        (directory / FILE).write_bytes(self._words_file)
        return {TOKENIZER: FILE}

    @property
    def notes(self) -> list[str]:
        config = self.run.model.config
        otherwise = ", unless told otherwise" if config.filling == "parallel" else ""
        return [
            codes_note(self._codes.config),
            f"`prior` is asked {config.course.steps} times an image{otherwise}; with guidance "
            "other than 1 for twice as many images.",
        ]

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        height, width, channels = self._codes.config.image_shape
        colour = "grey" if channels == 1 else "colour"
        config = self.run.model.config
        return [
            f"Draws {height}x{width} {colour} images like those of its data set, and nothing else.",
            *([_AT_ONCE] if config.filling == "parallel" else []),
            *(["Knows the words of its captions, and refuses all others."] if config.words else []),
        ]

    @property
    def snippet(self) -> str:
        """Python that draws images with ONNX Runtime and NumPy alone."""
        config = self.run.model.config
        told = ""
        if config.classes:
            told = f', "labels": np.full(16, {config.classes - 1})'
        elif config.words:
            told = f', "words": np.zeros((16, {config.words}), "int32")'
        snippet = _SNIPPET if config.filling == "parallel" else _SNIPPET_OF_NEXT
        return snippet.format(
            places=config.positions, hidden=config.vocabulary, steps=config.steps, told=told
        )

    @property
    def _codes(self) -> Codes:
        codes: Codes = self.run.earlier["codes"].model
        return codes

    @cached_property
    def _scorer(self) -> Scorer | None:
        """What says how well images go with captions, where there is one.

        Raises:
            ExportError: it knows words by other numbers than the prior.
        """
        run = self.run.earlier.get("scorer")
        if run is None:
            return None
        if (run.directory.path / FILE).read_bytes() != self._words_file:
            raise ExportError(
                f"the scorer {run.directory.path} does not have the words of "
                f"{self.run.directory.path}; train both on captions of the same data"
            )
        model: Scorer = run.model
        return model

    @property
    def _words(self) -> CaptionWords | None:
        return None if self._words_file is None else CaptionWords(self._words_file)

    @cached_property
    def _words_file(self) -> bytes | None:
        if not self.run.model.config.words:
            return None
        path = self.run.directory.path / FILE
        if not path.is_file():
            raise ExportError(f"{path} is missing; train with --resume first")
        return path.read_bytes()

    @cached_property
    def _images(self) -> Images:
        config = self.run.model.config
        images = Images(self.run.recipe.data, self._codes.config.image_shape, config.classes)
        images.source.check(self.run.record, self.run.directory.path)
        return images

    def _measured(self, part: str, limit: int) -> Batch:
        """Hide codes of images of a part."""
        config, encode = self.run.model.config, self._codes.encode_all
        examples = told(self._images, part, encode, self._words, config.words, limit)
        return measured(examples, config)


def _logits(runners: Mapping[str, Runner]) -> Any:
    """Return what an exported prior says of inputs, whose labels it takes as int64."""

    def logits(inputs: Arrays) -> np.ndarray:
        return runners[PRIOR](_taken(inputs))[LOGITS]

    return logits


def _taken(inputs: Arrays) -> Arrays:
    labels = {LABELS: inputs[LABELS].astype(np.int64)} if LABELS in inputs else {}
    return inputs | labels


def _batches(inputs: Arrays) -> list[Arrays]:
    count = len(next(iter(inputs.values())))
    return [
        _taken({name: each[start : start + BATCH] for name, each in inputs.items()})
        for start in range(0, count, BATCH)
    ]


_AT_ONCE = (
    "Codes that are filled in at the same time do not know of each other: fewer steps give less "
    "that fits together."
)
_SNIPPET_OF_NEXT = """\
import numpy as np
import onnxruntime

prior, decoder = (onnxruntime.InferenceSession(f"{{each}}.onnx") for each in ("prior", "decoder"))
random = np.random.RandomState(7)
codes = np.full((16, {places}), {hidden}, "int32")
for place in range({places}):
    logits = prior.run(["logits"], {{"codes": codes{told}}})[0][:, place]
    codes[:, place] = (logits + random.gumbel(size=logits.shape)).argmax(-1)
image = decoder.run(["image"], {{"codes": codes}})[0]
pixels = np.rint(image.clip(0, 1) * 255).astype("uint8")
"""
_SNIPPET = """\
import numpy as np
import onnxruntime

prior, decoder = (onnxruntime.InferenceSession(f"{{each}}.onnx") for each in ("prior", "decoder"))
random, steps = np.random.RandomState(7), {steps}
codes = np.full((16, {places}), {hidden}, "int32")
for step in range(steps):
    logits = prior.run(["logits"], {{"codes": codes{told}}})[0]
    found = (logits + random.gumbel(size=logits.shape)).argmax(-1).astype("int32")
    likely = np.take_along_axis(logits, found[..., None], -1)[..., 0] - logits.max(-1)
    likely = np.where(codes == {hidden}, likely + random.gumbel(size=codes.shape), np.inf)
    left = int({places} * np.cos(np.pi / 2 * (step + 1) / steps))  # are hidden again
    again = likely.argsort(-1).argsort(-1) < left
    codes = np.where(codes == {hidden}, np.where(again, {hidden}, found), codes).astype("int32")
image = decoder.run(["image"], {{"codes": codes}})[0]
pixels = np.rint(image.clip(0, 1) * 255).astype("uint8")
"""
