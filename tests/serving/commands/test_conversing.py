"""`genzoo chat`, as a process of its own: at the end of a pipe, and at a terminal."""

import json
import os
import select
import subprocess
import sys
import time

import pytest

import serving
from tests.serving import tiny_text_bundle
from tests.serving.tiny_bundle import reseal
from tests.serving.tiny_text_bundle import LANGUAGE

RUN = "import sys; from serving.commands.app import app, run; run(app, sys.argv[1:])"
PATIENCE = 60  # seconds until a process that says nothing is given up


@pytest.fixture(scope="module")
def chatting(tmp_path_factory):
    """A bundle whose texts end by a token that is hardly ever the likeliest."""
    directory = tiny_text_bundle.write_chat_bundle(tmp_path_factory.mktemp("bundles") / "toy")
    processing = json.loads((directory / "bundle.json").read_text())["processing"]
    return reseal(directory, processing=processing | {"end_tokens": [LANGUAGE.tokenizer.pad]})


def command(*arguments):
    return [sys.executable, "-c", RUN, "chat", *map(str, arguments)]


def piped(said, *arguments):
    done = subprocess.run(
        command(*arguments), input=said, capture_output=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def user(text):
    return {"role": "user", "content": text}


def test_lines_of_a_pipe_are_answered_one_after_the_other(chatting):
    model = serving.load(chatting, device="cpu")
    options = {"max_new_tokens": 3, "temperature": 0.5}
    whole = (seed for seed in range(99) if "\ufffd" not in _two_answers(model, options, seed))
    options["seed"] = seed = next(whole)  # no character is cut short, which it could not read
    words = ["--max-new-tokens", 3, "--temperature", 0.5, "--seed", seed, "--system", "d"]
    code, out, told = piped(b"abc\n\nb\n/exit\nnever\n", chatting, *words, "--device", "cpu")
    assert (code, out) == (0, _two_answers(model, options, seed)), told
    assert told == f"2 answers from toy (fp32 on cpu, seed {seed})\n"


def _two_answers(model, options, seed):
    first = model.chat([user("abc")], system="d", **options | {"seed": seed})
    if "\ufffd" in first:
        return first
    said = [user("abc"), {"role": "assistant", "content": first}, user("b")]
    return f"{first}\n{model.chat(said, system='d', **options | {'seed': seed})}\n"


@pytest.mark.parametrize(
    ("said", "arguments", "code", "complaint"),
    [
        (b"xyz\n", [], 2, "does not know: 'x', 'y', 'z'"),
        (b"\xff\n", [], 2, "half of a surrogate pair|not UTF-8"),
        (b"a\n", ["--temperature", "-1"], 2, "temperature is -1"),
        (b"a\n", ["more"], 2, "leave more out"),
        (b"a\n", ["--system", ""], 2, "--system is empty"),
        (b"a\n", ["--out", "file"], 2, "No such option: --out|--out"),
    ],
)
def test_a_mistake_is_one_line(chatting, said, arguments, code, complaint):
    found, out, told = piped(said, chatting, "--device", "cpu", *arguments)
    assert found == code and out == ""
    assert any(each in told for each in complaint.split("|")), told
    assert "Traceback" not in told


def test_a_model_without_a_template(text):
    assert piped(b"a\n", text) == (2, "", "genzoo: toy cannot chat: it has no chat template\n")


def test_a_template_that_loops_for_ever(tmp_path):
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    directory = tiny_text_bundle.write_chat_bundle(tmp_path / "toy", endless)
    code, out, told = piped(b"a\n", directory, "--device", "cpu")
    assert (code, out) == (1, "") and told.count("\n") == 1
    assert "the chat template cannot be used: it takes longer than" in told


class Terminal:
    """A process at a terminal of its own."""

    def __init__(self, *arguments):
        import pty

        self._own, theirs = pty.openpty()
        name = os.ttyname(theirs)
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # The first terminal that the leader of a session opens is the one that interrupts it.
            preexec_fn=lambda: os.close(os.open(name, os.O_RDWR)),
            env=os.environ | {"TERM": "dumb"},
        )
        os.close(theirs)
        self.seen = ""

    def until(self, *words, after=0, more=0):
        """Read until it has shown some words and so many letters, and return where that ends."""

        def shown():
            rest = self.seen[after:]
            return len(rest) >= more and all(word in rest for word in words)

        end = time.monotonic() + PATIENCE
        while not shown():
            ready, _, _ = select.select([self._own], [], [], max(0, end - time.monotonic()))
            assert ready, self.seen[-500:]
            try:
                self.seen += os.read(self._own, 65536).decode(errors="replace")
            except OSError:  # it has gone
                break
        assert shown(), self.seen[-500:]
        return len(self.seen)

    def type(self, text):
        os.write(self._own, text.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminal(chatting):
    if sys.platform == "win32":
        pytest.skip("there are no pseudo-terminals")
    made = []

    def start(*arguments):
        made.append(Terminal(chatting, "--device", "cpu", *arguments))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_at_a_terminal_it_asks_and_answers(terminal):
    shown = terminal("--max-new-tokens", 2, "--seed", 1)
    at = shown.until("ends, Ctrl-C stops an answer", "> ")
    shown.type("abc\n")
    at = shown.until("\n> ", after=at)
    shown.type("xyz\n")  # cannot be answered, and is left out
    at = shown.until("does not know:", "'x'", "\n> ", after=at)
    shown.type("\x04")
    shown.until("1 answers from toy", after=at)
    assert shown.process.wait(PATIENCE) == 0


def test_an_interrupt_ends_the_answer_and_not_the_program(terminal):
    """Of an answer that has no end otherwise."""
    shown = terminal("--max-new-tokens", 10**9, "--temperature", 0)
    at = shown.until("> ")
    shown.type("aa\n")
    at = shown.until("aa", after=at, more=2000)  # it writes
    shown.type("\x03")
    at = shown.until("\n> ", after=at)
    # There is nothing to end. The line is for one that comes before it waits, which it hears later.
    shown.type("\x03")
    shown.type("\n")
    at = shown.until("\n> ", after=at)
    shown.type("/exit\n")
    shown.until("1 answers from toy", after=at)
    assert shown.process.wait(PATIENCE) == 0
