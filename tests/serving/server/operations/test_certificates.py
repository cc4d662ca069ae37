"""TLS: the clients that speak it, certificates that change, and those that cannot be used."""

import socket
import ssl

import httpx
import pytest

from serving.errors import GenzooError, UsageError
from serving.server.operations.certificates import Certificate, certificate_of
from tests.serving.server.running import running


@pytest.fixture
def pair(authority, tmp_path):
    return Certificate(*authority(tmp_path))


def presented(address):
    host, port = address.split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_unmodified_clients_over_tls(tiny, text, pair):
    triton = pytest.importorskip("tritonclient.http")
    openai = pytest.importorskip("openai")
    trusted = ssl.create_default_context(cafile=pair.certificate)
    with running([tiny, text], certificate=pair) as served:
        assert served.url.startswith("https")
        with httpx.Client(verify=trusted) as plain:
            assert plain.get(f"{served.url}/v2/health/ready").status_code == 200
            client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="any", http_client=plain)
            asked = {"model": "toy", "prompt": "abc ", "max_tokens": 4, "seed": 1, "stream": True}
            assert list(client.completions.create(**asked))
        with triton.InferenceServerClient(
            served.address, ssl=True, ssl_context_factory=lambda: trusted
        ) as asked:
            assert asked.infer("tiny", []).as_numpy("image") is not None
        with pytest.raises(httpx.ConnectError):  # who does not know the authority
            httpx.get(f"{served.url}/v2/health/live")
        with pytest.raises(httpx.RemoteProtocolError):  # who speaks no TLS
            httpx.get(f"http://{served.address}/v2/health/live")
        host, port = served.address.split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert httpx.get(f"{served.url}/v2/health/live", verify=trusted).status_code == 200


def test_a_new_certificate_is_shown_without_a_new_start(tiny, authority, pair, tmp_path):
    with running([tiny], certificate=pair) as served:
        before = presented(served.address)
        newer, key = authority(tmp_path, "newer")
        pair.certificate.write_bytes(newer.read_bytes())
        with pytest.raises(GenzooError, match="no certificate and its key"):
            served.server.renewal.certificates()  # whose key is still the old one
        assert presented(served.address) == before
        pair.key.write_bytes(key.read_bytes())
        served.server.renewal.certificates()
        assert presented(served.address) == newer.read_text()
        trusted = ssl.create_default_context(cafile=newer)
        assert httpx.get(f"{served.url}/v2/health/live", verify=trusted).status_code == 200


def test_what_cannot_be_used_is_said_before_anything_listens(pair, authority, tmp_path, genzoo):
    assert certificate_of(None, None) is None
    with pytest.raises(UsageError, match="go together"):
        certificate_of(pair.certificate, None)
    _, other = authority(tmp_path, "other")
    for key, words in ((other, "no certificate and its key"), (tmp_path / "no.pem", "No such")):
        with pytest.raises(GenzooError, match=words) as raised:
            certificate_of(pair.certificate, key)
        assert "\n" not in str(raised.value)
    code, _, said = genzoo("serve", "vae-mnist", "--tls-key", other)
    assert code == 2 and "go together" in said
