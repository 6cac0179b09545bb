"""The texts about the Model Lab, in Japanese."""

from __future__ import annotations

TEXTS = {
    "command.lab": (
        "モデルラボをブラウザで開きます。\n\n"
        "アドレスは 5 分間、1 つのブラウザだけを通します。通したブラウザは以後そのまま使えます。"
    ),
    "option.only_print": "アドレスを表示するだけで、何も開かない",
    "lab.starting": "ページを待っています",
    "lab.opened": "{url} を開きました",
    "lab.no_browser": "ここではブラウザを開けません。次のアドレスは 5 分間有効です:",
    "lab.enable": "モデルラボはプラグイン soul_lab です。まだ有効ではありません。有効にしますか?",
    "lab.restart": "デーモンはプラグイン soul_lab なしで動いています。起動し直しますか?",
    "lab.failed": "ページのサーバーが動いていません: {problem}",
    "lab.not_there": (
        "{seconds} 秒待ってもページのサーバーが現れません。'soul logs' で理由が分かるかもしれません"
    ),
    "usage.lab": (
        "プラグイン soul_lab が使われていません。'soul plugins enable soul_lab' を、"
        "デーモンがプラグインなしで動いている場合は 'soul restart' を実行してください"
    ),
}
