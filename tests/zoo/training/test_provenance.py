"""Where a run says that it comes from."""

import subprocess

import pytest

from zoo.training import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of its own that holds the file which asks, in two folders as here."""
    file = tmp_path / "zoo" / "training" / "provenance.py"
    file.parent.mkdir(parents=True)
    file.write_text("# as committed")
    monkeypatch.setattr(provenance, "__file__", str(file))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    return file


def git(file, *arguments):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(file.parent), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def said() -> tuple[str | None, bool | None]:
    found = provenance.provenance()
    return found["git_commit"], found["git_clean"]


def test_a_checkout_is_clean_until_a_file_of_it_changes(checkout):
    assert said() == (None, None)
    git(checkout, "init", "-q")
    assert said() == (None, None)  # somebody else's repository
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "first")
    commit = git(checkout, "rev-parse", "HEAD")
    assert said() == (commit, True)
    (checkout.parent / "runs.txt").write_text("new")
    assert said() == (commit, True)
    checkout.write_text("# changed")
    assert said() == (commit, False)
    git(checkout, "add", ".")
    assert said() == (commit, False)


def test_without_git_nothing_is_known(checkout, monkeypatch):
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "first")
    monkeypatch.setenv("PATH", "")
    assert said() == (None, None)
