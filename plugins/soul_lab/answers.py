"""Answers that are not files: what is refused, and the page for who has not been let in."""

from __future__ import annotations

from starlette.responses import HTMLResponse, JSONResponse, Response

_OUTSIDE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Bit-TTT</title>
<p>This browser has not been let in. Run <code>soul lab</code> on the machine Bit-TTT runs on.
<p lang="ja">このブラウザはまだ入れません。
Bit-TTT が動いているマシンで <code>soul lab</code> を実行してください。
<p><a href="/">Try again / 再試行</a>
"""


def refusal(status: int, code: str, message: str, hint: str = "") -> Response:
    """Return an error as JSON: ``{"error": {code, message, hint}}``."""
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store"})


def outside() -> Response:
    """Return the page that says how to come in."""
    return HTMLResponse(_OUTSIDE, status_code=401, headers={"Cache-Control": "no-store"})
