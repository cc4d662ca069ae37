"""Short pairs of texts side by side in rows of one length, so that hardly a token is padding.

A batch of so many rows then is a batch of so many tokens, always of the same shape.

Reference:
    Raffel et al. 2020 (arXiv:1910.10683), section 3.1.2; Krell et al. 2021 (arXiv:2107.02027).
"""

import numpy as np

from zoo.translation.rows.ragged import Ragged

OPEN = 8  # rows that are filled at a time
INPUTS = tuple(  # what `EncoderDecoder` takes of rows
    f"{side}{name}"
    for side in ("", "decoder_")
    for name in ("input_ids", "attention_mask", "position_ids")
)


def packed(
    sources: Ragged, targets: Ragged, length: int, begin: int, rows: int | None = None
) -> dict[str, np.ndarray]:
    """Put pairs into rows, each into the first that has room of those that are open.

    Args:
        sources, targets: tokens of each text, with that which ends it; none longer than `length`.
        length: of a row, on both sides.
        begin: the token that a decoder begins with.
        rows: number of rows returned; those beyond are left out, and missing ones are padding. As
            many as are filled unless given.

    Returns:
        int32 `(rows, length)` each, by the names that `EncoderDecoder` takes, and `targets`: the
        tokens to predict. The masks count the texts of a row from 1; 0 is padding.

    Example:
        >>> pairs = [[[5, 2], [6, 7, 2]], [[8, 2], [9, 2]]]
        >>> found = packed(*map(Ragged.of, pairs), length=6, begin=1)
        >>> found["input_ids"].tolist(), found["attention_mask"].tolist()
        ([[5, 2, 6, 7, 2, 0]], [[1, 1, 2, 2, 2, 0]])
        >>> found["decoder_input_ids"].tolist(), found["targets"].tolist()
        ([[1, 8, 1, 9, 0, 0]], [[8, 2, 9, 2, 0, 0]])
    """
    row, number, starts = _places(sources.lengths.tolist(), targets.lengths.tolist(), length)
    filled = int(row.max()) + 1 if len(row) else 0
    size = (max(filled, rows or 0), length)
    found = {}
    for prefix, texts, start in (("", sources, starts[0]), ("decoder_", targets, starts[1])):
        lengths = texts.lengths
        within = np.arange(len(texts.values)) - np.repeat(texts.bounds[:-1], lengths)
        at = np.repeat(row * length + start, lengths) + within
        values = {
            f"{prefix}input_ids": texts.values,
            f"{prefix}attention_mask": np.repeat(number, lengths),
            f"{prefix}position_ids": within,
        }
        if prefix:
            values["targets"] = texts.values
            before = np.roll(texts.values, 1)
            before[texts.bounds[:-1]] = begin
            values["decoder_input_ids"] = before
        for name, each in values.items():
            found[name] = np.zeros(size, np.int32)
            found[name].ravel()[at] = each
    return {name: each[:rows] for name, each in found.items()}


def _places(
    sources: list[int], targets: list[int], length: int
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the row of each pair, its number there from 1, and where its two texts begin."""
    places = np.empty((4, len(sources)), np.int64)
    open_rows: list[list[int]] = []  # row, texts, tokens of the sources, and of the targets
    count = 0
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        for held in open_rows:
            if held[2] + source <= length and held[3] + target <= length:
                break
        else:
            held = [count, 0, 0, 0]
            count += 1
            if len(open_rows) == OPEN:
                open_rows.remove(max(open_rows, key=lambda each: each[2] + each[3]))
            open_rows.append(held)
        held[1] += 1
        places[:, index] = held
        held[2] += source
        held[3] += target
    row, number, source_start, target_start = places
    return row, number, (source_start, target_start)
