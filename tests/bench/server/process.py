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


def offline(model: str, threads: int) -> Callable[[dict[str, Any]], float]:
    """Return what takes the arguments of `generate`, and returns the seconds that it takes.

    With `stream`, the seconds that all pieces of one text take.
    """
    loaded = serving.load(model, device="cpu", threads=threads)

    def seconds(given: dict[str, Any]) -> float:
        options = dict(given)
        streams = options.pop("stream", False)
        began = time.perf_counter()
        if streams:
            for _ in loaded.stream(**options):
                pass
        else:
            loaded.generate(**options)
        return time.perf_counter() - began

    return seconds
