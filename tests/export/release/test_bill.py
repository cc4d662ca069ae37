"""The bill of materials follows its schema and says what the bundles say."""

import hashlib
import json

from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from export import publish
from tests.serving.tiny_bundle import parts, reseal, write_bundle


def read(release):
    """Return a bill that the library's own strict validator has passed."""
    text = (release / "bom.cdx.json").read_text()
    error = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text)
    assert error is None, error
    return json.loads(text)


def by_reference(bill):
    return {component["bom-ref"]: component for component in bill["components"]}


def test_it_follows_the_schema_and_holds_every_file(release):
    bill = read(release)
    assert bill["specVersion"] == "1.6"
    models = [part for part in bill["components"] if part["type"] == "machine-learning-model"]
    assert [part["name"] for part in models] == ["conditional", "tiny", "toy"]
    files = {file["name"]: file["hashes"] for model in models for file in model["components"]}
    folder = release / "models"
    assert files == {
        path.relative_to(release).as_posix(): [
            {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
        ]
        for path in folder.glob("*/*")
    }


def test_it_says_what_was_measured_and_what_made_it(tmp_path):
    bundle = write_bundle(tmp_path / "bundle")
    variants = json.loads((bundle / "bundle.json").read_text())["variants"]
    source = {"dataset": "mnist", "dataset_license": "CC BY-SA 3.0"}
    source |= {"packages": {"keras": "3.15.1"}, "seed": 9, "git_commit": "1234567"}
    variants["fp32"]["quality"] = {
        "metric": "nll", "value": 12.5, "change": 0.0, "definition": "surprise", "samples": 10
    }  # fmt: skip
    reseal(bundle, parts=parts(**source), variants=variants)
    bill = read(publish([bundle], tmp_path / "release"))
    found = by_reference(bill)
    model = found["model:tiny"]
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    properties = {entry["name"]: entry["value"] for entry in model["properties"]}
    assert properties["genzoo:seed"] == "9" and properties["genzoo:git_commit"] == "1234567"
    card = model["modelCard"]
    (reference,) = card["modelParameters"]["datasets"]
    data = found[reference["ref"]]
    assert data["type"] == "data" and data["name"] == "mnist"
    assert data["licenses"] == [{"license": {"name": "CC BY-SA 3.0"}}]
    assert card["modelParameters"]["architectureFamily"] == "vae"
    assert {"format": "decoder.z: float32, batch_size x 2"} in card["modelParameters"]["inputs"]
    (metric,) = card["quantitativeAnalysis"]["performanceMetrics"]
    assert (metric["type"], metric["value"]) == ("nll (nats/image)", "12.5")
    assert card["considerations"]["performanceTradeoffs"] == [
        "fp32: nll 12.5, +0 against fp32; surprise"
    ]
    keras = found["package:keras@3.15.1"]
    assert keras["purl"] == "pkg:pypi/keras@3.15.1" and keras["scope"] == "excluded"
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    assert depends["release"] == ["model:tiny"]
    assert depends["model:tiny"] == [reference["ref"], "package:keras@3.15.1"]


def test_strange_words_break_nothing(tmp_path):
    bundle = write_bundle(tmp_path / "bundle")
    source = {
        "dataset": "<b> \n\u2028 é",
        "dataset_license": "see: https://x/?a=1&b=(2",
        "packages": {"a b": ""},
    }
    metrics = [{"name": "nll", "value": 1.5}, {"name": "\n|", "value": 1, "unit": 3, "samples": ""}]
    reseal(bundle, parts=parts(**source), metrics=metrics, summary="\x00\t", license="")
    read(publish([bundle], tmp_path / "release"))
