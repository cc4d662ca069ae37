"""What this package adds to a bare ONNX Runtime session: `python -m tests.bench [--json FILE]`.

The bare session and our calls take turns, round by round, so that a machine that slows down slows
both; the ratio of each round is taken, and the medians are printed. 1.00 is no overhead.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime

import serving
from tests.bench.turns import ratios
from zoo.catalogue import models
from zoo.hub import find

ROUNDS, SECONDS = 15, 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    arguments = parser.parse_args()
    names = [name for name, entry in models().items() if entry.family != "transformer"]
    rows = [row for name in names for batch in (1, 64) for row in measure(name, batch)]
    print(f"{'model':<18}{'batch':>6}  {'call':<16}{'images/s':>10}{'ratio':>7}{'spread':>14}")
    for row in rows:
        print(
            f"{row['model']:<18}{row['batch']:>6}  {row['call']:<16}"
            f"{row['images_per_second']:>10.0f}{row['ratio']:>7.3f}   "
            f"{row['lowest']:.3f}..{row['highest']:.3f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(name: str, batch: int) -> Iterator[dict]:
    """Yield the throughput of each call, and its ratio to the bare session's, round by round."""
    calls = _calls(name, batch)
    repeats = {call: _repeats(function) for call, function in calls.items()}
    seconds: dict[str, list[float]] = {call: [] for call in calls}
    for _ in range(ROUNDS):
        for call, function in calls.items():
            seconds[call].append(_timed(function, repeats[call]))
    for call, times in seconds.items():
        yield {
            "model": name,
            "batch": batch,
            "call": call,
            "images_per_second": batch / statistics.median(times),
            **ratios(times, seconds["bare session"]),
        }


def _calls(name: str, batch: int) -> dict[str, Callable[[], object]]:
    model = serving.load(name, device="cpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = model.threads, 1
    file = find(name).directory / model.manifest.variants[model.variant].graphs[model.painter]
    bare = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    z = np.random.RandomState(0).standard_normal((batch, model.latent_dim)).astype("float32")
    labels = np.arange(batch) % model.classes if model.classes else None
    feeds = {"z": z} if labels is None else {"z": z, "labels": labels}
    return {
        "bare session": lambda: bare.run(["image"], feeds),
        "decode, float32": lambda: model.decode(z, labels, dtype=np.float32),
        "decode, uint8": lambda: model.decode(z, labels),
        "generate": lambda: model.generate(batch, labels, seed=0),
    }


def _repeats(function: Callable[[], object]) -> int:
    """Choose how often to call, so that a round takes about SECONDS."""
    function()
    return max(1, round(SECONDS / _timed(function, 3)))


def _timed(function: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


if __name__ == "__main__":
    main()
