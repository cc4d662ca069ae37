"""The best of several images drawn after each caption, as a scorer sees them."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

MOST = 64  # images of which one is chosen

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (B, H, W, C), (B, L) -> (B,)


def best(
    batches: Iterable[np.ndarray], words: np.ndarray, score: Score, each: int
) -> Iterator[np.ndarray]:
    """Yield of every `each` images that which goes best with its caption; the first of equals.

    Args:
        batches: images, float32 `(<= B, H, W, C)`, `each` after one caption in turn.
        words: of the caption of each image, int32 `(N, L)`.
        score: says how well images in [0, 1] go with captions.
        each: how many are drawn for one.

    Yields:
        float32 `(<= B, H, W, C)`.

    Example:
        >>> images = np.arange(4.0).reshape(4, 1, 1, 1) / 4
        >>> chosen = best([images], np.zeros((4, 2)), lambda image, _: -image[:, 0, 0, 0], 2)
        >>> next(chosen)[:, 0, 0, 0].tolist()
        [0.0, 0.5]
    """
    done, chosen, highest = 0, np.empty(0), -np.inf
    for batch in batches:
        scores = score(np.clip(batch, 0, 1), words[done : done + len(batch)])
        finished = []
        for image, value in zip(batch, scores.tolist(), strict=True):
            if done % each == 0 or value > highest:
                chosen, highest = image, value
            done += 1
            if done % each == 0:
                finished.append(chosen)
        if finished:
            yield np.stack(finished)
