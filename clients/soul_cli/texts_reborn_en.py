"""The texts about reincarnation, in English."""

from __future__ import annotations

TEXTS = {
    "command.reincarnate": (
        "Have the soul NAME reborn on another body, from the diary.\n\n"
        "Another soul sleeps through all that NAME was told, night by night, and both are asked "
        "for it. NAME stays as it is. What is stopped goes on when it is asked for again; who "
        "talks meanwhile is answered by the soul and the body in use. With --accept the reborn "
        "soul takes the name, and the old one is kept under another."
    ),
    "option.body": "The body to be reborn on; without it, that of the rebirth that was begun.",
    "option.accept": "Let the reborn soul take the name.",
    "stage.part": "night {part} of {parts}: {stage}",
    "why.reborn": "took a name after a rebirth",
    "reborn.done": "{name} is reborn on body {body} as {reborn} (nights: {nights}; {duration})",
    "reborn.records": "what it was told: {records}, learned: {learned}",
    "reborn.left": "left in nights that were rolled back, to be learned later: {count}",
    "reborn.silent": "messages with no fact in them: {count}",
    "reborn.gone": "taught to the old one, and not in the diary any more: {count}",
    "reborn.old": "old, {body}",
    "reborn.new": "reborn, {body}",
    "reborn.never": "never told",
    "reborn.says": "asked, says it",
    "reborn.log_p": "ln p a token",
    "reborn.of": "{count} of {facts}",
    "reborn.not_asked": "the old soul could not be asked: {problem}",
    "reborn.no_fact": "there was no fact in what it was told",
    "reborn.accept": "'{command}' lets it take the name {name}; until then nothing has changed.",
    "reborn.accepted": "{name} is the reborn soul now; the old one is kept as {kept}.",
    "reborn.configure": "To have its body loaded at every start, set body.name to {body} in {path}",
    "reborn.begun": (
        "{name} is being reborn; when it is over '{command}' compares both. '/stop' stops it."
    ),
    "chat.help.reincarnate": "have a soul reborn on another body, from the diary",
}
