"""Whether a language model prefers the right one of two sentences.

Reference:
    Warstadt et al. 2020, BLiMP (arXiv:1912.00582): the sentence with the higher probability wins.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from serving.text.masked.filler import TextFiller
from serving.text.memory import Step
from serving.text.scoring import score
from serving.text.text import TextModel
from zoo.data.minimal_pairs import Pair
from zoo.metric import Metric

# Shares of all 67 sets, as their authors publish them; people are at 0.886.
PUBLISHED = {"n-gram": 0.61, "LSTM": 0.70, "GPT-2": 0.83}
SETS = 67
LOGITS = 2**23  # that are held at once
AT_ONCE = 64  # sentences whose tokens are hidden one by one, of about the same length
PREFIX = "pairs_"


def evaluate_pairs(model: TextModel | TextFiller, pairs: Sequence[Pair]) -> Iterator[Metric]:
    """Yield the share of pairs whose right sentence is likelier, of each phenomenon and of all.

    Each is the mean over its tests, which in BLiMP have the same number of pairs. The probability
    is that of the whole sentence, at the beginning of a text; of a masked language model its
    pseudo-log-likelihood, of each token given all others.

    Args:
        model: what predicts.
        pairs: as `zoo.data.minimal_pairs.read` returns them.

    Raises:
        UsageError: a sentence has characters that the model does not know.
    """
    sentences = [sentence for pair in pairs for sentence in (pair.good, pair.bad)]
    masked = isinstance(model, TextFiller)
    found = (
        pseudo_log_likelihoods(model, sentences) if masked else log_probabilities(model, sentences)
    )
    nats = found.reshape(-1, 2)
    what = (
        "pseudo-log-likelihood, summed over its tokens, each given all others"
        if masked
        else "log-probability, summed over its tokens, at the beginning of a text"
    )
    tests: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for pair, (good, bad) in zip(pairs, nats.tolist(), strict=True):
        tests[pair.phenomenon, pair.test].append(good > bad)
    for phenomenon in sorted({phenomenon for phenomenon, _ in tests}):
        own = [won for (about, _), won in tests.items() if about == phenomenon]
        over = f"of {len(own)} tests of {phenomenon.replace('_', ' ')}"
        yield _metric(phenomenon, own, what, over)
    yield _metric("all", tests.values(), what, f"of {len(tests)} tests")


def log_probabilities(model: TextModel, sentences: Sequence[str]) -> np.ndarray:
    """Return the log-probability of each sentence at the beginning of a text, in nats.

    Sentences of the same number of tokens are read together.

    Args:
        model: what predicts.
        sentences: of any length.

    Returns:
        float64 `(sentences,)`.
    """
    begin = model.tokenizer.begin or model.tokenizer.encode(model.tokenizer.beginning)[-1:]
    ids = [[*begin, *model.tokenizer.encode(sentence, "a sentence")] for sentence in sentences]
    found = np.empty(len(ids))
    batches = list(_batches([len(each) for each in ids], model.tokenizer.size))
    for rows in tqdm(batches, disable=None, desc="sentences", leave=False):
        tokens = np.array([ids[row] for row in rows], np.int64)  # (B, T)
        if tokens.shape[1] - 1 > model.context:
            found[rows] = [-score(model.step, each, context=model.context).nats for each in tokens]
        else:
            found[rows] = _sums(model.step, tokens)
    return found


def pseudo_log_likelihoods(model: TextFiller, sentences: Sequence[str]) -> np.ndarray:
    """Return the pseudo-log-likelihood of each sentence, in nats, float64 `(sentences,)`.

    Args:
        model: a masked language model.
        sentences: none empty.

    Reference:
        Salazar et al. 2020 (arXiv:1910.14659).
    """
    order = sorted(range(len(sentences)), key=lambda at: len(sentences[at]))
    found = np.empty(len(sentences))
    starts = range(0, len(order), AT_ONCE)
    for start in tqdm(starts, disable=None, desc="sentences", leave=False):
        some = order[start : start + AT_ONCE]
        log_probs = model.log_probs([sentences[at] for at in some])
        found[some] = [each.sum() for each in log_probs]
    return found


def _batches(lengths: Sequence[int], vocabulary: int) -> Iterator[list[int]]:
    """Yield the places of as many equal lengths as may be read at once."""
    order = sorted(range(len(lengths)), key=lambda at: (lengths[at], at))
    rows: list[int] = []
    for at in order:
        full = len(rows) >= max(1, LOGITS // (vocabulary * lengths[at]))
        if rows and (full or lengths[at] != lengths[rows[0]]):
            yield rows
            rows = []
        rows.append(at)
    if rows:
        yield rows


def _sums(step: Step, tokens: np.ndarray) -> np.ndarray:
    """Return the log-probability of all tokens `(B, T)` but the first of each row, `(B,)`."""
    read, wanted = tokens[:, :-1], tokens[:, 1:, None]
    places = np.tile(np.arange(read.shape[1]), (len(read), 1))
    logits = np.asarray(step(read, np.ones_like(read), places, None)[0])  # (B, T - 1, V)
    logits = logits - logits.max(-1, keepdims=True)
    own = np.take_along_axis(logits, wanted, axis=2)[..., 0].astype(np.float64)  # (B, T - 1)
    return np.asarray((own - np.log(np.exp(logits, logits).sum(-1, dtype=np.float64))).sum(-1))


def _metric(name: str, tests: Iterable[list[bool]], what: str, over: str) -> Metric:
    tests = list(tests)
    return Metric(
        name=PREFIX + name,
        value=float(np.mean([np.mean(won) for won in tests])),
        unit="",
        definition=(
            f"share of pairs of sentences of which the right one has the higher {what}; mean {over}"
        ),
        samples=sum(map(len, tests)),
        counted="pairs",
        seed=0,
        better="higher",
    )
