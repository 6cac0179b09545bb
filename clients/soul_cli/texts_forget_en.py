"""The texts about forgetting, in English."""

from __future__ import annotations

TEXTS = {
    "command.forget": (
        "Forget what was said with TEXT in it, or the diary record ID, for good.\n\n"
        "Its turns are taken out of the diary, and the soul goes back to before it learned them; "
        "what it learned after that it learns again. It is asked about it before and after. What "
        "was exported or copied before keeps it."
    ),
    "option.wait": "Wait until the soul has learned again what it had learned after it.",
    "usage.forget": "without a terminal to ask on, it takes --yes to forget.",
    "stage.forgetting": "forgetting",
    "why.forget": "something was forgotten",
    "forget.found": "{name} would forget (messages: {count}, replies: {replies}):",
    "forget.more": "  … and {count} more",
    "forget.generations": "saved states that hold it and go too: {count}",
    "forget.relearned": "learned after it, to be learned again: {count}",
    "forget.lost": "learned after it and not in this diary, so forgotten too: {count}",
    "forget.others": "these souls were taught it too, and keep it: {names}",
    "forget.confirm": "Forget it? It cannot be undone.",
    "forget.done": "forgotten by {name} (messages: {count}, replies: {replies})",
    "forget.reborn": "what it is being reborn as goes back too: {names}",
    "forget.not_asked": "the soul could not be asked: how well it knew that is not known",
    "forget.no_fact": "there was no fact in it that a soul learns",
    "forget.not_measured": "how well it is forgotten is not known: the soul could not be asked",
    "forget.of": "{count} of {facts}",
    "forget.before": "before",
    "forget.after": "now",
    "forget.never": "never told",
    "forget.says": "asked, says it",
    "forget.log_p": "ln p a token",
    "forget.relearning": "learned again, or waiting to be: {count}",
    "chat.forget_confirm": "'/forget yes' forgets it; that cannot be undone.",
    "chat.help.forget": "forget for good what was said with TEXT in it",
}
