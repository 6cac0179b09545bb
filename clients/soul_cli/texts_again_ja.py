"""The texts about taking the last message back, in Japanese."""

from __future__ import annotations

TEXTS = {
    "chat.help.again": "最後の発言にもう一度答えさせる。前の返事は会話から外れます",
    "chat.help.edit": "最後の発言を TEXT に言い直す。前の発言は、まだなら学習されません",
    "chat.again_nothing": "この会話ではまだ何も話していません",
    "chat.again_off_record": "オフレコでは取り消しできません。先に /on と入力してください",
}
