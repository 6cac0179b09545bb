"""``sould doctor``: look at everything the daemon needs, a JSON line for each thing found.

A process of its own, since it imports torch to see whether that works. Nothing is changed, and
no daemon need run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from soul_client.errors import SoulError
from soul_client.findings import Finding, ok, problem
from soul_client.locate import find_config
from sould.config import Config, load
from sould.doctor import body, machine, packages, places, souls
from sould.errors import SouldError

Check = Callable[[Config], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "folders": places.folders,
    "disk": places.disk,
    "lock": places.lock,
    "device": machine.device,
    "kernel": machine.kernel,
    "body": body.body,
    "soul": souls.soul,
}
"""What is looked at by the config, in this order."""


def findings(config: str | None) -> Iterator[Finding]:
    """Look at everything; without a good config, at what needs none."""
    yield from _guarded("python", packages.python)
    yield from _guarded("packages", packages.packages)
    yield from _guarded("torch", machine.torch)
    try:
        found = load(Path(find_config(config)))
    except (SouldError, SoulError) as e:
        yield problem("config", "config.wrong", error=str(e))
        return
    yield ok("config", "config.good", path=str(found.path))
    for name, check in CHECKS.items():
        yield from _guarded(name, partial(check, found))


def main(argv: Sequence[str]) -> int:
    """Run ``sould doctor``; returns the exit code, 0: a problem found is a result."""
    parser = argparse.ArgumentParser("sould doctor", description="Look at the installation.")
    parser.add_argument("--config", help="config.yaml to use")
    args = parser.parse_args(argv)
    for finding in findings(args.config):
        sys.stdout.write(msgspec.json.encode(finding).decode() + "\n")
        sys.stdout.flush()
    return 0


def _guarded(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Look at one thing; one that cannot be looked at does not keep us from the others."""
    try:
        yield from look()
    except Exception as e:  # of a broken installation nothing can be relied on
        yield problem(name, "check.failed", error=f"{type(e).__name__}: {e}")
