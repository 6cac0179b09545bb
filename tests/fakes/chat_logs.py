"""Chat logs as other programs write them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

NOON_S = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def node(
    role: str, *parts: Any, at: float | None = None, parent: str = "", kind: str = "text"
) -> dict[str, Any]:
    """A node of ChatGPT's tree."""
    content = {"content_type": kind, "parts": list(parts)}
    message = {"author": {"role": role}, "content": content, "create_time": at}
    return {"message": message, "parent": parent or None, "children": []}


def conversation(id_: str = "c1", *, turns: int = 1, at: float = NOON_S) -> dict[str, Any]:
    """A conversation of ChatGPT: a system message, and so many turns a minute apart."""
    mapping: dict[str, Any] = {"root": {"message": None, "parent": None, "children": []}}
    mapping["s"] = node("system", "", parent="root")
    last = "s"
    for n in range(turns):
        mapping[f"u{n}"] = node("user", f"{id_} q{n}", at=at + 60 * n, parent=last)
        mapping[f"a{n}"] = node("assistant", f"{id_} r{n}", at=at + 60 * n + 1, parent=f"u{n}")
        last = f"a{n}"
    title = {"title": "A talk", "create_time": at, "conversation_id": id_}
    return {**title, "mapping": mapping, "current_node": last, "plugin_ids": None}


def write_export(path: Path, conversations: list[Any]) -> Path:
    """Write a ``conversations.json``."""
    path.write_text(json.dumps(conversations), "utf-8")
    return path


def write_zip(path: Path, conversations: list[Any]) -> Path:
    """Write a data export of ChatGPT."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("chat.html", "<html>")
        archive.writestr("conversations.json", json.dumps(conversations))
    return path


def write_lines(path: Path, *lines: Any) -> Path:
    """Write a line of JSON for each value; bytes as they are."""
    data = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    path.write_bytes(b"\n".join(data) + b"\n")
    return path


SILLY_HEAD = {
    "user_name": "Aki",
    "character_name": "ミカ",
    "create_date": "2023-11-25 @15h 04m 23s 123ms",
    "chat_metadata": {"note": [1, {"a": 2}]},
}


def silly(text: str, *, is_user: bool, at: Any = "", **more: Any) -> dict[str, Any]:
    """A line of a SillyTavern chat."""
    return {"name": "x", "is_user": is_user, "mes": text, "send_date": at, **more}


def diary_line(role: str, text: str, at: str) -> dict[str, str]:
    """A line of the original engine's diary."""
    return {"role": role, "text": text, "timestamp": at}
