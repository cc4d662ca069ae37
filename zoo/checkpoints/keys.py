"""The keys of a `config.json`, of which each must be understood or known to change nothing."""

from collections.abc import Iterable, Mapping, Set
from typing import Any, Self

from serving.errors import nearest
from zoo.checkpoints.checkpoint import CheckpointError

# Keys that say how a model is run, trained or stored, not what it computes.
_WITHOUT_EFFECT = """
    _attn_implementation _attn_implementation_autoset _from_model_config _name_or_path _num_labels
    architectures attention_dropout bos_token_id chunk_size_feed_forward dtype eos_token_id
    finetuning_task id2label initializer_range is_decoder is_llama_config label2id model_type
    output_attentions output_hidden_states pad_token_id pretraining_tp problem_type return_dict
    return_dict_in_generate task_specific_params torch_dtype transformers.js_config
    transformers_version unsloth_fixed unsloth_version use_cache
"""
WITHOUT_EFFECT = frozenset(_WITHOUT_EFFECT.split())


class Keys:
    """What `config.json` says, key by key; what nobody asked for in the end is an error.

    Args:
        values: by key.
        model_type: of the architecture, for errors.
        prefix: of the keys of a table within, as `rope_scaling.`.

    Example:
        >>> keys = Keys({"hidden_size": 64, "logit_scale": 2.0}, "llama")
        >>> keys.number("hidden_size")
        64
        >>> keys.finish()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        zoo.checkpoints.checkpoint.CheckpointError: config.json: key 'logit_scale' is 2.0, which...
    """

    def __init__(self, values: Mapping[str, Any], model_type: str, prefix: str = ""):
        self._values, self.model_type, self._prefix = values, model_type, prefix
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value of any kind, `default` where there is none; null is a value too."""
        self._asked.add(key)
        return self._values.get(key, default)

    def number(self, key: str, default: int | None = None, least: int = 1) -> int:
        """Return a whole number.

        Args:
            key: of it.
            default: where there is none; None where there must be one.
            least: that makes sense.
        """
        value = self._needed(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(key, value, f"expected a whole number from {least} up")
        return value

    def real(self, key: str, default: float | None = None) -> float:
        """Return a number greater than 0; see `number`."""
        value = self._needed(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e30:
            raise self.error(key, value, "expected a number greater than 0")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false; null is as if it were not there."""
        value = self._needed(key, default)
        if not isinstance(value, bool):
            raise self.error(key, value, "expected true or false")
        return value

    def only(self, key: str, *known: Any) -> Any:
        """Return a value, the first that is known where there is none; any other is an error."""
        value = self._needed(key, known[0])
        if not any(type(value) is type(each) and value == each for each in known):
            raise self.error(key, value, f"expected {' or '.join(map(repr, known))}")
        return value

    def numbers(self, key: str, least: int) -> list[int] | None:
        """Return a list of at least so many whole numbers; None where there is none."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) < least or set(map(type, value)) - {int}:
            raise self.error(key, value, f"expected a list of {least} whole numbers")
        return value

    def table(self, key: str) -> Self | None:
        """Return the keys within a key; None where there are none."""
        value = self.get(key)
        if not value:
            return None
        if not isinstance(value, dict):
            raise self.error(key, value, "expected a table")
        return type(self)(value, self.model_type, f"{self._prefix}{key}.")

    def finish(self, without_effect: Set[str] = frozenset()) -> None:
        """Refuse keys that nobody asked for, unless they are null or known to change nothing."""
        fine = self._asked | without_effect
        for key in self._values:
            if key not in fine and self._values[key] is not None:
                raise CheckpointError(
                    f"config.json: key '{self._prefix}{key}' is {_shown(self._values[key])}, which "
                    f"is not understood of a '{self.model_type}' and may change what it computes"
                )

    def error(self, key: str, value: Any, expected: str) -> CheckpointError:
        """Return what to raise about a value that will not do."""
        return CheckpointError(
            f"config.json: key '{self._prefix}{key}' of a '{self.model_type}' is {_shown(value)}; "
            f"{expected}"
        )

    def _needed(self, key: str, default: Any) -> Any:
        value = self.get(key)
        if value is None:
            value = default
        if value is None:
            raise CheckpointError(
                f"config.json: key '{self._prefix}{key}' is missing, which a '{self.model_type}' "
                "needs"
            )
        return value


def unknown(model_type: Any, known: Iterable[str]) -> CheckpointError:
    """Return what to raise about an architecture that nobody wrote down."""
    known = sorted(known)
    return CheckpointError(
        f"config.json: model_type is {_shown(model_type)}, an architecture that is not known; "
        f"there are {', '.join(known)}{nearest(str(model_type), known)}"
    )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
