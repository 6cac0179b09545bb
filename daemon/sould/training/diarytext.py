"""The diary as text to train on: what the user said, and what documents say, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sould.supervisor.diary import Diary


def days_of(folder: Path) -> Iterator[str]:
    """Yield the text of each day, oldest first, a line for each record: no replies, which are a
    body's own words, nothing that is not to be learned, and nothing that was said anew since.
    """
    diary = Diary(folder, datetime.now)  # of which it needs no more than to read
    replaced = diary.replaced()
    for path in reversed(diary.files()):
        said = [
            record.text
            for record in diary.read(path)
            if record.role != "assistant" and record.learn and record.id not in replaced
        ]
        if said:
            yield "\n".join(said) + "\n"
