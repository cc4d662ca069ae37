import re
from types import SimpleNamespace

import numpy as np
import pytest

from export.bundling.card import escape, render
from export.families.vae import VAEExporter
from serving import registry
from serving.bundle.manifest import Manifest
from zoo.vae.config import VAEConfig

PICTURES = np.zeros((4, 8, 8, 1), np.uint8)
HOSTILE = "fine |<script>alert(1)</script>\n# Heading\n---\nlicense: mit ![x](http://x) `` ``` \\"


def images(classes=0):
    """What a card asks of the exporter of a VAE; there is no run."""
    exporter = object.__new__(VAEExporter)
    exporter.config = VAEConfig(image_shape=(8, 8, 1), latent_dim=2, classes=classes)
    exporter.content = registry.content("image")
    exporter.run = SimpleNamespace(earlier={})
    return exporter


@pytest.fixture
def manifest():
    return Manifest.model_validate(
        {
            "name": "tiny",
            "family": "vae",
            "content": "image",
            "task": "image generation",
            "summary": "A summary.",
            "parts": {
                "model": {
                    "parameters": 1234567,
                    "provenance": {
                        "recipe": {"name": "tiny", "train": {"epochs": 3}},
                        "seed": 9,
                        "dataset": "mnist",
                        "dataset_license": "CC BY-SA 3.0",
                        "packages": {"keras": "3.15.1"},
                        "train_seconds": 3600.4,
                        "hardware": "2 cores",
                    },
                    "license": "Apache-2.0",
                }
            },
            "variants": {
                "fp32": {
                    "graphs": {"decoder": "decoder.onnx"},
                    "nodes": {"decoder": 7},
                    "opset": 18,
                    "parity": 1.5e-6,
                    "runtimes": {"onnxruntime": "1.17"},
                },
                "int8": {
                    "graphs": {"decoder": "decoder.int8.onnx"},
                    "runtimes": {"onnxruntime": "1.22", "openvino": "2026.4"},
                    "opset": 18,
                    "parity": 0.02,
                    "quality": {
                        "metric": "nll",
                        "value": 82.5,
                        "change": 0.125,
                        "definition": "how surprised it is",
                        "samples": 500,
                    },
                },
            },
            "interface": {
                "decoder": {
                    "inputs": [
                        {"name": "z", "dtype": "float32", "axes": ["any", 2], "meaning": "latent"}
                    ],
                    "outputs": [],
                }
            },
            "processing": {"image_shape": [8, 8, 1], "latent_dim": 2},
            "metrics": [
                {
                    "name": "nll",
                    "value": 82.375,
                    "unit": "nats/image",
                    "definition": "-log p(x)",
                    "samples": 10000,
                    "seed": 3,
                }
            ],
            "files": {
                name: {"sha256": "0" * 64, "bytes": size}
                for name, size in {
                    "decoder.onnx": 4000000,
                    "decoder.int8.onnx": 1000000,
                    "samples.png": 1,
                }.items()
            },
            "license": "Apache-2.0",
        }
    )


def with_parts(manifest, **parts):
    """A manifest whose parts have other provenances, the first of them its own."""
    (own,) = manifest.parts.values()
    made = {
        name: own.model_copy(update={"provenance": own.provenance.model_copy(update=changes)})
        for name, changes in parts.items()
    }
    return manifest.model_copy(update={"parts": made})


def head(card):
    yaml = pytest.importorskip("yaml")
    start, text, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(text)


