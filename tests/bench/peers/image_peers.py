"""Every way to draw an image: each takes latents, and labels if any, and returns an array."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench.peers import runtimes
from tests.bench.peers.peer import DEVICES, Peer, unlike

if TYPE_CHECKING:
    from tests.bench.images import Case, Draw, Feeds


def _genzoo(call: Callable[[Any, Feeds], np.ndarray], variant: str, case: Case) -> Draw:
    import serving

    return partial(
        call, serving.load(case.source, device=case.device, variant=variant, threads=case.threads)
    )


def _intensities(model: Any, feeds: Feeds) -> np.ndarray:
    return model.decode(**feeds, dtype=np.float32)


def _pixels(model: Any, feeds: Feeds) -> np.ndarray:
    return model.decode(**feeds)


def _from_seed(model: Any, feeds: Feeds) -> np.ndarray:
    return model.generate(len(feeds["z"]), feeds.get("labels"), seed=0)


def _bare_session(case: Case) -> Draw:
    session = runtimes.onnxruntime_session(case.graph(), case.threads, case.device)
    return lambda feeds: session.run(["image"], feeds)[0]


def _keras_predict(case: Case) -> Draw:
    keras = runtimes.tensorflow(case.threads).keras
    call = _painted(case)

    class Painter(keras.Model):
        def call(self, inputs: Feeds) -> Any:
            return call(inputs)

    model = Painter()
    return lambda feeds: model.predict(feeds, batch_size=len(feeds["z"]), verbose=0)


def _saved_model(case: Case) -> Draw:
    tf = runtimes.tensorflow(case.threads)
    loaded = tf.saved_model.load(str(_saved(case)))
    signature = loaded.signatures["serving_default"]
    signature._loaded = loaded  # it does not keep its variables alive
    return lambda feeds: signature(**_tensors(tf, feeds))["image"].numpy()


def _xla(case: Case) -> Draw:
    tf = runtimes.tensorflow(case.threads)
    call = tf.function(_painted(case), jit_compile=True)
    return lambda feeds: call(_tensors(tf, feeds)).numpy()


def _painted(case: Case) -> Callable[[Feeds], Any]:
    """Return the Keras model as a function of its latents, and labels if any."""
    import zoo

    model = zoo.from_preset(case.source)
    if model.config.family == "vae":
        return lambda feeds: model.decode(**feeds)
    return lambda feeds: model(feeds if "labels" in feeds else feeds["z"])


def _tensors(tf: Any, feeds: Feeds) -> dict[str, Any]:
    return {name: tf.constant(value) for name, value in feeds.items()}


def _pytorch(compiled: bool, case: Case) -> Draw:
    torch = runtimes.pytorch(case.threads)
    network = torch.load(_network(case), weights_only=False)
    network = network.to(case.device, memory_format=torch.channels_last)
    paint = network.paint
    if compiled:
        paint = runtimes.compiled(torch, paint, case.device)

    @torch.inference_mode()
    def draw(feeds: Feeds) -> np.ndarray:
        arguments = (torch.from_numpy(value).to(case.device) for value in feeds.values())
        return paint(*arguments).cpu().numpy()

    return draw


def _openvino(case: Case) -> Draw:
    graph = runtimes.OpenVino(case.graph(), case.threads)

    @cache
    def compiled(batch: int) -> Any:
        return graph.compiled({name: value.shape for name, value in case.feeds(batch).items()})

    return lambda feeds: runtimes.named(compiled(len(feeds["z"]))(feeds))["image"]


def _within(most: float, ours: np.ndarray, theirs: np.ndarray) -> bool:
    return bool(np.abs(ours - theirs).max() <= most)


def _no_such(variant: str, case: Case) -> str:
    if variant not in case.manifest.variants:
        return f"the bundle has no {variant} variant"
    return "" if case.graph(variant).exists() else f"{case.graph(variant).name} is not here"


def _weights(case: Case) -> Path:
    return case.source / "model.weights.h5"


def _network(case: Case) -> Path:
    return case.folder / "network.pt"


def _saved(case: Case) -> Path:
    return case.folder / "saved_model"


EXACT = partial(_within, 1e-4)  # anywhere in an image
ROUNDED = partial(_within, 0.5)  # 8 bits, and where a stroke ends whole pixels differ


def _onnx(name: str, load: Callable[[Case], Draw], agrees: Any = EXACT) -> Peer:
    graph = methodcaller("graph")
    return Peer(name, "onnxruntime", runtimes.PLAIN, load, graph, agrees, devices=DEVICES)


def _reduced(variant: str, devices: tuple[str, ...]) -> Peer:
    load, graph = partial(_genzoo, _intensities, variant), methodcaller("graph", variant)
    unfit = partial(_no_such, variant)
    name = f"genzoo, {variant}"
    return Peer(name, "onnxruntime", runtimes.PLAIN, load, graph, ROUNDED, unfit, devices=devices)


def _of_torch(name: str, compiled: bool) -> Peer:
    load = partial(_pytorch, compiled)
    return Peer(
        name, "torch", runtimes.BENCH, load, _network, EXACT, compiled=compiled, devices=DEVICES
    )


def _of_tensorflow(name: str, load: Callable[[Case], Draw], file: Callable[[Case], Path]) -> Peer:
    return Peer(name, "tensorflow", runtimes.TRAIN, load, file, EXACT)


PEERS = (
    _onnx("genzoo", partial(_genzoo, _intensities, "fp32")),
    _onnx("genzoo, pixels", partial(_genzoo, _pixels, "fp32"), unlike),
    _onnx("genzoo, from a seed", partial(_genzoo, _from_seed, "fp32"), unlike),
    _reduced("int8", devices=("cpu",)),
    _reduced("fp16", devices=("cuda",)),
    _onnx("bare session", _bare_session),
    Peer("OpenVINO", "openvino", runtimes.BENCH, _openvino, lambda case: case.graph(), EXACT),
    _of_torch("PyTorch", compiled=False),
    _of_torch("PyTorch compiled", compiled=True),
    _of_tensorflow("Keras predict", _keras_predict, _weights),
    _of_tensorflow("SavedModel", _saved_model, _saved),
    _of_tensorflow("TF + XLA", _xla, _weights),
)
