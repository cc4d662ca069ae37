"""Several ways to do a thing take turns, so that a machine that slows down slows all of them."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Way = TypeVar("Way", bound=Hashable)
Result = TypeVar("Result")


def take_turns(ways: Mapping[Way, Callable[[], Result]], rounds: int) -> dict[Way, list[Result]]:
    """Return what each way returns in each round, one after the other."""
    results: dict[Way, list[Result]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            results[way].append(call())
    return results


def timed(ways: Mapping[Way, Callable[[], object]], rounds: int) -> dict[Way, list[float]]:
    """Return the seconds that each way takes in each round, one after the other."""
    return take_turns({way: _seconds_of(call) for way, call in ways.items()}, rounds)


def _seconds_of(call: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return seconds


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the median, lowest and highest of theirs over ours, round by round.

    Example:
        >>> ratios([1.0, 2.0, 1.0], [2.0, 2.0, 3.0])
        {'ratio': 2.0, 'lowest': 1.0, 'highest': 3.0}
    """
    found = [their / own for their, own in zip(theirs, ours, strict=True)]
    return {"ratio": statistics.median(found), "lowest": min(found), "highest": max(found)}
