"""Strict configuration: an unknown key or a wrong type is an error that names the key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from serving.errors import UsageError, nearest


class Config(BaseModel):
    """Base of every configuration of the zoo: immutable, no unknown keys, no silent conversions.

    Attributes:
        later: keys that came after models of such a configuration were made. They are left out of
            what is written where they say nothing new, so that recipes of models that do not need
            them read, and weigh, what they did before.

    Example:
        >>> class Optics(Config):
        ...     aperture: float = 2.8
        >>> Optics.parse({"aperture": 4.0}).aperture
        4.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        unset = {key for key in self.later if getattr(self, key) == fields[key].default}
        return {key: value for key, value in handler(self).items() if key not in unset}

    def places(self) -> dict[str, Path]:
        """Return, by dotted key, the absolute paths of what the values name by a path."""
        tables = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {
            f"{name}.{key}": path
            for name, table in tables
            if isinstance(table, Config)
            for key, path in table.places().items()
        }

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "") -> Self:
        """Validate plain values.

        Args:
            values: as read from TOML, JSON or keyword arguments.
            where: what the values are, to open the error message with.

        Raises:
            UsageError: naming the first bad key, what was expected, and the nearest valid key.
        """
        try:
            # JSON, because a list is then a fine tuple while a string is still no number.
            return cls.model_validate_json(json.dumps(values, default=str), strict=True)
        except ValidationError as error:
            raise UsageError(f"{where}{': ' if where else ''}{_explain(cls, error)}") from None


def _explain(config: type[BaseModel], error: ValidationError) -> str:
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        known = sorted(_keys(config))
        hint = nearest(key, known) or f"; known keys: {', '.join(known)}"
        return f"unknown key '{path}'{hint}"
    if problem["type"] == "missing":
        return f"key '{path}' is missing"
    if problem["type"] == "value_error":
        return f"{path + ': ' if path else ''}{problem['ctx']['error']}"
    return f"key '{path}' is {problem['input']!r}; {problem['msg'].replace('Input', 'it')}"


def _keys(config: type[BaseModel]) -> Iterator[str]:
    for name, field in config.model_fields.items():
        yield name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind)
