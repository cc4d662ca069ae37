"""How fast images are drawn, beside other ways to run the same weights: `python -m tests.bench`.

Each way has a process of its own, and all take turns, round by round, so that a machine that slows
down slows all; the ratio of each round is taken, theirs over ours in seconds, and the medians are
printed. Above 1.00 ours is faster.
"""

import argparse
from functools import partial

from serving.catalogue import models
from serving.registry import family
from tests.bench import report
from tests.bench.images import LARGER, Case, measure, write
from tests.bench.peers.image_peers import PEERS


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    peers = report.begin(PEERS, arguments)
    rows = []
    with report.files(arguments) as place:
        for name in arguments.model:
            folder = place / name
            report.prepare(folder, write, name)
            case_of = partial(Case, name, folder, arguments.device)
            cases = [case_of(count, arguments.seconds) for count in arguments.threads]
            of_model = [row for case in cases for row in measure(case, peers, arguments.rounds)]
            report.show(of_model)
            rows += of_model
    report.finish("tests.bench", rows, peers, arguments)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    of_images = [name for name, entry in models().items() if family(entry.family).gives == "image"]
    known = [*of_images, LARGER]
    parser = report.options(__doc__, threads=(1, 2), rounds=15)
    parser.add_argument("--model", nargs="+", choices=known, default=known, help="all by default")
    parser.add_argument("--seconds", type=float, default=0.2, help="that one turn takes")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
