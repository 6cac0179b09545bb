"""Markdown of a body, as a page may show it: nothing of it can act."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_lab.markdown import may_be_linked, render

ALLOWED = {
    **dict.fromkeys(("p", "em", "strong", "s", "ul", "li", "blockquote", "pre", "hr", "br"), ()),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr"), ()),
    "th": ("class",),
    "td": ("class",),
    "ol": ("start",),
    "code": ("class",),
    "a": ("href", "title", "rel", "target"),
}


class Checker(HTMLParser):
    """Refuses every tag and attribute that is not on the list."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        assert {name for name, _ in attrs} <= set(ALLOWED[tag]), attrs
        values = dict(attrs)
        if tag == "a":
            assert urlsplit(values["href"] or "").scheme in ("http", "https", "mailto")
            assert values["rel"] == "noopener noreferrer"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)


def checked(text: str) -> str:
    html = render(text)
    checker = Checker(convert_charrefs=True)
    checker.feed(html)
    checker.close()
    return html


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!-- --><iframe srcdoc='<script>'>",
    "<style>*{background:url(//evil.example)}</style>",
    "<base href=//evil.example>",
    "<?php ?><![CDATA[x]]><!doctype html>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:image/svg+xml;base64,AAAA)",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/x)",
    "[x](/souls/mika.soul)",
    "[x](?token=x)",
    "[x](http:evil)",
    "[x](blob:http://a/b)",
    '[x](http://a "t\\" onclick=\\"alert(1)")',
    "[x](http://a'onmouseover=alert(1))",
    "[x](http://a%22onmouseover=alert(1))",
    "[r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: <data:text/html,x> 'title\" onclick=\"x'",
    "<javascript:alert(1)>",
    '<http://a"onclick=alert(1)>',
    "![x](http://evil.example/track.png)",
    "![x](data:image/png;base64,AAAA)",
    "[![x](http://evil.example/t.png)](http://evil.example)",
    '```"><script>alert(1)</script>\nx\n```',
    "```js onclick=x\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "|<script>|\n|:-:|\n|<img src=x>|",
    "# <b onclick=x>t</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\x00<script>\x00alert(1)",
    "[x](http://xn--/\u202e)",
    "<" * 200 + "script>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_acts(text: str) -> None:
    html = checked(text)
    assert "<script" not in html and "<img" not in html and "<svg" not in html


@pytest.mark.parametrize("text", [one for one in HOSTILE if "](" in one and "http://" not in one])
def test_no_link_leads_to_anything_but_the_web(text: str) -> None:
    assert "<a" not in checked(text)


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12)), max_size=6))
def test_nothing_acts_however_it_is_put_together(pieces: list[str]) -> None:
    checked("".join(pieces))
    checked("\n".join(pieces))


@given(st.text(alphabet="[]()<>!`*_~|\\&;:#\"'= \n\tajx/-", max_size=80))
def test_nothing_acts_whatever_it_is(text: str) -> None:
    checked(text)


def test_what_it_is_for() -> None:
    html = checked(
        "# T\n\n**b** *i* ~~s~~ `c`\n\n- a\n\n```py\nx < 1\n```\n\n|a|b|\n|-|-:|\n|1|2|\n\n"
        "[w](https://a.example/?x=1&y=2) <me@a.example> [m](mailto:me@a.example)"
    )
    for tag in ("h1", "strong", "em", "s", "code", "li", "table", "td"):
        assert f"<{tag}" in html
    assert "<td>1</td>" in html and '<td class="to-right">2</td>' in html
    assert "x &lt; 1" in html and 'class="language-py"' in html
    assert 'href="https://a.example/?x=1&amp;y=2"' in html
    assert html.count('href="mailto:me@a.example"') == 2


@pytest.mark.parametrize(
    "url",
    ["", "x", "#a", "/a", "//a.example", "http:", "http:///x", "https:a", "HTTP//a", "http://["],
)
def test_a_link_is_a_whole_address(url: str) -> None:
    assert not may_be_linked(url)
