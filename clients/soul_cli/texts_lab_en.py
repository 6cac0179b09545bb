"""The texts about the Model Lab, in English."""

from __future__ import annotations

TEXTS = {
    "command.lab": (
        "Open the Model Lab in a browser.\n\n"
        "The address lets one browser in, for five minutes; the browser is known from then on."
    ),
    "option.only_print": "print the address and open nothing",
    "lab.starting": "waiting for the page",
    "lab.opened": "opened {url}",
    "lab.no_browser": "no browser could be opened here; this address is good for five minutes:",
    "lab.enable": "The Model Lab is the plugin soul_lab, which is not enabled. Enable it?",
    "lab.restart": "The daemon runs without the plugin soul_lab. Start it anew?",
    "lab.failed": "the page has no server: {problem}",
    "lab.not_there": "the page had no server after {seconds} s; 'soul logs' may say why",
    "usage.lab": (
        "the plugin soul_lab is not in use; run 'soul plugins enable soul_lab', or "
        "'soul restart' if the daemon runs without plugins"
    ),
}
