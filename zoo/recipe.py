"""Recipes: everything that makes a trained model, in one small TOML file."""

import tomllib
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import tomli_w
from pydantic import Field, model_validator

from serving import registry
from serving.bundle.adaptable import MOST_RANK
from serving.errors import UsageError, nearest
from serving.noise import SEED_LIMIT
from zoo.config import Config

if TYPE_CHECKING:
    import keras

    from zoo.task import Task

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Importance = Literal["taylor", "magnitude"]


class TrainConfig(Config):
    """The `[train]` table of a recipe.

    Args:
        epochs: parts of the run, after each of which the model is validated and saved.
        batch_size: examples per step, of all devices together.
        accumulate: equal parts of a batch, whose gradients are computed one after the other and
            averaged: less memory, the same result. Transformers only.
        steps_per_epoch: as many as go once through the data unless given.
        learning_rate: the highest, reached after `warmup_steps`.
        schedule: `cosine` falls to `final_learning_rate` times the highest at the last step.
        optimizer: `adam`, `adamw`, `muon` or `sgd` of Keras.
        beta_1, beta_2: decay of the moments of Adam; in `muon`, of its Adam.
        weight_decay: of `adamw` and `muon`, on kernels and embeddings, not on biases and gains.
        clip_norm: largest global norm of the gradient.
        ema: decay of the moving average of the weights, which is what ships; 0 for none.
        precision: a Keras dtype policy.
        jit_compile: compile the step with XLA.
        steps_per_execution: steps between two returns to Python.
        seed: of the weights, the order of the data and all noise.
        initial_weights: a finished run, a bundle, or a name of `genzoo list`, to go on from its
            weights instead of random ones.
        lora: rank of the change that is trained of some weights, all others staying as they are,
            see `zoo.training.lora`; 0 to train everything.
        lora_targets: names of the layers that are changed, or of what they lie in; those of a
            Transformer's attention unless given.
        lora_alpha: the change is scaled by `lora_alpha / lora`; not at all unless given.
        prune: make the model of the most important parts of the one in `initial_weights`, which is
            larger: `taylor` by what the loss would change without a part, `magnitude` by the norm
            of its weights. The `[model]` table says how many parts stay. Transformers only.
        teacher: a finished run, a bundle, or a name of `genzoo list`, to learn from besides the
            data: what it holds likely for each token (Hinton et al. 2015). Transformers only.
        teacher_weight: share of the teacher's part in the loss; 0.5 unless given.
        teacher_temperature: by which the logits of both are divided before they are compared; 2
            unless given.
    """

    epochs: Positive = 10
    batch_size: Positive = 100
    accumulate: Positive = 1
    steps_per_epoch: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "cosine"] = "cosine"
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    optimizer: Literal["adam", "adamw", "muon", "sgd"] = "adam"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    ema: Fraction = 0.999
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    jit_compile: bool = False
    steps_per_execution: Positive = 1
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0
    initial_weights: str | None = None
    lora: Annotated[int, Field(ge=0, le=MOST_RANK)] = 0
    lora_targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("project", "merge")
    lora_alpha: Annotated[float, Field(gt=0)] | None = None
    prune: Importance | None = None
    teacher: str | None = None
    teacher_weight: Annotated[float, Field(gt=0, le=1)] | None = None
    teacher_temperature: Annotated[float, Field(gt=0)] | None = None

    def places(self) -> dict[str, Path]:
        """Return where the runs or bundles lie that the weights and the teacher come from."""
        named = {"initial_weights": self.initial_weights, "teacher": self.teacher}
        paths = {key: Path(name).expanduser() for key, name in named.items() if name}
        return {
            key: path.absolute()
            for key, path in paths.items()
            if any((path / name).is_file() for name in ("recipe.toml", "bundle.json"))
        }

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide into accumulate {self.accumulate} "
                "equal parts; make batch_size a multiple of accumulate"
            )
        if self.weight_decay and self.optimizer not in ("adamw", "muon"):
            raise ValueError(
                f"weight_decay is of adamw and muon, and {self.optimizer} would ignore it; name "
                "one of those as the optimizer, or leave weight_decay out"
            )
        needs = {"prune": "initial_weights", "teacher_weight": "teacher"}
        for key, other in (needs | {"teacher_temperature": "teacher"}).items():
            if getattr(self, key) is not None and getattr(self, other) is None:
                raise ValueError(f"{key} goes with {other}; name a model there, or leave {key} out")
        if self.lora and not self.initial_weights:
            raise ValueError(
                f"lora {self.lora} is a change of weights that are there, and none are named; give "
                "--from or initial_weights, or leave lora out"
            )
        if self.lora and self.prune:
            raise ValueError(
                "lora changes the weights of a model as it is, and prune makes another one of "
                "them; train with prune first, and go on from that run with lora"
            )
        return self


