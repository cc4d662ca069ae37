"""What the tests of adapters share: a base, two adapters of it, and models that have them."""

import pytest

import export
import serving
import zoo
from tests.zoo.transformer.test_gpt_training import recipe

NAMES = ("poems", "prose")


@pytest.fixture(scope="session")
def adapted(tmp_path_factory):
    """A base, and two adapters of it on different texts, each exported alone and merged."""
    adapted = tmp_path_factory.mktemp("adapters")
    made = recipe(epochs=1)
    sizes = {"context": 80, "width": 32, "kv_heads": 1, "layers": 2}  # heads of 16
    made = made.model_copy(update={"model": made.model.model_copy(update=sizes)})
    zoo.train(made, adapted / "base")
    for name, line, rank in zip(
        NAMES, ("roses are red. ", "it was said so, and "), (4, 1), strict=True
    ):
        (adapted / f"{name}.txt").write_text(line * 200)
        changes = {"train.lora": rank, "train.lora_alpha": 8.0, "train.learning_rate": 0.05}
        changes |= {"data.name": str(adapted / f"{name}.txt"), "name": name}
        zoo.train(zoo.fine_tuning(adapted / "base", changes), adapted / f"run-{name}")
        export.export_adapter(adapted / f"run-{name}", adapted / name)
        out = adapted / f"merged-{name}"
        export.export(adapted / f"run-{name}", out, formats=["onnx"], variants=["fused"])
    variants = ["fused", "fused-lora", "fused-int4-lora"]
    export.export(adapted / "base", adapted / "bundle", formats=["onnx"], variants=variants)
    return adapted


@pytest.fixture(scope="session")
def gpt(adapted):
    adapters = {name: adapted / name for name in NAMES}
    return serving.load(adapted / "bundle", device="cpu", adapters=adapters)


@pytest.fixture(scope="session")
def merged(adapted):
    """By adapter, the model that has it in its weights; by None, the base."""
    folders = {name: adapted / f"merged-{name}" for name in NAMES} | {None: adapted / "bundle"}
    return {name: serving.load(folder, device="cpu", variant="fused")
            for name, folder in folders.items()}  # fmt: skip
