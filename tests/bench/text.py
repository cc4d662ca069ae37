"""How fast a Transformer writes, beside other ways to run it: `python -m tests.bench.text`.

Random weights of any shape are exported as they would be shipped. Every way writes the same number
of tokens from a prompt of one token, sampling included where it samples, and reads a prompt of half
a window. Each has a process of its own, and all take turns, round by round; the ratio of each round
is taken, theirs over ours in seconds, and the medians are printed. Above 1.00 ours is faster.
`bare loop` runs the fused graph again and again on one token, and no more; or a graph of the same
network that was written by hand, in as few operators as there are for it. `the weights, read and no
more` is what memory allows, of models that are larger than caches.
"""

import argparse
import os
from dataclasses import astuple, fields, replace
from functools import partial
from pathlib import Path

from tests.bench import report
from tests.bench.peers.text_peers import PEERS
from tests.bench.texts import LETTERS, SPECIAL, VARIANTS, Case, Shape, measure


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    peers = report.begin(PEERS, arguments)
    shape = Shape(**{field.name: getattr(arguments, field.name) for field in fields(Shape)})
    rows = []
    with report.files(arguments) as place:
        sizes = (*astuple(shape), arguments.bits, arguments.device)
        folder = place / "-".join(map(str, sizes))
        case_of = partial(Case, shape, arguments.bits, folder / "bundle", arguments.device)
        cases = [case_of(count, arguments.tokens) for count in arguments.threads]
        report.prepare(folder, _write, cases[0])
        for case in cases:
            rows += measure(case, peers, arguments.rounds)
    report.show(rows)
    report.finish("tests.bench.text", rows, peers, arguments)


def _write(folder: Path, case: Case) -> None:
    case = replace(case, folder=folder / "bundle")
    # With Protobuf's own memory, which it never gives back in parts, converting 100 million weights
    # would take 50 GB; in Python's it takes less than a fifth of that.
    os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    from zoo.startup import load_tensorflow

    load_tensorflow()
    from tests.bench.steps import random_gpt

    case.weight_bytes_file.write_text(str(random_gpt.write(case)), encoding="utf-8")


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = report.options(__doc__, threads=(1,), rounds=9)
    parser.add_argument("--tokens", type=report.positive, default=200, help="written in each turn")
    parser.add_argument("--layers", type=report.positive, default=4)
    parser.add_argument("--width", type=report.positive, default=128)
    parser.add_argument("--heads", type=report.positive, default=4)
    parser.add_argument("--vocabulary", type=report.positive, default=512)
    parser.add_argument("--context", type=report.positive, default=256)
    parser.add_argument("--bits", type=int, default=32, choices=VARIANTS, help="of the weights")
    arguments = parser.parse_args(words)
    if arguments.tokens > arguments.context:
        parser.error(f"{arguments.tokens} tokens do not fit a context of {arguments.context}")
    if arguments.vocabulary < SPECIAL + len(LETTERS):
        parser.error(f"--vocabulary is less than {SPECIAL + len(LETTERS)}, the tokens of letters")
    return arguments


if __name__ == "__main__":
    main()
