"""Servers that many tests ask; none of them changes what others see."""

import json
import subprocess
import sys
from pathlib import Path

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
def process(tiny, text):
    """`genzoo serve` in a process of its own: its address, and the process."""
    command = "from serving.commands.app import app, run; run(app)"
    arguments = ["serve", str(tiny), str(text), "--port", "0", "--device", "cpu", "--grace", "1"]
    begun = subprocess.Popen(
        [sys.executable, "-c", command, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    lines = []
    try:
        for line in begun.stderr:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "ready":
                break
        yield f"http://{lines[-1]['address']}", begun
    finally:
        begun.kill()
        begun.wait()
