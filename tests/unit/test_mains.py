"""Whether the machine is plugged in, by what Linux tells of its supplies."""

from __future__ import annotations

from pathlib import Path

import pytest

from sould.supervisor.mains import has_mains

PLUGGED = {"type": "Mains", "online": "1"}
UNPLUGGED = {"type": "Mains", "online": "0"}
USB_C = {"type": "USB", "online": "1"}
FULL = {"type": "Battery", "status": "Full"}
DISCHARGING = {"type": "Battery", "status": "Discharging", "scope": "System"}
MOUSE = {"type": "Battery", "status": "Discharging", "scope": "Device"}


@pytest.mark.parametrize(
    ("supplies", "is_plugged_in"),
    [
        ([], True),
        ([MOUSE], True),
        ([DISCHARGING], False),
        ([DISCHARGING, MOUSE, UNPLUGGED], False),
        ([DISCHARGING, PLUGGED], True),
        ([DISCHARGING, USB_C], True),
        ([FULL, UNPLUGGED], True),
        ([{}], True),
    ],
)
def test_the_machines_own_batteries_count(
    tmp_path: Path, supplies: list[dict[str, str]], is_plugged_in: bool
) -> None:
    for n, supply in enumerate(supplies):
        folder = tmp_path / f"supply{n}"
        folder.mkdir()
        for name, said in supply.items():
            (folder / name).write_text(f"{said}\n", "utf-8")
    assert has_mains(tmp_path) is is_plugged_in


def test_what_cannot_be_read_is_no_battery(tmp_path: Path) -> None:
    assert has_mains(tmp_path / "none")
