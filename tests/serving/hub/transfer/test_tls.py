"""Over TLS everything is as without: real keys, a real handshake, a deadline."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from serving.hub import deadline
from tests.serving.hub.faulty_server import cut_at, drip, status
from tests.serving.hub.tiny_model import DATA, fetch, refusal

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def secure(server, tmp_path, monkeypatch):
    """The server behind TLS, with a certificate that is trusted; returns it and its address."""
    key, day = ec.generate_private_key(ec.SECP256R1()), datetime.timedelta(days=1)
    name, now = x509.Name([]), datetime.datetime.now(datetime.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(here, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "certificate.pem").write_bytes(signed.public_bytes(pem))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server.secure(context)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    return server, f"https://127.0.0.1:{server.port}"


def test_a_download_goes_on_where_it_was_cut(secure):
    server, url = secure
    server.fault = cut_at(50_000, 120_000)
    assert (fetch(url) / "decoder.onnx").read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == [None, "bytes=50000-", "bytes=120000-"]


def test_what_drips_is_given_up(secure, monkeypatch):
    monkeypatch.setattr(deadline, "GRACE", 0.5)
    server, url = secure
    server.fault = drip(0.02)
    assert "it is too slow: " in refusal(url)


def test_redirects_stay_encrypted(secure):
    server, url = secure
    plain = status(302, Location=url.replace("https", "http"))
    server.fault = lambda handler, *_: handler.path == "/tiny/decoder.onnx" and plain(handler)
    assert "it redirects from https:// to http://127.0.0.1" in refusal(url)


def test_a_certificate_that_nobody_vouches_for(secure, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "certificate" in refusal(secure[1]) and not secure[0].requests
