"""Blocks keep their numbers to the last bit: packed, stacked, put in another order, stored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zoo.checkpoints.blocks import Blocks, load_blocks, save_blocks, stacked
from zoo.checkpoints.checkpoint import CheckpointError

KINDS = {"Q8_0": (-128, 127, 8), "Q4_0": (-8, 7, 4), "Q4_1": (0, 15, 4)}
HALVES = st.floats(-60000, 60000, width=16)


@st.composite
def matrices(draw, kind: str | None = None) -> Blocks:
    low, high, bits = KINDS[kind or draw(st.sampled_from(sorted(KINDS)))]
    rows = draw(st.integers(1, 5))
    values = draw(arrays.arrays(np.int8, (rows, 64), elements=st.integers(low, high)))
    scales = draw(arrays.arrays(np.float16, (rows, 2), elements=HALVES))
    minima = draw(arrays.arrays(np.float16, (rows, 2), elements=HALVES)) if low == 0 else None
    return Blocks(values, scales, minima, bits)


def bits_of(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


@settings(deadline=None)
@given(blocks=matrices())
def test_packed_and_unpacked(blocks):
    packed = blocks.packed()
    assert packed.dtype == np.uint8
    assert packed.shape == (blocks.shape[0], 2, 4 * blocks.bits)
    again = Blocks.unpacked(packed, blocks.scales, blocks.minima, blocks.bits)
    np.testing.assert_array_equal(again.values, blocks.values)


@settings(deadline=None)
@given(several=st.lists(matrices(), min_size=1, max_size=4))
def test_stacked_matrices_are_the_same_numbers(several):
    whole = stacked(several)
    expected = np.concatenate([each.dequantised() for each in several])
    assert bits_of(whole.dequantised()) == bits_of(expected)
    packed = Blocks.unpacked(whole.packed(), whole.scales, whole.minima, whole.bits)
    assert bits_of(packed.dequantised()) == bits_of(expected)
    if len({(each.bits, each.lowest) for each in several}) == 1:
        assert whole.bits == several[0].bits


@settings(deadline=None)
@given(blocks=matrices(), data=st.data())
def test_rows_in_another_order(blocks, data):
    order = np.array(data.draw(st.permutations(range(blocks.shape[0]))))
    expected = blocks.dequantised()[order]
    assert bits_of(blocks.reordered(order).dequantised()) == bits_of(expected)


@settings(deadline=None)
@given(named=st.dictionaries(st.sampled_from(["a", "block_0/x.y", "z.scales"]), matrices()))
def test_stored_and_read(tmp_path_factory, named):
    path = tmp_path_factory.mktemp("blocks") / "blocks.safetensors"
    save_blocks(path, named)
    read = load_blocks(path)
    assert read.keys() == named.keys()
    for name, blocks in named.items():
        assert read[name].bits == blocks.bits
        assert bits_of(read[name].dequantised()) == bits_of(blocks.dequantised())


def test_files_that_are_none(tmp_path):
    path = tmp_path / "blocks.safetensors"
    for content in (b"", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "):
        path.write_bytes(content)
        if content[:1] == b"\x08":
            assert load_blocks(path) == {}
            continue
        with pytest.raises(CheckpointError, match="cannot be read"):
            load_blocks(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_blocks(tmp_path / "none")


def test_blocks_that_are_not_whole(tmp_path):
    path, good = tmp_path / "blocks.safetensors", np.ones((1, 1), np.float16)
    bad = Blocks(np.ones((1, 32), np.int8), good * np.inf, None, 4)
    save_blocks(path, {"x": bad})
    with pytest.raises(CheckpointError, match="no whole blocks of x; import the model again"):
        load_blocks(path)
