"""Ways to translate with the same weights: ours, optimum on the same folder, and CTranslate2.

optimum takes an older `transformers` than the tests do, and so an environment of its own:
`pip install . h5py optimum-onnx ctranslate2`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tests.bench.peers.peer import Peer
from tests.bench.translation.translations import Case

WEIGHTS = "layers/encoder_decoder"  # of the file of Keras weights
Translate = Callable[[list[str]], list[str]]


def _ours(case: Case) -> Translate:
    import serving

    model = serving.load(case.folder, device="cpu", variant=case.variant, threads=case.threads)
    return lambda texts: model.translate(texts, beams=case.beams)


def _optimum(case: Case) -> Translate:
    import onnxruntime
    import torch
    from optimum.onnxruntime import ORTModelForSeq2SeqLM
    from transformers import AutoTokenizer

    torch.set_num_threads(case.threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    model = ORTModelForSeq2SeqLM.from_pretrained(case.folder, session_options=options)
    tokenizer = AutoTokenizer.from_pretrained(case.folder)
    before = case.token and f"{case.token} "

    def translate(texts: list[str]) -> list[str]:
        words = tokenizer([before + text for text in texts], return_tensors="pt", padding=True)
        known = {name: words[name] for name in ("input_ids", "attention_mask")}
        written = model.generate(**known, num_beams=case.beams, do_sample=False)
        return tokenizer.batch_decode(written, skip_special_tokens=True)

    return translate


def _ctranslate2(case: Case) -> Translate:
    import ctranslate2
    import tokenizers

    place = Path(mkdtemp())
    _write_ctranslate2(case, place)
    model = ctranslate2.Translator(
        str(place), device="cpu", intra_threads=case.threads, inter_threads=1
    )
    tokenizer = tokenizers.Tokenizer.from_file(str(case.folder / "tokenizer.json"))
    before = [case.token] if case.token else []

    def translate(texts: list[str]) -> list[str]:
        sources = [before + tokenizer.encode(text).tokens for text in texts]
        found = model.translate_batch(
            sources, beam_size=case.beams, max_decoding_length=case.config["d_context"]
        )
        written = [each.hypotheses[0] for each in found]
        return [tokenizer.decode([tokenizer.token_to_id(t) for t in row]) for row in written]

    return translate


def _write_ctranslate2(case: Case, place: Path) -> None:
    """Write the weights of a bundle as CTranslate2 reads them."""
    import h5py
    from ctranslate2.specs import common_spec, transformer_spec

    config, file = case.config, json.loads((case.folder / "tokenizer.json").read_text())
    kinds: dict[str, Any] = {
        "pre_norm": True,
        "activation": common_spec.Activation.SWISH,
        "ffn_glu": True,
        "rms_norm": True,
        "relative_attention_bias": True,
    }
    heads = config["heads"]
    spec = transformer_spec.TransformerSpec(
        transformer_spec.TransformerEncoderSpec(config["encoder_layers"], heads, **kinds),
        transformer_spec.TransformerDecoderSpec(config["decoder_layers"], heads, **kinds),
    )
    with h5py.File(case.folder / "model.weights.h5") as weights:

        def of(name: str) -> np.ndarray:
            return np.asarray(weights[f"{WEIGHTS}/{name}/vars/0"])

        for half, stack in (("encoder", spec.encoder), ("decoder", spec.decoder)):
            embeddings = stack.embeddings[0] if half == "encoder" else stack.embeddings
            embeddings.weight = of("embedding")
            stack.scale_embeddings = False
            stack.layer_norm.gamma = of(f"{half}_norm")
            for index, layer in enumerate(stack.layer):
                block = "decoder_block" if half == "decoder" else "block"
                name = f"{half}/{block}" + (f"_{index}" if index else "")
                _set_layer(layer, half, name, of, config["relative_distance"])
        spec.decoder.projection.weight = of("embedding")
    names = {number: token for token, number in file["model"]["vocab"].items()}
    names |= {each["id"]: each["content"] for each in file["added_tokens"]}
    tokens = [names[number] for number in range(len(names))]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.unk_token, spec.config.eos_token = "<|pad|>", "<|eos|>"
    spec.config.bos_token = spec.config.decoder_start_token = "<|bos|>"
    spec.config.layer_norm_epsilon = 1e-5
    spec.validate()
    spec.save(str(place))


def _set_layer(layer: Any, half: str, name: str, of: Callable, distance: int) -> None:
    """Fill one layer of a specification; CTranslate2 has its matrices the other way round."""
    own, network = layer.self_attention, layer.ffn
    own.linear[0].weight = of(f"{name}/attention/project").T
    own.linear[1].weight = of(f"{name}/attention/merge").T
    own.layer_norm.gamma = of(f"{name}/attention_norm")
    own.relative_attention_bias = of(f"{half}_bias")
    own.relative_attention_max_distance = np.dtype("int32").type(distance)
    if half == "decoder":
        parts = ("query", "key_value", "merge")
        for linear, part in zip(layer.attention.linear, parts, strict=True):
            linear.weight = of(f"{name}/cross_attention/{part}").T
        layer.attention.layer_norm.gamma = of(f"{name}/cross_norm")
    gate, expanded = np.split(of(f"{name}/feed_forward/expand").T, 2)
    network.linear_0.weight, network.linear_0_noact.weight = gate, expanded
    network.linear_1.weight = of(f"{name}/feed_forward/contract").T
    network.layer_norm.gamma = of(f"{name}/feed_forward_norm")


def _unlike_t5(case: Case) -> str:
    wanted = {"positions": "relative", "normalisation": "rms", "activation": "swiglu"}
    other = [f"{key} '{case.config[key]}'" for key in wanted if case.config[key] != wanted[key]]
    return f"it has no {', '.join(other)} in both halves" if other else ""


def _mostly(ours: list[str], theirs: list[str]) -> bool:
    """Tell whether the words are the same, but for texts where two tokens are all but even."""
    same = sum(one == other for one, other in zip(ours, theirs, strict=True))
    return same >= 0.95 * len(ours)


def _graphs(case: Case) -> Path:
    return case.folder


PEERS = (
    Peer("ours", "serving", "pip install .", _ours, _graphs, _mostly),
    Peer("optimum", "optimum", "pip install optimum-onnx", _optimum, _graphs, _mostly),
    Peer(
        "CTranslate2",
        "ctranslate2",
        "pip install ctranslate2",
        _ctranslate2,
        lambda case: case.folder / "model.weights.h5",
        _mostly,
        unfit=_unlike_t5,
    ),
)
