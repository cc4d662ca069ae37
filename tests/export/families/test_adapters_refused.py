"""Adapters, and graphs that take them, are refused where they are not what they say."""

import json
import re
import shutil

import numpy as np
import onnx
import pytest

import export
import serving
import zoo
from export import ExportError
from export.families.adapters import adaptable
from export.families.forms import Made
from serving.bundle.adapter import ADAPTER_NAME
from serving.bundle.files import pin_of
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.errors import UsageError
from serving.graphs.protobuf import WeightsFile
from serving.graphs.scan import check_graph

pytestmark = pytest.mark.long


def refusal(function, kind=BundleError):
    with pytest.raises(kind) as caught:
        function()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def loading(adapted, adapter, **options):
    return lambda: serving.load(
        adapted / "bundle", device="cpu", adapters={"a": adapter}, **options
    )


def rewritten(adapted, folder, **changes):
    """Return a copy of an adapter whose record says something else."""
    shutil.copytree(adapted / "poems", folder)
    document = json.loads((folder / ADAPTER_NAME).read_text())
    (folder / ADAPTER_NAME).write_text(json.dumps(document | changes))
    return folder


def test_models_without_such_a_variant_say_so(adapted, gpt, merged):
    assert "adapter is 'odes'; expected one of poems, prose" in refusal(
        lambda: gpt.generate("x", adapter="odes"), UsageError
    )
    assert "none is loaded" in refusal(
        lambda: merged[None].generate("x", adapter="poems"), UsageError
    )
    assert "no variant that takes adapters" in refusal(
        lambda: merged["poems"].generate("x", adapter="poems"), UsageError
    )
    assert "fused-lora, fused-int4-lora do" in refusal(
        loading(adapted, adapted / "poems", variant="fused"), UsageError
    )
    merging = lambda: serving.load(adapted / "merged-poems", adapters={"a": adapted / "poems"})  # noqa: E731
    assert "has no variant that takes adapters" in refusal(merging, UsageError)


def test_an_adapter_of_other_weights_is_refused(adapted, tmp_path):
    other = {"base": {"name": "another", "weights": 64 * "0"}}
    message = refusal(loading(adapted, rewritten(adapted, tmp_path / "a", **other)))
    assert "is an adapter of another, and tiny-gpt has other weights" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 3}, r"is \[32, 4\] at rank 3, expected finite numbers \[32, 'lora_rank'\]"),
        ({"rank": 0}, "adapter.json is no valid adapter: rank: Input should be greater than 0"),
        ({"shapes": {"x": [1, 2]}}, "holds other arrays than it says"),
        ({"code": "x"}, "is no valid adapter: code: Extra inputs are not permitted"),
        ({"file": "../x"}, "is no valid adapter: file"),
        ({"file": "other"}, "uses other, which its manifest does not list"),
        ({"files": {"poems.onnx_adapter": {"sha256": 64 * "0", "bytes": 2**40}}}, "is larger than"),
    ],
)
def test_a_record_that_lies_is_refused(adapted, tmp_path, changes, message):
    assert re.search(
        message, refusal(loading(adapted, rewritten(adapted, tmp_path / "a", **changes)))
    )


def test_files_that_are_cut_or_altered_are_refused(adapted, tmp_path):
    shutil.copytree(adapted / "poems", tmp_path / "a")
    file = tmp_path / "a/poems.onnx_adapter"
    data = file.read_bytes()
    for broken, message in ((data[:-100], "bytes, expected"), (data[:-1] + b"x", "was altered")):
        file.write_bytes(broken)
        assert message in refusal(loading(adapted, tmp_path / "a"))
    file.unlink()
    assert "is missing" in refusal(loading(adapted, tmp_path / "a"))
    assert "is no adapter: it has no adapter.json" in refusal(loading(adapted, adapted / "base"))


def test_damage_that_is_pinned_is_refused_by_the_reader(adapted, tmp_path):
    """Whoever alters the file can alter the record too."""
    data = (adapted / "poems/poems.onnx_adapter").read_bytes()
    random = np.random.RandomState(0)
    for trial in range(20):
        broken = bytearray(data)
        for at in random.randint(0, 160, 3):
            broken[at] = random.randint(256)
        broken = broken[: random.randint(8, len(broken))] if trial % 2 else broken
        folder = tmp_path / f"a{trial}"
        shutil.copytree(adapted / "poems", folder)
        (folder / "poems.onnx_adapter").write_bytes(broken)
        document = json.loads((folder / ADAPTER_NAME).read_text())
        pin = pin_of(folder / "poems.onnx_adapter").model_dump()
        document["files"] = {"poems.onnx_adapter": pin}
        (folder / ADAPTER_NAME).write_text(json.dumps(document))
        try:
            loading(adapted, folder)()  # what is a number may be any other
        except BundleError as error:
            assert "\n" not in str(error)


