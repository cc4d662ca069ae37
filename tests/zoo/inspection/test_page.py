"""The page of `genzoo data` in a real browser: whole, by itself, and of no use to an attacker."""

from html import unescape

import pytest

from tests.browser import errors, requests, resize
from tests.zoo.inspection.faulty import good, pattern
from zoo.inspection import inspect, write_page

HOSTILE = "<img src=x onerror=\"document.title='broken'\">{{ 7 * 7 }}" + "long" * 30
STATE = """return {
    title: document.title,
    width: document.documentElement.scrollWidth,
    missing: [...document.images].filter(image => !image.naturalWidth).length,
    images: document.images.length,
    text: document.body.innerText,
    lead: getComputedStyle(document.querySelector(".lead")).margin,
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a folder with a copy, something black and a hostile name."""
    root = good(tmp_path_factory.mktemp("page") / "photos", 12)
    pattern(0).save(root / "cat" / "copy.png")
    pattern(50).save(root / "cat" / f"{HOSTILE}.png")
    (root / "dog" / "none.png").write_text(HOSTILE)
    path = root.parent / "page.html"
    write_page(inspect(str(root)), path)
    return path


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(browser, page, width):
    resize(browser, width)
    browser.get(page.as_uri())
    browser.execute_script("for (const each of document.images) each.loading = 'eager'")
    state = browser.execute_script(STATE)
    assert "broken" not in state["title"] and state["title"].endswith("what it holds")
    assert state["missing"] == 0 and state["images"] == 2 + 14
    assert state["width"] <= width and state["lead"] == "0px"  # the style is allowed
    assert "{{ 7 * 7 }}" in state["text"] and "duplicate" in state["text"].lower()
    assert errors(browser) == []
    asked = {each["url"] for each in requests(browser) if not each["url"].startswith("data:")}
    assert asked == {page.as_uri()}


def test_the_page_is_one_file_without_scripts(page):
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'; img-src data:" in unescape(text)
    assert sorted(path.name for path in page.parent.iterdir()) == ["page.html", "photos"]
