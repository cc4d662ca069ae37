"""Every way to enlarge a photograph, or its luminance."""

import os
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.bench.peers import runtimes
from tests.bench.peers.peer import Peer, unlike
from tests.bench.photographs.enlargements import LUMINANCE, PHOTOGRAPH, SIZES, Case, Enlarge
from tests.bench.photographs.files import FROZEN, ZOO, ZOO_SIDE

EDGE = 9  # pixels at each edge, where OpenCV takes what is outside for 0
EXACT = 1e-4  # of intensities from 0 to 1, anywhere
ROUNDED = 0.01  # on average: at sharp edges 8 bits lose more
ALIKE = 2.0  # levels, on average: OpenCV has other colours, and enlarges them bilinearly


def _genzoo(variant: str, case: Case) -> Enlarge:
    import serving

    model = serving.load(case.bundle, device="cpu", variant=variant, threads=case.threads)
    return model.enlarge if case.what == PHOTOGRAPH else model.enlarger.network


def _bare_session(case: Case) -> Enlarge:
    session = runtimes.onnxruntime_session(case.graph(), case.threads)
    return lambda image: session.run(["enlarged"], {"image": image})[0]


def _openvino(case: Case) -> Enlarge:
    graph = runtimes.OpenVino(case.graph(), case.threads).compiled({"image": case.given().shape})
    return lambda image: runtimes.named(graph({"image": image}))["enlarged"]


def _pillow(case: Case) -> Enlarge:
    def enlarge(pixels: np.ndarray) -> np.ndarray:
        image = Image.fromarray(pixels)
        size = (image.width * case.scale, image.height * case.scale)
        return np.asarray(image.resize(size, Image.Resampling.BICUBIC))

    return enlarge


def _opencv(case: Case) -> Any:
    import cv2

    cv2.setNumThreads(case.threads)
    return cv2


def _dnn_superres(case: Case) -> Enlarge:
    network = _opencv(case).dnn_superres.DnnSuperResImpl_create()
    network.readModel(str(_frozen(case)))
    network.setModel("fsrcnn", case.scale)
    return network.upsample


def _opencv_dnn(case: Case) -> Enlarge:
    network = _opencv(case).dnn.readNetFromTensorflow(str(_frozen(case)))

    def enlarge(image: np.ndarray) -> np.ndarray:
        network.setInput(image.reshape(1, 1, *image.shape[1:3]))
        larger = network.forward()  # (1, 1, H s, W s)
        return larger.reshape(1, *larger.shape[2:], 1)

    return enlarge


def _super_resolution(case: Case) -> Enlarge:
    session = runtimes.onnxruntime_session(_zoo(case), case.threads)
    return lambda image: session.run(None, {"input": image.reshape(1, 1, *image.shape[1:3])})[0]


def _within(most: float, ours: np.ndarray, theirs: np.ndarray) -> bool:
    inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
    return bool(np.abs(ours[inside] - theirs[inside]).max() <= most)


def _near(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return bool(np.abs(ours - theirs).mean() <= ROUNDED)


def _alike(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return bool(np.abs(ours.astype(int) - theirs).mean() <= ALIKE)


def _no_such(variant: str, case: Case) -> str:
    missing = variant not in case.manifest.variants or not case.graph(variant).exists()
    return f"the bundle has no {variant} variant" if missing else ""


def _other_size(case: Case) -> str:
    takes = f"it takes {ZOO_SIDE}x{ZOO_SIDE} pixels alone"
    return "" if SIZES[case.size] == (ZOO_SIDE, ZOO_SIDE) else takes


def _frozen(case: Case) -> Path:
    return case.folder / FROZEN


def _zoo(case: Case) -> Path:
    return case.folder / ZOO


def _ours(name: str, variant: str, agrees: Callable[[Any, Any], bool]) -> Peer:
    load, file = partial(_genzoo, variant), methodcaller("graph", variant)
    unfit = partial(_no_such, variant)
    return Peer(name, "onnxruntime", runtimes.PLAIN, load, file, agrees, unfit)


def _by_opencv(name: str, load: Callable[[Case], Enlarge], agrees: Any) -> Peer:
    return Peer(name, "cv2", runtimes.BENCH, load, _frozen, agrees)


GRAPH = methodcaller("graph")
PEERS = {
    PHOTOGRAPH: (
        _ours("genzoo", "fp32", _alike),
        _ours("genzoo, int8", "int8", _alike),
        _by_opencv("OpenCV dnn_superres", _dnn_superres, _alike),
        Peer(
            "Pillow, bicubic", "PIL", runtimes.PLAIN, _pillow, lambda case: Path(os.devnull), unlike
        ),
    ),
    LUMINANCE: (
        _ours("genzoo", "fp32", partial(_within, EXACT)),
        _ours("genzoo, int8", "int8", _near),
        Peer(
            "bare session",
            "onnxruntime",
            runtimes.PLAIN,
            _bare_session,
            GRAPH,
            partial(_within, EXACT),
        ),
        Peer("OpenVINO", "openvino", runtimes.BENCH, _openvino, GRAPH, partial(_within, EXACT)),
        _by_opencv("OpenCV DNN", _opencv_dnn, partial(_within, EXACT)),
        Peer(
            "super_resolution of the ONNX Model Zoo, random weights",
            "onnxruntime",
            runtimes.PLAIN,
            _super_resolution,
            _zoo,
            unlike,
            _other_size,
        ),
    ),
}
