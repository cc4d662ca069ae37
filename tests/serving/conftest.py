import pytest

from serving.commands import app as cli
from tests.serving import tiny_bundle, tiny_text_bundle
from tests.serving.own_catalogue import use_catalogue


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A bundle without classes; read only."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    return tiny_bundle.write_bundle(folder, variants=("fp32", "fp16"))


@pytest.fixture(scope="session")
def conditional(tmp_path_factory):
    """A bundle with classes and a prior; read only."""
    return tiny_bundle.write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", conditional=True)


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """A bundle of a language model; read only."""
    return tiny_text_bundle.write_bundle(tmp_path_factory.mktemp("bundles") / "toy")


@pytest.fixture
def own(tmp_path):
    """A bundle that the test may spoil."""
    return tiny_bundle.write_bundle(tmp_path / "own")


@pytest.fixture
def catalogued(tmp_path, monkeypatch):
    """The name `tiny` in a catalogue of its own; returns the bundle's directory."""
    models = tmp_path / "models"
    directory = tiny_bundle.write_bundle(models / "tiny")
    use_catalogue(monkeypatch, models)
    return directory


@pytest.fixture
def place(tmp_path):
    """The folder that commands are run in."""
    return tmp_path


@pytest.fixture
def genzoo(capsys, monkeypatch, place):
    """Run a command line in an empty folder: `genzoo("list") -> (exit code, stdout, stderr)`."""
    monkeypatch.chdir(place)

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            cli.run(cli.app, [str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return run
