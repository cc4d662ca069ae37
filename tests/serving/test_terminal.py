"""What is shown cannot command a terminal, and no terminal is too poor to show it."""

import io
import os
import subprocess
import sys

import pytest

from serving.terminal import clean, show

ODD = "na\u00efve \u20ac \x1b[2J\x9b2J\r\x07 \u202e \ud800 \u65e5\u3000.\u00a0.\t.\n"


def test_what_commands_is_marked_and_the_rest_stays():
    shown = clean(ODD)
    assert shown == "na\u00efve \u20ac \ufffd[2J\ufffd2J\ufffd\ufffd \ufffd \ufffd " + ODD[-8:]
    assert clean(shown) == shown and len(shown) == len(ODD)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "utf-16", "shift_jis"])
def test_every_encoding_takes_every_text(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
    show(ODD, file=stream, end="")
    said = stream.buffer.getvalue().decode(encoding)
    assert "\x1b" not in said and "\x9b" not in said and "\r" not in said
    assert len(said) == len(ODD)
    if encoding == "utf-8":
        assert said == clean(ODD)


def test_a_text_goes_where_it_is_told(capsys):
    show("here")
    show("there", file=sys.stderr)
    assert tuple(capsys.readouterr()) == ("here\n", "there\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("arguments", [["cache", "list"], ["cache", "prune", "\u20ac\x1b[2J"]])
def test_commands_say_odd_names_on_every_terminal(tmp_path, encoding, arguments):
    code = "from serving.commands import app; app.run(app.app)"
    environment = {"GENZOO_HOME": str(tmp_path / "\u0119\x1b[2J"), "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=os.environ | environment, capture_output=True
    )
    said = (done.stdout + done.stderr).decode(encoding)
    assert done.returncode == (2 if "prune" in arguments else 0)
    assert said.count("\n") == 1 and "[2J" in said and "\x1b" not in said