def test_runs_that_have_none_are_refused(adapted, tmp_path):
    for source in (adapted / "base", adapted / "merged-poems"):
        message = refusal(lambda: export.export_adapter(source, tmp_path / "a"), ExportError)  # noqa: B023
        assert "has no adapter; train one with --set train.lora=8" in message
    assert "is not an adapter" in refusal(
        lambda: export.export_adapter(adapted / "run-poems", adapted / "bundle"), ExportError
    )
    assert not (tmp_path / "a").exists()


def test_layers_that_no_graph_takes_are_refused(adapted, tmp_path):
    changes = {"train.lora": 2, "train.lora_targets": ["expand"], "train.epochs": 1}
    zoo.train(zoo.fine_tuning(adapted / "base", changes), tmp_path / "run")
    message = refusal(lambda: export.export_adapter(tmp_path / "run", tmp_path / "a"), ExportError)
    assert "block_0/feed_forward/expand, which graphs of its family do not take" in message


# --- what the scan says of such graphs ---


def scanned(adapted, change):
    """Return what the scan says of the graph after a change."""
    manifest = read_manifest(adapted / "bundle")
    variant = manifest.variants["fused-lora"]
    model = onnx.load(adapted / "bundle/model.fused-lora.onnx")
    change(model.graph)
    interface, ports = manifest.interface["model"], variant.adapter_inputs("model")
    data = model.SerializeToString()
    beside = WeightsFile("model.onnx.data", 2**20)
    return lambda: check_graph(data, "model.onnx", interface, variant.opset, 80, ports, beside)


def stand_in(graph):
    return next(each for each in graph.initializer if each.name.endswith("lora_A"))


def test_what_stands_in_for_an_adapter_is_zero_and_of_its_shape(adapted):
    def ones(graph):
        tensor = stand_in(graph)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.ones(tensor.dims, np.float32), tensor.name))

    def wide(graph):
        tensor = stand_in(graph)
        zeros = np.zeros((tensor.dims[0], 2), np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(zeros, tensor.name))

    def absent(graph):
        graph.initializer.remove(stand_in(graph))

    def elsewhere(graph):
        tensor = stand_in(graph)
        told = {"location": "model.onnx.data", "offset": 0, "length": 4 * tensor.dims[0]}
        for key, value in told.items():
            tensor.external_data.add(key=key, value=str(value))
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("raw_data")

    scanned(adapted, lambda graph: None)()
    for change in (ones, wide, absent, elsewhere):
        assert "is not zero where no adapter is given" in refusal(scanned(adapted, change))


def test_inputs_that_are_not_declared_are_let_into_no_graph(adapted):
    def more(graph):
        graph.input.append(graph.input[-1])
        graph.input[-1].name = "another"

    assert "its inputs are" in refusal(scanned(adapted, more))
    manifest = read_manifest(adapted / "bundle")
    data = (adapted / "bundle/model.fused-lora.onnx").read_bytes()
    plain = lambda: check_graph(data, "model.onnx", manifest.interface["model"], 19, 80)  # noqa: E731
    assert "its inputs are" in refusal(plain)


def test_ports_that_are_no_factors_are_refused(adapted, tmp_path):
    shutil.copytree(adapted / "bundle", tmp_path / "bundle")
    file = tmp_path / "bundle/bundle.json"
    document = json.loads(file.read_text())
    document["variants"]["fused-lora"]["adapters"]["inputs"]["model"][0]["axes"] = [32, 4]
    file.write_text(json.dumps(document))
    assert "is no factor of a change of low rank" in refusal(lambda: serving.load(file.parent))


def test_a_layer_that_is_in_no_graph_is_an_error(adapted):
    model = zoo.from_workdir(adapted / "base")
    graph = onnx.load(adapted / "bundle/model.fused.onnx")
    for node in graph.graph.node:
        node.name = node.name.replace("merge", "fuse")
    with pytest.raises(ExportError, match="the product of layer block_0/attention/merge is not"):
        adaptable(Made({}, {"model": graph}), model, ["merge"])
