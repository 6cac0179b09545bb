"""The texts of ``soul feed``, in English."""

from __future__ import annotations

TEXTS = {
    "command.feed": (
        "Feed documents to the soul in use; what they say is learned in the coming nights.\n\n"
        "PATH is a file, or a folder of files: text (.txt), Markdown (.md) or PDF. They are cut "
        "into statements, sentences that say something on their own, which are kept in the diary. "
        "What is in it already is not taken in again."
    ),
    "option.is_list": "List the documents that were fed.",
    "option.document": "Forget a document, by the name that --list shows, for good.",
    "usage.feed": "Say what to feed, or --list, or --forget NAME: one of them.",
    "stage.reading_documents": "reading the documents",
    "feed.read": "documents {documents}, statements {statements}",
    "feed.added": "taken in for {soul}: {added}; already there: {known}",
    "feed.would_add": "would be taken in for {soul}: {added}; already there: {known}",
    "feed.left_out": "sentences that say nothing on their own, left out: {count}",
    "feed.secrets": "have a secret in them and are not taken in: {count}",
    "feed.unread": "not read: {count}",
    "feed.more": "… and {count} more",
    "feed.why.unknown_kind": "of no known kind",
    "feed.why.not_text": "no UTF-8 text",
    "feed.why.too_large": "too large",
    "feed.why.encrypted": "encrypted",
    "feed.why.damaged": "damaged",
    "feed.why.empty": "says nothing that can be learned",
    "feed.why.link": "a link",
    "feed.why.not_allowed": "cannot be read",
    "feed.nights": "It is learned in the coming nights: 'soul sleep'.",
    "feed.none": "no documents were fed to {soul}",
    "feed.name": "document",
    "feed.statements": "statements",
    "feed.learned": "learned",
    "feed.fed": "fed",
    "sleep.documents": "documents:",
    "sleep.read_before": "in the evening: stated {stated} of {statements}",
    "sleep.read_after": "in the morning: stated {stated} of {statements}",
}
