"""Content Credentials (C2PA), signed with a certificate that the test makes."""

import datetime
import io
import json

import numpy as np
import pytest
from PIL import Image

from serving.content.pictures import png
from serving.errors import UsageError
from serving.provenance import marks
from serving.provenance.credentials import Signer
from serving.provenance.origin import SOURCE_TYPE, Origin

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed")
PIXELS = np.random.RandomState(0).randint(0, 255, (32, 32, 3), np.uint8)
ORIGIN = Origin(model="m", model_hash="0" * 64, variant="fp32", device="cpu", call="draw",
                parameters={"n": 1}, seed=7)  # fmt: skip


def write_certificate(folder):
    """Write a certificate of a root that is not kept, and its key; return both files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(word):
        words = {x509.NameOID.COMMON_NAME: word, x509.NameOID.ORGANIZATION_NAME: "genzoo tests"}
        return x509.Name([x509.NameAttribute(key, value) for key, value in words.items()])

    def certificate(subject, key, issuer, signing, authority):
        now = datetime.datetime.now(datetime.UTC)
        usage = dict.fromkeys(
            ["key_encipherment", "data_encipherment", "key_agreement", "content_commitment",
             "encipher_only", "decipher_only", "crl_sign"], False
        )  # fmt: skip
        public = signing.public_key()
        built = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **usage),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
        )
        if not authority:
            kinds = [x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]
            built = built.add_extension(x509.ExtendedKeyUsage(kinds), critical=True)
        return built.sign(signing, hashes.SHA256())

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = [certificate("signer", key, "root", root, False),
             certificate("root", root, "root", root, True)]  # fmt: skip
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "certificate.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(secret)
    return folder / "certificate.pem", folder / "key.pem"


def read(data):
    """Return the active manifest of a file, and what is wrong with it."""
    with c2pa.Reader("image/png", io.BytesIO(data)) as reader:
        document = json.loads(reader.json())
    wrong = [each["code"] for each in document.get("validation_status", [])]
    return document["manifests"][document["active_manifest"]], wrong


def test_a_signed_picture_says_what_made_it(tmp_path):
    signed = Signer(*write_certificate(tmp_path)).signed(marks.marked(png(PIXELS), ORIGIN), ORIGIN)
    manifest, wrong = read(signed)
    assert set(wrong) <= {"signingCredential.untrusted"}  # nobody knows the root of the test
    (actions,) = [each for each in manifest["assertions"] if "c2pa.actions" in each["label"]]
    (created,) = actions["data"]["actions"]
    assert created["digitalSourceType"] == SOURCE_TYPE
    assert created["softwareAgent"]["name"] == "m"
    assert marks.origin_of(signed) == ORIGIN
    assert (np.asarray(Image.open(io.BytesIO(signed))) == PIXELS).all()


def test_what_was_altered_after_it_was_signed_is_found_out(tmp_path):
    signed = Signer(*write_certificate(tmp_path)).signed(png(PIXELS), ORIGIN)
    place = signed.index(b"IDAT") + 40
    _, wrong = read(signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :])
    assert "assertion.dataHash.mismatch" in wrong


def test_the_command_line_signs(genzoo, tiny, tmp_path):
    certificate, key = write_certificate(tmp_path)
    options = ["--c2pa-certificate", certificate, "--c2pa-key", key]
    code, _, err = genzoo("generate", tiny, "-n", "4", "--out", "a.png", *options)
    assert code == 0, err
    data = (tmp_path / "a.png").read_bytes()
    assert read(data)[0]["claim_generator_info"][0]["name"] == "genzoo"
    code, out, err = genzoo("whence", "a.png", "--again", "b.png", "--model", tiny)
    assert code == 0 and "the same images" in out, err  # the signature is another each time


def test_what_cannot_sign_is_said_before_anything_is_made(tmp_path):
    certificate, key = write_certificate(tmp_path)
    (tmp_path / "none.pem").write_text("nothing")
    (tmp_path / "other").mkdir()
    other, _ = write_certificate(tmp_path / "other")
    for pair, words in (((certificate, tmp_path / "none.pem"), "no private key"),
                        ((tmp_path / "none.pem", key), "no certificate"),
                        ((other, key), "is not the key of"),
                        ((certificate, tmp_path / "away.pem"), "cannot be read")):  # fmt: skip
        with pytest.raises(UsageError, match=words) as caught:
            Signer(*pair)
        assert "\n" not in str(caught.value)


def test_files_of_other_kinds_are_left_alone(tmp_path):
    assert Signer(*write_certificate(tmp_path)).signed(b"nothing", ORIGIN) == b"nothing"
