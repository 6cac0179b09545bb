"""Markdown to HTML that may stand in our page, whatever the text is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

MOST_CHARS = 50_000
"""Rendered in at most about a second of one core, whatever they are."""
_SCHEMES = ("http", "https", "mailto")


def render(text: str) -> str:
    """Return HTML: no tag of the text's own, no image, links to the web and to mail only. Cells of
    tables have the class ``to-left``, ``to-center`` or ``to-right`` where the text says so.
    """
    html: str = _markdown().render(text)
    return html


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    markdown.enable(["table", "strikethrough"]).disable("image")
    markdown.validateLink = may_be_linked  # type: ignore[method-assign]
    markdown.add_render_rule("link_open", _open_link)
    for cell in ("th_open", "td_open"):
        markdown.add_render_rule(cell, _open_cell)
    return markdown


def may_be_linked(url: str) -> bool:
    """Tell whether a link may lead there: a whole address, not one within this page."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and (parts.scheme == "mailto" or bool(parts.netloc))


def _open_link(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer")
    tokens[at].attrSet("target", "_blank")
    return renderer.renderToken(tokens, at, options, env)


def _open_cell(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    """Say with a class what Markdown says with a style, which our policy forbids."""
    if style := tokens[at].attrs.pop("style", None):
        tokens[at].attrSet("class", f"to-{str(style).removeprefix('text-align:')}")
    return renderer.renderToken(tokens, at, options, env)
