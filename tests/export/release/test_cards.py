"""Cards become HTML that shows what they say and does nothing of it."""

from html.parser import HTMLParser

import pytest

from export.release.cards import to_html

HARMLESS = {
    "a", "blockquote", "br", "code", "div", "em", "h1", "h2", "hr", "img", "li", "ol", "p", "pre",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def tags(card, files=("samples.png", "model.onnx")):
    return Tags(str(to_html(card, files, "../models/tiny/"))).found


def test_a_card_is_shown():
    html = to_html("---\nlicense: mit\n---\n\n# tiny\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", [], "")
    assert "license" not in html and "<h1>tiny</h1>" in html
    assert "<td>1</td>" in html and html.count('<div class="wide"') == html.count("</table></div>")


@pytest.mark.parametrize("card", ["---\nlicense: mit\n", "no head\n---\n", ""])
def test_a_head_that_is_none_is_text(card):
    assert "mit" not in card or "mit" in to_html(card, [], "")


def test_an_image_of_the_bundle_is_shown_and_no_other():
    card = "![Samples](samples.png) ![far](https://host/x.png) ![up](../../etc.png) ![no](no.png)"
    (image,) = [attributes for tag, attributes in tags(card) if tag == "img"]
    assert image["src"] == "../models/tiny/samples.png" and image["alt"] == "Samples"
    assert "far" in to_html(card, ["samples.png"], "")


def test_links_lead_to_files_and_to_the_web():
    card = "[a](model.onnx) [b](https://host/?x=1&y=2) [c](other.html) [d](javascript:alert(1))"
    targets = [attributes.get("href") for tag, attributes in tags(card) if tag == "a"]
    assert targets == ["../models/tiny/model.onnx", "https://host/?x=1&y=2", None]
    assert "download" in next(attributes for tag, attributes in tags(card) if tag == "a")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<style>*{display:none}</style>\n\n<iframe src='//host'></iframe>",
        '![x" onerror="alert(1)](samples.png "a\\" onload=\\"alert(1)")',
        '[x](https://host/"onmouseover="alert(1))',
        "[x](JaVaScRiPt:alert(1)) ![x](data:image/svg+xml;base64,AAAA)",
        '```"><script>alert(1)</script>\ncode\n```',
        "{{ 7 * 7 }} {% include 'x' %}",
        "<!-- --><svg/onload=alert(1)>",
        "| <b> |\n|---|\n| <script> |\n",
    ],
)
def test_a_hostile_card_is_text(hostile):
    for tag, attributes in tags(f"# card\n\n{hostile}\n"):
        assert tag in HARMLESS
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert "49" not in to_html(hostile, [], "")
