"""The page at `/` in a real browser: what it shows is what the models give."""

import base64
import json

import numpy as np
import pytest

from serving.content import pictures
from serving.server.operations.keys import add_key
from tests.browser import errors, requests
from tests.serving import tiny_text_bundle
from tests.serving.server.page.using import Page, pixels
from tests.serving.server.running import running

WIDTHS = (pytest.param(1280, marks=pytest.mark.long), 390)
NAMED = """
const named = (each) => each.getAttribute("aria-label") || each.labels?.[0]?.textContent.trim()
  || (each.labels?.length ? null : each.textContent.trim());
const kinds = "button, input, select, textarea, summary, a[href], [tabindex='0']";
return [...document.querySelectorAll(kinds)]
  .filter((each) => each.checkVisibility() && !named(each)).map((each) => each.outerHTML);
"""
FOCUS = """
const each = document.activeElement;
return [each.id, each.value ?? "", each.closest("[data-name]")?.dataset.name ?? "", each.tagName];
"""


@pytest.fixture
def page(browser, served):
    return Page(browser, served.url)


def test_images_are_those_of_the_model_and_follow_a_slider(page, model):
    page.open("painter/generate")
    assert "No image yet" in page.text("shown")
    page.set("n", 4)
    page.set("seed", 7)
    page.press("All")
    page.go()
    expected = model("painter").generate(4, labels=[0, 1, 2, 0], seed=7)
    assert all((pixels(each) == image[..., 0]).all()
               for each, image in zip(page.images(), expected, strict=True))  # fmt: skip
    status = page.text("status")
    assert "images/s" in status and "seed 7" in status
    before = page.images()
    page.set("truncation", 0.3)
    page.until("return document.querySelector('#shown .grid img').src !== arguments[0]", before[0])
    less = model("painter").generate(4, labels=[0, 1, 2, 0], seed=7, truncation=0.3)
    assert (pixels(page.images()[0]) == less[0, ..., 0]).all()
    page.clean()


def test_directions_of_a_latent_are_sliders(page, model):
    page.open("tiny/decode")
    page.press("Zero")
    page.go()
    assert (pixels(page.images()[0]) == model("tiny").decode([[0, 0]])[0, ..., 0]).all()
    page.set("z", 1.5)
    before = page.images()[0]
    page.until("return document.querySelector('#shown .grid img').src !== arguments[0]", before)
    assert (pixels(page.images()[0]) == model("tiny").decode([[1.5, 0]])[0, ..., 0]).all()
    page.clean()


def test_a_path_is_walked_with_a_slider(page, model):
    page.open("painter/interpolate_classes")
    page.set("seed", 3)
    page.set("steps", 5)
    page.go()
    (path,) = model("painter").interpolate_classes(0, 2, steps=5, seed=3)
    for place in (1, 5):
        page.run(
            "const slider = document.querySelector('.walk input'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input', {bubbles: true}))",
            place,
        )
        assert (pixels(page.images()[0]) == path[place - 1, ..., 0]).all()
    page.clean()


def test_a_text_streams_and_is_that_of_the_model(page, model):
    unending = dict.fromkeys(map(str, model("toy").tokenizer.ends), -1000)
    settings = {"max_new_tokens": 400, "temperature": 0.8, "seed": 5}
    page.open("toy/generate")
    page.set("prompt", "ab")
    page.set("seed", 5)
    page.set("max_new_tokens", 400)
    page.set("logit_bias", json.dumps(unending))
    page.run(
        "window.grown = []; new MutationObserver(() => grown.push(document.getElementById('shown')"
        ".textContent.length)).observe(document.getElementById('shown'),"
        " {childList: true, subtree: true, characterData: true})"
    )
    page.go()
    expected = model("toy").generate("ab", logit_bias=unending, **settings)
    assert page.text("shown") == f"ab{expected}" and len(expected) > 300
    grown = page.run("return grown")
    assert len(set(grown)) > 2 and grown == sorted(grown)
    assert "tokens/s" in page.text("status") and "first token" in page.text("status")
    assert page.run("return document.getElementById('shown').ariaLive") == "polite"
    page.clean()


def test_what_has_no_form_of_its_own_is_shown_in_words(page):
    page.open("toy/score")
    page.set("text", "ab cd")
    page.go()
    assert "nats_per_character" in page.text("shown")
    page.clean()


