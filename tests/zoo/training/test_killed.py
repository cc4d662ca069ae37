"""Runs that were killed go on as if they had not been, and nothing of the accident is left."""

import csv
import signal

import pytest

from serving.files import sweep
from tests.commands import SERVER
from tests.zoo.training.interrupted import assert_same_run
from tests.zoo.training.killed import MOMENTS, run_and_die
from tests.zoo.training.test_training import run
from zoo.training.workdir import WorkDir

LONG = [pytest.param(moment, marks=pytest.mark.long) for moment in [*MOMENTS][1:]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole") / "run").workdir


@pytest.mark.parametrize("moment", [next(iter(MOMENTS)), *LONG])
def test_a_killed_run_goes_on_as_if_it_had_not_been(whole, tmp_path, moment):
    workdir = tmp_path / "run"
    killed = SERVER.Process(target=run_and_die, args=(moment, workdir))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    files = {path.name for path in workdir.iterdir()}
    assert any(name.startswith(".") for name in files) == ("half written" in moment)

    assert run(workdir, resume=True).finished
    assert_same_run(whole, workdir)
    assert _files(workdir) == _files(whole)
    assert _epochs(workdir) == _epochs(whole)
    record, expected = (WorkDir(path).read_record() for path in (workdir, whole))
    assert record["train_seconds"] > 0
    for key in ("steps", "total_steps", "best_validation_loss", "parameters", "dataset"):
        assert record[key] == expected[key], key


def test_a_finished_run_that_has_no_record_gets_one(whole):
    (whole / "training.json").unlink()
    assert run(whole, resume=True).finished
    assert WorkDir(whole).read_record()["steps"] == 9


def test_a_torn_line_of_the_history_is_forgotten_and_nothing_else(tmp_path):
    directory = WorkDir(tmp_path)
    directory.history.write_bytes(b"epoch,loss\r\n0,3.5\r\n1,2.5\r\n2,1.")
    directory.forget_epochs(9)
    assert directory.history.read_bytes() == b"epoch,loss\r\n0,3.5\r\n1,2.5\r\n"
    directory.forget_epochs(1)
    assert directory.history.read_bytes() == b"epoch,loss\r\n0,3.5\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_only_what_a_killed_process_leaves_is_swept(tmp_path):
    for name in (".0123abcd-best.weights.h5", ".gitignore", ".0123-notes", "0123abcd-mine"):
        (tmp_path / name).write_text("x")

    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".gitignore",
        ".0123-notes",
        "0123abcd-mine",
    }


def _files(workdir) -> set[str]:
    inside = (path.relative_to(workdir) for path in workdir.rglob("*"))
    return {str(path) for path in inside if path.parts[0] != "logs"}


def _epochs(workdir) -> list[list[str]]:
    with (workdir / "history.csv").open() as file:
        return list(csv.reader(file))
