"""The signature of a release tree's index: who published it, proved offline with a key.

It is a bundle of OpenSSF model signing over the one file `index.json`, which pins every other file
of the tree by size and sha256; so what the key vouches for is the whole tree.
"""

from pathlib import Path
from types import ModuleType

from serving.errors import GenzooError, UsageError, first_line
from serving.hub.local import shown

SIGNATURE_LIMIT = 2**20  # bytes; a real signature is about two kilobytes


def sign(index: Path, private_key: Path, signature: Path) -> None:
    """Sign an index with an elliptic-curve key.

    Args:
        index: the file to sign.
        private_key: a PEM file without a password (P-256, P-384 or P-521).
        signature: the file to write, by convention `index.json.sig` beside the index.

    Raises:
        UsageError: the key cannot be read or is of another kind.
        GenzooError: the package model-signing is not installed.
    """
    signing = _library().signing
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=private_key)
    except Exception as error:
        raise _bad_key(private_key, "private", error) from error
    signer.sign(index, signature)


def check_signature(index: Path, signature: Path, public_key: Path) -> None:
    """Refuse an index that the owner of a key did not sign.

    Args:
        index: the file as it was received; not a byte of it is interpreted here.
        signature: what `sign` wrote for it.
        public_key: a PEM file with the publisher's public key.

    Raises:
        UsageError: the key cannot be read or is of another kind.
        GenzooError: the signature is missing, malformed, of other bytes or by another key; or the
            package model-signing is not installed.
    """
    verifying = _library().verifying
    try:
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except Exception as error:
        raise _bad_key(public_key, "public", error) from error
    try:
        if signature.stat().st_size > SIGNATURE_LIMIT:
            raise ValueError(f"it is larger than {SIGNATURE_LIMIT} bytes")
        verifier.verify(index, signature)
    # The library lets whatever a malformed file sets off pass: KeyError, RecursionError, its own.
    except Exception as error:
        raise GenzooError(
            f"{index.name} is not what the owner of {public_key} signed "
            f"({shown(first_line(error))}); "
            "ask the publisher for the key and the signature of this release"
        ) from error


def _library() -> ModuleType:
    try:
        import model_signing.signing
        import model_signing.verifying
    except ModuleNotFoundError:
        raise GenzooError(
            "signatures need the package model-signing: pip install 'genzoo[signing]'"
        ) from None
    return model_signing


def _bad_key(key: Path, kind: str, error: Exception) -> UsageError:
    return UsageError(
        f"{key} is not a {kind} key that can be used ({shown(first_line(error))}); expected an "
        "elliptic-curve key (P-256, P-384 or P-521) without a password in a PEM file"
    )
