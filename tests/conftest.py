"""What every test shares: quiet TensorFlow, and two logical CPUs so that distribution is real."""

import os
from pathlib import Path

import pytest

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
SHARED = Path(__file__).parent.parent.parent / "shared/data/tfds"  # beside the checkout
if SHARED.is_dir():
    os.environ.setdefault("TFDS_DATA_DIR", str(SHARED))
NEED_TENSORFLOW = {"export", "zoo", "bench", "gpu"}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Split the CPU before the first test can start TensorFlow, since later it is too late."""
    if any(NEED_TENSORFLOW & set(item.path.parts) for item in session.items):
        from zoo.training import devices

        devices.strategy("cpu:2")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, no mirrors, and no waiting between attempts."""
    from serving.hub import http

    for name in ("GENZOO_MIRROR", "GENZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(http, "BACKOFF", 0)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    """A new Chromium, see `tests.browser`; the tests of a module share it."""
    from tests.browser import chromium

    found = chromium(tmp_path_factory.mktemp("chromium"))
    yield found
    found.quit()


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest):
    """A function that runs a snippet by Node, beside an installed onnxruntime-node."""
    from tests.javascript import installed, run

    folder = installed(request.config.cache.mkdir("node"), "onnxruntime-node@^1.24")
    return lambda name, *arguments: run("node", folder / name, *arguments)


@pytest.fixture(scope="session")
def web(request: pytest.FixtureRequest):
    """A folder where onnxruntime-web is installed."""
    from tests.javascript import installed

    return installed(request.config.cache.mkdir("web"), "onnxruntime-web@^1.24")
