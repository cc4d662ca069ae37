"""Numbers as people hand them over: from JSON, pandas and NumPy, each in its own dress.

What is a whole number is taken as one, whether it comes as `5`, `5.0`, `numpy.int64(5)` or an array
without axes. Everything else is refused in one line that says what was expected.
"""

import math
from decimal import Decimal
from numbers import Integral, Real
from reprlib import Repr
from typing import Any

from serving.errors import UsageError

_LARGE = 2**1023  # integers up to it are floats too
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def whole(
    value: Any, name: str, minimum: int | None = None, maximum: int | None = None, also: str = ""
) -> int:
    """Return a whole number as a plain integer.

    Args:
        value: an integer of Python or NumPy, or a float, fraction, decimal or array without axes
            that is whole; no truth value and no text.
        name: what the error calls it.
        minimum, maximum: the least and the most that it may be; None for no limit.
        also: what else the caller would have taken, for the error.

    Raises:
        UsageError: it is none, or out of range.

    Example:
        >>> whole(5.0, "top_k", 1, 9)
        5
        >>> whole(5.5, "top_k", 1, 9)
        Traceback (most recent call last):
            ...
        serving.errors.UsageError: top_k is 5.5; expected a whole number from 1 to 9
    """
    # Nearly always; what follows asks for abstract classes, which takes much longer.
    if type(value) is int and -_LARGE < value < _LARGE and _within(value, minimum, maximum):
        return value
    number = _number(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or not _within(number, minimum, maximum):
        least = "" if minimum is None else f" from {minimum}"
        most = "" if maximum is None else f" {'to' if least else 'up to'} {maximum}"
        raise UsageError(f"{name} is {shown(value)}; expected a whole number{least}{most}{also}")
    return number


def real(
    value: Any,
    name: str,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    above: float | None = None,
    expected: str = "",
) -> float:
    """Return a finite number as a plain float.

    Args:
        value: a number of Python or NumPy, or an array without axes; no truth value and no text.
        name: what the error calls it.
        minimum, maximum: the least and the most that it may be; None for no limit.
        above: what it must be more than, in the place of `minimum`.
        expected: the words of the error, where the range is not enough.

    Raises:
        UsageError: it is none, is infinite, or is out of range.

    Example:
        >>> import numpy
        >>> real(numpy.int64(1), "top_p", above=0, maximum=1)
        1.0
        >>> real(0, "top_p", above=0, maximum=1)
        Traceback (most recent call last):
            ...
        serving.errors.UsageError: top_p is 0; expected more than 0, at most 1
    """
    number = _number(value)
    if (
        number is not None
        and abs(number) < math.inf
        and (above is None or number > above)
        and _within(number, minimum, maximum)
    ):
        return float(number)
    words = expected or _range(minimum, maximum, above)
    raise UsageError(f"{name} is {shown(value)}; expected {words}")


def shown(value: Any) -> str:
    """Return a value as an error shows it: in one line, and not too long.

    Example:
        >>> shown([1.0])
        '[1.0]'
    """
    try:
        return " ".join(_SHORT.repr(value).split())
    except Exception:  # integers of thousands of digits, and whatever else has no text
        return f"of type {type(value).__name__}"


def _number(value: Any) -> int | float | None:
    """Return a number as Python's own, or None if it is none; NaN is None as well."""
    if type(value) is float:  # nearly always; to ask for abstract classes takes much longer
        return None if math.isnan(value) else value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # of an array without axes, or a number of NumPy
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        value = int(value)
        return value if value.bit_length() < 1024 else None  # more is no float
    if isinstance(value, Real | Decimal):
        try:
            number = float(value)
        except (OverflowError, ValueError):  # a fraction too large; a signalling NaN
            return None
        return None if math.isnan(number) else number
    return None


def _within(number: float, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _range(minimum: float | None, maximum: float | None, above: float | None) -> str:
    least = None if minimum is None else f"{minimum:g}"
    if above is not None:
        most = "" if maximum is None else f", at most {maximum:g}"
        return f"more than {above:g}{most}"
    if least and maximum is not None:
        return f"{least} to {maximum:g}"
    if least:
        return f"{least} or more"
    return "a number" if maximum is None else f"at most {maximum:g}"
