"""While a model is loaded no garbage is looked for, and afterwards as before."""

import gc
import subprocess
import sys
import weakref

import pytest

import serving
from serving.collecting import collection_paused
from serving.runtime import loaded


class Node:
    """What is garbage as soon as nobody has it, and is found by the collector alone."""

    def __init__(self):
        self.itself = self


def test_what_becomes_garbage_in_the_block_is_collected_after_it():
    with collection_paused(), collection_paused():
        node = Node()
        gone = weakref.ref(node)
        del node
    assert gc.isenabled()
    gc.collect()
    assert gone() is None


def test_an_error_and_a_collector_that_is_off_leave_it_as_it_was():
    with pytest.raises(KeyError), collection_paused():
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with collection_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_a_program_has_frozen_stays_frozen():
    program = (
        "import gc; from serving.collecting import collection_paused; gc.freeze()\n"
        "before = gc.get_freeze_count()\n"
        "with collection_paused(): pass\n"
        "assert gc.get_freeze_count() == before > 0 and gc.isenabled()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_model_is_loaded_without_collections(tiny, monkeypatch):
    seen, real = [], loaded.check_graph

    def looked(*arguments, **named):
        seen.append(gc.isenabled())
        return real(*arguments, **named)

    monkeypatch.setattr(loaded, "check_graph", looked)
    serving.load(tiny, device="cpu")
    assert seen
    assert not any(seen)
    assert gc.isenabled()
