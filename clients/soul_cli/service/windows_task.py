"""The task of Windows' Task Scheduler, as XML. Pure.

Its parts stand in the order in which Windows itself writes them. A task has no environment of
its own: it gets the user's.
"""

from __future__ import annotations

import re
import subprocess
from xml.etree import ElementTree as ET

from soul_cli.service.spec import DESCRIPTION, Installed, Service, require_text
from soul_client.errors import ServiceFailed

NAME = "Bit-TTT"
NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
RESTARTS = 5

_Tree = list[tuple[str, "str | _Tree"]]
_REPLACED = re.compile(r"%[^%]+%|\$\(")
"""What the scheduler puts something else in for; it knows no way to escape it."""


def render(service: Service, user: str) -> bytes:
    """Return the task that starts when ``user`` (DOMAIN\\name) logs on.

    Raises:
        ServiceFailed: a path in it cannot be written in a task.
    """
    program, *arguments = service.command
    require_text(*service.command, str(service.config), user)
    for text in service.command:
        if found := _REPLACED.search(text):
            raise ServiceFailed(
                f"the Task Scheduler would replace {found[0]!r} in {text!r}",
                "move it to a path without",
            )
    ET.register_namespace("", NAMESPACE)
    task = ET.Element(_name("Task"), version="1.2")
    _add(task, _parts(program, subprocess.list2cmdline(arguments), str(service.config), user))
    for principal in task.iter(_name("Principal")):
        principal.set("id", "User")
    for actions in task.iter(_name("Actions")):
        actions.set("Context", "User")
    ET.indent(task)
    # Windows reads its tasks as UTF-16, and says so.
    data: bytes = ET.tostring(task, encoding="utf-16", xml_declaration=True)
    return data


def read(data: bytes) -> Installed | None:
    """Return what a task of ours says; None for one that is not ours."""
    try:
        task = ET.fromstring(data)
    except (ET.ParseError, ValueError):
        return None
    config = task.findtext(f"{_name('RegistrationInfo')}/{_name('Documentation')}")
    program = task.findtext(f"{_name('Actions')}/{_name('Exec')}/{_name('Command')}")
    return Installed(config=config, program=program) if config and program else None


def _parts(program: str, arguments: str, config: str, user: str) -> _Tree:
    return [
        (
            "RegistrationInfo",
            [("Description", DESCRIPTION), ("Documentation", config)],
        ),
        ("Triggers", [("LogonTrigger", [("Enabled", "true"), ("UserId", user)])]),
        (
            "Principals",
            [
                (
                    "Principal",
                    [
                        ("UserId", user),
                        ("LogonType", "InteractiveToken"),
                        ("RunLevel", "LeastPrivilege"),
                    ],
                )
            ],
        ),
        ("Settings", _SETTINGS),
        ("Actions", [("Exec", [("Command", program), ("Arguments", arguments)])]),
    ]


_SETTINGS: _Tree = [
    ("MultipleInstancesPolicy", "IgnoreNew"),
    ("DisallowStartIfOnBatteries", "false"),
    ("StopIfGoingOnBatteries", "false"),
    ("StartWhenAvailable", "true"),
    ("IdleSettings", [("StopOnIdleEnd", "false"), ("RestartOnIdle", "false")]),
    ("Enabled", "true"),
    ("ExecutionTimeLimit", "PT0S"),  # none
    ("Priority", "5"),  # as a program the user started; a task's own is below that
    ("RestartOnFailure", [("Interval", "PT1M"), ("Count", str(RESTARTS))]),
]


def _add(parent: ET.Element, tree: _Tree) -> None:
    for tag, content in tree:
        child = ET.SubElement(parent, _name(tag))
        if isinstance(content, str):
            child.text = content
        else:
            _add(child, content)


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"