class Recipe(Config):
    """A recipe: `[model]`, `[data]`, `[train]` and `[evaluate]`.

    `load` and `parse` return the recipe of the family that `model.family` names: a subclass, which
    says what the tables hold.

    Attributes:
        quick: what `--quick` changes.
        part: what the model that it trains is called among the parts of a bundle.
        earlier: parts that were trained before, and the keys that name their runs, such as
            `{"codes": "model.codes"}`; where a key has no value, there is no such part.

    Example:
        >>> recipe = Recipe.load("vae-digits", {"train.epochs": 3})
        >>> recipe.train.epochs
        3
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    summary: str
    train: TrainConfig = TrainConfig()

    quick: ClassVar[dict[str, Any]] = {"train.epochs": 2, "train.batch_size": 32}
    part: ClassVar[str] = "model"
    earlier: ClassVar[dict[str, str]] = {}

    def completed(self) -> Self:
        """Return the recipe with what it takes from the earlier runs it names; here nothing.

        Sizes that an earlier run decides are written down here, once, so that the model can be
        built again without it.
        """
        return self

    def with_parts(self, places: Mapping[str, str | Path]) -> Self:
        """Return the recipe with other places of the earlier runs, by the names of their parts."""
        keys = {self.earlier[part]: str(place) for part, place in places.items()}
        return self.changed(keys) if keys else self

    def kept_in(self, directory: Path) -> Self:
        """Return the recipe with what it takes from the directory of its own run; here nothing."""
        return self

    def sources(self) -> dict[str, str]:
        """Return the earlier runs that it names, by the names of their parts."""
        values, found = self.model_dump(), {}
        for part, key in self.earlier.items():
            table, _, name = key.partition(".")
            if values[table].get(name) is not None:
                found[part] = str(values[table][name])
        return found

    @abstractmethod
    def build(self) -> "keras.Model":
        """Make the model, untrained."""

    @abstractmethod
    def task(self) -> "Task":
        """Return what a training run asks of the family; the data set is read for it."""

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        """Refuse a family's recipe that lacks a method when it is defined, not when it is read."""
        super().__pydantic_init_subclass__(**settings)
        if missing := sorted(cls.__abstractmethods__):
            raise TypeError(f"recipe {cls.__name__} does not define {', '.join(missing)}")

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "") -> Self:
        """Validate plain values as the recipe of the family that they name.

        Raises:
            UsageError: there is no such family, or a key or value is not valid.
        """
        kind = _recipe_of(values, where) if cls is Recipe else cls
        return super(Recipe, kind).parse(values, where)

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        overrides: dict[str, Any] | None = None,
        *,
        quick: bool = False,
    ) -> Self:
        """Read a recipe.

        Args:
            name_or_path: a recipe of the zoo by name, or a `.toml` file.
            overrides: values by dotted key, such as `{"train.epochs": 5}`.
            quick: shrink the recipe to seconds, on the same code path. Overrides win.

        Raises:
            UsageError: there is no such recipe, or a key or value is not valid.
        """
        path = _find(name_or_path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"recipe {path} cannot be read: {error}") from None
        values.setdefault("name", path.stem)
        return cls._parse_changed(values, f"recipe {name_or_path}", overrides, quick)

    def changed(self, overrides: dict[str, Any], *, quick: bool = False) -> Self:
        """Return the recipe with other values; see `load`."""
        return self._parse_changed(
            self.model_dump(mode="json", exclude_none=True), f"recipe {self.name}", overrides, quick
        )

    @classmethod
    def _parse_changed(
        cls, values: dict[str, Any], where: str, overrides: dict[str, Any] | None, quick: bool
    ) -> Self:
        shrunk = _recipe_of(values, where).quick if quick else {}
        for key, value in {**shrunk, **(overrides or {})}.items():
            _set(values, key, value)
        return cls.parse(values, where)

    def to_toml(self) -> str:
        """Return the recipe as TOML, every value spelled out (unset ones left out)."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def names() -> list[str]:
    """Return the names of the recipes of the zoo and of installed packages."""
    return sorted(registry.recipes())


def _recipe_of(values: dict[str, Any], where: str) -> type[Recipe]:
    """Return the recipe class of the family that `[model]` names."""
    model = values.get("model")
    family = model.get("family") if isinstance(model, dict) else None
    known = registry.families()
    if family not in known:
        raise UsageError(
            f"{where}: key 'model.family' is {family!r}; expected one of {', '.join(known)}"
            f"{nearest(str(family), known)} (is the package that brings it installed?)"
        )
    found: type[Recipe] = registry.load(known[family], "recipe")
    return found


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UsageError(f"there is no recipe file {path}")
        return path
    known = names()
    if str(name_or_path) not in known:
        hint = nearest(str(name_or_path), known)
        raise UsageError(
            f"unknown recipe '{name_or_path}'{hint or '; the zoo has ' + ', '.join(known)} "
            "(or install the package that brings it, or give the path of a .toml file)"
        )
    return registry.recipes()[str(name_or_path)]


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Set `values["a"]["b"]` for the key `a.b`."""
    *tables, last = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"key '{key}': '{table}' is a value, not a table")
    values[last] = value
