"""The texts about plugins, in Japanese."""

from __future__ import annotations

TEXTS = {
    "command.plugins": "プラグインの一覧、有効化、検査、新規作成。",
    "command.plugins.list": "プラグインの一覧と、使用中のものの状態を表示します。",
    "command.plugins.info": "プラグイン NAME の内容と状態を表示します。インポートはしません。",
    "command.plugins.enable": (
        "デーモンがプラグイン NAME を使うようにします。動作中ならすぐに有効です。\n\n"
        "config.yaml に書き込みます。ほかの部分は何も変わりません。"
    ),
    "command.plugins.disable": (
        "デーモンがプラグイン NAME を使わないようにします。動作中ならすぐに有効です。"
    ),
    "command.plugins.check": (
        "プラグイン NAME を別のプロセスでインポートし、使えるかどうかを調べます。\n\n"
        "フックと設定を検査します。プラグイン自身のコードが動きます。"
    ),
    "command.plugins.new": (
        "新しいプラグインのプロジェクトを FOLDER(省略時は NAME)に作ります。\n\n"
        "フックが一つと、通るテストが付いています。"
    ),
    "option.folder": "作るフォルダ。省略時は名前と同じ。",
    "usage.plugin_name": (
        "プラグインの名前に {name!r} は使えません。英小文字で始まる英小文字、数字、"
        "'_' で 40 文字まで。Python のモジュール名は使えません。"
    ),
    "usage.folder_exists": "{folder} はすでにあります。",
    "usage.folder_unwritable": "{folder} に書き込めません: {why}",
    "plugins.none": "プラグインはありません。'soul plugins new NAME' で作れます。",
    "plugins.name": "名前",
    "plugins.version": "版",
    "plugins.source": "配布元",
    "plugins.summary": "概要",
    "plugins.author": "作者",
    "plugins.licence": "ライセンス",
    "plugins.home_page": "ページ",
    "plugins.needs": "必要なもの",
    "plugins.target": "モジュール",
    "plugins.state": "状態",
    "plugins.hooks": "フック",
    "plugins.jobs": "ジョブ",
    "plugins.frontends": "フロントエンド",
    "plugins.enabled": "{name} を有効にしました",
    "plugins.was_enabled": "{name} はすでに有効です",
    "plugins.disabled": "{name} を無効にしました",
    "plugins.was_disabled": "{name} は有効ではありませんでした",
    "plugins.restart": "デーモンの次の起動から有効です: 'soul restart'",
    "plugins.stands": "動作中のデーモンでは: {state}",
    "plugins.unknown": "{name} というプラグインもモジュールもありません",
    "plugins.unknown_hint": (
        "'soul plugins list' に一覧があります。Bit-TTT と同じ環境にインストールしてください。"
    ),
    "plugins.fit": "{name} は使えます。フック: {hooks}",
    "plugins.unfit": "{name} は使えません: {problem}",
    "plugins.too_slow": "{seconds} 秒以内にインポートできませんでした",
    "plugins.ended": "インポートしたプロセスを終了させました",
    "plugins.begun": (
        "次に: cd {folder}、pip install -e '.[test]'、pytest。"
        "それから 'soul plugins enable {name}'。"
    ),
    "plugin.off": "無効",
    "plugin.enabled": "有効",
    "plugin.starting": "開始中",
    "plugin.on": "動作中",
    "plugin.failed": "使えません",
    "plugin.disabled": "{strikes} 回失敗したため、設定の変更か次の起動まで無効",
    "plugin.problem": "{state}、{problem}",
    "plugin.on_later": "{state}(次の起動から有効)",
    "plugin.off_later": "{state}(次の起動から無効)",
    "status.frontend": "フロントエンド",
    "frontend.running": "{plugin} の {name}: 動作中、プロセス {pid}",
    "frontend.waiting": "{plugin} の {name}: {count} 回終了し、再び始めます",
    "frontend.ended": "{plugin} の {name}: 終了",
}
