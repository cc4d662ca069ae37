"""A one-layer Transformer in NumPy, and a tokenizer: a language model without a file."""

from typing import Any

import numpy as np

from serving.text.memory import Past
from serving.text.text import TextModel
from serving.text.tokenizer import Tokenizer
from zoo.data.styles.codes import code, codes_of
from zoo.data.tokenizers import character_tokenizer

WIDTH = 8
CORPUS = "abcdefgh .é中"
STYLES = ("loud", "soft tone")
STYLED = character_tokenizer(CORPUS, [code(style) for style in STYLES])


class ToyStep:
    """Attention over embeddings that know their position; counts the tokens that it reads."""

    def __init__(self, vocabulary: int, seed: int = 0):
        random = np.random.RandomState(seed)
        self.embedding, self.head = random.normal(size=(2, vocabulary, WIDTH))
        self.positions = random.normal(size=(64, WIDTH))
        self.read = 0
        self.widest = 0

    def __call__(
        self,
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]:
        assert input_ids.dtype == attention_mask.dtype == position_ids.dtype == np.int64
        x = (self.embedding[input_ids] + self.positions[position_ids])[:, None]  # (B, 1, T, D)
        key = x if past is None else np.concatenate([past[0][0], x], axis=2)
        value = np.tanh(x) if past is None else np.concatenate([past[0][1], np.tanh(x)], axis=2)
        total, new = key.shape[2], x.shape[2]
        assert attention_mask.shape == (len(x), total)
        visible = np.tri(new, total, total - new, bool) & (attention_mask[:, None, None] == 1)
        scores = np.where(visible, x @ key.swapaxes(2, 3), -1e9)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ value  # (B, 1, T, D)
        self.read += input_ids.size
        self.widest = max(self.widest, total)
        return (mixed[:, 0] + x[:, 0]) @ self.head.T, [(key, value)]


def tokenizer(of: Any = None) -> Tokenizer:
    """Return one of characters, or of what is given in the Hugging Face library's form."""
    of = of or character_tokenizer(CORPUS)
    return Tokenizer(of.to_str().encode(), styles=codes_of(of))


def language_model(context: int = 16, seed: int = 0, of: Any = None) -> TextModel:
    known = tokenizer(of)
    step = ToyStep(known.size, seed)
    step.head[[known.pad, known.bos]] = 0
    model = TextModel(step, known, context)
    model.network = step  # as it is, where the model's own `step` draws no codes
    return model


def only_characters(known: Tokenizer) -> dict[int, float]:
    """A bias that forbids the end mark and tokens that are part of a character."""
    whole = {character.encode() for character in CORPUS}
    return {id: -1e4 for id in range(known.size) if known.bytes_of(id) not in whole}
