"""The texts about what plugins add to a prompt, in Japanese."""

from __future__ import annotations

TEXTS = {
    "chat.help.notes": "日記のメモなどをプラグインがボディの読むものに加えてよいか",
    "chat.notes_on": "メモはオンです。プラグインがボディの読むものに書き加えることがあります",
    "chat.notes_off": "メモはオフです。ボディはあなたの言葉だけを読みます",
    "chat.bad_notes": "/notes on または /notes off と入力してください",
    "chat.noted": "[メモ: {plugins}]",
    "chat.noted_from": "{plugin}(日記から {count} 件)",
}
