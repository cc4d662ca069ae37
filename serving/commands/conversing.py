"""Talks with a model, turn by turn: a line in, an answer out as it is written."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from serving.calls import Call
from serving.commands.calling import origin
from serving.errors import GenzooError, UsageError
from serving.families.model import Model
from serving.terminal import show

END = "/exit"


def converse(model: Model, call: Call, inputs: Sequence[str], values: Mapping[str, Any]) -> None:
    """Answer each line of standard input, until it ends or one says `/exit`.

    An interrupt ends the answer and not the conversation; what was said by then stays in it. At a
    terminal a line that cannot be answered is left out; of a pipe it ends the program.

    Args:
        model: loaded.
        call: of the model's, one turn of a conversation.
        inputs: what the command line names besides, which is too much.
        values: of the call's other parameters, by name.
    """
    if inputs:
        raise UsageError(f"{call.name} reads standard input; leave {' '.join(inputs)} out")
    if values.get("system") == "":
        raise UsageError("--system is empty; leave it out")
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if asks:
        with suppress(ImportError):  # which Windows lacks: lines that can be edited
            import readline  # noqa: F401
        ends = f"{END} or Ctrl-D ends, Ctrl-C stops an answer"
        show(f"{model.manifest.name} ({model.variant} on {model.device}); {ends}", file=sys.stderr)
    conversation = _Conversation(model, call, values)
    while True:
        try:
            line = _line(asks)
            if line is None or line.strip() == END:
                break
            if line.strip():
                conversation.answer(line)
        except KeyboardInterrupt:
            show("")
        except GenzooError as error:
            if not asks:
                raise
            show(f"genzoo: {error}", file=sys.stderr)
    if conversation.said:
        show(f"{len(conversation.said) // 2} answers from {origin(model, call)}", file=sys.stderr)


class _Conversation:
    """What was said so far."""

    def __init__(self, model: Model, call: Call, values: Mapping[str, Any]):
        self._stream, self._turns = getattr(model, str(call.stream)), str(call.turns)
        self._values = dict(values)
        self.said: list[dict[str, str]] = []

    def answer(self, line: str) -> None:
        """Show the answer to a line, and remember both; or neither, where there is no answer."""
        asked = [*self.said, {"role": "user", "content": line}]
        written: list[str] = []
        try:
            with closing(self._stream(**{self._turns: asked}, **self._values)) as pieces:
                for piece in pieces:
                    written.append(piece)
                    show(piece, end="")
            show("")
        finally:  # also of an answer that was interrupted
            if written:
                self.said = [*asked, {"role": "assistant", "content": "".join(written)}]


def _line(asks: bool) -> str | None:
    """Return the next line of standard input, or None at its end."""
    try:
        if asks:
            return input("> ")
        line = sys.stdin.readline()
        return line.rstrip("\r\n") if line else None
    except EOFError:
        show("")
        return None
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8") from None
