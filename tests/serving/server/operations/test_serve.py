"""What `genzoo serve` makes of its options, up to the point where it would listen."""

import pytest

from serving.server import logs, running
from serving.server.operations.keys import add_key


@pytest.fixture
def started(genzoo, tiny, monkeypatch):
    """Run the command with options; return what would be run, and what was said."""

    def start(*options):
        given = []
        monkeypatch.setattr(running, "run", lambda *arguments: given.append(arguments))
        monkeypatch.setattr(logs, "write_logs", lambda: None)  # to a stream of this test alone
        code, said, _ = genzoo("serve", tiny, *options)
        assert code == 0
        return given[0], said

    return start


def test_it_listens_on_this_machine_alone_unless_told(started):
    (server, host, port, certificate), said = started()
    assert (host, port, certificate, said) == ("127.0.0.1", 8000, None, "")
    assert server.keys is None and not server.model_control


def test_what_is_unguarded_is_said(started, tmp_path, authority):
    assert "anybody who reaches 0.0.0.0" in started("--host", "0.0.0.0")[1]
    add_key(tmp_path / "keys", "alice")
    keys = ("--host", "0.0.0.0", "--keys", tmp_path / "keys")
    (server, *_), said = started(*keys)
    assert "unencrypted" in said and [key.name for key in server.keys] == ["alice"]
    certificate, key = authority(tmp_path)
    found, said = started(*keys, "--tls-certificate", certificate, "--tls-key", key)
    assert not said and found[3].certificate == certificate


def test_options_reach_the_server(started, tmp_path):
    add_key(tmp_path / "keys", "alice")
    options = ("--keys", tmp_path / "keys", "--open-metrics", "--model-control", "--prefix", "/a")
    (server, *_), _ = started(*options, "--per-client", "3", "--grace", "2")
    assert server.model_control and "/metrics" in server.open and server.prefix == "/a"
    assert server.limits.requests_of_one == 3 and server.limits.closing_seconds == 2
