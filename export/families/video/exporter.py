"""How a model of video is exported, with the codes of frames: three graphs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from export.families.codes.codes import codes_note
from export.families.codes.graphs import decoder, encoder
from export.families.exporter import Exporter
from export.families.forms import Form, keeping, portable_forms
from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.linter import check_static
from export.proof.parity import Runner, session_runners
from serving.bundle.manifest import Quality
from serving.content.content import Distance
from serving.content.video import LEVELS
from serving.families.codes.codes import CODES, ENCODER, IMAGE
from serving.families.video.video import LOGITS, NUMBERS, PREDICTOR, VideoProcessing
from zoo.codes.codes import Codes
from zoo.data.moving.moving import MovingDigits
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.video.data import Pair, measured, told
from zoo.video.evaluate import VideoEvaluateConfig, evaluate, number_nats
from zoo.video.foreteller import Foreteller
from zoo.video.task import draw_samples
from zoo.video.video import Video

QUALITY_SEQUENCES, CALIBRATION_SEQUENCES, BATCH = 200, 64, 32
SAME = 0.95  # share of frames that must be those of Keras


class VideoExporter(Exporter):
    """A trained model of video, with the codes that it was trained on, as the exporter sees it."""

    task = "video prediction"
    pipeline_tag = "other"
    tags = ("video-prediction", "image-codes", "moving-mnist")
    metric = "mse"

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return [predictor(self.run.model), decoder(self._codes), encoder(self._codes)]

    @property
    def processing(self) -> dict[str, Any]:
        config, codes = self.run.model.config, self._codes.config
        return VideoProcessing(
            image_shape=list(codes.image_shape),
            grid=list(codes.grid),
            vocabulary=codes.vocabulary,
            numbers=config.numbers,
            levels=config.levels,
            seen=config.seen,
            temperature=config.temperature,
        ).model_dump()

    def forms(self) -> list[Form]:
        """Return the forms in standard ONNX; the encoder is in float32 in each.

        A number is on one side of an edge or the other; rounding would move frames across.
        """
        exact, *rounded = portable_forms(self)
        return [exact, *(replace(form, make=keeping([ENCODER], form.make)) for form in rounded)]

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Frames of the validation part, by their numbers."""
        if spec.role != PREDICTOR:
            return super().calibration(spec)
        seen, _ = self._measured("validation", CALIBRATION_SEQUENCES)
        return [{NUMBERS: seen[at : at + BATCH]} for at in range(0, len(seen), BATCH)]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure how well the numbers of test frames are known, the same for all variants."""
        found = number_nats(_logits(runners), self._measured("test", QUALITY_SEQUENCES))
        return Quality(
            metric=found.name,
            value=found.value,
            change=0.0,
            definition=found.definition,
            samples=found.samples,
        )

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how much worse a variant may be: by a twentieth of the nats of a number."""
        return 0.05 * abs(reference.value)

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: VideoEvaluateConfig) -> list[Metric]:
        """Measure predicted frames of the test part, and how well their numbers are known."""
        data, config = MovingDigits(recipe.data), recipe.model

        def follow(videos: np.ndarray, frames: int, seed: int) -> np.ndarray:
            made: np.ndarray = served.continue_from(videos, frames=frames, seed=seed)
            return made

        runners = session_runners(served)

        def encode(images: np.ndarray) -> np.ndarray:
            return runners[ENCODER]({IMAGE: images.astype(np.float32) / 255})[CODES]

        numbers = told(data, "test", encode, config)
        return [
            *evaluate(follow, served.reconstruct, data, settings),
            number_nats(_logits(runners), measured(numbers, config)),
        ]

    def samples(self, generator: Any) -> np.ndarray:
        """Return videos of the validation part as they came, and as the model has them go on."""
        if not hasattr(generator, "calls"):
            generator = Foreteller(generator, self._codes)
        return draw_samples(generator, self._data)

    def compare(self, found: np.ndarray, expected: np.ndarray) -> Distance:
        """Count the frames that are those of Keras.

        Where two levels are equally likely to seven digits, rounding decides, and the frames that
        come later follow.
        """
        apart = np.abs(found.astype(int) - expected).max(axis=(2, 3, 4))
        share = float(np.mean(apart <= LEVELS))
        return Distance(f"{share:.1%} of frames those of Keras", share >= SAME)

    @property
    def notes(self) -> list[str]:
        config = self.run.model.config
        return [
            codes_note(self._codes.config),
            f"A code is {config.numbers} numbers of {config.levels} levels, the first counting "
            "least; the codes of a frame follow row by row.",
            f"`{PREDICTOR}` is asked once a frame, after the {config.seen} frames before it.",
        ]

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        height, width, channels = self._codes.config.image_shape
        colour = "grey" if channels == 1 else "colour"
        return [
            f"Goes on from {height}x{width} {colour} frames like those of its data set, and from "
            "nothing else.",
            "Numbers of a frame are predicted each by itself, and frames after predicted ones: "
            "mistakes grow, and digits change into others, the sooner where they cross.",
        ]

    @property
    def snippet(self) -> str:
        """Python that goes on from frames with ONNX Runtime and NumPy alone."""
        config, shape = self.run.model.config, self._codes.config.image_shape
        return _SNIPPET.format(
            seen=config.seen, shape=shape, numbers=config.numbers, levels=config.levels
        )

    @property
    def _codes(self) -> Codes:
        codes: Codes = self.run.earlier["codes"].model
        return codes

    @cached_property
    def _data(self) -> MovingDigits:
        data = MovingDigits(self.run.recipe.data)
        data.source.check(self.run.record, self.run.directory.path)
        return data

    def _measured(self, part: str, limit: int) -> Pair:
        config = self.run.model.config
        return measured(told(self._data, part, self._codes.encode_all, config, limit), config)