def test_everything_that_was_measured_is_on_the_card(manifest):
    card = render(manifest, images(), PICTURES)
    for words in [
        "# tiny",
        "A summary.",
        "![Samples of tiny](samples.png)",
        'serving.load("tiny").generate(n=16, seed=7)',
        "genzoo generate tiny -n 16 --seed 7\n",
        "genzoo traverse tiny IMAGES --dimension 0\n",
        "decoder = onnxruntime.InferenceSession",
        "| `decoder` | input | `z` | float32 | any x 2 | latent |",
        "| fp32 | `decoder.onnx` | 4,000,000 | 18 | onnxruntime 1.17 | 7 | 1.5e-06 | not "
        "measured |  |",
        "| int8 | `decoder.int8.onnx` | 1,000,000 | 18 | onnxruntime 1.22, openvino 2026.4 |  | "
        "2.0e-02 | 82.5000 | +0.1250 |",
        "how surprised it is",
        "| nll | 82.38 | nats/image | 10000 | 3 | -log p(x) |",
        "mnist (licence: CC BY-SA 3.0)",
        "1,234,567",
        "3,600 s on 2 cores",
        "keras 3.15.1",
        "epochs = 3",
        "Draws 8x8 grey images like those of its data set",
        "The weights: Apache-2.0.",
    ]:
        assert words in card, words
    assert not re.search(
        r"\b(todo|tbd|filled in|none|nan|inf)\b", "\n".join(outside_code(card)).lower()
    )


def test_the_head_is_what_hugging_face_reads(manifest):
    values = head(render(manifest, images(), PICTURES))
    assert values["license"] == "apache-2.0" and values["library_name"] == "genzoo"
    assert values["tags"] == ["genzoo", "onnx", "keras", *VAEExporter.tags]
    assert values["datasets"] == ["mnist"] and values["metrics"] == ["nll"]
    (model,) = values["model-index"]
    (result,) = model["results"]
    assert model["name"] == "tiny" and result["task"]["type"] == values["pipeline_tag"]
    assert result["metrics"] == [{"type": "nll", "name": "nll (nats/image)", "value": 82.375}]


def test_a_model_that_was_not_evaluated_says_so(manifest):
    card = render(manifest.model_copy(update={"metrics": []}), images(), PICTURES)
    assert "exported without having been evaluated" in card
    assert "model-index" not in head(card)


def test_a_conditional_model_is_asked_for_labels(manifest):
    processing = manifest.processing | {"classes": 10}
    card = render(manifest.model_copy(update={"processing": processing}), images(10), PICTURES)
    assert 'serving.load("tiny").generate(n=16, labels=9, seed=7)' in card
    assert "genzoo generate tiny -n 16 --label 9 --seed 7\n" in card
    assert 'prior = onnxruntime.InferenceSession("prior.onnx")' in card


def test_every_part_says_where_it_comes_from(manifest):
    card = render(
        with_parts(manifest, prior={"seed": 1}, codes={"seed": 2, "git_clean": False}),
        images(),
        PICTURES,
    )
    assert card.index("## Training of `prior`") < card.index("## Training of `codes`")
    assert "| seed | 1 |" in card and "| seed | 2 |" in card
    assert card.count("not a checkout of the project, with changes") == 1
    assert "## Training\n" in render(manifest, images(), PICTURES)


def test_text_from_outside_stays_text(manifest):
    source = {"dataset": HOSTILE, "hardware": HOSTILE, "recipe": {"summary": HOSTILE}}
    told = with_parts(manifest, model=source).model_copy(update={"summary": HOSTILE})
    card = render(told, images(), PICTURES)
    plain, expected = outside_code(card), outside_code(render(manifest, images(), PICTURES))
    headings = [line for line in plain if line.startswith("#")]
    assert headings == [line for line in expected if line.startswith("#")]
    assert len([line for line in plain if line == "---"]) == 2
    assert not any("<script" in line.replace("\\<", "") for line in plain[plain.index("# tiny") :])
    rows = [line for line in plain if line.startswith("| data set |")]
    assert len(rows) == 1 and rows[0].replace("\\|", "").count("|") == 3
    assert head(card)["datasets"] == [HOSTILE]


def outside_code(card):
    """Lines that are not within a fenced block."""
    lines, fence = [], None
    for line in card.split("\n"):
        ticks = len(line) - len(line.lstrip("`"))
        if fence is None and ticks >= 3:
            fence = ticks
        elif fence is not None:
            fence = None if ticks >= fence and line.strip("`") == "" else fence
        else:
            lines.append(line)
    assert fence is None
    return lines


def test_escape():
    assert escape("a|b  <c>\n*d* [e](f) `g`") == r"a\|b \<c\> \*d\* \[e\](f) \`g\`"
    assert escape(str(np.float32(1.5))) == "1.5"
