"""The page at `/` in a real browser: what it shows is what the models give."""

import base64
import io
import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from serving.content import pictures
from tests.browser import errors, requests, resize
from tests.serving import tiny_text_bundle
from tests.serving.server.running import running

WIDTHS = (1280, 390)
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
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")


class Page:
    """The page of a server, as somebody uses it."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url

    def open(self, place="", width=1280):
        resize(self.browser, width)
        self.browser.get("about:blank")  # a page that differs after # is not loaded again
        requests(self.browser), errors(self.browser)
        self.browser.get(f"{self.url}/{place and '#'}{place}")
        self.until("return document.querySelector('#fields > *') && !document.body.inert")
        return self

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, script, *arguments):
        by = time.monotonic() + 20
        while not (found := self.run(script, *arguments)):
            assert time.monotonic() < by, (script, self.text("error"), errors(self.browser))
            time.sleep(0.02)
        return found

    def text(self, place):
        return self.run("return document.getElementById(arguments[0]).textContent", place)

    def set(self, name, value):
        """Move a control of a parameter, as a finger does."""
        self.run(
            "const field = document.querySelector(`[data-name=${arguments[0]}]`)"
            ".querySelector('input, textarea, select');"
            "field.value = arguments[1]; field.dispatchEvent(new Event('input', {bubbles: true}))",
            name,
            value,
        )

    def press(self, words):
        self.run(
            "[...document.querySelectorAll('button')].find((each) => each.checkVisibility() &&"
            " each.textContent.trim().startsWith(arguments[0])).click()",
            words,
        )

    def go(self):
        """Ask, and wait for the answer."""
        self.run("document.getElementById('status').textContent = ''")
        self.run("document.getElementById('go').click()")
        self.answered()

    def answered(self):
        self.until(
            "return !document.body.classList.contains('busy') &&"
            " document.getElementById('status').textContent.includes('ms')"
        )

    def images(self):
        return self.run(
            "return [...document.querySelectorAll('#shown .grid img')].map((each) => each.src)"
        )

    def line(self, kind):
        self.run("document.querySelector(`input[value=${arguments[0]}]`).click()", kind)
        return self.text("line")

    def clean(self):
        """Assert that nothing went wrong, and that no other host was asked."""
        assert errors(self.browser) == []
        asked = [each["url"] for each in requests(self.browser)]
        own = [url for url in asked if not url.startswith(("data:", "about:", "blob:"))]
        assert own and all(url.startswith(f"{self.url}/") for url in own), own


@pytest.fixture
def page(browser, served):
    return Page(browser, served.url)


def pixels(address):
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


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
    page.open("toy/generate")
    page.set("prompt", "ab")
    page.set("seed", 5)
    page.run(
        "window.grown = []; new MutationObserver(() => grown.push(document.getElementById('shown')"
        ".textContent.length)).observe(document.getElementById('shown'),"
        " {childList: true, subtree: true, characterData: true})"
    )
    page.go()
    expected = model("toy").generate("ab", max_new_tokens=200, temperature=0.8, seed=5)
    assert page.text("shown") == f"ab{expected}"
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


def test_a_key_is_sent_and_kept_in_the_tab_alone(page):
    page.open("tiny/generate")
    page.run(
        "document.getElementById('key').open = true;"
        "document.getElementById('key-field').value = 'a secret';"
        "document.getElementById('key-form').requestSubmit()"
    )
    page.until("return document.querySelector('#fields > *')")
    page.go()
    sent = [each["headers"].get("authorization") for each in requests(page.browser)
            if "/v1/calls/" in each["url"]]  # fmt: skip
    assert sent and set(sent) == {"Bearer a secret"}
    assert page.run("return [localStorage.length, document.cookie]") == [0, ""]
    for kind, words in (("curl", "$GENZOO_KEY"), ("python", "os.environ['GENZOO_KEY']")):
        line = page.line(kind)
        assert words in line and "secret" not in line
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
        # Where there is no such route the call itself answers, and the browser tells of that alone.
        assert all("/v1/chat/completions" in each and "404" in each for each in errors(browser))


@curl
def test_the_lines_to_copy_make_the_same(page, tmp_path):
    page.open("painter/generate")
    page.set("n", 4)
    page.go()
    for kind in ("curl", "python"):
        shell(kind, page.line(kind), tmp_path)
        sheet = np.asarray(Image.open(tmp_path / "painter.png"))
        images = np.stack([pixels(each) for each in page.images()])[..., None]
        assert (sheet == pictures.sheet(images)[..., 0]).all(), kind
        (tmp_path / "painter.png").unlink()


@curl
def test_the_lines_to_copy_name_files(page, tmp_path):
    page.open("tiny/reconstruct")
    page.press("Draw one")
    page.until("return document.querySelector('.preview img')")
    page.go()
    given = page.run("return document.querySelector('.preview a').href")
    (tmp_path / "images.png").write_bytes(base64.b64decode(given.partition(",")[2]))
    for kind in ("curl", "python"):
        shell(kind, page.line(kind), tmp_path)
        made = np.asarray(Image.open(tmp_path / "tiny.png"))
        assert (made == pixels(page.images()[0])).all(), kind
        (tmp_path / "tiny.png").unlink()


@curl
def test_the_lines_to_copy_write_the_same_text(page, tmp_path):
    pytest.importorskip("openai")
    page.open("toy/generate")
    page.set("prompt", "a é中.")
    page.set("max_new_tokens", 12)
    page.go()
    shown = page.text("shown").removeprefix("a é中.")
    streamed = shell("curl", page.line("curl"), tmp_path)
    events = [line.removeprefix("data: ") for line in streamed.splitlines() if "{" in line]
    assert "".join(json.loads(each)["choices"][0]["text"] for each in events) == shown
    assert shell("python", page.line("python"), tmp_path) == shown


@curl
@pytest.mark.parametrize("files", [False, True])
def test_no_text_breaks_out_of_the_lines(page, tmp_path, files):
    """What a shell and Python make of the lines is what the page would send."""
    page.open("tiny/generate")
    odd = """it's $HOME `id` $(id) \\ \\n "q" {0}
END
 """
    name = "a 'file' $x.png"
    (tmp_path / name).write_bytes(b"PNG")
    made = page.browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; const [odd, name, files] = arguments;"
        "const at = (path) => new URL(path, document.baseURI);"
        "Promise.all([import(at('page/lines.js')), import(at('page/uploads.js'))])"
        ".then(([{ lines }, { GivenFile }]) => {"
        " const body = { odd, [odd]: [true, null, 1.5, [odd]] };"
        " if (files) body.file = new GivenFile(name, 'data:image/png;base64,UE5H');"
        " done([lines({ url: 'http://x/y', body, keyed: false, kind: 'text/plain' }), body]); })",
        odd, name, files,
    )  # fmt: skip
    lines, body = made
    if files:
        body["file"] = "data:image/png;base64,UE5H"
    curl = 'curl() { [ "${@: -1}" = @- ] && cat || printf %s "${@: -1}"; }\n'
    assert json.loads(shell("curl", curl + lines["curl"], tmp_path)) == body
    requests = """
import json, sys, types
def post(url, headers, json):
    text = __import__("json").dumps(json)
    return types.SimpleNamespace(text=text, raise_for_status=lambda: None)
sys.modules["requests"] = types.SimpleNamespace(post=post)
"""
    assert json.loads(shell("python", requests + lines["python"], tmp_path)) == body


def shell(kind, line, folder):
    command = ["bash", "-ec", line] if kind == "curl" else [sys.executable, "-c", line]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout
