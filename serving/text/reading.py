"""Reads the tokenizer of a bundle."""

from pathlib import Path

from serving.bundle.integrity import read_listed
from serving.bundle.manifest import BundleError, Manifest
from serving.errors import GenzooError
from serving.text.tokenizer import Tokenizer

TOKENIZER_LIMIT = 64 * 2**20  # bytes; one of 200,000 tokens takes a quarter of it


def read_tokenizer(directory: Path, manifest: Manifest) -> Tokenizer:
    """Read a bundle's tokenizer.

    Raises:
        BundleError: it is missing, altered, unreadable, or not of the model's size.
    """
    processing, where = manifest.processing, directory / manifest.processing.tokenizer
    listed = manifest.files.get(processing.tokenizer)
    if listed is not None and listed.bytes > TOKENIZER_LIMIT:
        raise BundleError(
            f"{where} is larger than {TOKENIZER_LIMIT} bytes; it is none of the zoo's"
        )
    data = read_listed(directory, manifest, processing.tokenizer)
    try:
        tokenizer = Tokenizer(data)
    except GenzooError as error:
        raise BundleError(f"{where}: {error}; fetch or export the bundle again") from None
    if tokenizer.size != processing.vocabulary_size:
        raise BundleError(
            f"{where} has {tokenizer.size} tokens and the model {processing.vocabulary_size}; "
            "fetch or export the bundle again"
        )
    return tokenizer
