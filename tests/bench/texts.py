"""Writing text with the same weights: ours, and every other way to run them.

All take the tokens of a prompt and yield those that follow, one by one. Weights are random, and
texts are of tokens that are whole printable characters, so that each token is a piece of text.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice, product
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.peers.peer import Peer, compete
from tests.bench.turns import ratios
from tests.bench.worker import Work

SAMPLED = {"temperature": 0.8, "top_k": 40}
# Texts of `tokens` tokens from a prompt of one, sampled and greedy; and a prompt of half a window,
# read until its first token is there.
KINDS = (SAMPLE, GREEDY, PROMPT) = ("sampled", "greedy", "prompt")
AGREED = 16  # tokens that all must choose alike after a prompt of half a window
VARIANTS = {32: "fused", 8: "fused-int8", 4: "fused-int4"}  # of ours, by the bits of its weights
HAND_WRITTEN = "hand-written"  # what the fused graph is held to
SPECIAL = 3  # the first ids, which stand for no text
LETTERS = [chr(code) for code in range(0x21, 0x7F)]

Write = Callable[[Sequence[int], int, bool], Iterator[int]]


@dataclass(frozen=True)
class Shape:
    """The sizes of a Transformer, named as the options are."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    context: int


@dataclass(frozen=True)
class Case:
    """A Transformer, with the files that all libraries read of it.

    Attributes:
        shape: its sizes.
        bits: of its weights.
        folder: what `random_gpt.write` wrote.
        device: of all peers, `cpu` or `cuda`.
        threads: for each peer.
        tokens: written in each turn.
    """

    shape: Shape
    bits: int
    folder: Path
    device: str
    threads: int
    tokens: int

    @property
    def name(self) -> str:
        """What its table is called."""
        shape = self.shape
        return (
            f"{shape.layers} layers x {shape.width}, vocabulary {shape.vocabulary:,}, "
            f"{self.bits} bits, {self.tokens} tokens"
        )

    @property
    def weight_bytes(self) -> int:
        """How many bytes of weights each token takes."""
        return int(self.weight_bytes_file.read_text(encoding="utf-8"))

    @property
    def weight_bytes_file(self) -> Path:
        """What says so."""
        return self.folder.parent / "weight_bytes.txt"

    def graph(self, variant: str = "") -> Path:
        """Return the file of a variant; of ours, unless given."""
        return self.folder / f"model.{variant or VARIANTS[self.bits]}.onnx"

    def prompt(self, seed: int) -> list[int]:
        """Return a prompt of half a window; no two begin with the same token."""
        count = max(1, self.shape.context // 2)
        ids = np.random.RandomState(seed).randint(SPECIAL, SPECIAL + len(LETTERS), count).tolist()
        return [SPECIAL + seed, *ids[1:]]


def token_names(vocabulary: int) -> list[str]:
    """Return the texts of all tokens but the special ones: letters, then pairs, then triples."""
    longer = chain.from_iterable(product(LETTERS, repeat=count) for count in (1, 2, 3))
    return ["".join(letters) for letters in islice(longer, vocabulary - SPECIAL)]


def spelled(ids: Sequence[int]) -> str:
    """Return the text of tokens that are letters."""
    return "".join(LETTERS[index - SPECIAL] for index in ids)


def measure(case: Case, peers: Sequence[Peer], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each peer and kind; of a peer that takes no part, one that says why.

    Args:
        case: what they run.
        peers: the first is ours.
        rounds: how often each takes its turn.
    """
    contest = compete(peers, case, turn, KINDS, rounds)
    same = {"model": case.name, "threads": case.threads}
    totals = {
        (way, kind): [sum(seconds) for seconds in results[kind]]
        for way, results in contest.results.items()
        for kind in KINDS
    }
    for kind in KINDS:
        for way, results in contest.results.items():
            count = len(case.prompt(0)) if kind == PROMPT else case.tokens
            speed = count / statistics.median(totals[way, kind])
            row = same | {"text": kind, "way": way, "per_second": speed, "unit": "tokens"}
            row |= ratios(totals[peers[0].name, kind], totals[way, kind])
            if kind != PROMPT:
                row |= _of_tokens(results[kind])
            yield row | vars(contest.parts[way])
    for way, why in contest.absent.items():
        yield same | {"way": way, "absent": why}


def _of_tokens(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return what single tokens take, from the seconds of each in each round."""
    firsts, later = [each[0] for each in rounds], np.concatenate([each[1:] for each in rounds])
    times = {"first_token": statistics.median(firsts)}
    if later.size:
        times |= {"p50": np.percentile(later, 50), "p90": np.percentile(later, 90)}
    return {f"{name}_milliseconds": 1e3 * float(value) for name, value in times.items()}


def turn(load: Callable[[Case], Write], case: Case) -> Work:
    """Return what writes a text of a kind, and returns the seconds that each token took."""
    write = load(case)
    prompts = cycle([case.prompt(0), case.prompt(1)])  # what was just read may be remembered

    def work(kind: str | None) -> list:
        if kind is None:
            return list(write(case.prompt(0), min(AGREED, case.shape.context // 2), False))
        if kind == PROMPT:
            return _seconds(write, next(prompts), 1, False)
        return _seconds(write, [SPECIAL], case.tokens, kind == SAMPLE)

    return work


def _seconds(write: Write, prompt: Sequence[int], count: int, sampled: bool) -> list[float]:
    stamps = [time.perf_counter()]
    stamps += [time.perf_counter() for _ in write(prompt, count, sampled)]
    if len(stamps) != count + 1:
        raise RuntimeError(f"it wrote {len(stamps) - 1} tokens of {count}")
    return np.diff(stamps).tolist()
