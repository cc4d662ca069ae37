"""The graphs of codes and of their prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.linter import check_static
from serving.bundle.records import Port
from serving.families.codes.codes import CODES, DECODER, ENCODER, IMAGE
from serving.families.codes.prior import LABELS, LOGITS, PRIOR, WORDS
from zoo.codes.codes import Codes
from zoo.prior.prior import Prior


def decoder(model: Codes) -> GraphSpec:
    """Describe the graph that turns codes into images."""
    config = model.config
    return GraphSpec(
        role=DECODER,
        signature="decode",
        call=lambda codes: {IMAGE: model.decode(codes)},
        inputs=(_codes(model),),
        outputs=(port(IMAGE, *config.image_shape, meaning="image in [0, 1], or near it"),),
        sample=lambda count, seed: {CODES: random_codes(model, count, seed)},
        sensitivity=(CODES, IMAGE),
        checks=(check_static,),
    )


def encoder(model: Codes) -> GraphSpec:
    """Describe the graph that tells images by codes."""

    def sample(count: int, seed: int) -> Arrays:
        """Images as the model itself makes them: no data set is needed to prove an export."""
        return {IMAGE: np.clip(model.decode(random_codes(model, count, seed)), 0, 1)}

    return GraphSpec(
        role=ENCODER,
        signature="encode",
        call=lambda image: {CODES: model.encode(image)},
        inputs=(port(IMAGE, *model.config.image_shape, meaning="image in [0, 1]"),),
        outputs=(_codes(model),),
        sample=sample,
        checks=(check_static,),
    )


def prior(model: Prior) -> GraphSpec:
    """Describe the graph that says what hidden codes are."""
    config = model.config

    def call(codes: Any, **told: Any) -> Mapping[str, Any]:
        return {LOGITS: model.logits(codes, *told.values())}

    def sample(count: int, seed: int) -> Arrays:
        random = np.random.RandomState(seed)
        shape = (count, config.positions)
        codes = random.randint(config.vocabulary + 1, size=shape).astype(np.int32)
        hidden = random.random_sample(shape) < random.random_sample((count, 1))
        found = {CODES: np.where(hidden, np.int32(config.vocabulary), codes)}
        if config.classes:
            found[LABELS] = random.randint(config.classes + 1, size=count).astype(np.int64)
        if config.words:
            words = random.randint(config.vocabulary_of_words, size=(count, config.words))
            found[WORDS] = words.astype(np.int32)
        return found

    meaning = f"codes of an image, {config.vocabulary} for one that is hidden"
    return GraphSpec(
        role=PRIOR,
        signature="prior",
        call=call,
        inputs=(
            port(CODES, config.positions, meaning=meaning, dtype="int32"),
            *_told(config.classes, config.words),
        ),
        outputs=(
            port(
                LOGITS,
                config.positions,
                config.vocabulary,
                meaning="log-probability of each code at each place, up to a constant",
            ),
        ),
        sample=sample,
        sensitivity=(CODES, LOGITS),
        checks=(check_static,),
    )


def _told(classes: int, words: int) -> tuple[Port, ...]:
    if classes:
        meaning = f"class of each image, {classes} for none"
        return (port(LABELS, meaning=meaning, dtype="int64"),)
    if words:
        meaning = "numbers of the words of a caption, 0 behind them and for none"
        return (port(WORDS, words, meaning=meaning, dtype="int32"),)
    return ()


def _codes(model: Codes) -> Port:
    config = model.config
    rows, columns = config.grid
    meaning = f"codes of an image, {rows} rows of {columns}, 0 to {config.vocabulary - 1}"
    return port(CODES, config.positions, meaning=meaning, dtype="int32")


def random_codes(model: Codes, count: int, seed: int) -> np.ndarray:
    """Draw codes, all equally likely: int32 `(count, T)`."""
    shape = (count, model.config.positions)
    drawn = np.random.RandomState(seed).randint(model.config.vocabulary, size=shape)
    return drawn.astype(np.int32)
