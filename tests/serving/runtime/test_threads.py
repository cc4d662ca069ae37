"""Threads: one for each core that this process may really use."""

import pytest

from serving.runtime import threads


def test_threads_are_cores_not_hardware_threads(tmp_path, monkeypatch):
    for cpu in range(4):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 2},{cpu % 2 + 2}\n")
    monkeypatch.setattr(threads, "CPUS", tmp_path)
    monkeypatch.setattr(threads, "quota", lambda: float("inf"))
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert threads.default_threads() == 2
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {1, 3}, raising=False)
    assert threads.default_threads() == 1
    monkeypatch.setattr(threads, "CPUS", tmp_path / "unknown")
    assert threads.default_threads() == 2
    monkeypatch.setattr(threads, "quota", lambda: 0.5)
    assert threads.default_threads() == 1


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "max 100000"}, float("inf")),
        ("0::/a/b", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "200000 100000\n"}, 2.0),
        ("3:cpu:/x", {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3.0),
        (
            "3:cpu:/x",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            float("inf"),
        ),
        ("3:memory:/x", {"cpu/cpu.cfs_quota_us": "1"}, float("inf")),
    ],
)
def test_quota_is_the_tightest_of_the_groups(tmp_path, line, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    membership = tmp_path / "membership"
    membership.write_text(f"9:name=systemd:/\n{line}\n")
    assert threads.quota(membership, tmp_path) == expected


def test_no_control_groups_no_quota(tmp_path):
    assert threads.quota(tmp_path / "none", tmp_path) == float("inf")
