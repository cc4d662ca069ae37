"""How fast music is made and gaps are filled: `python -m tests.bench.sequences BUNDLE`.

A bundle of music writes bars, one of a masked language model fills gaps of texts one by one and
turns texts into vectors, so many at once. Beside it run a plain loop of ONNX Runtime on the same
graph, as one would write it from its inputs and outputs, and `optimum`, which needs the portable
graph. Each way has a process of its own, and all take turns, round by round; the ratio of each
round is taken, theirs over ours in seconds, and the medians are printed. Above 1.00 ours is faster.
"""

import argparse
from pathlib import Path

from serving.bundle.manifest import read_manifest
from tests.bench import report
from tests.bench.sequences import masked, music
from tests.bench.sequences.case import Case, measure

FAMILIES = {"music": music, "masked": masked}


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    bundle = arguments.bundle.resolve()
    manifest = read_manifest(bundle)
    if manifest.family not in FAMILIES:
        raise SystemExit(f"error: {bundle} is no bundle of {' or '.join(FAMILIES)}")
    family = FAMILIES[manifest.family]
    peers, rows = report.begin(family.PEERS, arguments), []
    for threads in arguments.threads:
        case = Case(bundle, _variant(bundle, arguments.variant), arguments.size, threads)
        rows += (found := list(measure(case, peers, family.turn, family.TASKS, arguments.rounds)))
        report.show(found)
    report.finish("tests.bench.sequences", rows, peers, arguments)


def _variant(bundle: Path, asked: str) -> str:
    """Return a variant whose graph is here: that which is asked for, or the first."""
    variants = read_manifest(bundle).variants
    here = [name for name, each in variants.items() if (bundle / each.graphs["model"]).is_file()]
    if not here or (asked and asked not in here):
        raise SystemExit(f"error: {bundle} has no graph of variant '{asked or 'any'}'")
    return asked or here[0]


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = report.options(__doc__, threads=(1, 2), rounds=9)
    parser.add_argument("bundle", type=Path, help="a folder")
    parser.add_argument("--variant", default="", help="the first whose graph is here unless given")
    parser.add_argument("--size", type=report.positive, default=8, help="bars, or texts")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
