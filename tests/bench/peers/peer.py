"""Who is compared with whom, and how they are brought together."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.bench.turns import take_turns
from tests.bench.worker import Work, Worker, WorkerError

MEGABYTE = 1e6
DEVICES = ("cpu", "cuda")


def unlike(ours: Any, theirs: Any) -> bool:
    """Judge a peer that is meant to give something else than ours, such as pixels."""
    return True


@dataclass(frozen=True)
class Peer:
    """A way to do what this package does, with the same weights.

    Attributes:
        name: what it is called in the tables.
        module: what must be installed.
        install: how that is done.
        load: takes a case, and returns what does the work; called in a process of its own.
        file: takes a case, and returns the file or the folder that it reads.
        agrees: takes our result and its own, and tells whether they are the same.
        unfit: takes a case, and returns why this peer cannot do it, or nothing.
        compiled: whether it compiles for long before it begins.
        devices: that it runs on, of DEVICES.
    """

    name: str
    module: str
    install: str
    load: Callable[[Any], Any]
    file: Callable[[Any], Path]
    agrees: Callable[[Any, Any], bool]
    unfit: Callable[[Any], str] = lambda case: ""
    compiled: bool = False
    devices: tuple[str, ...] = DEVICES[:1]

    def why_not(self, case: Any) -> str:
        """Return why it takes no part, or nothing."""
        if find_spec(self.module) is None:
            return f"{self.module} is not installed: {self.install}"
        return self.unfit(case)


@dataclass(frozen=True)
class Part:
    """What a peer's process was found to be.

    Attributes:
        load_seconds: from nothing but Python to the first result.
        memory_megabytes: the most that it has held.
        file_megabytes: of what it reads.
    """

    load_seconds: float
    memory_megabytes: float
    file_megabytes: float


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
) -> Contest:
    """Let peers do the same things in turns.

    Args:
        peers: the first is ours.
        case: what they load.
        turn: takes `peer.load` and the case, and returns what takes each of `whats` and measures.
            Given None, it returns a result that all must agree in.
        whats: what each does in each round.
        rounds: how many.
    """
    workers: dict[str, Worker] = {}
    absent: dict[str, str] = {}
    try:
        for peer in peers:
            try:
                workers[peer.name] = _started(peer, case, turn, whats)
            except WorkerError as error:
                absent[peer.name] = str(error)
        if peers[0].name not in workers:
            raise SystemExit(f"{peers[0].name} does not run: {absent[peers[0].name]}")
        _send_home_who_disagrees(peers, workers, absent)
        ways = {(name, what): partial(workers[name], what) for name in workers for what in whats}
        results = take_turns(ways, rounds)
        parts = {
            peer.name: Part(
                worker.seconds, worker.memory() / MEGABYTE, size(peer.file(case)) / MEGABYTE
            )
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


def _send_home_who_disagrees(
    peers: Sequence[Peer], workers: dict[str, Worker], absent: dict[str, str]
) -> None:
    """Move those whose results are not ours, and so mean nothing, to the absent."""
    ours = workers[peers[0].name].result
    for peer in peers:
        worker = workers.get(peer.name)
        if worker and not peer.agrees(ours, worker.result):
            absent[peer.name] = "its results are not ours"
            workers.pop(peer.name).stop()


def size(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.is_file())
