import pytest

from tests.serving.hub.faulty_server import serving_folder
from tests.serving.hub.tiny_model import FILES


@pytest.fixture
def mirror(tmp_path):
    """A folder with the model `tiny`."""
    folder = tmp_path / "mirror" / "tiny"
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder.parent


@pytest.fixture
def server(mirror):
    with serving_folder(mirror) as running:
        yield running
