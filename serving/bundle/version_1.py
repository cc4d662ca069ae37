"""Manifests of version 1, read as version 2 would say it.

Version 1 knew images and text, three families, and one trained model a bundle.
"""

from collections.abc import Mapping
from typing import Any

TEXT = "text"
_FLAVOURS = {  # devices, and the oldest ONNX Runtime
    "portable": (["cpu", "cuda", "web"], "1.17"),
    "static": (["cuda"], "1.17"),
    "fused": (["cpu"], "1.18"),
}
_AUTO = {
    "cpu": ("fused", "fp32", "static"),
    "cuda": ("static-fp16", "static", "fp16", "fp32"),
}
_HIGHER = {  # metrics of which more is better
    "psnr", "ssim", "active_units", "elbo", "inception_score", "precision", "recall", "density",
    "coverage", "least_class_share", "classes_covered", "label_agreement", "transfer_accuracy",
    "accuracy",
}  # fmt: skip


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest of version 1 says, as a document of version 2.

    Args:
        document: the parsed `bundle.json`, which may hold anything.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no manifest.
    """
    new = dict(document)
    processing = dict(new["processing"])
    kind, tokenizer = processing.pop("kind", "image"), processing.pop("tokenizer", None)
    part = {key: new.pop(key) for key in ("parameters", "provenance")}
    part["license"] = new["license"]
    if "model.weights.h5" in new["files"]:
        part["weights"] = "model.weights.h5"
    variants = {name: _variant(name, variant) for name, variant in new["variants"].items()}
    auto = {device: [name for name in names if name in variants] for device, names in _AUTO.items()}
    return new | {
        "schema_version": 2,
        "content": kind,
        "parts": {"model": part},
        "assets": {"tokenizer": tokenizer or "tokenizer.json"} if kind == TEXT else {},
        "auto": auto,
        "variants": variants,
        "processing": processing,
        "metrics": [_metric(metric) for metric in new["metrics"]],
    }


def _variant(name: str, variant: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(variant)
    form = new.pop("flavour", "portable")
    devices, oldest = _FLAVOURS[form]
    precision = name.removeprefix(f"{form}-")
    if precision == "fp16":
        devices = [device for device in devices if device == "cuda"]
    elif precision == "int8":
        devices = [device for device in devices if device != "cuda"]
        oldest = "1.22" if form == "fused" else oldest
    return new | {"form": form, "devices": devices, "runtimes": {"onnxruntime": oldest}}


def _metric(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {**metric, "better": "higher" if metric["name"] in _HIGHER else "lower"}
