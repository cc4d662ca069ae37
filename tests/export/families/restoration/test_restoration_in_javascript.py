"""What a bundle makes of photographs in JavaScript is what it makes of them here."""

import base64
import shutil
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

import serving
from serving.bundle.manifest import read_manifest
from tests.browser import errors
from tests.export.families.restoration.conftest import VARIANTS
from tests.javascript import SNIPPETS, installed, run
from tests.zoo.restoration.tiny_restoration import draw

pytestmark = pytest.mark.long  # a browser and Node.js are started for each

SCRIPT = """
const [text, width, height, variant, done] = arguments;
const pixels = Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0));
(async () => {
  const { enlarge, load } = await import("./enlarge.mjs");
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  const large = await enlarge(await load("model", variant), canvas);
  const { data } = large.getContext("2d").getImageData(0, 0, large.width, large.height);
  let found = "";
  for (let at = 0; at < data.length; at += 4096) {
    found += String.fromCharCode(...data.subarray(at, at + 4096));
  }
  return { width: large.width, height: large.height, pixels: btoa(found) };
})().then(done, (error) => done({ error: String(error) }));
"""
RUN = """
const [text, shape, file, done] = arguments;
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
(async () => {
  const ort = await import("onnxruntime-web");
  const session = await ort.InferenceSession.create(`model/${file}`);
  const image = new ort.Tensor("float32", new Float32Array(bytes.buffer), shape);
  return Array.from((await session.run({ image })).enlarged.data);
})().then(done, (error) => done({ error: String(error) }));
"""


@pytest.fixture(scope="module")
def page(request, bundle, tmp_path_factory):
    """The address of the page that enlarges by the bundle."""
    folder = installed(request.config.cache.mkdir("web"), "onnxruntime-web@^1.24")
    place = tmp_path_factory.mktemp("page")
    (place / "node_modules").symlink_to(folder / "node_modules")
    (place / "model").symlink_to(bundle)
    for name in ("enlarge.html", "enlarge.mjs"):
        shutil.copy(SNIPPETS / name, place)
    handler = partial(_Quiet, directory=str(place))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/enlarge.html"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def enlarged(browser, page, pixels, variant):
    """Enlarge pixels, uint8 (H, W, 4), in a browser."""
    browser.get(page)
    browser.set_script_timeout(60)
    text = base64.b64encode(pixels.tobytes()).decode()
    found = browser.execute_async_script(SCRIPT, text, *pixels.shape[1::-1], variant)
    assert "error" not in found and not errors(browser), found
    large = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
    return large.reshape(found["height"], found["width"], 4)


@pytest.mark.parametrize(
    ("height", "width", "variant"),
    [(30, 41, "fp32"), (280, 20, "fp32"), (1, 1, "fp32"), (30, 41, "int8")],
    ids=["small", "in pieces", "a pixel", "8 bits"],
)
def test_a_browser_enlarges_as_the_library_does(bundle, browser, page, height, width, variant):
    pixels = draw(height, width, 5)
    opaque = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
    found = enlarged(browser, page, opaque, variant)
    served = serving.load(bundle, device="cpu", variant=variant)
    expected = served.enlarge(pixels)
    difference = np.abs(found[..., :3].astype(int) - expected)
    assert (found[..., 3] == 255).all() and found.shape[:2] == (height * 3, width * 3)
    # 8 bits are rounded to another one where two are all but even.
    assert difference.max() <= (1 if variant == "fp32" else 12)
    assert (difference > 0).mean() < (0.001 if variant == "fp32" else 0.05)


def test_what_is_transparent_stays_so_in_a_browser(bundle, browser, page):
    clear = np.dstack([draw(20, 30, 5), draw(20, 30, 6)[..., 0]])
    found = enlarged(browser, page, clear, "fp32")
    expected = serving.load(bundle, device="cpu", variant="fp32").enlarge(clear)
    assert np.abs(found[..., 3].astype(int) - expected[..., 3]).max() <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_graph_gives_its_test_vectors_in_a_browser(bundle, browser, page, variant):
    described = read_manifest(bundle).variants[variant]
    with np.load(bundle / "test_vectors.npz") as vectors:
        image, expected = vectors["model.inputs.image"], vectors["model.outputs.enlarged"]
    browser.get(page)
    text = base64.b64encode(image.tobytes()).decode()
    file = described.graphs["model"]
    found = browser.execute_async_script(RUN, text, [*image.shape], file)
    allowed = max(1e-4, 2 * described.parity)
    np.testing.assert_allclose(found, expected.ravel(), atol=allowed, rtol=0)


def test_every_graph_gives_its_test_vectors_in_node(bundle, node, tmp_path):
    run(sys.executable, SNIPPETS / "unpack_vectors.py", bundle, tmp_path)
    lines = node("check.mjs", bundle, tmp_path).stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["ok", "fp32", "model.onnx"],
        ["ok", "fp16", "model.fp16.onnx"],
        ["ok", "int8", "model.int8.onnx"],
    ]
