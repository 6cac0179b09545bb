"""Reports of nights: which is the newest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from soul_client.wire import SleepReport
from sould.supervisor.reports import Reports


def test_the_newest_night_is_that_which_began_last_whatever_its_clock_showed(
    tmp_path: Path,
) -> None:
    reports = Reports(tmp_path)
    began = [
        "2026-10-24T03:30:00.000+09:00",  # Tokyo
        "2026-10-23T22:30:00.000+01:00",  # three hours later, in London
        "2026-10-25T01:50:00.000+01:00",
        "2026-10-25T01:10:00.000+00:00",  # summer time ended meanwhile
    ]
    for one in began:
        night = SleepReport(outcome="kept", soul="mika", began=one)
        reports.keep(night, datetime.fromisoformat(one))
    assert [one.began for one in reports.all()] == began[::-1]
    assert [one.began for one in reports.newest_of("mika", 2)] == began[2:]
    assert reports.newest("mika").began == began[-1]
