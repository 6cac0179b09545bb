"""The Python that runs us, and whether the packages we ask for are there."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from soul_client.findings import Finding, ok, problem

DISTRIBUTION = "bit-ttt"


def python() -> Iterator[Finding]:
    """Say which Python and which release of ours this is."""
    try:
        release = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield problem("python", "python.not_installed", python=platform.python_version())
        return
    yield ok("python", "python.good", python=platform.python_version(), version=release)


def packages() -> Iterator[Finding]:
    """Compare what is installed with what our distribution asks for."""
    wrong = [
        fault for text in metadata.requires(DISTRIBUTION) or [] if (fault := fault_of(text)) != ""
    ]
    if wrong:
        yield problem("packages", "packages.wrong", packages="; ".join(wrong))
    else:
        yield ok("packages", "packages.good")


def fault_of(text: str) -> str:
    """Return what is wrong with a requirement, "" if it is met or not ours to meet (an extra)."""
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if not requirement.specifier.contains(found, prereleases=True):
        return f"{requirement.name} is {found}, expected {requirement.specifier}"
    return ""
