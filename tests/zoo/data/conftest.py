"""What tests of data sets share: a home of their own."""

import socket

import pytest


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home without a network; returns where data sets are made."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"a network was asked for: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "genzoo"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return tmp_path / "genzoo" / "tfds"
