"""The hook: one frontend, told the settings."""

from __future__ import annotations

import msgspec

from soul_openai.settings import Settings
from sould.plugin import Frontend, Home, hookimpl

__all__ = ["Settings", "register_frontends"]

NAME = "api"


@hookimpl
def register_frontends(home: Home, settings: Settings) -> list[Frontend]:
    """Have the server kept running."""
    told = {**msgspec.to_builtins(settings), "workspace": home.workspace}
    return [Frontend(name=NAME, module="soul_openai.serve", settings=told)]
