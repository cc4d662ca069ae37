"""The words of captions, kept beside the weights of what knows them."""

from pathlib import Path

from serving.errors import UsageError
from serving.files import replacing
from zoo.data.tokenizers import FILE


def keep_words(data: bytes, directory: Path, name: str) -> None:
    """Write the words beside the weights, which other captions might not give again.

    Raises:
        UsageError: those of another data set are there.
    """
    path = directory / FILE
    if not path.is_file():
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    elif path.read_bytes() != data:
        raise UsageError(
            f"{path} has not the words of '{name}' as it is now; bring the captions back that the "
            "run began with, or train in a new directory"
        )
