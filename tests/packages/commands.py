"""Runs command lines one after the other in one process, as a user would in one shell.

`python -m tests.packages.commands FILE` reads a JSON list of command lines, and prints a JSON list
of their exit codes and what they printed.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from export.cli import joined
from serving.commands.app import run


def main(file: str) -> None:
    """Run the command lines of a file."""
    results = []
    for words in json.loads(Path(file).read_text()):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                run(joined(), words)
            except SystemExit as done:
                code = int(done.code or 0)
        results.append({"words": words, "code": code, "out": out.getvalue(), "err": err.getvalue()})
        if code:
            break
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
