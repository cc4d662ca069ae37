"""The words of a data set's captions, as the file that holds them."""

from collections.abc import Sequence

from serving.errors import UsageError
from serving.families.codes.captions import PAD, UNKNOWN, written
from zoo.prior.config import PriorConfig


def words_file(captions: Sequence[str], config: PriorConfig) -> bytes:
    """Return the content of `tokenizer.json` for the words of captions.

    Raises:
        UsageError: a caption has more words than the model takes, or all have too many different
            ones.

    Example:
        >>> data = words_file(["a red three"], PriorConfig(codes="runs/codes", words=4))
        >>> b'"red": 3' in data or b'"red":3' in data
        True
    """
    split = [caption.lower().split() for caption in captions]
    longest = max(map(len, split), default=0)
    if longest > config.words:
        raise UsageError(
            f"there are captions of {longest} words and the model takes {config.words}; set "
            f"model.words={longest}"
        )
    words = sorted({word for caption in split for word in caption})
    if len(words) + 2 > config.vocabulary_of_words:
        raise UsageError(
            f"captions have {len(words)} different words, and the model has room for "
            f"{config.vocabulary_of_words - 2}; set model.vocabulary_of_words={len(words) + 2}"
        )
    return written([PAD, UNKNOWN, *words])
