"""Tiny bundles made with the onnx package: 4x4 images, 2 latents, all of it easy for NumPy."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE, LATENT, CLASSES, OPSET = (4, 4, 1), 2, 3, 18
PIXELS = int(np.prod(SHAPE))
_random = np.random.RandomState(0)
WEIGHTS = {
    "to_mean": _random.randn(PIXELS, LATENT),
    "to_log_variance": _random.randn(PIXELS, LATENT),
    "to_image": _random.randn(LATENT, PIXELS),
    "shift": _random.randn(CLASSES, LATENT),
    "prior_mean": _random.randn(CLASSES, LATENT),
    "prior_log_variance": _random.randn(CLASSES, LATENT),
    "zero": np.zeros(LATENT),
}
WEIGHTS = {name: value.astype(np.float32) for name, value in WEIGHTS.items()}
WEIGHTS["shape"] = np.array([-1, *SHAPE])
_TYPES = {"labels": TensorProto.INT64}
_AXES = {
    "image": ["batch_size", *SHAPE],
    "parameters": ["batch_size", *SHAPE],
    "labels": ["batch_size"],
    "shares": ["batch_size", CLASSES],
    "z": ["batch_size", LATENT],
    "mean": ["batch_size", LATENT],
    "log_variance": ["batch_size", LATENT],
}
DEVICES = {"fp32": ["cpu", "cuda", "web"], "fp16": ["cuda"], "int8": ["cpu", "web"]}
AUTO = {"cpu": ["fp32"], "cuda": ["fp16", "fp32"]}
PROVENANCE = {
    "recipe": {},
    "seed": 0,
    "dataset": "none",
    "dataset_license": "none",
    "packages": {},
    "train_seconds": 0.0,
    "hardware": "none",
}

PORTS = {
    "encoder": (["image"], ["mean", "log_variance"]),
    "decoder": (["z"], ["image", "parameters"]),
    "prior": (["labels"], ["mean", "log_variance"]),
    "generator": (["z"], ["image"]),
    "blender": (["z", "shares"], ["image"]),
}
ROLES = {  # of unconditional models, and what conditional ones have beside
    "vae": (["encoder", "decoder"], ["prior"]),
    "gan": (["generator"], ["blender"]),
}


def ports(role, conditional=False):
    """Return the names of a graph's inputs and outputs."""
    inputs, outputs = PORTS[role]
    return inputs + ["labels"] * (conditional and role not in ("prior", "blender")), outputs


def graph(role, conditional=False):
    """Return the tiny graph of a role as an onnx.ModelProto."""
    node = helper.make_node
    if role == "prior":
        nodes = [node("Gather", [f"prior_{name}", "labels"], [name]) for name in PORTS[role][1]]
        return _model(role, nodes, conditional, ["prior_mean", "prior_log_variance"])
    if role == "encoder":
        weights = ["to_mean", "to_log_variance"]
        nodes = [
            node("Flatten", ["image"], ["flat"]),
            node("MatMul", ["flat", "to_mean"], ["mean"]),
            node("MatMul", ["flat", "to_log_variance"], ["unmoved"]),
            node("Add", ["unmoved", "moved"], ["log_variance"]),
        ]
    else:
        weights = ["to_image", "shape"]
        nodes = [
            node("Add", ["z", "moved"], ["at"]),
            node("MatMul", ["at", "to_image"], ["flat"]),
            node("Reshape", ["flat", "shape"], ["parameters"]),
            node("Sigmoid", ["parameters"], ["image"]),
        ]
    weights = [*weights, "shift" if conditional else "zero"]
    move = node("Identity", ["zero"], ["moved"])
    if conditional:
        move = node("Gather", ["shift", "labels"], ["moved"])
    if role == "blender":
        move = node("MatMul", ["shares", "shift"], ["moved"])
    return _model(role, [move, *nodes], conditional, weights)


