"""A tiny bundle of text: the toy language model of `toy_language`, written as an ONNX graph."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.serving.text.toy_language import CORPUS, STYLED, WIDTH, language_model
from tests.serving.tiny_bundle import reseal, write_manifest
from zoo.data import tokenizers
from zoo.data.styles.codes import codes_of

OPSET, CONTEXT = 18, 16
LANGUAGE = language_model(CONTEXT)
SIZE = LANGUAGE.tokenizer.size
CHARACTERS = tokenizers.character_tokenizer(CORPUS)
BYTES = tokenizers.bpe_tokenizer(['{"name": "red", "age": 12}'] * 3, 280)  # which write any JSON
AXES = {
    "input_ids": ["batch_size", "sequence_length"],
    "attention_mask": ["batch_size", "total_sequence_length"],
    "position_ids": ["batch_size", "sequence_length"],
    "past_key_values.0.key": ["batch_size", 1, "past_sequence_length", WIDTH],
    "past_key_values.0.value": ["batch_size", 1, "past_sequence_length", WIDTH],
    "logits": ["batch_size", "sequence_length", SIZE],
    "present.0.key": ["batch_size", 1, "total_sequence_length", WIDTH],
    "present.0.value": ["batch_size", 1, "total_sequence_length", WIDTH],
}
INPUTS, OUTPUTS = list(AXES)[:5], list(AXES)[5:]


def graph(language=LANGUAGE):
    """Return the toy network: attention over embeddings that know their position."""
    step, node = language.network, helper.make_node
    weights = {
        "embedding": step.embedding.astype(np.float32),
        "positions": step.positions.astype(np.float32),
        "head": step.head.T.astype(np.float32),
        "hidden": np.float32(-1e9),
        "one": np.float32(1),
        "first": np.array([1]),
        "second": np.array([1, 2]),
        "two": np.array([2]),
        "three": np.array([3]),
    }
    key, value = OUTPUTS[1:]
    nodes = [
        node("Gather", ["embedding", "input_ids"], ["embedded"]),
        node("Gather", ["positions", "position_ids"], ["placed"]),
        node("Add", ["embedded", "placed"], ["flat"]),
        node("Unsqueeze", ["flat", "first"], ["x"]),
        node("Tanh", ["x"], ["squashed"]),
        node("Concat", [INPUTS[3], "x"], [key], axis=2),
        node("Concat", [INPUTS[4], "squashed"], [value], axis=2),
        node("Transpose", [key], ["keys"], perm=[0, 1, 3, 2]),
        node("MatMul", ["x", "keys"], ["scores"]),
        node("Shape", ["scores"], ["size"], start=2),
        node("ConstantOfShape", ["size"], ["ones"], value=helper.make_tensor("v", 1, [1], [1.0])),
        node("Shape", [INPUTS[3]], ["past"], start=2, end=3),
        node("Squeeze", ["past"], ["diagonal"]),
        node("Trilu", ["ones", "diagonal"], ["before"], upper=0),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "second"], ["masked"]),
        node("Mul", ["before", "masked"], ["visible"]),
        node("Sub", ["one", "visible"], ["unseen"]),
        node("Mul", ["unseen", "hidden"], ["penalty"]),
        node("Add", ["scores", "penalty"], ["seen"]),
        node("Softmax", ["seen"], ["weights"]),
        node("MatMul", ["weights", value], ["mixed"]),
        node("Squeeze", ["mixed", "first"], ["read"]),
        node("Add", ["read", "flat"], ["sum"]),
        node("MatMul", ["sum", "head"], ["logits"]),
    ]

    def port(name):
        kind = TensorProto.INT64 if name in INPUTS[:3] else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, axes(name, language))

    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    body = helper.make_graph(nodes, "model", [*map(port, INPUTS)], [*map(port, OUTPUTS)], tensors)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def axes(name, language):
    """Return the axes of an input or output."""
    return [language.tokenizer.size if each == SIZE else each for each in AXES[name]]


def write_bundle(directory: Path, tokenizer=CHARACTERS, name: str = "toy", context: int = CONTEXT):
    """Write the bundle and return its directory."""
    language = language_model(context, of=tokenizer)
    directory.mkdir(parents=True)
    onnx.save(graph(language), directory / "model.onnx")
    tokenizers.save(tokenizer, directory, context)
    np.savez(directory / "test_vectors.npz", **_vectors(language))
    (directory / "README.md").write_text(f"# {name}\n")

    def port(name):
        dtype = "int64" if name in INPUTS[:3] else "float32"
        return {"name": name, "dtype": dtype, "axes": axes(name, language), "meaning": name}

    write_manifest(
        directory,
        name=name,
        family="transformer",
        content="text",
        task="text generation",
        graphs={"fp32": {"model": "model.onnx"}},
        interface={"model": {"inputs": [*map(port, INPUTS)], "outputs": [*map(port, OUTPUTS)]}},
        processing={"vocabulary_size": language.tokenizer.size, "context": context},
        assets={"tokenizer": "tokenizer.json"},
        metrics=[],
    )
    return directory


def _vectors(language):
    ids = np.arange(6).reshape(2, 3)
    mask, places = np.ones_like(ids), np.tile(np.arange(3), (2, 1))
    empty = np.zeros((2, 1, 0, WIDTH), np.float32)
    logits, [(key, value)] = language.network(ids, mask, places, None)
    inputs = zip(INPUTS, (ids, mask, places, empty, empty), strict=True)
    outputs = zip(OUTPUTS, (logits, key, value), strict=True)
    return {f"model.inputs.{name}": array for name, array in inputs} | {
        f"model.outputs.{name}": array.astype(np.float32) for name, array in outputs
    }


def write_styled_bundle(directory: Path, **options):
    """Write a bundle of a model with the styles of `toy_language`; return its directory."""
    write_bundle(directory, tokenizer=STYLED, **options)
    processing = json.loads((directory / "bundle.json").read_text())["processing"]
    return reseal(directory, processing=processing | {"styles": codes_of(STYLED)})


TEMPLATE = (
    "{% for message in messages %}{{ message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)


def write_chat_bundle(directory: Path, template: str = TEMPLATE, **options):
    """Write a bundle with a chat template that puts messages together; return its directory."""
    write_bundle(directory, **options)
    processing = json.loads((directory / "bundle.json").read_text())["processing"]
    (directory / "chat_template.jinja").write_text(template)
    special = {"eos_token": "<|eos|>"}
    return reseal(
        directory,
        processing=processing | {"chat": special},
        assets={"tokenizer": "tokenizer.json", "chat_template": "chat_template.jinja"},
    )
