"""動作中に見張っているものについての文言、日本語。"""

from __future__ import annotations

TEXTS = {
    "watched.models": "models の監視",
    "watched.polling": "システムの通知がないため、毎秒 2 回見に行きます",
    "watched.body": "新しいボディ",
    "watched.settings": "設定の変更",
    "watched.settings_problem": "変更前の設定のままです: {problem}",
    "watched.restart": "'soul restart' の後に有効: {keys}",
}
