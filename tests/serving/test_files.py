"""Files are whole or absent; what is at a place besides a file stays what it is."""

import os
import select
import stat
import threading

import pytest

from serving.files import replacing, write_each, written

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="modes, links and FIFOs are those of POSIX"
)


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def write(path, data=b"new"):
    with written(path) as file:
        file.write(data)


def test_missing_folders_are_made_and_nothing_else(tmp_path):
    write(tmp_path / "a" / "b" / "x")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b", "x"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_names_is_written(tmp_path, there):
    target, link = tmp_path / "real" / "x.bin", tmp_path / "latest.png"
    if there:
        write(target, b"old")
    link.symlink_to(target)
    write(link)
    assert link.readlink() == target and target.read_bytes() == b"new"
    assert {path.name for path in tmp_path.rglob("*")} == {"real", "x.bin", "latest.png"}


def test_a_link_of_our_own_folders_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "record.json").symlink_to(tmp_path / "precious")
    with replacing(tmp_path / "record.json") as temporary:
        temporary.write_text("new")
    assert not (tmp_path / "record.json").is_symlink()
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o444, 0o755])
def test_a_file_keeps_its_mode_and_nobody_reads_it_meanwhile(tmp_path, kept):
    path = tmp_path / "x"
    path.touch()
    path.chmod(kept)
    with written(path) as file:
        file.write(b"new")
        (temporary,) = set(tmp_path.iterdir()) - {path}
        assert not mode(temporary) & 0o077 & ~kept
    assert mode(path) == kept and path.read_bytes() == b"new"


def test_a_new_file_has_the_mode_that_the_user_wants_of_files(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == 0o640


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives away")
def test_a_file_keeps_its_owner(tmp_path):
    write(tmp_path / "x", b"old")
    os.chown(tmp_path / "x", 1234, 2345)
    write(tmp_path / "x")
    status = (tmp_path / "x").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


def test_a_fifo_receives_the_bytes_and_stays_one(tmp_path):
    fifo, received = tmp_path / "pipe.npy", []
    os.mkfifo(fifo)
    data = bytes(range(256)) * 1024  # more than a pipe holds
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()), daemon=True)
    reader.start()
    write(fifo, data)
    reader.join(timeout=10)
    assert received == [data]
    assert fifo.is_fifo() and list(tmp_path.iterdir()) == [fifo]


def test_a_device_receives_the_bytes_or_after_a_failure_none(tmp_path):
    ours, theirs = os.openpty()
    device = tmp_path / "device"
    device.symlink_to(os.ttyname(theirs))
    with pytest.raises(ZeroDivisionError), written(device) as file:
        file.write(b"half")
        file.write(1 / 0)
    assert not select.select([ours], [], [], 0)[0]
    write(device)
    assert os.read(ours, 10) == b"new"
    assert device.is_char_device() and list(tmp_path.iterdir()) == [device]
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("there", [True, False])
def test_files_of_a_folder_are_written_all_or_none(tmp_path, there):
    folder = tmp_path / "a" / "tunes"
    if there:
        folder.mkdir(parents=True)
        (folder / "1").write_bytes(b"old")

    def fail(path):
        write(path, b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_each(folder, {"1": write, "2": fail})
    assert folder.exists() == there
    assert not there or [path.read_bytes() for path in folder.iterdir()] == [b"old"]
    write_each(folder, {"1": write, "2": write})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"1": b"new", "2": b"new"}
