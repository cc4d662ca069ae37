"""The house as it stands: wings, rooms, and the arrows between them, read from the imports.

`python -m tests.house` prints every arrow, and what breaks the law: an arrow from a wing to a later
one, a circle of rooms, a folder or a file that is too large.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
WINGS = ("serving", "zoo", "export")  # in the order of the law
MOST_FILES, MOST_LINES = 14, 350

Arrows = dict[str, set[str]]


def imports(package: str) -> Iterator[tuple[Path, str]]:
    """Yield every module that the files of a package import, at the top or inside functions."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield path, f"{node.module}.{alias.name}"


def room_of(path: Path) -> str:
    """Return the room of a file: its folder in the wing, or itself where it lies in none."""
    wing, *inner = path.relative_to(ROOT).with_suffix("").parts
    return f"{wing}.{inner[0]}" if inner != ["__init__"] else wing


def room_of_module(module: str) -> str | None:
    """Return the room of a module of ours; None of any other, and of names of a whole wing."""
    wing, _, rest = module.partition(".")
    if wing not in WINGS:
        return None
    first = rest.partition(".")[0]
    found = (ROOT / wing / first).is_dir() or (ROOT / wing / f"{first}.py").is_file()
    return f"{wing}.{first}" if first and found else wing


def arrows() -> Arrows:
    """Return which rooms each room imports, itself left out."""
    found: Arrows = defaultdict(set)
    for wing in WINGS:
        for path, module in imports(wing):
            here, there = room_of(path), room_of_module(module)
            if there is not None and there != here:
                found[here].add(there)
    return found


def upward(found: Arrows) -> list[str]:
    """Return the arrows from a wing to a later one."""
    order = {wing: index for index, wing in enumerate(WINGS)}
    return [
        f"{here} -> {there}"
        for here, targets in sorted(found.items())
        for there in sorted(targets)
        if order[there.split(".")[0]] > order[here.split(".")[0]]
    ]


def circle(found: Arrows) -> list[str]:
    """Return the rooms of one circle, the first again at the end; nothing where there is none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *WINGS, "tests"], cwd=ROOT, capture_output=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def crowded() -> list[str]:
    """Return the folders of code with more files than one can see at a glance."""
    counts: dict[Path, int] = defaultdict(int)
    for path in _tracked():
        if path.suffix == ".py" and path.name != "__init__.py":
            counts[path.parent] += 1
    return [
        f"{folder.relative_to(ROOT)}: {count} files"
        for folder, count in sorted(counts.items())
        if count > MOST_FILES
    ]


def long_files() -> list[str]:
    """Return the files with more lines than one reads in one go and no reason in their head."""
    found = []
    for path in _tracked():
        if path.suffix != ".py":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        reasoned = any(line.startswith("Long because ") for line in lines[:20])
        if len(lines) > MOST_LINES and not reasoned:
            found.append(f"{path.relative_to(ROOT)}: {len(lines)} lines")
    return found


def faults(found: Arrows) -> list[str]:
    """Return what breaks the law."""
    rooms = circle(found)
    return [
        *(f"up: {arrow}" for arrow in upward(found)),
        *([f"circle: {' -> '.join(rooms)}"] if rooms else []),
        *crowded(),
        *long_files(),
    ]


def main() -> int:
    """Print the arrows and what breaks the law; return how many things do."""
    found = arrows()
    for here, targets in sorted(found.items()):
        print(f"{here} -> {', '.join(sorted(targets))}")
    wrong = faults(found)
    print(f"{sum(map(len, found.values()))} arrows between rooms, {len(wrong)} against the law")
    for fault in wrong:
        print(f"  {fault}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(bool(main()))
