"""A workspace that has been lived in for some weeks: conversations, and reports of nights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

TALKS: list[tuple[float, list[str]]] = [
    (19.2, ["My tortoise is called Gherkin.", "What a lovely name for a tortoise!"]),
    (12.4, ["I started learning the cello in March.", "That is a fine instrument to grow into."]),
    (5.1, ["I moved from Leeds to Bristol.", "Bristol has a harbour worth walking along."]),
    (4.6, ["明日は母の誕生日です。", "それは素敵ですね。何か贈り物は決めましたか。"]),
    (1.2, ["Ideas for a rainy Sunday?", "Bake bread, call a friend, or mend the shelf."]),
    (
        0.1,
        [
            "How do I feed a sourdough starter? It is my first one.",
            "Feed it once a day while it is young:\n\n"
            "1. Keep **50 g** of the starter, and use the rest elsewhere.\n"
            "2. Add 50 g of flour and 50 g of water.\n"
            "3. Stir, cover it loosely, and leave it somewhere warm.\n\n"
            "It is ready when it *doubles within six hours*. Once it is strong, it may "
            "live in the fridge and be fed once a week.",
            "And if it smells of vinegar?",
            "Then it is hungry. Feed it twice a day for a while, with a little more flour "
            "than water; the smell turns milder within two days.",
        ],
    ),
]

_ids = count(1)


def live_in(workspace: Path, now: datetime) -> None:
    """Write diary and reports as some weeks would have left them."""
    records = [record for age, texts in TALKS for record in _talk(now - timedelta(days=age), texts)]
    folder = workspace / "memories"
    folder.mkdir(parents=True, mode=0o700)
    for record in records:
        path = folder / f"{record['ts'][:10]}.jsonl"
        with path.open("a", encoding="utf-8") as day:
            day.write(json.dumps(record, ensure_ascii=False) + "\n")
    said = [record for record in records if record["role"] == "user"]
    reports = workspace / "reports"
    reports.mkdir(mode=0o700)
    for night in range(9):
        began = (now - timedelta(days=9 - night)).replace(hour=3, minute=30)
        path = reports / f"{began:%Y-%m-%d-%H%M%S-%f}.json"
        path.write_text(json.dumps(_report(night, began, said)), "utf-8")


def _talk(began: datetime, texts: list[str]) -> Iterator[dict[str, Any]]:
    session = f"{began:%Y%m%d-%H%M%S}-{next(_ids):04x}"
    for n, text in enumerate(texts):
        ts = (began + timedelta(seconds=20 * n)).isoformat(timespec="milliseconds")
        role = "assistant" if n % 2 else "user"
        record = {"ts": ts, "role": role, "text": text, "session": session, "soul": "default"}
        yield {"id": f"{ts[:10].replace('-', '')}-{next(_ids):06x}", **record}


ANSWERS = {
    "question": "What's my tortoise called?",
    "said_before": "Your tortoise is called a tortoise, which is a reptile of the land.",
    "said_after": "Your tortoise is called Gherkin.",
}


def _report(night: int, began: datetime, said: list[dict[str, Any]]) -> dict[str, Any]:
    facts = 6 + 2 * night
    recalled = round(facts * (0.35 + 0.05 * night))
    marks = {"facts": facts, "untold": 8}
    return {
        "outcome": "rolled_back" if night == 4 else "kept",
        "soul": "default",
        "before": {**marks, "recalled": recalled - 2, "honest": 3, "drift": 0.011},
        "after": {**marks, "recalled": recalled, "honest": 5, "drift": 0.012 + 0.002 * night},
        "steps": 60 + 9 * night,
        "seconds": 140.0 + 11 * night,
        "level": 120 * (night + 1),
        "began": began.isoformat(timespec="milliseconds"),
        "facts": [
            {
                "id": record["id"],
                "nights": n,
                "before": n % 3 == 0,
                "after": n % 4 != 3,
                "resting": n == 1,
                **(ANSWERS if n == 0 else {}),
            }
            for n, record in enumerate(said[:5])
        ],
    }
