"""Declares a job and a frontend."""

from __future__ import annotations

from sould.plugin import Daily, Frontend, Job, hookimpl


@hookimpl
def register_jobs() -> list[Job]:
    return [Job(name="night", when=Daily(at="03:30"), method="soul.sleep", only_on_mains=True)]


@hookimpl
def register_frontends() -> list[Frontend]:
    return [Frontend(name="lines", module="fake_declares.lines", settings={"port": 7})]
