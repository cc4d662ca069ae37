"""The gallery in a real browser: pictures, no errors, no other host, readable on a telephone."""

import json
import shutil

import numpy as np
import pytest

from export import publish
from serving.catalogue import MODELS, models
from serving.content import pictures
from serving.music.piece import Piece
from serving.music.sound import to_bytes
from tests.browser import errors, requests, resize
from tests.export.release.site import served
from tests.serving.tiny_bundle import parts, reseal, write_bundle

HOSTILE = (
    "<script>document.title = 'broken'</script><img src=x onerror=\"document.title = 'broken'\">"
    "{{ 7 * 7 }} ![far](http://127.0.0.2/far.png) " + "long" * 100
)
PAGES = ["index.html", "pages/cgan-mnist.html", "pages/gpt-shakespeare-nano.html", "pages/odd.html"]
WIDTHS = (1280, 390)
STATE = """return {
    title: document.title,
    width: document.documentElement.scrollWidth,
    missing: [...document.images].filter(image => !image.naturalWidth).map(image => image.src),
    images: document.images.length,
    crisp: [...document.querySelectorAll("img.sample")]
        .every(image => getComputedStyle(image).imageRendering === "pixelated"),
    buttons: document.querySelectorAll("button").length,
    ink: getComputedStyle(document.body).color,
}"""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """A release of two models of the catalogue, and of one whose words are hostile."""
    folder = tmp_path_factory.mktemp("gallery")
    odd = write_bundle(folder / "odd", name="odd")
    (odd / "README.md").write_text(
        f"# odd\n\n![Samples](samples.png)\n\n{HOSTILE}\n\n```\n{HOSTILE}\n```\n"
    )
    pictures.save(np.full((30, 30, 1), 128, np.uint8), odd / "samples.png")
    source = parts(dataset=HOSTILE, dataset_license=HOSTILE)
    metrics = [{"name": HOSTILE, "value": 1, "unit": HOSTILE}]
    variants = json.loads((odd / "bundle.json").read_text())["variants"]
    variants["fp32"]["cost"] = {"memory": 71_000_000, "hardware": HOSTILE, "date": "2026-11-25"}
    reseal(odd, variants=variants, summary=HOSTILE, license=HOSTILE, parts=source, metrics=metrics)
    models = [here(name, folder) for name in ("cgan-mnist", "gpt-shakespeare-nano")]
    return publish([*models, odd], folder / "release")


def here(name, folder):
    """Return a model of the catalogue with those of its variants that are here."""
    bundle = shutil.copytree(MODELS / name, folder / name)
    variants = json.loads((bundle / "bundle.json").read_text())["variants"]
    kept = {
        variant: described
        for variant, described in variants.items()
        if all((bundle / file).exists() for file in described["graphs"].values())
    }
    reseal(bundle, variants=kept)
    return bundle


def look(browser, address, width):
    """Open a page at a width; return its state, and the addresses that it asked for."""
    resize(browser, width)
    browser.get(address)
    state = browser.execute_script(STATE)
    asked = [request["url"] for request in requests(browser)]
    state["errors"] = errors(browser)
    return state, asked


def check(state, width, page):
    assert state["errors"] == [] and state["missing"] == []
    assert state["title"] != "broken" and "49" not in state["title"]
    assert state["width"] <= width
    assert state["images"] and state["crisp"]
    assert state["buttons"] >= 2, page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_from_a_server(gallery, browser, page, width):
    with served(gallery) as address:
        state, asked = look(browser, address + page, width)
    check(state, width, page)
    assert asked and all(url.startswith(address) for url in asked)


def test_a_page_from_a_disk(gallery, browser):
    for page in PAGES:
        state, asked = look(browser, (gallery / page).as_uri(), 390)
        check(state, 390, page)
        assert asked and all(url.startswith(gallery.as_uri()) for url in asked)


def test_light_and_dark(gallery, browser):
    inks = set()
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        inks.add(look(browser, (gallery / "index.html").as_uri(), 1280)[0]["ink"])
    assert len(inks) == 2


def test_pages_hold_no_markup_of_bundles(gallery):
    for page in PAGES:
        html = (gallery / page).read_text()
        assert "<script>document" not in html and "<img src=x" not in html
        assert html.count("<script>") == 1
        assert ("{{ 7 * 7 }}" in html) == (page in ("index.html", "pages/odd.html"))


def test_every_model_has_its_card_and_what_to_copy(gallery):
    html = (gallery / "index.html").read_text()
    metric = f"{models()['cgan-mnist'].metric.value:#.4g}"
    for words in ("genzoo generate cgan-mnist", "--label", metric, "CC BY-SA 3.0"):
        shown = html.replace("</span> <span>", " ")
        assert words in shown, words
    page = (gallery / "pages" / "cgan-mnist.html").read_text()
    assert "<h2>Limitations</h2>" in page and "../models/cgan-mnist/generator.onnx" in page


def test_costs_are_shown_where_they_are_known(gallery):
    html = (gallery / "pages" / "odd.html").read_text()
    assert "<b>fp32</b> 71 MB" in html and ", 2026-11-25</dd>" in html and ">Speed<" not in html


def test_what_can_be_heard_can_be_played(tmp_path):
    bundle = write_bundle(tmp_path / "heard", name="heard")
    (bundle / "samples.wav").write_bytes(to_bytes([Piece(np.full((4, 4), 60))]))
    reseal(bundle)
    release = publish([bundle, write_bundle(tmp_path / "mute", name="mute")], tmp_path / "release")
    players = {"index.html": "", "pages/heard.html": "../"}
    for page, root in players.items():
        html = (release / page).read_text(encoding="utf-8")
        assert html.count("<audio ") == 1 and "media-src" in html
        assert f'src="{root}models/heard/samples.wav"' in html
    assert "<audio" not in (release / "pages/mute.html").read_text(encoding="utf-8")
