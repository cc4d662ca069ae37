"""What `genzoo list` shows: the models of some kind, as rows of a table."""

from collections.abc import Mapping
from typing import get_args

from serving import catalogue, registry
from serving.bundle.records import Cost, Device
from serving.catalogue import Entry
from serving.catalogue.costs import circumstances, in_words
from serving.errors import UsageError, nearest

DEVICES = get_args(Device)


def choose(
    family: str | None = None,
    task: str | None = None,
    size: float | None = None,
    device: str | None = None,
    models: Mapping[str, Entry] | None = None,
) -> dict[str, Entry]:
    """Return the models that are asked for, by name.

    Args:
        family: none of another family.
        task: a part of the task's description.
        size: the most megabytes that the smallest variant may have.
        device: `cpu`, `cuda` or `web`; other variants than those that suit it are left out.
        models: to choose from; those of the catalogue unless given.

    Raises:
        UsageError: there is no such family or device.

    Example:
        >>> sorted(choose(task="text", size=2))
        ['gpt-shakespeare-nano', 'gpt-shakespeare-styles']
    """
    models = catalogue.models() if models is None else models
    families = {*registry.families(), *(entry.family for entry in models.values())}
    for given, known in ((family, families), (device, DEVICES)):
        if given is not None and given not in known:
            expected = ", ".join(sorted(known))
            raise UsageError(f"'{given}' is none of {expected}{nearest(given, known)}")
    chosen = {}
    for name, entry in models.items():
        entry = _for_device(entry, device)
        smallest = min(map(entry.size, entry.variants), default=None)
        if (
            smallest is not None
            and family in (None, entry.family)
            and (task is None or task.lower() in entry.task.lower())
            and (size is None or smallest <= size * 1e6)
        ):
            chosen[name] = entry
    return chosen


def _for_device(entry: Entry, device: str | None) -> Entry:
    if device is None:
        return entry
    variants = {
        name: graphs
        for name, graphs in entry.variants.items()
        if device in entry.devices.get(name, [])
    }
    costs = {name: entry.costs[name] for name in variants if name in entry.costs}
    return entry.model_copy(update={"variants": variants, "costs": costs})


def rows(entries: dict[str, Entry]) -> list[tuple[str, ...]]:
    """Return a heading and one row for each model, with speed and memory if any were measured.

    Example:
        >>> from serving.catalogue import models
        >>> [row[0] for row in rows(models())][:2]
        ['name', 'cgan-mnist']
    """
    measured = any(map(_cost, entries.values()))
    head = ("name", "family", "task", "data set", "size")
    costs, tail = ("speed", "memory") if measured else (), ("metric", "variants", "licence")
    table = [(*head, *costs, *tail)]
    for name, entry in entries.items():
        metric = entry.metric
        shown = f"{metric.name} {metric.value:.4g} {metric.unit}".strip() if metric else ""
        size = f"{entry.size(next(iter(entry.variants))) / 1e6:.1f} MB"
        costs = in_words(_cost(entry))[:2] if measured else ()
        variants = ", ".join(entry.variants)
        head = (name, entry.family, entry.task, entry.dataset, size)
        table.append((*head, *costs, shown, variants, entry.license))
    return table


def measured_with(entries: dict[str, Entry]) -> list[str]:
    """Return lines that say with what speed and memory were measured, and which models', if apart.

    Example:
        >>> measured_with({})
        []
    """
    names: dict[str, list[str]] = {}
    for name, entry in entries.items():
        for words in circumstances([cost] if (cost := _cost(entry)) else []):
            names.setdefault(words, []).append(name)
    if len(names) == 1:
        return [f"speed and memory: {words}" for words in names]
    return [f"speed and memory of {', '.join(group)}: {words}" for words, group in names.items()]


def _cost(entry: Entry) -> Cost | None:
    """Return the cost of the variant whose size is shown."""
    return entry.costs.get(next(iter(entry.variants)))
