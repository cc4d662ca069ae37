import numpy as np
import pytest

from export.bundling.card import escape, render
from serving.bundle.manifest import Manifest

PICTURES = np.zeros((4, 8, 8, 1), np.uint8)
HOSTILE = "fine |<script>alert(1)</script>\n# Heading\n---\nlicense: mit ![x](http://x) `` ``` \\"


class Images(Family):
    pipeline_tag = "unconditional-image-generation"
    tags = ("vae",)
    limitations = ("Draws digits.",)
    snippet = "print('hello')\n"


@pytest.fixture
def manifest():
    return Manifest.model_validate(
        {
            "name": "tiny",
            "family": "vae",
            "task": "image generation",
            "summary": "A summary.",
            "parameters": 1234567,
            "variants": {
                "fp32": {
                    "graphs": {"decoder": "decoder.onnx"},
                    "nodes": {"decoder": 7},
                    "opset": 18,
                    "parity": 1.5e-6,
                },
                "int8": {
                    "graphs": {"decoder": "decoder.int8.onnx"},
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
                        {"name": "z", "dtype": "float32", "axes": ["batch", 2], "meaning": "latent"}
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
            "provenance": {
                "recipe": {"name": "tiny", "train": {"epochs": 3}},
                "git_commit": None,
                "seed": 9,
                "dataset": "mnist",
                "dataset_license": "CC BY-SA 3.0",
                "packages": {"keras": "3.15.1"},
                "train_seconds": 3600.4,
                "hardware": "2 cores",
            },
            "license": "Apache-2.0",
        }
    )


def head(card):
    yaml = pytest.importorskip("yaml")
    start, text, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(text)


def test_everything_that_was_measured_is_on_the_card(manifest):
    card = render(manifest, Images(), PICTURES)
    for words in [
        "# tiny",
        "A summary.",
        "![Samples of tiny](samples.png)",
        'serving.load("tiny").generate(16, seed=7)',
        "print('hello')",
        "| `decoder` | input | `z` | float32 | batch x 2 | latent |",
        "| fp32 | `decoder.onnx` | 4,000,000 | 18 | 7 | 1.5e-06 | not measured |  |",
        "| int8 | `decoder.int8.onnx` | 1,000,000 | 18 |  | 2.0e-02 | 82.5000 | +0.1250 |",
        "how surprised it is",
        "| nll | 82.38 | nats/image | 10000 | 3 | -log p(x) |",
        "mnist (licence: CC BY-SA 3.0)",
        "1,234,567",
        "3,600 s on 2 cores",
        "keras 3.15.1",
        "epochs = 3",
        "Draws digits.",
        "The weights: Apache-2.0.",
    ]:
        assert words in card, words
    assert not any(word in card.lower() for word in ("todo", "tbd", "filled in", "none", "nan"))


def test_the_head_is_what_hugging_face_reads(manifest):
    values = head(render(manifest, Images(), PICTURES))
    assert values["license"] == "apache-2.0" and values["library_name"] == "genzoo"
    assert values["tags"] == ["genzoo", "onnx", "keras", "vae"]
    assert values["datasets"] == ["mnist"] and values["metrics"] == ["nll"]
    (model,) = values["model-index"]
    (result,) = model["results"]
    assert model["name"] == "tiny" and result["task"]["type"] == values["pipeline_tag"]
    assert result["metrics"] == [{"type": "nll", "name": "nll (nats/image)", "value": 82.375}]


def test_a_model_that_was_not_evaluated_says_so(manifest):
    card = render(manifest.model_copy(update={"metrics": []}), Images(), PICTURES)
    assert "exported without having been evaluated" in card
    assert "model-index" not in head(card)


def test_a_conditional_model_is_asked_for_labels(manifest):
    processing = manifest.processing.model_copy(update={"classes": 10})
    card = render(manifest.model_copy(update={"processing": processing}), Images(), PICTURES)
    assert "generate(16, labels=[9] * 16, seed=7)" in card


def test_text_from_outside_stays_text(manifest):
    source = manifest.provenance.model_copy(
        update={"dataset": HOSTILE, "hardware": HOSTILE, "recipe": {"summary": HOSTILE}}
    )
    card = render(
        manifest.model_copy(update={"summary": HOSTILE, "provenance": source}), Images(), PICTURES
    )
    plain, expected = outside_code(card), outside_code(render(manifest, Images(), PICTURES))
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
