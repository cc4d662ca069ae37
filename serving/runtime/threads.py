"""How many threads this process can really use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CPUS = Path("/sys/devices/system/cpu")


def default_threads() -> int:
    """Return the physical cores that this process may use: its affinity, within its group's quota.

    Two hardware threads of one core share its arithmetic units, so a second thread on a core gains
    nothing in matrix products; more threads than the quota of a container get it throttled.
    """
    if hasattr(os, "sched_getaffinity"):
        cpus = os.sched_getaffinity(0)
    else:
        cpus = set(range(os.cpu_count() or 1))
    cores = {_siblings(cpu) for cpu in cpus}
    return max(1, int(min(len(cores), quota())))


def _siblings(cpu: int) -> str:
    """Name the core of a logical CPU by the CPUs that share it, or by itself if that is unknown."""
    with suppress(OSError):
        return (CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    return str(cpu)


def quota(membership: Path = Path("/proc/self/cgroup"), mount: Path = CGROUPS) -> float:
    """Return how many CPUs' worth of time the Linux control groups allow; infinity for no limit."""
    limits = [float("inf")]
    for group in _groups(membership, mount):
        with suppress(OSError, ValueError):  # version 2; "max" where there is no limit
            allowed, period = (group / "cpu.max").read_text().split()
            limits.append(int(allowed) / int(period))
        with suppress(OSError, ValueError):  # version 1; -1 where there is no limit
            microseconds = int((group / "cpu.cfs_quota_us").read_text())
            if microseconds > 0:
                limits.append(microseconds / int((group / "cpu.cfs_period_us").read_text()))
    return min(limits)


def _groups(membership: Path, mount: Path) -> Iterator[Path]:
    """Yield this process's control group and those above it: the tightest limit counts."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            group = mount / ("cpu" if controllers else "") / name.strip("/")
            yield group
            yield from (parent for parent in group.parents if parent.is_relative_to(mount))
