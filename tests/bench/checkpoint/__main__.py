"""How fast a real checkpoint runs: `python -m tests.bench.checkpoint --gguf FILE --bundle DIR`.

llama.cpp reads the GGUF file; here runs the bundle that was imported and exported from it. Each has
a process of its own, and all take turns, round by round: it writes 64 tokens after a prompt of 16,
reads a prompt of 512 to the first token, and writes 32 tokens of each of 16 texts at once. The
ratio of each round is taken, theirs over ours in seconds, and the medians are printed. Above 1.00
ours is faster. `load` is from nothing but Python to the first token after a prompt of 16.
"""

import argparse
import statistics
from functools import partial
from pathlib import Path

from serving.bundle.manifest import read_manifest
from tests.bench import report
from tests.bench.checkpoint.ways import TASKS, Case, genzoo, llama_cpp, turn
from tests.bench.peers import runtimes
from tests.bench.peers.peer import Peer, compete, unlike
from tests.bench.turns import ratios


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    peers = report.begin(_peers(arguments.bundle), arguments)
    ids = _ids(arguments.bundle)
    rows = []
    for threads in arguments.threads:
        case = Case(arguments.gguf, arguments.bundle, ids, threads)
        rows += _measure(case, peers, arguments.rounds)
    report.show(rows)
    report.finish("tests.bench.checkpoint", rows, peers, arguments)


def _peers(bundle: Path) -> list[Peer]:
    manifest = read_manifest(bundle)
    ours = [
        Peer(
            f"genzoo, {variant}",
            "onnxruntime",
            runtimes.PLAIN,
            partial(genzoo, variant),
            lambda case, file=described.graphs["model"]: case.bundle / file,
            unlike,
        )
        for variant, described in manifest.variants.items()
    ]
    llama = partial(
        Peer,
        module="llama_cpp",
        install=runtimes.LLAMA_CPP,
        file=lambda case: case.gguf,
        agrees=unlike,
    )
    return [
        *ours,
        llama("llama.cpp", load=partial(llama_cpp, False)),
        llama("llama.cpp, float32 cache", load=partial(llama_cpp, True)),
    ]


def _ids(bundle: Path) -> tuple[int, ...]:
    """Return the tokens of the beginning of the documentation that comes with Python."""
    from pydoc_data.topics import topics

    import serving

    text = "\n".join(topics[name] for name in sorted(topics))
    return tuple(serving.load(bundle, device="cpu").tokenizer.encode(text[:20_000]))


def _measure(case: Case, peers: list[Peer], rounds: int) -> list[report.Row]:
    contest = compete(peers, case, turn, list(TASKS), rounds)
    same = {"model": case.gguf.stem, "threads": case.threads}
    rows: list[report.Row] = []
    for what, task in TASKS.items():
        for way, results in contest.results.items():
            speed = task.counted / statistics.median(results[what])
            row = same | {"text": what, "way": way, "per_second": speed, "unit": "tokens"}
            row |= ratios(contest.results[peers[0].name][what], results[what])
            rows.append(row | vars(contest.parts[way]))
    return rows + [same | {"way": way, "absent": why} for way, why in contest.absent.items()]


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = report.options(__doc__, threads=(1, 2), rounds=5)
    parser.add_argument("--gguf", type=Path, required=True, help="what llama.cpp reads")
    parser.add_argument("--bundle", type=Path, required=True, help="what was exported from it")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
