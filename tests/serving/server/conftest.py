"""Servers that many tests ask; none of them changes what others see."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

import httpx
import pytest

from tests.serving import tiny_bundle, tiny_text_bundle
from tests.serving.server.running import running

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def painter(tmp_path_factory):
    """A conditional GAN, tiny; read only."""
    folder = tmp_path_factory.mktemp("bundles") / "painter"
    return tiny_bundle.write_bundle(folder, conditional=True, name="painter", family="gan")


@pytest.fixture(scope="session")
def chatter(tmp_path_factory):
    """A language model with a chat template, and a token for every byte; read only."""
    return tiny_text_bundle.write_chat_bundle(
        tmp_path_factory.mktemp("bundles") / "chatter",
        tokenizer=tiny_text_bundle.BYTES,
        name="chatter",
        context=64,
    )


@pytest.fixture(scope="package")
def served(tiny, painter, text, chatter):
    """A server of four models: `tiny`, `painter`, `toy` and `chatter`."""
    with running([tiny, painter, text, chatter]) as found:
        yield found


@pytest.fixture
def client(served):
    """What asks the server."""
    with httpx.Client(base_url=served.url, timeout=30) as found:
        yield found


@pytest.fixture
def model(served):
    """Return the model that the server asks, by its name: what it gives is what must be served."""
    return lambda name: served.server.repository.get(name).model


@pytest.fixture
def begun():
    """Start `genzoo serve` in a process of its own; give its address, itself, and what it logs."""
    started = []

    def begin(models, *options, environment=None):
        command = "from serving.commands.app import app, run; run(app)"
        arguments = ["serve", *models, "--port", "0", "--device", "cpu", *options]
        process = subprocess.Popen(
            [sys.executable, "-c", command, *map(str, arguments)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        started.append(process)
        events = Queue()
        threading.Thread(target=_follow, args=(process, events), daemon=True).start()
        while (event := events.get(timeout=60))["event"] != "ready":
            pass
        return f"http://{event['address']}", process, events

    yield begin
    for process in started:
        process.kill()
        process.wait()


def _follow(process, events):
    for line in process.stderr:
        events.put(json.loads(line))
    events.put({"event": "end"})


@pytest.fixture
def process(begun, tiny, text):
    """A process that serves two models: its address, itself, and what it logs."""
    return begun([tiny, text], "--grace", "1")
