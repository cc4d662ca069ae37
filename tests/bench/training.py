"""How fast a GPT trains, beside the same network in PyTorch: `python -m tests.bench.training`.

All variants take turns, round by round, so that a machine that slows down slows all; the ratio of
each round is taken, ours over theirs, and the medians are printed. Above 1.00 ours is faster. Both
take whole training steps: forward, backward and AdamW.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.training.optimizers import AdamW
from zoo.transformer import GPT, GPTConfig

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
RATE, DECAY = 1e-3, 0.1

Step = Callable[[], object]


def main() -> None:
    arguments = _arguments()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    config = GPTConfig(
        vocabulary_size=65,
        layers=arguments.layers,
        width=arguments.width,
        heads=arguments.width // 32,
        context=arguments.context,
        dropout=arguments.dropout,
    )
    tokens = np.random.RandomState(0).randint(0, 65, (arguments.batch, config.context + 1))
    steps = _steps(config, tokens, arguments)
    rows = measure(steps, tokens[:, 1:].size, arguments.rounds)
    print(f"{'precision':<10}{'step':<18}{'tokens/s':>10}{'ours/theirs':>13}{'spread':>14}")
    for row in rows:
        ratio = f"{row['ratio']:>13.3f}   {row['lowest']:.3f}..{row['highest']:.3f}"
        print(
            f"{row['precision']:<10}{row['step']:<18}{row['tokens_per_second']:>10.0f}"
            f"{ratio if row['step'] != 'genzoo' else ''}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(steps: dict[tuple[str, str], Step], tokens: int, rounds: int) -> list[dict]:
    """Return the tokens per second of each step, and ours over theirs, round by round.

    Args:
        steps: by precision and name; ours are called `genzoo`.
        tokens: of one step.
        rounds: how often each step is timed.
    """
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    for step in steps.values():  # the first compiles, the second settles
        step(), step()
    for _ in range(rounds):
        for key, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[key].append(time.perf_counter() - start)
    rows = []
    for (precision, name), times in seconds.items():
        ours = seconds[precision, "genzoo"]
        ratios = [theirs / own for theirs, own in zip(times, ours, strict=True)]
        rows.append(
            {
                "precision": precision,
                "step": name,
                "tokens_per_second": tokens / statistics.median(times),
                "ratio": statistics.median(ratios),
                "lowest": min(ratios),
                "highest": max(ratios),
            }
        )
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=32, help="texts per step")
    parser.add_argument("--context", type=int, default=256, help="tokens per text")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256, help="a multiple of 64; heads are 32")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", choices=PRECISIONS, help="of both, unless given")
    parser.add_argument("--no-compiled", action="store_true", help="leave out torch.compile")
    return parser.parse_args()


def _steps(
    config: GPTConfig, tokens: np.ndarray, arguments: argparse.Namespace
) -> dict[tuple[str, str], Step]:
    steps = {}
    for precision in [arguments.precision] if arguments.precision else PRECISIONS:
        steps[precision, "genzoo"] = _our_step(config, tokens, PRECISIONS[precision])
        for name in ["PyTorch"] if arguments.no_compiled else ["PyTorch", "PyTorch compiled"]:
            compiled = name.endswith("compiled")
            step = _torch_step(config, tokens, precision, arguments.threads, compiled)
            steps[precision, name] = step
    return steps


def _our_step(config: GPTConfig, tokens: np.ndarray, policy: str) -> Step:
    """Return one step of what `fit` runs."""
    keras.config.set_dtype_policy(policy)
    try:
        model = GPT(config)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(AdamW(RATE, weight_decay=DECAY))
    model.make_train_function()
    batch = tokens[:, :-1].astype("int32"), tokens[:, 1:].astype("int32")
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: float(model.train_function(batches)["loss"])


def _torch_step(
    config: GPTConfig, tokens: np.ndarray, precision: str, threads: int, compiled: bool
) -> Step:
    try:
        import torch

        from tests.bench.torch_gpt import TorchGPT
    except ImportError:
        raise SystemExit("PyTorch is missing; pip install 'genzoo[bench]'") from None
    torch.set_num_threads(threads)
    model = TorchGPT(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY, fused=True)
    ids, targets = (torch.from_numpy(each.copy()) for each in (tokens[:, :-1], tokens[:, 1:]))
    network = torch.compile(model) if compiled else model

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = network(ids, targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


if __name__ == "__main__":
    main()
