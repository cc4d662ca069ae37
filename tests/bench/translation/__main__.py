"""How fast a translator is, beside other ways to run it: `python -m tests.bench.translation`.

A bundle translates the lines of a file, one by one and in batches. Every way has a process of its
own, and all take turns, round by round; the ratio of each round is taken, theirs over ours in
seconds, and the medians are printed. Above 1.00 ours is faster.
"""

import argparse
from pathlib import Path

from tests.bench import report
from tests.bench.translation.peers import PEERS
from tests.bench.translation.translations import Case, measure


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    peers = report.begin(PEERS, arguments)
    lines = arguments.texts.read_text(encoding="utf-8").splitlines()[: arguments.limit]
    rows = []
    for threads in arguments.threads:
        case = Case(
            arguments.bundle.resolve(), tuple(lines), arguments.beams, threads, arguments.variant
        )
        found = list(measure(case, peers, arguments.batch, arguments.rounds))
        report.show(found)
        rows += found
    report.finish("tests.bench.translation", rows, peers, arguments)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = report.options(__doc__, threads=(1, 2), rounds=9)
    parser.add_argument("bundle", type=Path, help="a folder")
    parser.add_argument("--texts", type=Path, required=True, help="a file, a text a line")
    parser.add_argument("--limit", type=report.positive, default=64, help="lines that are taken")
    parser.add_argument("--batch", type=report.positive, nargs="+", default=[1, 32])
    parser.add_argument("--beams", type=report.positive, default=1)
    parser.add_argument("--variant", default="fp32", help="of ours")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
