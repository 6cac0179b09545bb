"""The hook: one frontend, made of the settings."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import msgspec
from msgspec import Meta

from sould import plugin
from sould.plugin import Frontend, Home, hookimpl

Host = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.\[\]:_-]{1,255}$")]


class Settings(plugin.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``port``, ``host``: where it listens; 0 is any free port. ``allow_remote``: ``host`` may be
    an address that other machines reach. ``hosts``: by which names else (``name:port``) browsers
    may reach it, through a tunnel or a proxy.
    """

    port: Annotated[int, Meta(ge=0, le=65535)] = 7412
    host: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]{2,45}$")] = "127.0.0.1"
    allow_remote: bool = False
    hosts: tuple[Host, ...] = ()

    def __post_init__(self) -> None:
        if not ipaddress.ip_address(self.host).is_loopback and not self.allow_remote:
            raise ValueError(
                f"host {self.host} can be reached from other machines; "
                "if you want that, say allow_remote: true"
            )


@hookimpl
def register_frontends(home: Home, settings: Settings) -> list[Frontend]:
    """Have the server kept running."""
    told = {"workspace": home.workspace, **msgspec.to_builtins(settings)}
    return [Frontend(name="page", module="soul_lab.serve", settings=told)]
