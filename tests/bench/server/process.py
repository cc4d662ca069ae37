"""The server in a process of its own, and the same model in another, without HTTP."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import serving

COMMAND = "from serving.commands.app import app, run; run(app)"


class Served(NamedTuple):
    """A server that is ready: its address, and the number of its process."""

    address: str
    process: int

    def memory(self) -> int:
        """Return the bytes of memory that it holds."""
        pages = Path(f"/proc/{self.process}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def served(models: Sequence[str], *options: str) -> Iterator[Served]:
    """Give a server of some models, with options of `genzoo serve`."""
    arguments = ["serve", *models, "--port", "0", "--device", "cpu", *options]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stderr=subprocess.PIPE, text=True
    ) as begun:
        try:
            assert begun.stderr is not None
            for line in begun.stderr:
                said = json.loads(line)
                if said["event"] == "ready":
                    break
            else:
                raise SystemExit("error: the server did not begin")
            # Its log must be read, or it waits for ever.
            reading = subprocess.Popen(["cat"], stdin=begun.stderr, stdout=subprocess.DEVNULL)
            yield Served(said["address"], begun.pid)
        finally:
            begun.terminate()
            begun.wait(30)
            reading.kill()
            reading.wait()


class Asked(NamedTuple):
    """What a model without a server is asked for, one time after the other as clients ask.

    Attributes:
        arguments: of `generate`; or of `stream`, of which all pieces are waited for.
        streams: whether it is that.
        times, seconds: how often and how long at least.
    """

    arguments: dict[str, Any]
    streams: bool = False
    times: int = 1
    seconds: float = 0.0


def offline(model: str, threads: int, spinning: bool) -> Callable[[Asked], list[float]]:
    """Return what returns the seconds that each call takes."""
    loaded = serving.load(model, device="cpu", threads=threads, spinning=spinning)

    def seconds(asked: Asked) -> list[float]:
        found: list[float] = []
        while len(found) < asked.times or sum(found) < asked.seconds:
            began = time.perf_counter()
            if asked.streams:
                for _ in loaded.stream(**asked.arguments):
                    pass
            else:
                loaded.generate(**asked.arguments)
            found.append(time.perf_counter() - began)
        return found

    return seconds