def _model(role, nodes, conditional, weights):
    def port(name):
        return helper.make_tensor_value_info(name, _TYPES.get(name, TensorProto.FLOAT), _AXES[name])

    tensors = [numpy_helper.from_array(WEIGHTS[name], name) for name in weights]
    inputs, outputs = ports(role, conditional)
    body = helper.make_graph(nodes, role, [*map(port, inputs)], [*map(port, outputs)], tensors)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def expected(role, feeds):
    """Return what a tiny graph gives, by NumPy."""
    labels = feeds.get("labels")
    shift = 0 if labels is None else WEIGHTS["shift"][labels]
    if role == "prior":
        return {name: WEIGHTS[f"prior_{name}"][labels] for name in PORTS[role][1]}
    if role == "encoder":
        flat = feeds["image"].reshape(-1, PIXELS)
        log_variance = flat @ WEIGHTS["to_log_variance"] + shift
        return {"mean": flat @ WEIGHTS["to_mean"], "log_variance": log_variance}
    if role == "blender":
        shift = feeds["shares"] @ WEIGHTS["shift"]
    parameters = ((feeds["z"] + shift) @ WEIGHTS["to_image"]).reshape(-1, *SHAPE)
    found = {"image": sigmoid(parameters), "parameters": parameters}
    return {name: found[name] for name in PORTS[role][1]}


def _vectors(roles, conditional):
    arrays = {}
    for role in roles:
        feeds = {
            "image": _random.rand(3, *SHAPE).astype(np.float32),
            "z": _random.randn(3, LATENT).astype(np.float32),
            "labels": np.arange(3) % CLASSES,
            "shares": np.eye(CLASSES, dtype=np.float32),
        }
        feeds = {name: feeds[name] for name in ports(role, conditional)[0]}
        arrays |= {f"{role}.inputs.{name}": value for name, value in feeds.items()}
        arrays |= {
            f"{role}.outputs.{name}": value.astype(np.float32)
            for name, value in expected(role, feeds).items()
        }
    return arrays


def write_bundle(directory: Path, conditional=False, variants=("fp32",), name="tiny", family="vae"):
    """Write a tiny bundle and return its directory."""
    always, beside = ROLES[family]
    roles = always + beside * conditional
    directory.mkdir(parents=True)
    graphs = {
        variant: {
            role: f"{role}.onnx" if variant == "fp32" else f"{role}.{variant}.onnx"
            for role in roles
        }
        for variant in variants
    }
    for files in graphs.values():
        for role, file in files.items():
            onnx.save(graph(role, conditional), directory / file)
    np.savez(directory / "test_vectors.npz", **_vectors(roles, conditional))
    (directory / "README.md").write_text("# tiny\n\nA model for tests.\n")

    def port(port_name):
        dtype = "int64" if port_name == "labels" else "float32"
        return {"name": port_name, "dtype": dtype, "axes": _AXES[port_name], "meaning": port_name}

    interface = {}
    for role in roles:
        inputs, outputs = ports(role, conditional)
        interface[role] = {"inputs": [*map(port, inputs)], "outputs": [*map(port, outputs)]}
    processing = {
        "image_shape": list(SHAPE),
        "latent_dim": LATENT,
        "classes": CLASSES if conditional else 0,
    }
    metrics = [{"name": "nll", "value": 12.5, "unit": "nats/image", "better": "lower"}]
    write_manifest(
        directory, name=name, family=family, content="image", task="image generation",
        graphs=graphs, interface=interface, processing=processing, metrics=metrics,
    )  # fmt: skip
    return directory


def write_manifest(directory, graphs, **described):
    """Write a manifest of version 2 that lists what lies there.

    Args:
        directory: of the bundle.
        graphs: the files of each variant, by role.
        described: what the manifest says beside.
    """
    auto = {device: [name for name in names if name in graphs] for device, names in AUTO.items()}
    manifest = {
        "schema_version": 2,
        "summary": "A model for tests.",
        "parts": parts(),
        "auto": auto,
        "variants": {
            name: {
                "graphs": files,
                "form": "portable",
                "devices": DEVICES.get(name, []),
                "opset": OPSET,
                "parity": 1e-6,
                "runtimes": {"onnxruntime": "1.17"},
            }
            for name, files in graphs.items()
        },
        "files": {},
        "license": "Apache-2.0",
    }
    (directory / "bundle.json").write_text(json.dumps(manifest | described))
    reseal(directory)


def parts(**source):
    """Return the only part of a tiny bundle, of which the provenance says something else."""
    provenance = PROVENANCE | source
    return {"model": {"parameters": 100, "provenance": provenance, "license": "Apache-2.0"}}


def reseal(directory: Path, **changes):
    """Make a bundle's manifest true again, so that a check beyond the sums can be reached.

    Returns its directory.
    """
    path = directory / "bundle.json"
    manifest = json.loads(path.read_text()) | changes
    manifest["files"] = {
        file.name: {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "bytes": file.stat().st_size,
        }
        for file in sorted(directory.iterdir())
        if file != path
    }
    path.write_text(json.dumps(manifest))
    return directory
