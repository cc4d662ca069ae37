"""A process that works when it is its turn and waits otherwise.

With one for each peer, libraries do not share threads, memory is that of one of them alone, and
loading begins from nothing.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from serving.errors import first_line
from serving.measure.hardware import peak_memory

# Idle threads of ONNX Runtime wait without sleep for some 30 ms, at the cost of whoever comes next.
PAUSE = 0.1
Work = Callable[[Any], Any]
Result = TypeVar("Result")


def elsewhere(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process that ends with it, so that what it loads is not loaded here."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


class WorkerError(Exception):
    """What a worker could not do, in one line."""


class Worker:
    """A function that is made and called in a process of its own.

    Args:
        make: returns the function; importable, as it is made in the process.
        arguments: of `make`.
        first: what the function is called with before the worker is ready.

    Attributes:
        seconds: from making the function to its first result.
        result: the first result.

    Raises:
        WorkerError: it could not be made or called.
    """

    def __init__(self, make: Callable[..., Work], *arguments: Any, first: Any):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, make, arguments, first))
        self._process.start()
        theirs.close()
        try:
            self.seconds, self.result = self._answer()
        except WorkerError:
            self.stop()
            raise

    def __call__(self, what: Any) -> Any:
        """Call the function with `what` when the machine is quiet, and return its result."""
        time.sleep(PAUSE)
        self._connection.send((what,))
        return self._answer()

    def stop(self) -> None:
        """End the process."""
        self._connection.close()  # which it takes as the end
        self._process.join()

    def memory(self) -> int:
        """Return the most bytes that the process has held."""
        self._connection.send(())
        return self._answer()

    def _answer(self) -> Any:
        try:
            fine, answer = self._connection.recv()
        except EOFError:
            raise WorkerError("its process died") from None
        if not fine:
            raise WorkerError(answer)
        return answer


def _work(connection: Connection, make: Callable[..., Work], arguments: tuple, first: Any) -> None:
    try:
        start = time.perf_counter()
        work = make(*arguments)
        result = work(first)
        connection.send((True, (time.perf_counter() - start, result)))
        while True:
            asked = connection.recv()
            connection.send((True, work(*asked) if asked else peak_memory()))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception as error:  # of whatever library it is
        connection.send((False, f"{type(error).__name__}: {first_line(error)}"))
