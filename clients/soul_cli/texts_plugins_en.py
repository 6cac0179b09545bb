"""The texts about plugins, in English."""

from __future__ import annotations

TEXTS = {
    "command.plugins": "Plugins: list, enable, check them, or begin one of your own.",
    "command.plugins.list": "List the plugins there are, and how those in use stand.",
    "command.plugins.info": "Say what the plugin NAME is, and how it stands; it is not imported.",
    "command.plugins.enable": (
        "Let the daemon use the plugin NAME, at once if it runs.\n\n"
        "It is written into config.yaml, of which nothing else is changed."
    ),
    "command.plugins.disable": "Let the daemon leave the plugin NAME out, at once if it runs.",
    "command.plugins.check": (
        "Import the plugin NAME in a process of its own, and say whether it will do.\n\n"
        "Its hooks and settings are checked. The plugin's own code runs."
    ),
    "command.plugins.new": (
        "Write the project of a new plugin into FOLDER, NAME by default.\n\n"
        "It has a hook, and a test that passes."
    ),
    "option.folder": "The folder to make; the name by default.",
    "usage.plugin_name": (
        "a plugin cannot be called {name!r}: a lower-case letter, then lower-case letters, "
        "digits and '_', at most 40, and no module of Python."
    ),
    "usage.folder_exists": "{folder} is there already.",
    "usage.folder_unwritable": "{folder} cannot be written: {why}.",
    "plugins.none": "no plugins; 'soul plugins new NAME' begins one",
    "plugins.name": "name",
    "plugins.version": "version",
    "plugins.source": "from",
    "plugins.summary": "about",
    "plugins.author": "author",
    "plugins.licence": "licence",
    "plugins.home_page": "page",
    "plugins.needs": "needs",
    "plugins.target": "module",
    "plugins.state": "state",
    "plugins.hooks": "hooks",
    "plugins.jobs": "jobs",
    "plugins.frontends": "frontends",
    "plugins.enabled": "{name} is enabled",
    "plugins.was_enabled": "{name} was enabled already",
    "plugins.disabled": "{name} is disabled",
    "plugins.was_disabled": "{name} was not enabled",
    "plugins.restart": "the daemon takes note when it starts anew: 'soul restart'",
    "plugins.stands": "in the daemon that runs: {state}",
    "plugins.unknown": "there is no plugin {name}, and no module of that name",
    "plugins.unknown_hint": (
        "'soul plugins list' lists those there are; install it where Bit-TTT is installed."
    ),
    "plugins.fit": "{name} is good; its hooks: {hooks}",
    "plugins.unfit": "{name} will not do: {problem}",
    "plugins.too_slow": "it was not imported within {seconds} s",
    "plugins.ended": "it ended the process that imported it",
    "plugins.begun": (
        "Next: cd {folder}, pip install -e '.[test]', pytest; then 'soul plugins enable {name}'."
    ),
    "plugin.off": "off",
    "plugin.enabled": "enabled",
    "plugin.starting": "starting",
    "plugin.on": "on",
    "plugin.failed": "cannot be used",
    "plugin.disabled": "off until its settings change or the next start, it failed {strikes} times",
    "plugin.problem": "{state}: {problem}",
    "plugin.on_later": "{state} (on from the next start)",
    "plugin.off_later": "{state} (off from the next start)",
    "status.frontend": "frontend",
    "frontend.running": "{name} of {plugin}: running, process {pid}",
    "frontend.waiting": "{name} of {plugin}: ended {count} times, is started again",
    "frontend.ended": "{name} of {plugin}: ended",
}
