"""Tiny bundles to make targets of."""

import pytest

from export.cli import joined
from serving.commands.app import run
from tests.serving import tiny_bundle, tiny_text_bundle


@pytest.fixture(scope="session")
def painter(tmp_path_factory):
    """A conditional GAN, tiny; read only."""
    folder = tmp_path_factory.mktemp("bundles") / "painter"
    return tiny_bundle.write_bundle(folder, conditional=True, name="painter", family="gan")


@pytest.fixture(scope="session")
def vae(tmp_path_factory):
    """A VAE, tiny; read only."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    return tiny_bundle.write_bundle(folder, variants=("fp32", "fp16"))


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """A language model, tiny; read only."""
    return tiny_text_bundle.write_bundle(tmp_path_factory.mktemp("bundles") / "toy")


@pytest.fixture
def genzoo(capsys, monkeypatch, tmp_path):
    """Run the command line in an empty folder: `genzoo("list") -> (exit code, stdout, stderr)`."""
    monkeypatch.chdir(tmp_path)

    def ask(*arguments):
        with pytest.raises(SystemExit) as caught:
            run(joined(), [str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return ask
