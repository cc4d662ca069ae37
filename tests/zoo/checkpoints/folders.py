"""Folders as Hugging Face lays them out, of a tiny model with the zoo's own kind of tokenizer."""

import json

import numpy as np
from safetensors.numpy import save_file

from tests.zoo.checkpoints.written import job
from zoo.checkpoints.loading import ARCHITECTURES, shapes
from zoo.data import tokenizers

TOKENIZER = tokenizers.bpe_tokenizer(["the object, the target, the name and the value"] * 2, 270)
SIZE = TOKENIZER.get_vocab_size()
CARD = "---\nlanguage: en\nlicense: cc-by-4.0\n---\n# A model\nlicense: none\n"
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


def tensors_of(kind, keys, seed=0):
    """Random weights of a checkpoint, by name."""
    architecture, random = ARCHITECTURES[kind], np.random.RandomState(seed)
    config = architecture.config(keys)
    return {
        name: random.normal(scale=0.3, size=shape).astype(np.float32)
        for slot in architecture.slots(config)
        for name, shape in shapes(slot, config).items()
    }


def keys_of(kind, **changes):
    sizes = {"vocab_size": SIZE, "eos_token_id": tokenizers.EOS, "bos_token_id": tokenizers.BOS}
    return job(kind, "")["keys"] | {"model_type": kind} | sizes | changes


def make(folder, kind="llama", seed=0, **changes):
    """Write a whole folder, and return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = keys_of(kind, **changes)
    (folder / "config.json").write_text(json.dumps(keys))
    save_file(tensors_of(kind, keys, seed), folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(TOKENIZER.to_str(), encoding="utf-8")
    settings = {"eos_token": tokenizers.SPECIAL[tokenizers.EOS], "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    ends = {"eos_token_id": [tokenizers.EOS, 5], "do_sample": True}
    (folder / "generation_config.json").write_text(json.dumps(ends))
    (folder / "README.md").write_text(CARD)
    return folder


def split(folder, count=2):
    """Cut the weights of a folder into shards with an index."""
    from safetensors.numpy import load_file

    whole = folder / "model.safetensors"
    tensors = load_file(whole)
    names, where = sorted(tensors), {}
    for index in range(count):
        file = f"model-{index + 1:05}-of-{count:05}.safetensors"
        save_file({name: tensors[name] for name in names[index::count]}, folder / file)
        where |= dict.fromkeys(names[index::count], file)
    whole.unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index
