"""How a text is sampled: numbers that shape what is drawn, and what the text must follow."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Annotated, Any, get_type_hints

from serving.errors import UsageError, nearest
from serving.noise import SEED_LIMIT, checked_seed
from serving.numbers import real, shown, whole
from serving.parameters import Parameter, declared_parameter

FOLLOWED = ("json_schema", "regex", "grammar")
BIAS_LIMIT = 1e4  # large enough to forbid or to force a token


@dataclass(frozen=True)
class SamplingConfig:
    """How one text is sampled. Applied in this order, each to what the one before has left.

    Args:
        logit_bias: added to the logits of these tokens.
        repetition_penalty: divides the positive logits of tokens that the prompt or the text has,
            and multiplies the negative ones (Keskar et al. 2019, arXiv:1909.05858); 1 for none.
        frequency_penalty: taken from a token's logit for each time that the new text has it.
        presence_penalty: taken once from the logit of each token that the new text has.
        temperature: divides the logits; 0 always takes the likeliest token.
        top_k: keep this many of the likeliest tokens; None for all.
        top_p: keep the likeliest tokens that together reach this probability (Holtzman et al. 2020,
            arXiv:1904.09751).
        min_p: keep tokens at least this likely, relative to the likeliest (Nguyen et al. 2024,
            arXiv:2407.01082).
        json_schema, regex, grammar: what the whole text follows, one of the three, see
            `serving.text.constraints`: a JSON schema, as it is or as text; a regular expression; a
            grammar in Lark's notation. Of all logits only those of tokens that may come next are
            looked at, and the filters above choose among these.

    Raises:
        UsageError: a value out of its range, or several things to follow.

    Example:
        >>> SamplingConfig(temperature=0.8, top_k=40).top_p
        1.0
    """

    temperature: Annotated[
        float, Parameter("0 takes the likeliest token", minimum=0, each=True, example=0.8)
    ] = 1.0
    top_k: Annotated[
        int | None,
        Parameter(
            "draw from so many tokens",
            minimum=1,
            maximum=lambda model: model.vocabulary_size,
            each=True,
        ),
    ] = None
    top_p: Annotated[
        float,
        Parameter("draw from the likeliest that reach this share", above=0, maximum=1, each=True),
    ] = 1.0
    min_p: Annotated[
        float,
        Parameter("leave out what is less likely, beside the likeliest", minimum=0, maximum=1,
                  each=True),
    ] = 0.0  # fmt: skip
    repetition_penalty: Annotated[
        float, Parameter("of tokens that are there already; 1 for none", above=0, each=True)
    ] = 1.0
    frequency_penalty: Annotated[
        float,
        Parameter("for each time that a token was drawn", minimum=-100, maximum=100, each=True),
    ] = 0.0
    presence_penalty: Annotated[
        float, Parameter("once a token was drawn", minimum=-100, maximum=100, each=True)
    ] = 0.0
    logit_bias: Annotated[
        Mapping[int, float], Parameter("added to the logits of these tokens", each=True)
    ] = field(default_factory=dict)
    json_schema: Annotated[
        Mapping[str, Any] | str | None,
        Parameter("a JSON schema that the text follows", kind="json", each=True, file=True),
    ] = None
    regex: Annotated[
        str | None, Parameter("a regular expression that the text matches", each=True)
    ] = None
    grammar: Annotated[
        str | None,
        Parameter("a grammar in Lark's notation that the text follows", each=True, file=True),
    ] = None

    def __post_init__(self) -> None:
        checked = {name: each.check(getattr(self, name)) for name, each in _checks().items()}
        followed = [name for name in FOLLOWED if checked[name] is not None]
        if len(followed) > 1:
            raise UsageError(f"{' and '.join(followed)} are given; a text follows one of them")
        if not isinstance(self.logit_bias, Mapping):
            biases = shown(self.logit_bias)
            raise UsageError(f"logit_bias is {biases}; expected numbers by token id")
        checked["logit_bias"] = {
            _token(key): real(bias, f"logit_bias of token {shown(key)}", -BIAS_LIMIT, BIAS_LIMIT)
            for key, bias in self.logit_bias.items()
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the dataclass is frozen

    def check_vocabulary(self, size: int) -> None:
        """Raise UsageError where top_k or logit_bias name more tokens than the model has."""
        if self.top_k is not None:
            whole(self.top_k, "top_k", 1, size, also=", the vocabulary, or None")
        for token in self.logit_bias:
            if token >= size:
                raise UsageError(f"a token of logit_bias is {token}; expected 0 to {size - 1}")


SETTINGS = tuple(setting.name for setting in fields(SamplingConfig))


def sampling_configs(settings: dict[str, Any], count: int) -> list[SamplingConfig]:
    """Return the sampling of each of `count` texts, from values for all or lists of one for each.

    Raises:
        UsageError: an unknown setting, a list of another length, or a value out of range.

    Example:
        >>> [config.top_k for config in sampling_configs({"temperature": 0.5, "top_k": [1, 2]}, 2)]
        [1, 2]
    """
    for name in settings:
        if name not in SETTINGS:
            hint = nearest(name, SETTINGS) or f"; there are {', '.join(SETTINGS)}"
            raise UsageError(f"unknown option '{name}'{hint}")
    columns = {name: for_each(value, count, name) for name, value in settings.items()}
    return [
        SamplingConfig(**{name: values[row] for name, values in columns.items()})
        for row in range(count)
    ]


def checked_seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    """Return a seed for each of `count` texts: the one given, one for each, or fresh ones."""
    if seed is None:
        return [secrets.randbelow(SEED_LIMIT) for _ in range(count)]
    return [checked_seed(each) for each in for_each(seed, count, "seed")]


def rows_of_each(
    prompt: Any, n: int, seed: int | Sequence[int] | None
) -> tuple[list[tuple[Any, int]], list[int]]:
    """Return prompt and seed of each of `n` texts of each prompt, and the first seeds."""
    prompts = list(prompt) if is_list(prompt) else [prompt]
    first = checked_seeds(seed, len(prompts))
    rows = [
        (text, (start + at) % SEED_LIMIT)
        for text, start in zip(prompts, first, strict=True)
        for at in range(n)
    ]
    return rows, first


def for_each(value: Any, count: int, name: str) -> Sequence[Any]:
    """Return a value for each of `count` prompts: the one given, or one of each.

    Raises:
        UsageError: there are others than as many.
    """
    if not is_list(value):
        return [value] * count
    if len(value) != count:
        raise UsageError(f"{name} has {len(value)} values for {count} prompts; expected as many")
    return list(value)


def is_list(value: object) -> bool:
    """Tell several values from one: a list, or an array or column with one axis."""
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1


@cache
def _checks() -> dict[str, Parameter]:
    """Return how each field of a `SamplingConfig` but `logit_bias` is checked, of any model."""
    hints = get_type_hints(SamplingConfig, include_extras=True)
    found = {}
    for name in (each.name for each in fields(SamplingConfig) if each.name != "logit_bias"):
        declared = declared_parameter(name, hints[name], getattr(SamplingConfig, name))
        most = None if callable(declared.maximum) else declared.maximum
        found[name] = replace(declared, each=False, maximum=most)
    return found


def _token(key: Any) -> int:
    """Return a key of `logit_bias` as the id of a token; in JSON it is text."""
    if isinstance(key, str) and key.isascii() and key.isdigit():
        key = int(key[:20])
    return whole(key, "a token of logit_bias", 0)