def predictor(model: Video) -> GraphSpec:
    """Describe the graph that says what the numbers of the next frame are."""
    config = model.config

    def sample(count: int, seed: int) -> Arrays:
        shape = (count, config.seen, config.frame_numbers)
        numbers = np.random.RandomState(seed).randint(config.levels, size=shape)
        return {NUMBERS: numbers.astype(np.int32)}

    return GraphSpec(
        role=PREDICTOR,
        signature="predict",
        call=lambda numbers: {LOGITS: model(numbers)},
        inputs=(
            port(
                NUMBERS,
                config.seen,
                config.frame_numbers,
                meaning=f"numbers of the codes of frames, the oldest first, 0 to "
                f"{config.levels - 1}",
                dtype="int32",
            ),
        ),
        outputs=(
            port(
                LOGITS,
                config.frame_numbers,
                config.levels,
                meaning="log-probability of each level of each number of the next frame, up to a "
                "constant",
            ),
        ),
        sample=sample,
        sensitivity=(NUMBERS, LOGITS),
        checks=(check_static,),
    )


def _logits(runners: Mapping[str, Runner]) -> Any:
    """Return what an exported model says of the next frame."""

    def logits(numbers: np.ndarray) -> np.ndarray:
        return runners[PREDICTOR]({NUMBERS: numbers})[LOGITS]

    return logits


_SNIPPET = """\
import numpy as np
import onnxruntime

encoder, predictor, decoder = (
    onnxruntime.InferenceSession(f"{{each}}.onnx") for each in ("encoder", "predictor", "decoder")
)
frames = np.zeros(({seen}, *{shape}), "float32")  # the last ones of a video, in [0, 1]
codes = encoder.run(["codes"], {{"image": frames}})[0]
radix = {levels} ** np.arange({numbers})
numbers = (codes[..., None] // radix % {levels}).reshape({seen}, -1).astype("int32")
for _ in range(10):
    logits = predictor.run(["logits"], {{"numbers": numbers[None, -{seen}:]}})[0]
    likely = np.exp(logits - logits.max(-1, keepdims=True)).cumsum(-1)
    middle = (likely[..., :-1] <= 0.5 * likely[..., -1:]).sum(-1)  # the median of each number
    numbers = np.concatenate([numbers, middle.astype("int32")])
codes = (numbers[{seen}:].reshape(10, -1, {numbers}) * radix).sum(-1).astype("int32")
image = decoder.run(["image"], {{"codes": codes}})[0]
pixels = np.rint(image.clip(0, 1) * 255).astype("uint8")
"""
