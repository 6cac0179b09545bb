"""API についての文言、日本語。"""

from __future__ import annotations

TEXTS = {
    "command.api": (
        "OpenAI や Ollama 向けのアプリからソウルを使うための URL とキーを表示します。\n\n"
        "プラグイン soul_openai が提供します。有効にするには 'soul plugins enable soul_openai'。"
    ),
    "option.is_token": "キーだけを表示します。",
    "api.base_url": "OpenAI のベース URL",
    "api.ollama_url": "Ollama の URL",
    "api.key": "キー",
    "api.no_key": "不要です",
    "api.model": "モデル",
    "api.off": "API は無効です",
    "api.off_hint": "'soul plugins enable soul_openai' で有効になります。",
    "api.silent": "API は有効ですが、応答していません",
    "api.logs_hint": "詳しくは 'soul status' と 'soul logs' を見てください。",
}
