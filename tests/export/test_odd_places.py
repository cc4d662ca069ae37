"""The whole road where folders have odd names, and the commands that it prints can be typed."""

import os
import shlex
import sys

import pytest

from export import cli

ODD = "my [run]\\ \u00fc\u20ac;\nit's"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")


@pytest.fixture
def genzoo(capsys, monkeypatch):
    def run(words):
        monkeypatch.setattr(sys, "argv", ["genzoo", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.mark.long
def test_from_training_to_images(genzoo, tmp_path, monkeypatch):
    here = tmp_path / ODD
    here.mkdir()
    monkeypatch.chdir(here)
    limits = [("--set", f"data.{key}=64") for key in ("limit", "validation")]
    options = [word for pair in limits for word in pair]
    said = genzoo(["train", "vae-digits", "--quick", "--workdir", str(here / "a b"), *options])
    first, second = said.partition("next: genzoo ")[2].split("; genzoo ")
    assert shlex.split(first) == ["evaluate", str(here / "a b")]
    assert shlex.split(second) == ["export", str(here / "a b"), "--out", "bundles/a b"]
    said = genzoo(shlex.split(second))
    said = genzoo(shlex.split(said.partition("its card: genzoo ")[2]))
    assert said.startswith("---\n")
    assert genzoo(["verify", "bundles/a b"]).endswith("bundles/a b is good\n")
    assert "SavedModel" in genzoo(["compare", "a b", "bundles/a b"])
    genzoo(["generate", "bundles/a b", "--out", f"{ODD}/x.png"])
    assert (here / ODD / "x.png").is_file()
    assert {path.name for path in here.iterdir()} == {"a b", "bundles", ODD}
