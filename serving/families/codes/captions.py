"""Captions as numbers of words: a tokenizer of whole words, in lower case, that ends nowhere.

Its file is one that `tokenizers` reads and writes (`WordLevel`). Only its words are taken from it,
since there is nothing to splitting at spaces; so no file of somebody else's can do any harm.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from serving.bundle.records import BundleError, Record
from serving.bundle.refusal import plain
from serving.errors import UsageError, nearest

PAD = "[PAD]"  # number 0
UNKNOWN: Final = "[UNK]"  # number 1, which is refused
MOST_WORDS = 2**16
SHOWN = 60  # characters of a caption, and words of those that are known, that an error shows

Word = Annotated[str, Field(min_length=1, max_length=64)]


class CaptionWords:
    """The words that captions are made of.

    Args:
        data: content of `tokenizer.json`.

    Attributes:
        ids: the number of each word.

    Raises:
        BundleError: it is no such file.

    Example:
        >>> words = CaptionWords(written(["[PAD]", "[UNK]", "a", "red", "three"]))
        >>> words.encode(["A red three", "three"], longest=4).tolist()
        [[2, 3, 4, 0], [4, 0, 0, 0]]
    """

    def __init__(self, data: bytes):
        try:
            self.ids = File.model_validate_json(data).model.vocab
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = plain(".".join(map(str, first["loc"])))
            raise BundleError(
                f"the words of captions cannot be read: {where}: {first['msg'][:100]}"
            ) from None

    def encode(self, captions: Sequence[str], longest: int) -> np.ndarray:
        """Return the words of captions as int32 `(N, longest)`, 0 where there are none.

        Raises:
            UsageError: one is empty, has too many words, or words that are not known.
        """
        found = np.zeros((len(captions), longest), np.int32)
        known: dict[str, list[int]] = {}  # often all are the same
        for row, caption in enumerate(captions):
            if caption not in known:
                known[caption] = self._numbers(caption, longest)
            found[row, : len(known[caption])] = known[caption]
        return found

    def _numbers(self, caption: str, longest: int) -> list[int]:
        words = caption.lower().split()
        if not words:
            raise UsageError("the prompt is empty; say in words what to draw, or leave it out")
        if len(words) > longest:
            raise UsageError(
                f"the prompt has {len(words)} words; expected at most {longest}, as captions have "
                "that the model learned from"
            )
        unknown = [word for word in words if self.ids.get(word, 0) < 2]
        if unknown:
            raise UsageError(self._refusal(unknown[0]))
        return [self.ids[word] for word in words]

    def _refusal(self, word: str) -> str:
        known = sorted(each for each, number in self.ids.items() if number > 1)
        listed = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
        hint = nearest(word, known) or f"; it knows {listed}"
        return f"'{plain(word, SHOWN)}' is no word that this model knows{hint}"


class Lowercase(Record):
    """Capitals as small letters."""

    type: Literal["Lowercase"]


class WhitespaceSplit(Record):
    """At spaces."""

    type: Literal["WhitespaceSplit"]


class WordLevel(Record):
    """A number for each word."""

    type: Literal["WordLevel"] = "WordLevel"
    vocab: Annotated[dict[Word, int], Field(max_length=MOST_WORDS)]
    unk_token: Literal["[UNK]"]

    @model_validator(mode="after")
    def _numbers_all(self) -> "WordLevel":
        if sorted(self.vocab.values()) != list(range(len(self.vocab))):
            raise ValueError("words are not numbered from 0 on, each once")
        if (self.vocab.get(PAD), self.vocab.get(UNKNOWN)) != (0, 1):
            raise ValueError(f"{PAD} and {UNKNOWN} are not numbers 0 and 1")
        return self


class File(Record):
    """The content of `tokenizer.json`."""

    version: Literal["1.0"]
    truncation: None
    padding: None
    added_tokens: Annotated[list[Any], Field(max_length=0)]
    normalizer: Lowercase
    pre_tokenizer: WhitespaceSplit
    post_processor: None
    decoder: None
    model: WordLevel


def written(words: Sequence[str]) -> bytes:
    """Return the content of `tokenizer.json` for words in the order of their numbers.

    The first two are `[PAD]` and `[UNK]`.
    """
    file = File(
        version="1.0",
        truncation=None,
        padding=None,
        added_tokens=[],
        normalizer=Lowercase(type="Lowercase"),
        pre_tokenizer=WhitespaceSplit(type="WhitespaceSplit"),
        post_processor=None,
        decoder=None,
        model=WordLevel(
            vocab={word: number for number, word in enumerate(words)}, unk_token=UNKNOWN
        ),
    )
    return (file.model_dump_json(indent=2) + "\n").encode()
