"""The texts of ``soul feed``, in Japanese."""

from __future__ import annotations

TEXTS = {
    "command.feed": (
        "使用中のソウルに文書を与えます。書かれていることを、これからの夜に学びます。\n\n"
        "PATH はファイル、またはファイルの入ったフォルダー: テキスト(.txt)、Markdown(.md)、PDF。"
        "それだけで意味の通る文に分けて日記に残します。すでにあるものは取り込みません。"
    ),
    "option.is_list": "与えた文書の一覧を表示します。",
    "option.document": "--list に出る名前の文書を完全に忘れさせます。",
    "usage.feed": "与えるもの、--list、--forget NAME のいずれか 1 つを指定してください。",
    "stage.reading_documents": "文書を読んでいます",
    "feed.read": "文書 {documents} 件、文 {statements} 件",
    "feed.added": "{soul} のために取り込んだもの: {added} 件、すでにあったもの: {known} 件",
    "feed.would_add": "{soul} のために取り込むもの: {added} 件、すでにあるもの: {known} 件",
    "feed.left_out": "それだけでは意味の通らないため除いた文: {count} 件",
    "feed.secrets": "秘密を含むため取り込まないもの: {count} 件",
    "feed.unread": "読まなかったもの: {count} 件",
    "feed.more": "… ほか {count} 件",
    "feed.why.unknown_kind": "知らない種類",
    "feed.why.not_text": "UTF-8 のテキストではない",
    "feed.why.too_large": "大きすぎる",
    "feed.why.encrypted": "暗号化されている",
    "feed.why.damaged": "壊れている",
    "feed.why.empty": "学べることが書かれていない",
    "feed.why.link": "リンク",
    "feed.why.not_allowed": "読めない",
    "feed.nights": "これからの夜に学びます('soul sleep')。",
    "feed.none": "{soul} に与えた文書はありません",
    "feed.name": "文書",
    "feed.statements": "文",
    "feed.learned": "学んだ文",
    "feed.fed": "与えた日時",
    "sleep.documents": "文書:",
    "sleep.read_before": "夕方: {statements} 文中 {stated} 文を言えました",
    "sleep.read_after": "朝: {statements} 文中 {stated} 文を言えました",
}
