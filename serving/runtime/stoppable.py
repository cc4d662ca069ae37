"""A run of a graph that can be ended in the midst, and whose failure is told in our words."""

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

from serving.errors import GenzooError, first_line
from serving.runtime import interruption


class Stoppable:
    """A run that whoever may stop this thread's work can end in the midst.

    The block is given what to run with. It is a class, as a generator costs a small graph more.

    Args:
        options: of ONNX Runtime, of this run alone; None for the usual ones.
        new: makes such options, where there is somebody to stop it.

    Raises:
        StoppedError: it was stopped.
        GenzooError: it failed.
    """

    def __init__(self, options: Any, new: Callable[[], Any]) -> None:
        self._options, self._new = options, new
        self._wanted = interruption.current()

    def __enter__(self) -> Any:
        if self._wanted is not None:
            self._wanted.check()
            self._options = self._options or self._new()
            stop = partial(setattr, self._options, "terminate", True)
            self._waking = self._wanted.waking(stop)
            self._waking.__enter__()
        return self._options

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._wanted is not None:
            self._waking.__exit__(kind, error, trace)
        if isinstance(error, Exception):  # ONNX Runtime's errors have no base class of their own
            if self._wanted is not None:
                self._wanted.check()
            raise GenzooError(f"ONNX Runtime failed: {first_line(error)}") from error