def test_content_that_the_page_does_not_know_is_its_picture_and_its_files(page):
    """What a package from outside gives: no line of the page knows it."""
    page.open("tiny/generate")
    sound = "data:audio/wav;base64," + base64.b64encode(b"RIFF").decode()
    odd = "data:application/octet-stream;base64,AAAA"
    picture = (
        "data:image/png;base64,"
        + base64.b64encode(pictures.png(np.zeros((2, 2, 1), np.uint8))).decode()
    )
    shown = page.browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; const place = document.createElement('div');"
        "const [sound, odd, picture] = arguments;"
        "import(new URL('page/showing.js', document.baseURI)).then(({ show }) => {"
        " show(place, { value: [sound], shown: { picture, words: null }, noun: 'tune' });"
        " const first = [...place.children].map((each) => each.tagName);"
        " show(place, { value: odd, shown: { picture: null, words: null }, noun: 'thing' });"
        " done([first, place.textContent]); })",
        sound, odd, picture,
    )  # fmt: skip
    assert shown[0] == ["IMG", "AUDIO"] and "saved" in shown[1]


def test_everything_is_done_with_a_keyboard_and_has_a_name(page):
    from selenium.webdriver import ActionChains, Keys

    page.open("painter/generate")
    assert page.run(NAMED) == []
    seen = []
    for _ in range(60):
        ActionChains(page.browser).send_keys(Keys.TAB).perform()
        where = page.run(FOCUS)
        seen.append(where)
        if where[0] == "go":
            break
    assert {"n", "labels", "seed", "truncation"} <= {where[2] for where in seen}
    ActionChains(page.browser).send_keys(Keys.ENTER).perform()
    page.answered()
    assert page.images()
    page.run("document.querySelector('input[name=call]:checked').focus()")
    ActionChains(page.browser).send_keys(Keys.ARROW_RIGHT).perform()
    page.until("return location.hash.endsWith('/decode')")
    page.clean()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(page, served, width):
    for each in served.server.repository:
        for name in each.calls:
            page.open(f"{each.name}/{name}", width)
            page.run("for (const each of document.querySelectorAll('details')) each.open = true")
            assert page.run("return document.documentElement.scrollWidth") <= width, name
            assert page.run(NAMED) == []
    page.clean()


def test_what_is_wrong_is_said_in_one_line(page):
    page.open("tiny/reconstruct")
    page.run("document.getElementById('go').click()")
    assert page.text("error") == "Choose a file for images, or draw one."
    page.open("toy/generate")
    page.set("prompt", "\u2603")
    page.run("document.getElementById('go').click()")
    page.until("return !document.getElementById('error').hidden")
    assert "\u2603" in page.text("error")


def test_a_key_is_asked_for_sent_and_kept_in_the_tab_alone(browser, tiny, tmp_path):
    secret = add_key(tmp_path / "keys", "alice")
    with running([tiny], options={"keys": tmp_path / "keys"}) as server:
        page = Page(browser, server.url)
        browser.get(f"{server.url}/")
        page.until("return document.getElementById('key').open")
        assert "asks for an API key" in page.text("error")
        assert page.text("server") == "needs a key"
        assert page.run("return document.activeElement.id") == "key-field"
        errors(browser)  # of the answer 401
        requests(browser)
        page.run(
            "document.getElementById('key-field').value = arguments[0];"
            "document.getElementById('key-form').requestSubmit()",
            secret,
        )
        page.until("return document.querySelector('#fields > *')")
        page.go()
        assert page.images() and page.text("server") == "ready"
        sent = [each["headers"].get("authorization") for each in requests(browser)
                if "/v1/calls/" in each["url"]]  # fmt: skip
        assert sent and set(sent) == {f"Bearer {secret}"}
        assert page.run("return [localStorage.length, document.cookie]") == [0, ""]
        for kind, words in (("curl", "$GENZOO_KEY"), ("python", "os.environ['GENZOO_KEY']")):
            line = page.line(kind)
            assert words in line and secret not in line
        assert errors(browser) == []
        page.run("sessionStorage.clear()")


def test_it_works_under_a_path(browser, tiny):
    with running([tiny], prefix="models/here") as server:
        page = Page(browser, f"{server.url}/models/here").open("tiny/generate")
        page.go()
        assert page.images()
        page.clean()
        browser.get(f"{server.url}/models/here")  # without the stroke at its end
        page.until("return document.querySelector('#fields > *')")
        assert errors(browser) == []


def test_a_model_with_a_template_converses(browser, tmp_path):
    with running([tiny_text_bundle.write_chat_bundle(tmp_path / "talker")]) as server:
        page = Page(browser, server.url).open("toy/chat")
        page.set("seed", 1)
        page.set("max_new_tokens", 8)
        page.run("document.getElementById('said').value = 'abc'")
        page.run("document.getElementById('composer').requestSubmit()")
        page.answered()
        said = [{"role": "user", "content": "abc"}]
        model = server.server.repository.get("toy").model
        expected = model.chat(said, max_new_tokens=8, temperature=0.8, seed=1)
        shown = page.run("return document.querySelector('.turn.assistant span').textContent")
        assert shown == expected
        assert "tokens/s" in page.text("status")
        page.clean()
