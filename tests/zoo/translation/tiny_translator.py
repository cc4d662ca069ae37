"""A tiny translator and batches of it, shared by the tests of the family."""

import numpy as np

from zoo.translation import TranslationConfig, Translator
from zoo.translation.data import batch_of
from zoo.translation.rows.packing import packed
from zoo.translation.rows.ragged import Ragged

SIZE, CONTEXT = 40, 24


def model(**changes) -> Translator:
    """Return a translator of the same weights each time, far from how they begin."""
    sizes = {"width": 16, "heads": 2, "encoder_layers": 2, "decoder_layers": 2, "context": CONTEXT}
    made = Translator(TranslationConfig(vocabulary_size=SIZE, **(sizes | changes)))
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        gain = float(len(variable.shape) == 1)
        variable.assign(gain + random.normal(0, 0.2, variable.shape))
    return made


def pairs(count: int, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    """Draw sources and targets of unequal lengths."""
    random = np.random.RandomState(seed)
    sides = (random.randint(1, 9, count), random.randint(1, 9, count))
    return tuple([random.randint(3, SIZE, length).tolist() for length in side] for side in sides)


def batch(count: int, rows: int, seed: int = 0):
    """Return packed pairs as Keras takes them."""
    sources, targets = map(Ragged.of, pairs(count, seed))
    return batch_of(packed(sources, targets, CONTEXT, begin=1, rows=rows))
