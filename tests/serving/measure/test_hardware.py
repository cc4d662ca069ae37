"""The machine is named, and memory counted, with and without what Linux tells of a process."""

import sys

import numpy as np
import pytest

from serving.measure import hardware


def test_memory_that_was_used_is_counted():
    held = np.ones(2**26, np.uint8)
    assert hardware.peak_memory() > held.nbytes


def test_where_linux_does_not_tell(monkeypatch, tmp_path):
    pytest.importorskip("resource")
    held = np.ones(2**26, np.uint8)
    for content in (None, "Name: python\n"):
        status = tmp_path / "status"
        if content:
            status.write_text(content)
        monkeypatch.setattr(hardware, "PROCESS", status)
        assert held.nbytes < hardware.peak_memory() < 2**42
    monkeypatch.setitem(sys.modules, "resource", None)
    assert hardware.peak_memory() is None


def test_a_processor_without_a_name(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "PROCESSORS", tmp_path / "cpuinfo")
    assert "cores of" in hardware.processor()
    hardware.PROCESSORS.write_text("processor : 0\nmodel name\t: Some: CPU\n")
    assert hardware.processor().endswith(" cores of Some: CPU")
