"""The texts of ``soul import-chats``, in English."""

from __future__ import annotations

TEXTS = {
    "command.import-chats": (
        "Take a chat log into the diary of the soul in use; it is learned in the coming nights.\n\n"
        "FILE is a data export of ChatGPT (its zip or conversations.json), a chat of SillyTavern "
        "(.jsonl) or a diary (.jsonl). What is in the diary already is not taken in again."
    ),
    "option.imported": "List the conversations that were imported.",
    "usage.import": "Say which chat log: FILE is empty.",
    "stage.reading_log": "reading the chat log",
    "stage.recording": "writing it into the diary",
    "chats.kind.chatgpt": "ChatGPT",
    "chats.kind.sillytavern": "SillyTavern",
    "chats.kind.diary": "diary",
    "chats.read": "{kind}: conversations {conversations}, messages {messages}{days}",
    "chats.days": ", {first} to {last}",
    "chats.added": "taken in for {soul}: {added}; already there: {known}",
    "chats.would_add": "would be taken in for {soul}: {added}; already there: {known}",
    "chats.secrets": "have a secret in them and are never learned: {count}",
    "chats.skipped": "left out, {why}: {count} ({places})",
    "chats.skip.not_json": "no JSON",
    "chats.skip.wrong_shape": "neither a message nor a conversation",
    "chats.skip.not_said": "said by neither of you (system, tools, hidden or replaced)",
    "chats.skip.empty": "no text",
    "chats.skip.too_long": "too long",
    "chats.place": "the first: {places}",
    "chats.nights": "It is learned in the coming nights: 'soul sleep'.",
}
