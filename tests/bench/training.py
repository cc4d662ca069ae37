"""How fast models train, beside the same networks in PyTorch: `python -m tests.bench.training`.

All variants take turns, round by round, so that a machine that slows down slows all; the ratio of
each round is taken, ours over theirs, and the medians are printed. Above 1.00 ours is faster. Both
take whole training steps: forward, backward and optimizer. The GPT is measured in tokens, the DCGAN
in real images.
"""

import argparse
import json
import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from tests.bench.turns import ratios, timed

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
PEERS = ("PyTorch", "PyTorch compiled")

Step = Callable[[], object]


def main() -> None:
    arguments = _arguments()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    print(f"{'model':<8}{'precision':<10}{'step':<18}{'per second':>12}{'ours/theirs':>13}  spread")
    rows = []
    for name, steps, items in _models(arguments):
        for row in measure(steps, items, arguments.rounds):
            rows.append({"model": name} | row)
            spread = f"{row['lowest']:.3f}..{row['highest']:.3f}"
            ratio = f"{row['ratio']:>13.3f}  {spread}" if row["step"] != "genzoo" else ""
            print(
                f"{name:<8}{row['precision']:<10}{row['step']:<18}{row['per_second']:>12.0f}{ratio}"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(steps: dict[tuple[str, str], Step], items: int, rounds: int) -> list[dict]:
    """Return the items per second of each step, and ours over theirs, round by round.

    Args:
        steps: by precision and name; ours are called `genzoo`.
        items: tokens or images of one step.
        rounds: how often each step is timed.
    """
    for step in steps.values():  # the first compiles, the second settles
        step(), step()
    seconds = timed(steps, rounds)
    return [
        {
            "precision": precision,
            "step": name,
            "per_second": items / statistics.median(times),
            **ratios(seconds[precision, "genzoo"], times),
        }
        for (precision, name), times in seconds.items()
    ]


def _models(
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, dict[tuple[str, str], Step], int]]:
    """Yield the name of each model, its steps by precision and name, and the items of a step."""
    try:
        from tests.bench.steps import dcgan_steps, gpt_steps
    except ImportError:
        raise SystemExit("PyTorch is missing; pip install 'genzoo[bench]'") from None
    precisions = [arguments.precision] if arguments.precision else list(PRECISIONS)
    peers = PEERS[:1] if arguments.no_compiled else PEERS
    for name, module in (("gpt", gpt_steps), ("dcgan", dcgan_steps)):
        if arguments.model in (name, None):
            steps, items = {}, 0
            for precision in precisions:
                ours, theirs, items = module.steps(arguments, precision, PRECISIONS[precision])
                steps[precision, "genzoo"] = ours
                for peer in peers:
                    steps[precision, peer] = theirs(peer.endswith("compiled"))
            yield name, steps, items


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("gpt", "dcgan"), help="both, unless given")
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=32, help="gpt: texts per step")
    parser.add_argument("--context", type=int, default=256, help="gpt: tokens per text")
    parser.add_argument("--layers", type=int, default=4, help="gpt")
    parser.add_argument("--width", type=int, default=256, help="gpt: a multiple of 64, heads of 32")
    parser.add_argument("--dropout", type=float, default=0.0, help="gpt")
    parser.add_argument("--images", type=int, default=64, help="dcgan: images per step")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", choices=PRECISIONS, help="both, unless given")
    parser.add_argument("--no-compiled", action="store_true", help="leave out torch.compile")
    return parser.parse_args()


if __name__ == "__main__":
    main()
