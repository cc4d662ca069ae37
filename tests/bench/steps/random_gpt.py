"""A Transformer of any shape with random weights, exported as it would be shipped.

How fast it is does not depend on what it writes.
"""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import keras
import onnx

from export.checkpoints import gguf
from export.families.fusion import fuse
from export.families.gpt_graphs import graphs, static
from export.families.gpt_settings import FUSED, genai_config
from export.graph import converter
from export.graph.precision import quantize_weights, reduce_precision
from export.proof.graphs import GraphSpec
from serving.bundle.files import pin_of
from serving.bundle.manifest import Manifest, Part, Provenance, Variant
from serving.bundle.records import MANIFEST_NAME
from serving.families.gpt_graph import PORTABLE, STATIC
from serving.families.text_processing import TextProcessing
from tests.bench.peers import hand_written
from tests.bench.texts import HAND_WRITTEN, LETTERS, SPECIAL, VARIANTS, Case, Shape, token_names
from zoo.data import tokenizers
from zoo.transformer import GPT, GPTConfig

LAYER_GAIN = 4
GGUF = {32: "F32", 8: "Q8_0", 4: "Q4_0"}  # how matrices of so many bits are held
Graphs = dict[str, onnx.ModelProto]


def write(case: Case) -> int:
    """Write the bundle, and what libraries read that do not read bundles.

    Returns:
        Bytes of the weights that each token takes.

    Raises:
        GenzooError: there is no such Transformer.
    """
    case.folder.mkdir()
    model = _model(case.shape)
    [spec] = graphs(model)
    made = _graphs(spec, model, case.bits)
    if case.device == "cuda":
        made["static-fp16"] = reduce_precision(made["static"], "fp16", list)
    by_hand = {HAND_WRITTEN: hand_written.graph(model)} if case.bits == 32 else {}
    for variant, graph in (made | by_hand).items():
        onnx.save(graph, case.graph(variant))
    tokenizers.save(_tokenizer(case.shape.vocabulary), case.folder, case.shape.context)
    settings = json.dumps(genai_config(model.config), indent=2)
    (case.folder / "genai_config.json").write_text(settings, encoding="utf-8")
    model.save_weights(case.folder / "model.weights.h5")
    _write_torch(model, case.folder / "network.pt")
    _write_gguf(model, case.bits, case.folder / "network.gguf")
    _write_manifest(case, model, spec, list(made))
    return weights_read(made[VARIANTS[case.bits]])


def config_of(shape: Shape) -> GPTConfig:
    """Return what a Transformer of these sizes is made of."""
    sizes = asdict(shape)
    return GPTConfig.parse({"vocabulary_size": sizes.pop("vocabulary")} | sizes, "options")


def _model(shape: Shape) -> GPT:
    """Make one that never ends a text: the logits of special tokens are 0, the likeliest above.

    Its layers weigh more than those of an untrained model, which repeats what it has read last
    whatever they do.
    """
    keras.utils.set_random_seed(0)
    model = GPT(config_of(shape))
    for variable in model.trainable_variables:
        if "block" in variable.path and len(variable.shape) == 2:
            variable.assign(LAYER_GAIN * variable)
    table = model.token_embedding.embeddings
    values = table.numpy()
    values[:SPECIAL] = 0
    table.assign(values)
    return model


def _graphs(spec: GraphSpec, model: GPT, bits: int) -> Graphs:
    """Return the graphs by variant: in float32 those of every form, in fewer bits the fused one."""
    portable = converter.convert(spec)
    fused = fuse(portable, model.config)
    if bits in (4, 8):
        return {VARIANTS[bits]: quantize_weights(fused, bits)}
    fixed = converter.convert(static(spec, model))
    return {"fp32": portable, "fused": fused, "static": fixed}


def _tokenizer(vocabulary: int) -> tokenizers.tokenizers.Tokenizer:
    """Make the tokenizer of `token_names`, which reads texts letter by letter."""
    document = json.loads(tokenizers.character_tokenizer("".join(LETTERS)).to_str())
    ids = {name: index for index, name in enumerate(token_names(vocabulary), SPECIAL)}
    document["model"]["vocab"] |= ids
    return tokenizers.parse(json.dumps(document).encode())


def _write_torch(model: GPT, file: Path) -> None:
    """Write the same network in PyTorch with the same weights, where there is PyTorch."""
    try:
        import torch

        from tests.bench.peers.torch_gpt import TorchGPT
    except ImportError:
        return
    network = TorchGPT(model.config)
    network.take(model)
    torch.save(network.eval(), file)


def _write_gguf(model: GPT, bits: int, file: Path) -> None:
    """Write the same network for llama.cpp, where there is what writes such files."""
    kind = GGUF[bits]
    with suppress(ImportError):
        gguf.write(model, file, gguf.Encoding(kind, kind), gguf.About("network"))


def _write_manifest(case: Case, model: GPT, spec: GraphSpec, variants: list[str]) -> None:
    def described(variant: str) -> Variant:
        form = variant.split("-")[0]
        return Variant(
            graphs={spec.role: case.graph(variant).name},
            form=form if form in (STATIC, FUSED) else PORTABLE,
            axes=dict(static(spec, model).fixed) if form == STATIC else None,
            opset=converter.OPSET,
            parity=0.0,
        )

    unknown = dict.fromkeys(("dataset", "dataset_license", "hardware"), "none")
    source = Provenance(recipe={}, seed=0, packages={}, train_seconds=0.0, **unknown)
    manifest = Manifest(
        name="random-gpt",
        family="transformer",
        content="text",
        task="text generation",
        summary="Random weights",
        parts={"model": Part(parameters=model.count_params(), provenance=source, license="none")},
        assets={"tokenizer": tokenizers.FILE},
        variants={variant: described(variant) for variant in variants},
        interface={spec.role: spec.interface},
        processing=TextProcessing(
            vocabulary_size=case.shape.vocabulary, context=case.shape.context
        ).model_dump(exclude_none=True),
        metrics=[],
        files={file.name: pin_of(file) for file in sorted(case.folder.iterdir())},
        license="none",
    )
    (case.folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


def weights_read(model: onnx.ModelProto) -> int:
    """Return the bytes of a graph's tensors that are read whole when it runs on one token.

    Of what is only gathered from, such as a matrix that embeds tokens, hardly anything is read.
    """
    whole = {name for node in model.graph.node if node.op_type != "Gather" for name in node.input}
    return sum(
        onnx.numpy_helper.to_array(tensor).nbytes
        for tensor in model.graph.initializer
        if tensor.name in whole
    )
