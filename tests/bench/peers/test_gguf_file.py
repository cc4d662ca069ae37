"""What llama.cpp reads is the same network, as far as it can be: tied or not, with shared heads."""

import numpy as np
import pytest

from zoo.transformer import GPT, GPTConfig

llama_cpp = pytest.importorskip("llama_cpp")


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 1e-5), (8, 0.03), (4, 0.3)])
def test_llama_cpp_gives_our_logits(bits, tolerance, tmp_path):
    from tests.bench.peers import gguf_file
    from tests.bench.peers.text_peers import llama_context

    ours = GPT(GPTConfig(vocabulary_size=64, context=32, layers=2, width=64, heads=4, kv_heads=2))
    random = np.random.RandomState(0)
    for variable in ours.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    gguf_file.write(ours, bits, tmp_path / "network.gguf")
    ids = random.randint(0, 64, 9).tolist()

    context = llama_context(tmp_path / "network.gguf", window=32, threads=1, exact=True)
    tokens = (llama_cpp.llama_token * len(ids))(*ids)
    assert not llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(tokens)))
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (64,))
    expected = np.asarray(ours(np.array([ids])))[0, -1]
    np.testing.assert_allclose(logits, expected, atol=tolerance * np.abs(expected).max())
