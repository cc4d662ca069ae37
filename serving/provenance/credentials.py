"""Content Credentials (C2PA): a signed manifest of where a file comes from, by `genzoo[c2pa]`."""

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from serving.errors import GenzooError, UsageError, first_line
from serving.provenance.origin import Origin

# What files are signed as, by how they begin; of others the library has no place for a manifest.
_KINDS = {
    b"\x89PNG": "image/png",
    b"RIFF": "audio/wav",
    b"GIF8": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
}
_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class Signer:
    """Signs files with the certificate of whoever publishes them.

    Args:
        certificate: a PEM file: the certificate, then those up to a root.
        key: a PEM file: its private key, of an elliptic curve, Ed25519 or RSA.

    Raises:
        GenzooError: `c2pa-python` is not installed.
        UsageError: a file cannot be read, or is none.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        try:
            import c2pa
        except ModuleNotFoundError:
            raise GenzooError("this needs c2pa: pip install 'genzoo[c2pa]'") from None
        self._library: Any = c2pa
        chain, secret = _read(certificate), _read(key)
        algorithm = _algorithm(certificate, chain, key, secret)
        self._info = c2pa.C2paSignerInfo(algorithm, chain, secret, None)
        self._try(certificate)

    def _try(self, certificate: Path) -> None:
        """Find out now, and not at the first file, whether it can sign."""
        file = io.BytesIO()
        Image.new("L", (1, 1)).save(file, "png")
        nothing = dict.fromkeys(("model", "model_hash", "variant", "device", "call"), "")
        try:
            self.signed(file.getvalue(), Origin(parameters={}, **nothing))
        except GenzooError as error:
            raise UsageError(f"{certificate} is no certificate to sign with: {error}") from None

    def signed(self, data: bytes, origin: Origin) -> bytes:
        """Return a file with a signed manifest; one of a format without is returned as it is.

        Raises:
            GenzooError: it cannot be signed.
        """
        kind = next((each for begin, each in _KINDS.items() if data.startswith(begin)), None)
        if kind is None:
            return data
        made = io.BytesIO()
        try:
            with (
                self._library.Signer.from_info(self._info) as signer,
                self._library.Builder(_manifest(origin)) as builder,
            ):
                builder.sign(signer, kind, io.BytesIO(data), made)
        except Exception as error:  # of the library, and of what it calls
            raise GenzooError(f"the file cannot be signed: {first_line(error)}") from error
        return made.getvalue()


def _manifest(origin: Origin) -> str:
    """Return what is signed: that a trained model created it, and which."""
    created = {
        "action": "c2pa.created",
        "digitalSourceType": origin.source_type,
        "softwareAgent": {"name": origin.model, "version": origin.model_hash},
    }
    name, _, version = origin.program.partition(" ")
    return json.dumps(
        {
            "claim_generator_info": [{"name": name, "version": version}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _algorithm(certificate: Path, chain: bytes, path: Path, secret: bytes) -> bytes:
    """Return how a key signs, if it is that of the certificate."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    try:
        key = load_pem_private_key(secret, None)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is no private key: {first_line(error)}") from None
    try:
        known = load_pem_x509_certificates(chain)[0].public_key()
    except ValueError as error:
        raise UsageError(f"{certificate} is no certificate: {first_line(error)}") from None
    if known != key.public_key():
        raise UsageError(f"{path} is not the key of {certificate}")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
        return _ALGORITHMS[key.curve.name].encode()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return b"ps256"
    raise UsageError(f"{path} is a key of a kind that C2PA does not sign with")
