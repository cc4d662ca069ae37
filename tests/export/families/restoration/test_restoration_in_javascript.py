"""What a bundle makes of photographs in JavaScript is what it makes of them here."""

import base64
import shutil

import numpy as np
import pytest

import serving
from tests.browser import errors
from tests.javascript import SNIPPETS, assert_vectors, served
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


@pytest.fixture(scope="module")
def page(web, bundle, tmp_path_factory):
    """The address of the page that enlarges by the bundle."""
    place = tmp_path_factory.mktemp("page")
    (place / "node_modules").symlink_to(web / "node_modules")
    (place / "model").symlink_to(bundle)
    for name in ("enlarge.html", "enlarge.mjs"):
        shutil.copy(SNIPPETS / name, place)
    with served(place) as address:
        yield f"{address}/enlarge.html"


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


def test_every_graph_gives_its_test_vectors_in_javascript(bundle, node, browser, web, tmp_path):
    assert_vectors(bundle, node, browser, web, tmp_path)
