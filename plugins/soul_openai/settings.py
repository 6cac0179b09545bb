"""What config.yaml may say of the API, and what its process is told."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from msgspec import Meta, field

from sould import plugin

HostName = Annotated[str, Meta(min_length=1, max_length=255)]


class Settings(plugin.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``host``, ``port``: where it listens; port 0 is any that is free. An address that others
    can reach needs ``allow_remote``. ``hosts``: names by which it is reached then; its addresses,
    and localhost, need not be said. ``token``: ``none`` asks for no key, on loopback only.
    ``switch_souls``, ``switch_bodies``: who names another soul, or body, gets that one.
    """

    host: HostName = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 11435
    allow_remote: bool = False
    hosts: list[HostName] = field(default_factory=list)
    token: Literal["required", "none"] = "required"
    switch_souls: bool = True
    switch_bodies: bool = True

    def __post_init__(self) -> None:
        if is_loopback(self.host):
            return
        reached = f"host {self.host} can be reached by others"
        if not self.allow_remote:
            raise ValueError(f"{reached}: say allow_remote: true if that is meant")
        if self.token == "none":
            raise ValueError(f"{reached}: token must be required")


class Serving(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings, and the absolute path of the workspace."""

    workspace: str


def is_loopback(host: str) -> bool:
    """Tell whether an address, or ``localhost``, is this machine and nobody else's. Pure."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
