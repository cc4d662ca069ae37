"""Nothing leaves the machine, and nothing is written that was not asked for, as the system sees it.

Each command has a process of its own and an empty home folder. An audit hook writes down what
Python asks of the network, and strace, where it is installed, what any library does.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).parent.parent
COMMANDS = {  # in this order, as each takes what those before it made
    "generate": "generate vae-mnist --out x.png",
    "train": "train vae-digits --quick --workdir run",
    "export": "export run --out bundle",
    "verify": "verify bundle",
    "bench": "bench bundle --record --seconds 0.01",  # in a process that it starts
}
ASKED_FOR = {"x.png", "run", "bundle"}
# Sockets of the kinds AF_UNIX and AF_NETLINK end on this machine, but for those of resolvers of
# names. That urllib3 binds one to ::1, to see whether there is IPv6, sends nothing.
SENDING = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\(.*(sa_family=AF_INET|systemd/resolve)")
HOOK = """
import os, sys

EVENTS = ("connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "gethostbyaddr")

def watch(event, arguments, said=os.environ["WATCHED"]):
    if event.startswith("socket.") and event.removeprefix("socket.") in EVENTS:
        if getattr(arguments[0], "family", None) != 1:  # AF_UNIX
            with open(said, "a") as file:
                print(event, arguments, file=file)

sys.addaudithook(watch)
"""


class Seen(NamedTuple):
    """What one process and its children did: what it left at home, and what it sent."""

    home: list[str]
    by_python: str
    by_strace: list[str] | None


def strace(log):
    """Return the words before a command that is to be traced; none where that cannot be."""
    words = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=network", "-o", str(log)]
    try:
        works = not subprocess.run([*words, "true"], capture_output=True).returncode
    except OSError:
        works = False
    return words if works else []


def watched(place, name, code, *words):
    """Run Python code in the folder `place`, and return what was seen."""
    home, tools, log, said = (
        place.parent / f"{name}.{end}" for end in ("home", "hook", "log", "txt")
    )
    home.mkdir()
    tools.mkdir()
    (tools / "sitecustomize.py").write_text(HOOK)
    said.touch()
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("XDG_", "ORT_", "KERAS_", "TFDS_", "GENZOO_"))}  # fmt: skip
    environment = kept | {
        "HOME": str(home),
        "GENZOO_HOME": str(place.parent / "cache"),
        "GENZOO_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(tools), str(ROOT)]),
        "WATCHED": str(said),
    }
    tracer = strace(log)
    command = [*tracer, sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    left = [path.relative_to(home).as_posix() for path in home.rglob("*")]
    calls = log.read_text().splitlines() if tracer else []
    sent = [call for call in calls if SENDING.search(call)]
    return Seen(left, said.read_text(), sent if tracer else None)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("privacy") / "here"
    place.mkdir()
    return place


@pytest.fixture(scope="module")
def seen(place):
    code = "from export.cli import main; main()"
    return {name: watched(place, name, code, *words.split()) for name, words in COMMANDS.items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_left_at_home(seen, command):
    assert seen[command].home == []


def test_nothing_is_left_here_but_what_was_asked_for(seen, place):
    assert {path.name for path in place.iterdir()} == ASKED_FOR


@pytest.mark.parametrize("command", COMMANDS)
def test_python_sends_nothing(seen, command):
    assert seen[command].by_python == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_library_sends_anything(seen, command):
    if seen[command].by_strace is None:
        pytest.skip("strace does not run here")
    assert seen[command].by_strace == []


def test_whoever_sends_or_leaves_something_is_seen(place):
    code = """if True:
        import pathlib, socket
        pathlib.Path.home().joinpath("left").touch()
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
    """
    seen = watched(place, "control", code)
    assert seen.home == ["left"]
    assert seen.by_python.startswith("socket.connect")
    assert seen.by_strace is None or len(seen.by_strace) == 1
