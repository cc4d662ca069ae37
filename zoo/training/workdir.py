"""The work directory of a run: what is in it, and where."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.errors import UsageError
from serving.files import replacing, sweep
from zoo.recipe import Recipe


class WorkDir:
    """Names of the files of a run.

    Args:
        path: the directory; it need not exist yet.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.state = self.path / "state.npz"
        self.best_weights = self.path / "best.weights.h5"
        self.last_weights = self.path / "last.weights.h5"
        self.best_adapter = self.path / "best.adapter.npz"
        self.blocks = self.path / "blocks.safetensors"  # matrices that came in few bits
        self.history = self.path / "history.csv"
        self.record = self.path / "training.json"
        self.metrics = self.path / "metrics.json"
        self.samples = self.path / "samples"
        self.logs = self.path / "logs"

    def part(self, name: str) -> Path:
        """Return where the earlier run is kept that is a part of this one."""
        return self.path / "parts" / name

    def check(self, recipe: Recipe, *, resume: bool) -> None:
        """Make sure that the directory is free for a run of `recipe`, or holds it.

        Raises:
            UsageError: it holds something else, or a run that nobody asked to resume.
        """
        if not self.recipe.is_file():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise UsageError(
                    f"{self.path} holds something else than a run; give a new directory"
                )
            return
        if not resume:
            raise UsageError(
                f"{self.path} holds a run; resume it (--resume) or give a new directory"
            )
        found = Recipe.load(self.recipe)
        if "data.name" in found.places().keys() & recipe.places().keys():
            # One's own data may lie elsewhere now; what is in them is compared, not their place.
            found = found.changed({"data.name": recipe.data.name})
        if found != recipe:
            raise UsageError(
                f"{self.path} was made by another recipe ({_difference(found, recipe)}); "
                "resume with the same recipe and overrides, or give a new directory"
            )

    def claim(self, recipe: Recipe) -> None:
        """Make the directory that of a run of `recipe`, without what a killed process has left."""
        with replacing(self.recipe) as temporary:
            temporary.write_text(recipe.to_toml(), encoding="utf-8")
        self.samples.mkdir(exist_ok=True)
        for folder in (self.path, self.samples):
            sweep(folder)

    def forget_epochs(self, first: int) -> None:
        """Take out of the history the epochs from `first` on, which are not in the saved state.

        A run that is killed may have written them, or a part of a line, before it could save it.
        """
        if not self.history.is_file():
            return
        with self.history.open(newline="", encoding="utf-8") as file:
            header, *rows = file.read().splitlines(keepends=True) or [""]
        whole = [row for row in rows if row.endswith("\n") and row.count(",") == header.count(",")]
        done = [row for row in whole if int(row.split(",")[0]) < first]
        if done != rows:
            with replacing(self.history) as temporary:
                temporary.write_text("".join([header, *done]), encoding="utf-8", newline="")

    def read_recipe(self) -> Recipe:
        """Return the recipe of the run, with the paths of what it names as they were then.

        A path that leads nowhere any more stays as it was given, relative to the current folder.

        Raises:
            UsageError: the directory holds no run.
        """
        if not self.recipe.is_file():
            raise UsageError(f"{self.path} is not a work directory: it has no {self.recipe.name}")
        recipe = Recipe.load(self.recipe)
        places = {}
        with suppress(ValueError):  # a damaged record is missed where more than this is read of it
            places = self.read_record().get("places", {})
        return recipe.changed({key: at for key, at in places.items() if Path(at).exists()})

    def read_record(self) -> dict[str, Any]:
        """Return what is known of the run (seconds, steps, packages); at first nothing is."""
        return json.loads(self.record.read_text()) if self.record.is_file() else {}

    def write_record(self, record: dict[str, Any]) -> None:
        """Write what is known of the run."""
        with replacing(self.record) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _difference(found: Recipe, asked: Recipe) -> str:
    """Name the first key in which two recipes differ."""
    before, after = _flat(found.model_dump()), _flat(asked.model_dump())
    key = next(key for key in {**before, **after} if before.get(key) != after.get(key))
    return f"{key} was {before.get(key)!r} and is now {after.get(key)!r}"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
