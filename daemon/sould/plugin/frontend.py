"""For the process of a frontend: the settings that its plugin declared."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import msgspec

SETTINGS_VARIABLE = "BIT_TTT_FRONTEND_SETTINGS"

T = TypeVar("T")


def frontend_settings(type: type[T] = dict[str, Any]) -> T:  # type: ignore[assignment]
    """Return ``Frontend.settings`` of the frontend that this process is, as ``type``.

    Run by hand, a frontend has no settings: ``{}``.

    Raises:
        msgspec.ValidationError: they are not of that type.
    """
    return msgspec.json.decode(os.environ.get(SETTINGS_VARIABLE, "{}"), type=type)
