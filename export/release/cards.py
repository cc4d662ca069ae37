"""Model cards as HTML: what a bundle says is shown, and nothing of it is obeyed."""

from collections.abc import Container, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup

HEAD = "---\n"  # before and after the part of a card that Hugging Face reads


def to_html(
    card: str, files: Container[str], base: str, widths: Mapping[str, int] | None = None
) -> Markup:
    """Turn a model card into HTML that is safe whatever the card holds.

    HTML in the card is shown as text. An image is shown if it is a file of the bundle, or else the
    words that stand for it, so that opening the page asks no other host for anything.

    Args:
        card: Markdown, with or without a YAML head, which is left out.
        files: names of the bundle's files.
        base: where they are, from the page: `../models/NAME/`.
        widths: at which images are shown where there is room, by their names.

    Example:
        >>> to_html("# A <b>card</b>", [], "")
        Markup('<h1>A &lt;b&gt;card&lt;/b&gt;</h1>\\n')
    """
    environment = {"files": files, "base": base, "widths": widths or {}}
    return Markup(_MARKDOWN.render(_without_head(card), environment))


def _without_head(card: str) -> str:
    if not card.startswith(HEAD):
        return card
    _, closed, rest = card.removeprefix(HEAD).partition(f"\n{HEAD}")
    return rest if closed else card


def _image(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    token = tokens[at]
    words = renderer.renderInlineAsText(token.children, options, env)
    file = str(token.attrs["src"])
    if file not in env["files"]:
        return escapeHtml(words)
    source = escapeHtml(env["base"] + quote(file))
    width = f' width="{env["widths"][file]}"' if file in env["widths"] else ""
    return f'<img class="sample" src="{source}"{width} alt="{escapeHtml(words)}">'


def _link_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    target = str(tokens[at].attrs["href"])
    if target in env["files"]:
        # Downloaded and not opened: a bundle may list a page, which would be one of this site.
        return f'<a href="{escapeHtml(env["base"] + quote(target))}" download>'
    if target.startswith(("https://", "http://")):
        return f'<a href="{escapeHtml(target)}" rel="noopener noreferrer nofollow">'
    return "<a>"


def _table_open(*_: Any) -> str:
    """Let a wide table scroll by itself, and not the page."""
    return '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
for _rule in (_image, _link_open, _table_open, _table_close):
    _MARKDOWN.add_render_rule(_rule.__name__.removeprefix("_"), _rule)
