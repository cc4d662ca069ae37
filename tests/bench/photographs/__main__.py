"""How fast photographs are enlarged, beside other ways: `python -m tests.bench.photographs BUNDLE`.

Of photographs, from pixels to pixels, and of luminance alone, from numbers to numbers, in
milliseconds for a megapixel of the enlarged photograph. Each way has a process of its own, and all
take turns, round by round; the ratio of each round is taken, theirs over ours in seconds, and the
medians are printed. Above 1.00 ours is faster.
"""

import argparse
from itertools import product
from pathlib import Path

from tests.bench import report
from tests.bench.photographs.enlargements import SIZES, Case, measure
from tests.bench.photographs.files import write
from tests.bench.photographs.peers import PEERS


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    bundle = arguments.bundle.resolve()
    every = report.begin([peer for peers in PEERS.values() for peer in peers], arguments)
    rows = []
    with report.files(arguments) as place:
        folder = place / bundle.name
        report.prepare(folder, write, bundle)
        for what, threads in product(PEERS, arguments.threads):
            peers = [peer for peer in PEERS[what] if peer in every]
            for size in arguments.size:
                case = Case(bundle, folder, what, size, threads, arguments.seconds)
                rows += (found := list(measure(case, peers, arguments.rounds)))
                report.show(found)
    report.finish("tests.bench.photographs", rows, every, arguments)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = report.options(__doc__, threads=(1, 2), rounds=9)
    parser.add_argument("bundle", type=Path, help="a folder, of FSRCNN on luminance")
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES), help="all of them")
    parser.add_argument("--seconds", type=float, default=0.5, help="that one turn takes")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
