"""The texts of ``soul import-chats``, in Japanese."""

from __future__ import annotations

TEXTS = {
    "command.import-chats": (
        "会話の記録を、使用中のソウルの日記に取り込みます。これからの夜に学びます。\n\n"
        "FILE は ChatGPT のデータエクスポート(zip または conversations.json)、"
        "SillyTavern の会話(.jsonl)、日記(.jsonl)のいずれか。すでに日記にあるものは取り込みません。"
    ),
    "option.imported": "取り込んだ会話の一覧を表示します。",
    "usage.import": "FILE が空です。会話の記録を指定してください。",
    "stage.reading_log": "会話の記録を読んでいます",
    "stage.recording": "日記に書いています",
    "chats.kind.chatgpt": "ChatGPT の記録",
    "chats.kind.sillytavern": "SillyTavern の記録",
    "chats.kind.diary": "日記",
    "chats.read": "{kind}: 会話 {conversations} 件、発言 {messages} 件{days}",
    "chats.days": "、{first} から {last} まで",
    "chats.added": "{soul} のために取り込んだもの: {added} 件、すでにあったもの: {known} 件",
    "chats.would_add": "{soul} のために取り込むもの: {added} 件、すでにあるもの: {known} 件",
    "chats.secrets": "秘密を含むため、決して学ばないもの: {count} 件",
    "chats.skipped": "除いたもの、{why}: {count} 件({places})",
    "chats.skip.not_json": "JSON ではない",
    "chats.skip.wrong_shape": "発言でも会話でもない",
    "chats.skip.not_said": "どちらの発言でもない(システム、ツール、非表示、言い直されたもの)",
    "chats.skip.empty": "文章がない",
    "chats.skip.too_long": "長すぎる",
    "chats.place": "最初のもの: {places}",
    "chats.nights": "これからの夜に学びます('soul sleep')。",
}
