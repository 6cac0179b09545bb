"""The texts about taking the last message back, in English."""

from __future__ import annotations

TEXTS = {
    "chat.help.again": "have the last message answered anew; the earlier reply no longer counts",
    "chat.help.edit": "say TEXT in place of the last message; what that was is no longer learned",
    "chat.again_nothing": "nothing was said in this conversation yet",
    "chat.again_off_record": "off the record nothing is taken back: /on first",
}
