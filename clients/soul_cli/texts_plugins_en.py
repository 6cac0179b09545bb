"""The texts about plugins, in English."""

from __future__ import annotations

TEXTS = {
    "status.frontend": "frontend",
    "frontend.running": "{name} of {plugin}: running, process {pid}",
    "frontend.waiting": "{name} of {plugin}: ended {count} times, is started again",
    "frontend.ended": "{name} of {plugin}: ended",
}
