"""A report as people read it: facts in words, and faults in a table."""

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.inspection.report import FAULTS, Finding, Report

MOST_COUNTS = 8  # of a fact that are told; the page and the JSON have all
COUNTED = {"images": "pictures", "text": "texts", "notes": "pieces"}
HEAD = ("fault", "cases", "--clean", "for example")
SHORT = 88  # characters of an example


def summary(report: Report) -> str:
    """Return how much of what was looked at, in one line."""
    broken = report.count - len(report.items)
    lost = f", {broken:,} of which cannot be read" if broken else ""
    counted = COUNTED[report.kind] if not broken else "files"
    return f"{report.kind}, {report.count:,} {counted}{lost}"


def facts(report: Report, most: int = MOST_COUNTS) -> Iterator[tuple[str, str]]:
    """Yield the facts, in words."""
    for name, value in report.facts.items():
        yield name.replace("_", " "), in_words(value, most)


def in_words(value: Any, most: int) -> str:
    """Return a fact in words.

    Example:
        >>> in_words({"cat": 1200, "dog": 3, "cow": 1}, 2), in_words([0.5, 0.25], 2)
        ('cat 1,200, dog 3, and 1 more', '0.5, 0.25')
    """
    if isinstance(value, Mapping):
        told = [f"{name} {_number(held)}" for name, held in list(value.items())[:most]]
        more = len(value) - len(told)
        return ", ".join([*told, f"and {more:,} more"] if more else told)
    return ", ".join(map(_number, value)) if isinstance(value, list) else _number(value)


def _number(value: float | int) -> str:
    is_long = value == int(value) or abs(value) >= 1000
    return f"{value:,.0f}" if is_long else f"{value:.4g}"


def table(report: Report) -> list[tuple[str, ...]]:
    """Return the faults as rows of cells, with a head; nothing where there are none."""
    rows = [
        (FAULTS[name].title, f"{len(findings):,}", FAULTS[name].remedy, example(findings[0]))
        for name, findings in report.by_fault().items()
    ]
    return [HEAD, *rows] if rows else []


def example(finding: Finding) -> str:
    """Return a finding in one line."""
    first = finding.files[-1] if finding.dropped else finding.files[0]
    of_class = finding.fault in ("rare_class", "missing_class")
    text = " ".join((finding.words if of_class else f"{first}: {finding.words}").split())
    return text if len(text) <= SHORT else text[: SHORT - 3] + "..."
