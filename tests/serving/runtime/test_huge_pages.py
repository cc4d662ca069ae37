"""Memory in huge pages where the kernel has them, and as it was elsewhere."""

import mmap
import re
from pathlib import Path

import numpy as np
import pytest

from serving.runtime import huge_pages
from serving.runtime.huge_pages import SIZE

PAGES = 8
SMAPS = Path("/proc/self/smaps")


def in_huge_pages(array):
    """Return how many bytes of the memory around an array are in huge pages."""
    address = array.ctypes.data
    for area in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", SMAPS.read_text()):
        begin, end = (int(part, 16) for part in area.split(maxsplit=1)[0].split("-"))
        if begin <= address < end:
            return int(re.search(r"AnonHugePages:\s*(\d+) kB", area)[1]) * 1024
    raise AssertionError("it lies nowhere")


def filled():
    """Return numbers in memory of their own, in pages as small as they come."""
    memory = mmap.mmap(-1, PAGES * SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    array = np.frombuffer(memory, np.uint8)
    array[:] = np.arange(PAGES * SIZE) % 251
    return array


@pytest.mark.skipif(not SMAPS.is_file(), reason="only Linux says what lies in huge pages")
def test_what_is_allocated_inside_moves_and_keeps_its_numbers():
    before = filled()
    with huge_pages.huge_pages() as moving:
        inside = filled()
    moving.join()
    for array in (before, inside):
        assert (array == np.arange(PAGES * SIZE) % 251).all()
    if not in_huge_pages(inside):
        pytest.skip("this kernel does not move memory into huge pages when it is asked to")
    assert in_huge_pages(inside) >= (PAGES - 1) * SIZE


@pytest.mark.skipif(not SMAPS.is_file(), reason="only Linux says what lies in huge pages")
def test_what_is_freed_for_the_most_part_does_not_take_memory_again():
    with huge_pages.huge_pages() as moving:
        memory = mmap.mmap(-1, PAGES * SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        array = np.frombuffer(memory, np.uint8)
        array[:: SIZE // 4] = 1  # four of the 512 pages of each huge one
    moving.join()
    assert in_huge_pages(array) == 0


def test_other_systems_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(huge_pages, "MAPS", tmp_path / "none")
    with huge_pages.huge_pages() as moving:
        array = np.ones(PAGES * SIZE, np.uint8)
    moving.join()
    assert array.all()
