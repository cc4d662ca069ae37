"""Who is compared with whom, and how they are brought together."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.bench.turns import take_turns
from tests.bench.worker import Work, Worker, WorkerError


@dataclass(frozen=True)
class Peer:
    """A way to do what this package does, with the same weights.

    Attributes:
        name: what it is called in the tables.
        module: what must be installed.
        install: how that is done.
        load: takes a case, and returns what does the work; called in a process of its own.
        file: takes a case, and returns the file or the folder that it reads.
        unfit: takes a case, and returns why this peer cannot do it, or nothing.
    """

    name: str
    module: str
    install: str
    load: Callable[[Any], Any]
    file: Callable[[Any], Path]
    unfit: Callable[[Any], str] = lambda case: ""

    def why_not(self, case: Any) -> str:
        """Return why it takes no part, or nothing."""
        if find_spec(self.module) is None:
            return f"not installed: {self.install}"
        return self.unfit(case)


@dataclass(frozen=True)
class Part:
    """What a peer's process was found to be.

    Attributes:
        seconds: from nothing but Python to the first result.
        memory: the most bytes that it has held.
        file: bytes of what it reads.
    """

    seconds: float
    memory: int
    file: int


@dataclass(frozen=True)
class Contest:
    """Who took part, who did not and why, and what each returned in each round, by what it did."""

    parts: dict[str, Part]
    absent: dict[str, str]
    results: dict[str, dict[Hashable, list[Any]]]


def compete(
    peers: Sequence[Peer],
    case: Any,
    turn: Callable[[Any, Any], Work],
    whats: Sequence[Hashable],
    rounds: int,
    same: Callable[[Any, Any], bool],
) -> Contest:
    """Let peers do the same things in turns.

    Args:
        peers: the first is ours.
        case: what they load.
        turn: takes `peer.load` and the case, and returns what takes each of `whats` and measures.
            Given None, it returns a result that all must agree in.
        whats: what each does in each round.
        rounds: how many.
        same: whether a peer's result for None is as ours.
    """
    workers: dict[str, Worker] = {}
    absent: dict[str, str] = {}
    try:
        for peer in peers:
            try:
                workers[peer.name] = _started(peer, case, turn, whats)
            except WorkerError as error:
                absent[peer.name] = str(error)
        ours = workers[peers[0].name]
        for name in [name for name in workers if not same(ours.result, workers[name].result)]:
            absent[name] = "failed: its results are not ours"
            workers.pop(name).stop()
        ways = {(name, what): partial(workers[name], what) for name in workers for what in whats}
        results = take_turns(ways, rounds)
        parts = {
            peer.name: Part(worker.seconds, worker.memory(), size(peer.file(case)))
            for peer in peers
            if (worker := workers.get(peer.name))
        }
    finally:
        for worker in workers.values():
            worker.stop()
    by_peer = {name: {what: results[name, what] for what in whats} for name in workers}
    return Contest(parts, absent, by_peer)


def _started(
    peer: Peer, case: Any, turn: Callable[[Any, Any], Work], whats: Sequence[Hashable]
) -> Worker:
    """Return the process of a peer that has done everything once, which allocates and compiles."""
    if why := peer.why_not(case):
        raise WorkerError(why)
    worker = Worker(turn, peer.load, case, first=None)
    try:
        for what in whats:
            worker(what)
    except WorkerError:
        worker.stop()
        raise
    return worker


def size(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.is_file())
