"""Recipes: everything that makes a trained model, in one small TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, model_validator

from zoo.config import Config
from zoo.data.images import ImagesConfig
from zoo.errors import UsageError, nearest
from zoo.evaluation.config import EvaluateConfig
from zoo.noise import SEED_LIMIT
from zoo.vae.config import VAEConfig

RECIPES = Path(__file__).parent / "recipes"
QUICK = {
    "train.epochs": 2,
    "train.batch_size": 32,
    "data.limit": 256,
    "data.validation": 64,
    "evaluate.limit": 64,
    "evaluate.importance_samples": 16,
}

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class TrainConfig(Config):
    """The `[train]` table of a recipe.

    Args:
        epochs: passes over the training images.
        batch_size: images per step, of all devices together.
        learning_rate: the highest, reached after `warmup_steps`.
        schedule: `cosine` falls to `final_learning_rate` times the highest at the last step.
        optimizer: `adam`, `adamw`, `muon` or `sgd` of Keras.
        beta_2: decay of the second moment of Adam.
        weight_decay: of `adamw` and `muon`, on kernels only.
        clip_norm: largest global norm of the gradient.
        ema: decay of the moving average of the weights, which is what ships; 0 for none.
        precision: a Keras dtype policy.
        jit_compile: compile the step with XLA.
        steps_per_execution: steps between two returns to Python.
        seed: of the weights, the order of the data and all noise.
        initial_weights: a finished run, a bundle, or a name of `genzoo list`, to go on from its
            weights instead of random ones.
    """

    epochs: Positive = 10
    batch_size: Positive = 100
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "cosine"] = "cosine"
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    optimizer: Literal["adam", "adamw", "muon", "sgd"] = "adam"
    beta_2: Fraction = 0.999
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    ema: Fraction = 0.999
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    jit_compile: bool = False
    steps_per_execution: Positive = 1
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0
    initial_weights: str | None = None


class Recipe(Config):
    """A recipe: `[model]`, `[data]`, `[train]` and `[evaluate]`.

    Example:
        >>> recipe = Recipe.load("vae-digits", {"train.epochs": 3})
        >>> recipe.train.epochs
        3
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    summary: str
    model: VAEConfig
    data: ImagesConfig
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.model.likelihood == "bernoulli" and not self.data.binarize:
            raise ValueError(
                "a Bernoulli likelihood is one of binary images; set data.binarize=true, or "
                "model.likelihood=discretized_logistic for grey levels and colours"
            )
        return self

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
        for key, value in ({**QUICK, **(overrides or {})} if quick else overrides or {}).items():
            _set(values, key, value)
        return cls.parse(values, f"recipe {name_or_path}")

    def to_toml(self) -> str:
        """Return the recipe as TOML, every value spelled out (unset ones left out)."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def names() -> list[str]:
    """Return the names of the zoo's own recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


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
            "(or give the path of a .toml file)"
        )
    return RECIPES / f"{name_or_path}.toml"


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Set `values["a"]["b"]` for the key `a.b`."""
    *tables, last = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"key '{key}': '{table}' is a value, not a table")
    values[last] = value
