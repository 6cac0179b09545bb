"""Whether the machine is plugged in, for what is to be done only then."""

from __future__ import annotations

import sys
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")


def is_on_mains() -> bool:
    """Return whether the machine is plugged in, has no battery, or does not tell. Blocking."""
    if sys.platform == "linux":  # where psutil takes a mouse's battery for the machine's
        return has_mains(SUPPLIES)
    import psutil  # not needed before a job asks

    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError):
        return True
    return battery is None or battery.power_plugged is not False


def has_mains(supplies: Path) -> bool:
    """Return whether none of the machine's own batteries, of what Linux tells in this folder, is
    discharging without anything else that supplies it. Batteries of the scope "Device" are of mice,
    keyboards and the like (Linux, Documentation/ABI/testing/sysfs-class-power).
    """
    try:
        found = [folder for folder in supplies.iterdir() if _read(folder / "scope") != "Device"]
    except OSError:
        return True
    batteries = [folder for folder in found if _read(folder / "type") == "Battery"]
    others = [folder for folder in found if folder not in batteries]
    if any(_read(folder / "online") in ("1", "2") for folder in others):  # 2: of a set voltage
        return True
    return not any(_read(folder / "status") == "Discharging" for folder in batteries)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
