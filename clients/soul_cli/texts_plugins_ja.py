"""The texts about plugins, in Japanese."""

from __future__ import annotations

TEXTS = {
    "status.frontend": "フロントエンド",
    "frontend.running": "{plugin} の {name}: 動作中、プロセス {pid}",
    "frontend.waiting": "{plugin} の {name}: {count} 回終了し、再び始めます",
    "frontend.ended": "{plugin} の {name}: 終了",
}
