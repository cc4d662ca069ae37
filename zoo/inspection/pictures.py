"""What a set of pictures holds: how they differ, which are there twice, and which are broken."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from serving.errors import UsageError
from zoo.data.photographs import as_trained, opened
from zoo.inspection.alike import groups
from zoo.inspection.layout import Item, counts, faults_of_classes, faults_of_names
from zoo.inspection.looks import Look, look_at
from zoo.inspection.report import Finding, Report, Samples, in_order

MOST_WORKERS = 8
SHOWN_SIDE = 160  # pixels of a picture in a report, at most


def inspect_folder(name: str, root: Path, items: Sequence[Item]) -> Report:
    """Look at every file of a folder of pictures."""
    limit = Image.MAX_IMAGE_PIXELS
    # It is a variable of the whole process, which each reader sets and puts back: one that is done
    # would put it back under another that is not.
    Image.MAX_IMAGE_PIXELS = None
    try:
        # Pillow decodes without the interpreter's lock. Few, as a picture may take 1 GB.
        with ThreadPoolExecutor(min(MOST_WORKERS, os.cpu_count() or 1)) as workers:
            found = workers.map(lambda item: look_at(root, item), items)
            looks = list(tqdm(found, total=len(items), unit=" files", disable=None, leave=False))
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    names = faults_of_names(item.name for item in items)
    return report(name, looks, lambda names: {each: read(root / each) for each in names}, names)


def read(path: Path) -> np.ndarray:
    """Return a picture for a page: uint8 `(H, W, 3)`, made smaller where it is large."""
    with opened(path) as image:
        image.draft(None, (2 * SHOWN_SIDE, 2 * SHOWN_SIDE))
        return shown(as_trained(image))


def shown(image: Image.Image) -> np.ndarray:
    """Return pixels `(H, W, 3)` uint8 of which no side is longer than `SHOWN_SIDE`."""
    image = image.convert("RGB")
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return np.asarray(image)


def report(
    name: str, looks: Sequence[Look], samples: Samples, names: Iterator[Finding] | tuple = ()
) -> Report:
    """Return what is to be said of looks at all pictures.

    Args:
        name: of the data.
        looks: one for each file.
        samples: see `Report`.
        names: findings about names.

    Raises:
        UsageError: not one is a picture.
    """
    readable = [look for look in looks if look.small is not None]
    if not readable:
        first = next((look.findings[0] for look in looks), None)
        hint = f"; {first.files[0]}: {first.words}" if first else ""
        raise UsageError(f"{name} has no picture that can be read, of {len(looks)}{hint}")
    items = [look.item for look in looks]
    findings = [
        *(finding for look in looks for finding in look.findings),
        *names,
        *_copies([look for look in looks if look.is_good]),
        *faults_of_classes(items, [look.item for look in readable]),
    ]
    facts = counts([look.item for look in readable]) | _facts(readable)
    order = tuple(look.item.name for look in readable)
    return Report(name, "images", len(looks), facts, in_order(findings), order, samples)


def _facts(looks: Sequence[Look]) -> dict[str, Any]:
    """Return what readable pictures have in common and where they differ."""
    sizes = np.array([look.size for look in looks])  # (N, 2)
    mean = np.mean([look.mean for look in looks], axis=0)
    spread = np.sqrt(np.maximum(np.mean([look.square for look in looks], axis=0) - mean**2, 0))
    common = Counter(f"{width}x{height}" for width, height in sizes.tolist())
    sides = {"width": sizes[:, 0], "height": sizes[:, 1]}
    is_grey = all(len(set(look.mean)) == 1 for look in looks)
    formats = Counter(look.format for look in looks if look.format)
    return {
        **({"formats": dict(formats.most_common())} if formats else {}),
        "modes": dict(Counter(look.mode for look in looks).most_common()),
        "sizes": dict(common.most_common()),
        **{
            side: {
                "least": int(values.min()),
                "median": float(np.median(values)),
                "most": int(values.max()),
            }
            for side, values in sides.items()
            if values.min() < values.max()
        },
        # Every picture counts the same, however large.
        "mean": [round(float(value), 4) for value in mean[: 1 if is_grey else 3]],
        "spread": [round(float(value), 4) for value in spread[: 1 if is_grey else 3]],
    }


def _copies(looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield pictures that are there twice: first the same bytes, then those that look the same."""
    order = sorted(looks, key=lambda each: (each.item.rank, -np.prod(each.size), each.item.name))
    same = defaultdict(list)
    for look in order:
        same[look.digest].append(look.item)
    sure, different = [], []
    for look in order:
        copies = same.pop(look.digest, [])
        if len(copies) > 1:
            sure.append(copied("duplicate", copies, f"the same bytes as {copies[0].name}"))
        if copies and not (len(copies) > 1 and sure[-1].fault == "two_classes"):
            different.append(look)
    yield from sure
    small = np.array([look.small for look in different])
    tints = np.array([look.tint for look in different])
    for group in groups(small, tints) if len(different) > 1 else []:
        copies = [different[index].item for index in group]
        yield copied("near_duplicate", copies, f"looks like {copies[0].name}")


def copied(fault: str, items: Sequence[Item], words: str) -> Finding:
    """Return the finding that items are copies of the first.

    Of copies in two splits the one that is tested on stays, as figures of before depend on it; of
    copies in two classes none does, as nobody knows which class is right.
    """
    names = tuple(item.name for item in items)
    labels = sorted({item.label for item in items if item.label is not None})
    splits = sorted({item.split for item in items if item.split is not None})
    if len(labels) > 1:
        told = f"is in {' and '.join(labels)}: {', '.join(names[:3])}"
        return Finding("two_classes", names, told, names)
    if len(splits) > 1:
        return Finding("across_splits", names, f"{words}, in {' and '.join(splits)}", names[1:])
    return Finding(fault, names, words, names[1:])
