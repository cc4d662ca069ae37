"""Command lines as a user types them, each in a process of its own that has TensorFlow already.

Importing TensorFlow takes longer than most commands. Python's fork server does it once, and every
process begins as a copy of it.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tensorflow", "keras", "onnxruntime", "export.cli"])


class Done(NamedTuple):
    """How a command ended: its exit code, and what it printed on either stream."""

    returncode: int | None
    printed: str


def genzoo(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float = 300
) -> Done:
    """Run `genzoo WORDS` in a folder; one that takes too long is ended and has no exit code."""
    printed = folder.with_name(f"{folder.name}.printed")
    process = SERVER.Process(target=_run, args=(list(words), folder, dict(environment), printed))
    process.start()
    process.join(seconds)
    code = process.exitcode
    process.kill()
    process.join()
    return Done(code, printed.read_text(encoding="utf-8", errors="replace"))


def _run(words: list[str], folder: Path, environment: dict[str, str], printed: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with printed.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["genzoo", *words]
    from export.cli import main

    main()
