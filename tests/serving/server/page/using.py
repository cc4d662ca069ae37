"""The page of a server, as somebody uses it in a browser."""

import base64
import io
import time

import numpy as np
from PIL import Image

from tests.browser import errors, requests, resize


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


def pixels(address):
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))
