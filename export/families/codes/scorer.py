"""The graph of a scorer, by which a prior of captions chooses the best of several images."""

import numpy as np

from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.linter import check_static
from serving.families.codes.codes import IMAGE
from serving.families.codes.prior import SCORE, SCORER, WORDS
from zoo.scorer.scorer import Scorer


def scorer(model: Scorer) -> GraphSpec:
    """Describe the graph that says how well images go with captions."""
    config = model.config

    def sample(count: int, seed: int) -> Arrays:
        random = np.random.RandomState(seed)
        words = random.randint(config.vocabulary_of_words, size=(count, config.words))
        image = random.random_sample((count, config.size, config.size, 3))
        return {IMAGE: image.astype(np.float32), WORDS: words.astype(np.int32)}

    return GraphSpec(
        role=SCORER,
        signature="score",
        call=lambda image, words: {SCORE: model.scores(image, words)},
        inputs=(
            port(IMAGE, config.size, config.size, 3, meaning="image in [0, 1]"),
            port(
                WORDS,
                config.words,
                meaning="numbers of the words of a caption, 0 behind them",
                dtype="int32",
            ),
        ),
        outputs=(port(SCORE, meaning="how well they go together, a cosine"),),
        sample=sample,
        sensitivity=(WORDS, SCORE),
        checks=(check_static,),
    )
