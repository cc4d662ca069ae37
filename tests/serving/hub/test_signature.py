"""A signature vouches for the bytes of an index, by one key."""

import json
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError, UsageError
from serving.hub.signature import check_signature, sign

PLAIN = serialization.NoEncryption()
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())


def write_keys(folder, key=ELLIPTIC):
    """Write a pair of keys and return their paths: private, public."""
    folder.mkdir(parents=True, exist_ok=True)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "private.pem").write_bytes(key.private_bytes(pem, pkcs8, PLAIN))
    (folder / "public.pem").write_bytes(public)
    return folder / "private.pem", folder / "public.pem"


@pytest.fixture
def signed(tmp_path):
    """An index, its signature and the public key."""
    private, public = write_keys(tmp_path / "keys")
    index, signature = tmp_path / "index.json", tmp_path / "index.json.sig"
    index.write_text('{"models": {}}')
    sign(index, private, signature)
    return index, signature, public


def refusal(*arguments, error=GenzooError):
    with pytest.raises(error) as caught:
        check_signature(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_signed_passes_wherever_it_lies(signed, tmp_path):
    index, signature, public = signed
    check_signature(index, signature, public)
    (tmp_path / "elsewhere").mkdir()
    check_signature(index.rename(tmp_path / "elsewhere" / "index.json"), signature, public)


def test_every_altered_byte_is_refused(signed):
    index, signature, public = signed
    data = index.read_bytes()
    for altered in (data + b" ", data[:-1], b"", data.replace(b"models", b"Models")):
        index.write_bytes(altered)
        assert "is not what the owner of" in refusal(index, signature, public)


def test_another_key_is_refused(signed, tmp_path):
    index, signature, _ = signed
    other = write_keys(tmp_path / "other", ec.generate_private_key(ec.SECP256R1()))[1]
    assert "is not what the owner of" in refusal(index, signature, other)


def test_a_signature_of_another_key_that_claims_to_be_ours_is_refused(signed, tmp_path):
    """The key's name in the bundle is a claim; only the mathematics count."""
    index, signature, public = signed
    ours = json.loads(signature.read_text())["verificationMaterial"]
    private, _ = write_keys(tmp_path / "other", ec.generate_private_key(ec.SECP256R1()))
    sign(index, private, signature)
    signature.write_text(
        json.dumps(json.loads(signature.read_text()) | {"verificationMaterial": ours})
    )
    assert "is not what the owner of" in refusal(index, signature, public)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.binary(max_size=200), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["mediaType", "verificationMaterial", "dsseEnvelope", "publicKey"]), inner
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_malformed_signatures_are_refused(signed, data):
    index, signature, public = signed
    signature.write_bytes(data)
    refusal(index, signature, public)


def test_missing_and_huge_signatures_are_refused(signed):
    index, signature, public = signed
    signature.write_bytes(b"[" * (2**20 + 1))
    assert "larger than" in refusal(index, signature, public)
    signature.write_bytes(b"[" * 2**20)
    refusal(index, signature, public)
    signature.unlink()
    refusal(index, signature, public)


def test_keys_that_are_none(signed, tmp_path):
    index, signature, _ = signed
    private, public = write_keys(tmp_path / "rsa", rsa.generate_private_key(65537, 2048))
    (tmp_path / "words.pem").write_text("no key")
    for key in (public, tmp_path / "words.pem", tmp_path / "absent.pem"):
        assert "expected an elliptic-curve key" in refusal(index, signature, key, error=UsageError)
    with pytest.raises(UsageError, match="is not a private key"):
        sign(index, private, signature)


def test_the_missing_package_is_named(signed, monkeypatch):
    monkeypatch.setitem(sys.modules, "model_signing", None)
    assert "pip install 'genzoo[signing]'" in refusal(*signed)
