"""What a variant costs to run, in the words that lists, cards and galleries show."""

from collections.abc import Iterable
from typing import NamedTuple

from serving.bundle.records import Cost


class Words(NamedTuple):
    """A cost as people read it; what is unknown is empty."""

    speed: str
    memory: str
    load: str


def in_words(cost: Cost | None) -> Words:
    """Say what a cost is.

    Example:
        >>> in_words(Cost(hardware="2 cores", date="2026-11-25", memory=71_300_000, load=0.4123))
        Words(speed='', memory='71 MB', load='0.41 s')
        >>> in_words(None)
        Words(speed='', memory='', load='')
    """
    if cost is None:
        return Words("", "", "")
    return Words(
        speed=f"{_rounded(cost.speed.value)} {cost.speed.unit}" if cost.speed else "",
        memory="" if cost.memory is None else f"{_rounded(cost.memory / 1e6)} MB",
        load="" if cost.load is None else f"{cost.load:.2f} s",
    )


def circumstances(costs: Iterable[Cost]) -> list[str]:
    """Say how, where and when costs were measured, each of it once.

    Example:
        >>> circumstances([Cost(hardware="2 cores", date="2026-11-25", memory=1)] * 2)
        ['2 cores, 2026-11-25']
    """
    return list(dict.fromkeys(map(_circumstance, costs)))


def _circumstance(cost: Cost) -> str:
    where = f"{cost.hardware}, {cost.date}"
    if cost.speed is None:
        return where
    many = "" if cost.speed.threads == 1 else "s"
    threads = f"{cost.speed.threads} {cost.speed.device.upper()} thread{many}"
    return f"batch {cost.speed.batch}, {threads}, {where}"


def _rounded(value: float) -> str:
    """Return a number with what can be relied on of it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
