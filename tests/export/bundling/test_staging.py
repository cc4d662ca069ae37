import errno

import pytest

from export import ExportError
from export.bundling.staging import replacing_directory


def bundle(path, text="old"):
    path.mkdir(parents=True)
    (path / "bundle.json").write_text(text)
    return path


def test_a_bundle_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "new" / "bundle"
    with replacing_directory(out) as directory:
        (directory / "bundle.json").write_text("new")
        assert not out.exists()
    assert (out / "bundle.json").read_text() == "new"
    assert list(out.parent.iterdir()) == [out]


def test_an_older_bundle_is_replaced_whole(tmp_path):
    out = bundle(tmp_path / "bundle")
    (out / "decoder.fp16.onnx").touch()
    with replacing_directory(out) as directory:
        (directory / "bundle.json").write_text("new")
        assert (out / "bundle.json").read_text() == "old"
    assert [path.name for path in out.iterdir()] == ["bundle.json"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_link_to_an_older_bundle_stays(tmp_path):
    older, link = bundle(tmp_path / "versions" / "one"), tmp_path / "latest"
    link.symlink_to(older)
    with replacing_directory(link) as directory:
        (directory / "bundle.json").write_text("new")
    assert link.readlink() == older and (older / "bundle.json").read_text() == "new"
    assert {path.name for path in tmp_path.rglob("*")} == {
        "versions", "one", "bundle.json", "latest",
    }  # fmt: skip


def test_an_empty_directory_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    with replacing_directory(tmp_path / "empty") as directory:
        (directory / "bundle.json").write_text("new")
    assert (tmp_path / "empty" / "bundle.json").is_file()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_no_bundle_is_not_touched(tmp_path, kind):
    out = tmp_path / "precious"
    if kind == "file":
        out.write_text("precious")
    elif kind == "folder":
        out.mkdir()
        (out / "thesis.tex").write_text("precious")
    else:
        out.symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(ExportError, match="precious is there and is not a bundle; give another"),
        replacing_directory(out),
    ):
        raise AssertionError("the block must not run")
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyError()])
def test_a_failure_leaves_everything_as_it_was(tmp_path, failure):
    out = bundle(tmp_path / "bundle")
    expected = ExportError if isinstance(failure, OSError) else KeyError
    with pytest.raises(expected) as raised, replacing_directory(out) as directory:
        (directory / "decoder.onnx").write_bytes(bytes(1000))
        raise failure
    assert list(tmp_path.iterdir()) == [out]
    assert (out / "bundle.json").read_text() == "old"
    if expected is ExportError:
        message = f"{out} cannot be written (No space left on device); it was left as it was"
        assert str(raised.value) == message


def test_a_stop_between_the_two_renames_brings_the_old_bundle_back(tmp_path, monkeypatch):
    out = bundle(tmp_path / "bundle")
    rename = type(out).rename

    def stop_at_second(path, target):
        if target == out and not path.name.endswith("-old"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(type(out), "rename", stop_at_second)
    with pytest.raises(KeyboardInterrupt), replacing_directory(out) as directory:
        (directory / "bundle.json").write_text("new")
    assert (out / "bundle.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ExportError, match=r"cannot be written \(Not a directory\)"),
        replacing_directory(tmp_path / "file" / "bundle"),
    ):
        raise AssertionError("the block must not run")
