"""A prior of codes at run time: images drawn by filling in their codes."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError
from serving.calls import call
from serving.errors import UsageError
from serving.families.codes.captions import MOST_WORDS, CaptionWords
from serving.families.codes.choosing import MOST
from serving.families.codes.codes import (
    CODES,
    IMAGE,
    CodedImages,
    CodeRows,
    CodesProcessing,
)
from serving.families.codes.course import Course, Filling
from serving.families.codes.drawing import Drawing
from serving.families.images import Count, Labels, gather
from serving.families.inputs import checked_labels, one_for_each, require_room
from serving.families.model import Axes, Timed
from serving.families.vae import Images
from serving.noise import checked_count
from serving.parameters import Parameter, Seed
from serving.runtime.loaded import Loaded

PRIOR, LABELS, WORDS, LOGITS = "prior", "labels", "words", "logits"
SCORER, SCORE = "scorer", "score"
TOKENIZER = "tokenizer"

Strength = Annotated[float, Field(ge=0, le=100)]


class PriorProcessing(CodesProcessing):
    """How codes are filled in, beside how images and codes enter and leave.

    Attributes:
        classes: 0 of a prior without labels.
        words: most words of a caption; 0 of a prior without captions.
        vocabulary_of_words: that there are, with the two that are none.
        filling, steps, guidance, temperature, order: unless a call says otherwise, see
            `serving.families.codes.course.Course`.
        scorer: whether there is a graph that says how well images go with captions.
    """

    classes: Annotated[int, Field(ge=0, le=2**16)] = 0
    words: Annotated[int, Field(ge=0, le=1024)] = 0
    vocabulary_of_words: Annotated[int, Field(ge=0, le=MOST_WORDS)] = 0
    filling: Filling = "parallel"
    steps: Annotated[int, Field(gt=0, le=2**14)]
    guidance: Strength = 1.0
    temperature: Annotated[float, Field(ge=0, le=10)] = 1.0
    order: Strength = 4.5
    scorer: bool = False


Prompt = Annotated[
    str | None,
    Parameter(
        "what to draw, in words, of all or for each; anything if none",
        each=True,
        applies=lambda model: model.words > 0,
        refusal="this model knows no words; leave the prompt out",
    ),
]
FillSteps = Annotated[
    int | None,
    Parameter(
        "looks of the network, in each of which some codes are filled in",
        minimum=1,
        maximum=lambda model: model.positions,
        applies=lambda model: model.filling == "parallel",
        refusal="this model fills in one code after another; leave steps out",
    ),
]
Guidance = Annotated[
    float | None,
    Parameter(
        "how strongly the condition steers; 0 not at all, 1 as it was learned",
        minimum=0,
        maximum=100,
        applies=lambda model: model.classes > 0 or model.words > 0,
        refusal="this model has nothing to be steered by; leave it out",
    ),
]
Rerank = Annotated[
    int | None,
    Parameter(
        "images drawn for each, of which the one that goes best with the prompt is kept",
        minimum=1,
        maximum=MOST,
        applies=lambda model: model.scorer,
        refusal="this model has no scorer to choose by; leave it out",
        multiplies="rows",
    ),
]
Temperature = Annotated[
    float | None,
    Parameter("less varied below 1; 0 takes the likeliest codes", minimum=0, maximum=10),
]


class CodePrior(CodedImages):
    """A prior of codes, with the tokenizer that gives and takes them, loaded by `serving.load`.

    A prior of classes needs `labels`: one whole number for all images, or one for each. One of
    captions takes a `prompt`, one or one for each. Wrong arguments raise `UsageError`.

    Example:
        >>> import serving
        >>> model = serving.load("bundles/words", device="cpu")  # doctest: +SKIP
        >>> model.generate(4, prompt="two red threes", seed=7).shape  # doctest: +SKIP
        (4, 64, 64, 3)
    """

    Processing = PriorProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.classes: int = self.processing.classes
        self.words = None
        if self.processing.words:
            self.words = _words(loaded.manifest, loaded.assets, self.processing)

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        processing = cls.processing_of(manifest)
        if not processing.words:
            return super().check_assets(manifest, assets)
        words = _words(manifest, assets, processing)
        return f"tokenizer: {len(words.ids)} words, as many as the model has"

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        processing = self.processing
        codes: list[str | int] = ["batch_size", processing.positions]
        takes: Axes = {CODES: codes}
        if processing.classes:
            takes[LABELS] = ["batch_size"]
        if processing.words:
            takes[WORDS] = ["batch_size", processing.words]
        found = {PRIOR: (takes, {LOGITS: [*codes, processing.vocabulary]})}
        if processing.scorer:
            both: Axes = {
                IMAGE: ["batch_size", *self.image_shape],
                WORDS: ["batch_size", processing.words],
            }
            found[SCORER] = (both, {SCORE: ["batch_size"]})
        return super()._graphs() | found

    @call(gives="image")
    def generate(
        self,
        n: Count = 64,
        labels: Labels = None,
        prompt: Prompt = None,
        seed: Seed = None,
        steps: FillSteps = None,
        guidance: Guidance = None,
        temperature: Temperature = None,
        rerank: Rerank = None,
    ) -> np.ndarray:
        """Draw new images.

        Returns:
            uint8 `(n, H, W, C)`, 0..255. Image i depends on the seed, the steps, i and its
            condition, not on n; where two codes are equally likely to many digits, rounding
            decides. `last_seed` tells a fresh seed.
        """
        require_room(n, self.image_shape, "use generate_batches")
        condition = self._condition(n, one_for_each(labels, n, self.classes), prompt)
        drawing = self._drawing(steps, guidance, temperature)
        batches = self._drawn(drawing, n, condition, self._seed(seed), rerank)
        return gather((self._pixels(batch) for batch in batches), n)

    def generate_batches(
        self,
        n: int,
        labels: Any = None,
        prompt: str | Sequence[str] | None = None,
        seed: int | None = None,
        **course: Any,
    ) -> Iterator[np.ndarray]:
        """Draw the images of `generate` a batch at a time: uint8 `(<= 64, H, W, C)`."""
        checked = self.calls["generate"].check((), {"prompt": prompt, **course})
        count, prompt = checked_count(n), checked.pop("prompt", None)
        rerank = checked.pop("rerank", None)
        condition = self._condition(count, checked_labels(labels, count, self.classes), prompt)
        drawing = self._drawing(**checked)
        batches = self._drawn(drawing, count, condition, self._seed(seed), rerank)
        return map(self._pixels, batches)

    @call(gives="image")
    def reconstruct(self, images: Images) -> np.ndarray:
        """Return what is left of images when they are told by codes: uint8 `(N, H, W, C)`."""
        return self._made(self._codes(images))

    @call(gives="array")
    def encode(self, images: Images) -> np.ndarray:
        """Return the codes of images, row by row of the grid: int32 `(N, positions)`."""
        return self._codes(images)

    @call(gives="image")
    def decode(self, codes: CodeRows) -> np.ndarray:
        """Return the images that codes stand for: uint8 `(N, H, W, C)`."""
        return self._made(codes)

    def timed(self, batch: int) -> dict[str, Timed]:
        labels = np.arange(batch) % self.classes if self.classes else None
        codes = np.zeros((batch, self.processing.positions), np.int32)
        condition = self._condition(batch, labels, None)
        return super().timed(batch) | {
            "graph": Timed(lambda: self._logits(codes, condition), batch),
            "generate": Timed(lambda: self.generate(batch, labels, seed=0), batch),
        }

    def smallest(self) -> np.ndarray:
        return self.generate(1, 0 if self.classes else None, seed=0)

    def _condition(
        self, count: int, labels: np.ndarray | None, prompt: str | Sequence[str] | None
    ) -> np.ndarray | None:
        if self.words is None:
            return labels
        return words_of(prompt, count, self.words, self.processing.words)

    def _drawn(
        self,
        drawing: Drawing,
        count: int,
        condition: np.ndarray | None,
        seed: int,
        rerank: int | None,
    ) -> Iterator[np.ndarray]:
        """Draw images, or the best of several for each."""
        if rerank is None or rerank == 1:
            return drawing.images(count, condition, seed)
        words = checked_words(condition)
        return drawing.chosen(count, words, seed, self._scores, rerank)

    def _scores(self, image: np.ndarray, words: np.ndarray) -> np.ndarray:
        return np.asarray(self.sessions[SCORER].run([SCORE], {IMAGE: image, WORDS: words})[0])

    def _logits(self, codes: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        given = {CODES: codes}
        if condition is not None:
            given[LABELS if self.classes else WORDS] = condition
        return np.asarray(self.sessions[PRIOR].run([LOGITS], given)[0])

    def _drawing(
        self,
        steps: int | None = None,
        guidance: float | None = None,
        temperature: float | None = None,
    ) -> Drawing:
        own = self.processing
        course = Course(
            own.steps if steps is None else steps,
            own.guidance if guidance is None else guidance,
            own.temperature if temperature is None else temperature,
            own.order,
            own.filling,
        )
        return Drawing(
            self._logits, self._decoded, own.positions, own.vocabulary, self.classes, course
        )


def words_of(
    prompt: str | Sequence[str] | None, count: int, words: CaptionWords, longest: int
) -> np.ndarray:
    """Return the words of what is to be drawn, int32 `(count, longest)`; none of no prompt.

    Raises:
        UsageError: there is not one prompt for all, or one for each; or one has other words.
    """
    if prompt is None:
        return np.zeros((count, longest), np.int32)
    prompts = [prompt] * count if isinstance(prompt, str) else list(prompt)
    if len(prompts) != count:
        raise UsageError(f"there are {len(prompts)} prompts for {count} images; expected as many")
    return words.encode(prompts, longest)


def checked_words(words: np.ndarray | None) -> np.ndarray:
    """Return the words of captions, `(N, L)`, by which the best of several images is chosen.

    Raises:
        UsageError: there are none.
    """
    if words is None or not words.any(axis=1).all():
        raise UsageError(
            "rerank keeps the image that goes best with a prompt; give one, or leave rerank out"
        )
    return words


def _words(
    manifest: Manifest, assets: dict[str, bytes], processing: PriorProcessing
) -> CaptionWords:
    if TOKENIZER not in assets:
        raise BundleError(f"{manifest.name} has no tokenizer of captions; export the bundle again")
    words = CaptionWords(assets[TOKENIZER])
    if len(words.ids) > processing.vocabulary_of_words:
        raise BundleError(
            f"the captions of {manifest.name} have {len(words.ids)} words and the model "
            f"{processing.vocabulary_of_words}; export the bundle again"
        )
    return words
