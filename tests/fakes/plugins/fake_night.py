"""Leaves out of a night what mentions work, and objects to nights and souls of a certain name."""

from __future__ import annotations

from sould import plugin
from sould.plugin import Night, Report, SoulFile, Told, hookimpl


class Settings(plugin.Settings):
    refuse: str = ""
    banned: str = ""


@hookimpl
def select_replay(night: Night, told: list[Told]) -> list[str]:
    return [one.id for one in told if "work" not in one.text]


@hookimpl
def accept_sleep(report: Report, settings: Settings) -> str:
    return settings.refuse


@hookimpl
def vet_soul(soul: SoulFile, settings: Settings) -> str | None:
    return "it is banned" if soul.name == settings.banned else None
