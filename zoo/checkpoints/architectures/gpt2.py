"""GPT-2 (Radford et al. 2019)."""

import re
from collections.abc import Iterator

from zoo.checkpoints.architectures.architecture import Architecture, Slot
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig

ACTIVATIONS = {
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_fast": "gelu",
    "gelu": "gelu_exact",
    "gelu_python": "gelu_exact",
}
# Keys of training, of other heads, and of how the same product is computed.
WITHOUT_EFFECT = """
    attn_pdrop embd_pdrop gradient_checkpointing n_ctx n_special predict_special_tokens
    reorder_and_upcast_attn resid_pdrop summary_activation summary_first_dropout
    summary_proj_to_labels summary_type summary_use_proj
"""


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    keys.only("scale_attn_weights", True)
    keys.only("scale_attn_by_inverse_layer_idx", False)
    keys.only("add_cross_attention", False)
    width = keys.number("n_embd", 768)
    values = {
        "vocabulary_size": keys.number("vocab_size"),
        "context": keys.number("n_positions", 1024),
        "layers": keys.number("n_layer", 12),
        "width": width,
        "heads": keys.number("n_head", 12),
        "feed_forward": keys.number("n_inner", 4 * width),
        "normalisation": "layer",
        "positions": "learned",
        "activation": ACTIVATIONS[keys.only("activation_function", *ACTIVATIONS)],
        "bias": True,
        "epsilon": keys.real("layer_norm_epsilon", 1e-5),
        "tied_embeddings": keys.flag("tie_word_embeddings", True),
    }
    return GPTConfig.parse(values, "config.json")


def slots(config: GPTConfig) -> Iterator[Slot]:
    """Yield where the tensors belong; matrices have a column for each output, as ours do."""
    width = config.width
    yield Slot("token_embedding/embeddings", ("transformer.wte.weight",), (width,))
    if not config.tied_embeddings:
        size = (config.vocabulary_size,)
        yield Slot("token_embedding/reverse_embeddings", ("lm_head.weight",), size, True)
    yield Slot("position_embedding/embeddings", ("transformer.wpe.weight",), (width,))
    for layer in range(config.layers):
        ours, theirs = f"block_{layer}/", f"transformer.h.{layer}."
        for variable, name, outputs in (
            ("attention/project", "attn.c_attn", 3 * width),
            ("attention/merge", "attn.c_proj", width),
            ("feed_forward/expand", "mlp.c_fc", config.hidden_width),
            ("feed_forward/contract", "mlp.c_proj", width),
        ):
            for part, tensor in (("kernel", "weight"), ("bias", "bias")):
                yield Slot(f"{ours}{variable}/{part}", (f"{theirs}{name}.{tensor}",), (outputs,))
        yield from _norm(f"{ours}attention_norm", f"{theirs}ln_1", width)
        yield from _norm(f"{ours}feed_forward_norm", f"{theirs}ln_2", width)
    yield from _norm("final_norm", "transformer.ln_f", width)


def _norm(ours: str, theirs: str, width: int) -> Iterator[Slot]:
    for variable, tensor in (("gamma", "weight"), ("beta", "bias")):
        yield Slot(f"{ours}/{variable}", (f"{theirs}.{tensor}",), (width,))


GPT2 = Architecture(
    "gpt2",
    read,
    slots,
    prefix="transformer.",
    embedding="transformer.wte.weight",
    without_effect=frozenset(WITHOUT_EFFECT.split()),
    unread=re.compile(r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)"),
)
