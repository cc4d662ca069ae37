"""What zeros among the weights bring: `python -m tests.bench.smaller.zeros --json docs/zeros.json`.

Of each matrix of a published model the weights that are nearest to zero are set to zero, as pruning
of single weights does. ONNX Runtime multiplies with them as with any others, so that no graph is
faster for it; its file is as large, and smaller only once it is packed.
"""

import argparse
import copy
import gzip
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import zoo
from tests.bench.machine import described, settle
from tests.bench.smaller.fused import STEPS, Fused
from tests.bench.turns import ratios, timed

MODEL, SHARES = "gpt-shakespeare", (0.0, 0.5, 0.8)
TITLES = ("zeros", "nats per character", "tokens/s", "speed over dense", "file, MB", "gzip, MB")


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    settle()
    text = zoo.Recipe.load(arguments.model).task().text
    dense = Fused(zoo.from_preset(arguments.model))
    rows = measure(dense, text.tokens("test")[: arguments.limit], arguments.rounds)
    command = f"python -m tests.bench.smaller.zeros --model {arguments.model} --limit "
    document = described({"numpy", "onnxruntime"}) | {
        "command": f"{command}{arguments.limit} --rounds {arguments.rounds}",
        "rows": rows,
    }
    print(markdown(document))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(dense: Fused, tokens: np.ndarray, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each share of zeros, the first of none."""
    ways = {share: _with_zeros(dense, share) for share in SHARES}
    seconds = timed({share: way.writing(threads=1) for share, way in ways.items()}, rounds)
    return [
        {
            "zeros": share,
            "nats_per_token": way.nats_per_token(tokens),
            "per_second": STEPS / statistics.median(seconds[share]),
            **ratios(seconds[share], seconds[SHARES[0]]),
            "bytes": len(way.data),
            "gzip_bytes": len(gzip.compress(way.data, mtime=0)),
        }
        for share, way in ways.items()
    ]


def _with_zeros(dense: Fused, share: float) -> Fused:
    made = copy.copy(dense)
    made.graph = onnx.ModelProto()
    made.graph.CopyFrom(dense.graph)
    for tensor in made.graph.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.ndim == 2:
            tensor.CopyFrom(numpy_helper.from_array(zeroed(value, share), tensor.name))
    return made


def zeroed(value: np.ndarray, share: float) -> np.ndarray:
    """Set a share of the values to zero, those that are nearest to it.

    Example:
        >>> zeroed(np.array([3.0, -1.0, 2.0, -4.0]), 0.5).tolist()
        [3.0, 0.0, 0.0, -4.0]
    """
    value, size = value.copy(), np.abs(value).ravel()
    value.ravel()[np.argsort(size, kind="stable")[: int(share * size.size)]] = 0
    return value


def markdown(document: dict[str, Any]) -> str:
    """Return the table of a file."""
    lines = [
        f"| {row['zeros']:.0%} | {row['nats_per_token']:.3f} | {row['per_second']:,.0f} | "
        f"{row['ratio']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f}) | "
        f"{row['bytes'] / 1e6:.1f} | {row['gzip_bytes'] / 1e6:.1f} |"
        for row in document["rows"]
    ]
    return "\n".join([f"| {' | '.join(TITLES)} |", "|---" * len(TITLES) + "|", *lines])


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all of it here as well")
    parser.add_argument("--model", default=MODEL, help="a Transformer of characters")
    parser.add_argument("--limit", type=int, default=10_000, help="tokens to predict")
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
