"""What a plugin imports: the hooks it may implement, and what they are given and give back.

Names are imported when they are first used; none of them needs torch, ZeroMQ or a running daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sould.plugin.declared import Daily, Every, Frontend, Job
    from sould.plugin.frontend import frontend_settings
    from sould.plugin.hooks import Hooks, hookimpl
    from sould.plugin.structs import (
        Added,
        Body,
        Dream,
        Event,
        Home,
        Night,
        Report,
        Settings,
        SoulFile,
        Told,
        Turn,
    )

__all__ = [
    "Added",
    "Body",
    "Daily",
    "Dream",
    "Event",
    "Every",
    "Frontend",
    "Home",
    "Hooks",
    "Job",
    "Night",
    "Report",
    "Settings",
    "SoulFile",
    "Told",
    "Turn",
    "frontend_settings",
    "hookimpl",
]

_HOMES = {
    **dict.fromkeys(("Daily", "Every", "Frontend", "Job"), "declared"),
    **dict.fromkeys(("Hooks", "hookimpl"), "hooks"),
    "frontend_settings": "frontend",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'structs')}"), name)
