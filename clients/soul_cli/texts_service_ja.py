"""サービスについての文言、日本語。"""

from __future__ import annotations

TEXTS = {
    "command.service": "ログインのたびにシステムにデーモンを起動させます。",
    "command.service.install": (
        "デーモンを今すぐ、そしてログインのたびに起動し、異常終了したら再起動します。\n\n"
        "自分だけのサービスです(systemd のユーザーユニット、launchd のエージェント、または Windows "
        "のタスク)。すでに動いているデーモンは、すべて保存して先に終了させます。"
    ),
    "command.service.uninstall": "デーモンを終了し、ログイン時の起動をやめます。",
    "command.service.status": "サービスが登録され、ログイン時に起動し、動いているかを表示します。",
    "command.service.logs": (
        "サービスについてシステムが記録したものを表示します。\n\n"
        "記録がないシステムでは、'soul logs' と同じデーモンのログを表示します。"
    ),
    "option.is_printed": "書き込む内容を表示するだけにします。",
    "service.would_be": "書き込む先: {path}",
    "service.written": "書き込みました: {path}",
    "service.taken_over": "サービス外で動いていたプロセス {pid} を終了しました",
    "service.started": "デーモンは動いています。ログインのたびに起動します",
    "service.linger": (
        "ログアウトすると終了します。動かし続け、起動時にも始めるには: loginctl enable-linger"
    ),
    "service.none": "サービスは登録されていません。'soul service install' で登録できます",
    "service.removed": "取り除きました: {path}。デーモンは終了しました",
    "service.definition": "登録",
    "service.at_login": "ログイン時に起動",
    "service.running": "動作",
    "service.process": "プロセス {pid}、{since} から",
    "service.config": "設定",
}
