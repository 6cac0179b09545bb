"""Chat with a soul by lines of text, on a Unix socket (on Windows: a TCP port of this machine)."""

from __future__ import annotations

from pathlib import Path

from sould import plugin
from sould.plugin import Frontend, Home, hookimpl


class Settings(plugin.Settings, frozen=True, kw_only=True):
    """``socket``: its path, in the workspace unless it is absolute. ``port``: on Windows."""

    socket: str = "run/line-chat.sock"
    port: int = 7411
    prompt: str = ""


@hookimpl
def register_frontends(home: Home, settings: Settings) -> list[Frontend]:
    """Have the server kept running."""
    told = {
        "socket": str(Path(home.workspace) / settings.socket),
        "port": settings.port,
        "prompt": settings.prompt,
    }
    return [Frontend(name="server", module="line_chat.serve", settings=told)]
