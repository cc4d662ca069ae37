"""Every way to draw an image: each takes latents, and labels if any, and returns an array."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench import runtimes
from tests.bench.peers import Peer

if TYPE_CHECKING:
    from tests.bench.images import Case, Draw, Feeds


def _genzoo(call: Callable[[Any, Feeds], np.ndarray], case: Case) -> Draw:
    import serving

    return partial(call, serving.load(case.name, device="cpu", threads=case.threads))


def _intensities(model: Any, feeds: Feeds) -> np.ndarray:
    return model.decode(**feeds, dtype=np.float32)


def _pixels(model: Any, feeds: Feeds) -> np.ndarray:
    return model.decode(**feeds)


def _from_seed(model: Any, feeds: Feeds) -> np.ndarray:
    return model.generate(len(feeds["z"]), feeds.get("labels"), seed=0)


def _bare_session(case: Case) -> Draw:
    session = runtimes.onnxruntime_session(case.graph, case.threads)
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
    loaded = tf.saved_model.load(str(case.folder / "saved_model"))
    signature = loaded.signatures["serving_default"]
    signature._loaded = loaded  # it does not keep its variables alive
    return lambda feeds: signature(**_tensors(tf, feeds))["image"].numpy()


def _xla(case: Case) -> Draw:
    tf = runtimes.tensorflow(case.threads)
    call = tf.function(_painted(case), jit_compile=True)
    return lambda feeds: call(_tensors(tf, feeds)).numpy()


def _painted(case: Case) -> Callable[[Feeds], Any]:
    """Return the Keras model as a function of its latents."""
    import zoo
    from tests.bench.images import painter

    call = painter(zoo.from_preset(case.name)).call
    return lambda feeds: call(**feeds)["image"]


def _tensors(tf: Any, feeds: Feeds) -> dict[str, Any]:
    return {name: tf.constant(value) for name, value in feeds.items()}


def _pytorch(compiled: bool, case: Case) -> Draw:
    torch = runtimes.pytorch(case.threads)
    network = torch.load(case.folder / "network.pt", weights_only=False)
    network = network.to(memory_format=torch.channels_last)
    paint = torch.compile(network.paint, dynamic=False) if compiled else network.paint

    @torch.inference_mode()
    def draw(feeds: Feeds) -> np.ndarray:
        return paint(*map(torch.from_numpy, feeds.values())).numpy()

    return draw


def _openvino(case: Case) -> Draw:
    graph = runtimes.OpenVino(case.graph, case.threads)

    @cache
    def compiled(batch: int) -> Any:
        return graph.compiled({name: value.shape for name, value in case.feeds(batch).items()})

    return lambda feeds: runtimes.named(compiled(len(feeds["z"]))(feeds))["image"]


def _graph(case: Case) -> Any:
    return case.graph


def _weights(case: Case) -> Any:
    return case.graph.parent / "model.weights.h5"


def _network(case: Case) -> Any:
    return case.folder / "network.pt"


def _ours(name: str, call: Callable[[Any, Feeds], np.ndarray]) -> Peer:
    return Peer(name, "onnxruntime", runtimes.PLAIN, partial(_genzoo, call), _graph)


PEERS = (
    _ours("genzoo", _intensities),
    _ours("genzoo, pixels", _pixels),
    _ours("genzoo, from a seed", _from_seed),
    Peer("bare session", "onnxruntime", runtimes.PLAIN, _bare_session, _graph),
    Peer("OpenVINO", "openvino", runtimes.BENCH, _openvino, _graph),
    Peer("PyTorch", "torch", runtimes.BENCH, partial(_pytorch, False), _network),
    Peer("PyTorch compiled", "torch", runtimes.BENCH, partial(_pytorch, True), _network),
    Peer("Keras predict", "tensorflow", runtimes.TRAIN, _keras_predict, _weights),
    Peer(
        "SavedModel",
        "tensorflow",
        runtimes.TRAIN,
        _saved_model,
        lambda case: case.folder / "saved_model",
    ),
    Peer("TF + XLA", "tensorflow", runtimes.TRAIN, _xla, _weights),
)
