"""Bring a plugin in: import it, check its hooks and its settings."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

import msgspec
import pluggy

from sould.plugin.hooks import Hooks
from sould.plugin.structs import Settings
from sould.pluginhost.budget import Unfit
from sould.pluginhost.messages import Wanted


class Plugin:
    """A plugin with the implementations it has, by hook: ``(function, names of its arguments)``."""

    def __init__(self, name: str, settings: Any, hooks: dict[str, tuple[Any, list[str]]]) -> None:
        self.name = name
        self.settings = settings
        self.hooks = hooks


def load(wanted: Wanted, manager: pluggy.PluginManager) -> Plugin:
    """Import a plugin and register it.

    Raises:
        Unfit: what is wrong with it.
        BaseException: what its own code raises while it is imported.
    """
    found = _find(wanted.target)
    settings = _settings(wanted, found)
    try:
        manager.register(found, wanted.name)
    except pluggy.PluginValidationError as e:
        raise Unfit(str(e)) from e
    except ValueError as e:
        raise Unfit(f"{wanted.target} is enabled under another name already") from e
    try:
        return Plugin(wanted.name, settings, _implementations(wanted, found, manager))
    except Unfit:
        manager.unregister(found)
        raise


def make_manager() -> pluggy.PluginManager:
    """Return a manager that knows our hooks, and no plugin."""
    manager = pluggy.PluginManager("bit_ttt")
    manager.add_hookspecs(Hooks)
    return manager


def called_in_order(manager: pluggy.PluginManager, hook: str) -> list[str]:
    """Return the names of the plugins that implement a hook, in the order they are called in."""
    return [impl.plugin_name for impl in reversed(getattr(manager.hook, hook).get_hookimpls())]


def _find(target: str) -> Any:
    module, _, path = target.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as e:
        if e.name and (module == e.name or module.startswith(f"{e.name}.")):
            raise Unfit(
                f"there is no module {module}: install the plugin, or mend plugins.enabled"
            ) from e
        raise Unfit(f"{module} needs {e.name}, which is not installed") from e
    for part in path.split(".") if path else ():
        try:
            found = getattr(found, part)
        except AttributeError as e:
            raise Unfit(f"{module} has no {path}") from e
    if isinstance(found, type):
        raise Unfit(f"{target} is a class; a plugin is a module or an object")
    return found


def _settings(wanted: Wanted, found: Any) -> Any:
    form = getattr(found, "Settings", None)
    if not (isinstance(form, type) and issubclass(form, Settings)) or form is Settings:
        return wanted.settings
    try:
        return msgspec.convert(wanted.settings, form)
    except msgspec.ValidationError as e:
        what, _, at = str(e).partition(" - at `$")
        where = f"plugins.settings.{wanted.name}{at.rstrip('`')}"
        known = ", ".join(form.__struct_fields__) or "none"
        raise Unfit(f"{where}: {what}; its settings are: {known}") from e


def _implementations(
    wanted: Wanted, found: Any, manager: pluggy.PluginManager
) -> dict[str, tuple[Any, list[str]]]:
    hooks: dict[str, tuple[Any, list[str]]] = {}
    for caller in manager.get_hookcallers(found) or []:
        if not caller.has_spec():
            near = difflib.get_close_matches(caller.name, vars(Hooks), 1)
            raise Unfit(
                f"there is no hook {caller.name}" + (f"; did you mean {near[0]}?" if near else "")
            )
        impl = next(i for i in caller.get_hookimpls() if i.plugin_name == wanted.name)
        if impl.wrapper or impl.hookwrapper:
            raise Unfit(f"{caller.name} is a wrapper; plugins cannot wrap each other here")
        hooks[caller.name] = impl.function, list(impl.argnames)
    if not hooks:
        raise Unfit(f"{wanted.target} implements no hook")
    return hooks
