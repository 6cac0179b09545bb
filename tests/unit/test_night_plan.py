"""What a night goes over follows from the diary and the reports."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from soul_client.wire import Dreamt, SleepReport
from sould.bridge import Sleep, Told
from sould.supervisor.diary import Diary, Record, Statement
from sould.supervisor.night_plan import MOST_RECORDS, MOST_STATEMENTS, past_of, plan_night

NOON = datetime.fromisoformat("2026-11-23T12:00:00+09:00")


def night(*ids: str, day: int = 0, **changes: object) -> SleepReport:
    began = (NOON + timedelta(days=day, hours=12)).isoformat()
    facts = [Dreamt(id=id_, after=True) for id_ in ids]
    return SleepReport(
        **{"outcome": "kept", "soul": "mika", "began": began, "facts": facts, **changes}
    )  # type: ignore[arg-type]


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    diary = Diary(tmp_path / "memories", lambda: NOON)
    diary.open()
    return diary


def write(diary: Diary, *ids: str, days: int = 0, **changes: object) -> None:
    ts = (NOON + timedelta(days=days)).isoformat()
    known = {"role": "user", "session": "s", "soul": "mika", "ts": ts}
    diary.append([Record(**{"id": id_, "text": f"{id_}!", **known, **changes}) for id_ in ids])  # type: ignore[arg-type]


def plan(
    diary: Diary,
    taught: set[str],
    *reports: SleepReport,
    waiting: Sequence[str] = (),
    days: float = 30,
) -> Sleep:
    return plan_and_left(diary, taught, *reports, waiting=waiting, days=days)[0]


def plan_and_left(
    diary: Diary,
    taught: set[str],
    *reports: SleepReport,
    waiting: Sequence[str] = (),
    days: float = 30,
    passed_over: Set[str] = frozenset(),
) -> tuple[Sleep, int]:
    told = [Told(id=id_, text=f"{id_}!") for id_ in waiting]
    now = NOON + timedelta(days=days)
    return plan_night(
        diary,
        "mika",
        since=now.isoformat(),  # what waits is said by ``waiting`` alone
        taught=taught,
        waiting=told,
        reports=reports[::-1],
        now=now,
        passed_over=passed_over,
    )


def ids(order: Sleep) -> list[str]:
    return [record.id for record in order.records]


def test_a_fact_comes_back_after_1_2_4_8_and_16_nights() -> None:
    nights, learned_in = [night("a")], [1]
    for n in range(2, 70):
        is_due = past_of(nights)["a"].is_due
        fact = Dreamt(id="a", after=True, resting=not is_due)
        nights.append(night(facts=[fact]))
        learned_in += [n] * is_due
    assert learned_in == [1, 2, 4, 8, 16, 32, 48, 64]


def test_what_was_not_recalled_is_due_at_once() -> None:
    nights = [night("a"), night("a"), night(facts=[Dreamt(id="a", after=False, resting=True)])]
    assert past_of(nights)["a"].is_due
    assert not past_of([*nights[:2]])["a"].is_due


def test_a_first_night_goes_over_all_that_was_said_to_the_soul(diary: Diary) -> None:
    write(diary, "a", "b")
    write(diary, "r", role="assistant")
    write(diary, "s", learn=False)
    write(diary, "o", soul="other")
    order = plan(diary, {"a"}, waiting="b")
    assert ids(order) == ["a", "b"] and order.nights == {} and order.resting == []


def test_later_ones_go_over_what_is_new_and_let_the_rest_rest(diary: Diary) -> None:
    write(diary, "a")
    write(diary, "b", days=1)
    write(diary, "c", days=2)
    nights = [night("a"), night("a", "b", day=1)]
    order = plan(diary, {"a", "b"}, *nights, waiting="c")
    assert ids(order) == ["a", "b", "c"]
    assert order.nights == {"a": 2, "b": 1} and order.resting == ["a"] and order.seed == 2


def test_nights_that_failed_or_of_others_do_not_count(diary: Diary) -> None:
    write(diary, "a")
    others = [night("a", outcome="rolled_back"), night("a", soul="other")]
    order = plan(diary, {"a"}, *others)
    assert order.nights == {} and order.seed == 2


def test_what_was_imported_comes_the_oldest_first_and_the_rest_later(diary: Diary) -> None:
    many = [f"r{n:03}" for n in range(MOST_RECORDS + 9)]
    write(diary, *many, imported=(NOON + timedelta(days=31)).isoformat())
    order, left = plan_and_left(diary, set())
    assert ids(order) == many[:MOST_RECORDS] and left == 9


def test_small_talk_of_earlier_days_does_not_come_back(diary: Diary) -> None:
    write(diary, "a", "small-talk")
    write(diary, "b", "chatter", days=1)
    before = night("a", telling_nothing=["small-talk"])
    order = plan(diary, {"a", "small-talk", "chatter"}, before, waiting="b")
    assert ids(order) == ["a", "b", "chatter"]


def test_what_a_copy_was_taught_as_another_soul_is_reviewed(diary: Diary) -> None:
    write(diary, "a", soul="original")
    assert ids(plan(diary, {"a"})) == ["a"]


def test_what_was_undone_is_new_again(diary: Diary) -> None:
    write(diary, "a")
    assert ids(plan(diary, set(), night("a"))) == []
    assert plan(diary, set(), night("a"), waiting="a").nights == {}


def test_a_night_has_an_end_and_half_of_its_room_is_for_what_is_due(diary: Diary) -> None:
    many = [f"r{n:03}" for n in range(MOST_RECORDS + 40)]
    write(diary, *many)
    order, left = plan_and_left(
        diary, set(many[:100]), night(*many[:100], day=-1), waiting=many[100:]
    )
    assert len(order.records) == MOST_RECORDS and left == 40 and not order.is_all
    assert ids(order) == many[:MOST_RECORDS]
    order, left = plan_and_left(diary, set(many), night(*many[:200], day=-1))
    assert (len(order.records), len(order.nights), left) == (MOST_RECORDS, 160, 0)


def test_what_was_taught_beyond_the_room_of_a_night_is_in_the_next(diary: Diary) -> None:
    many = [f"r{n:03}" for n in range(MOST_RECORDS + 40)]
    write(diary, *many)
    first, left = plan_and_left(diary, set(many))
    assert ids(first) == many[:MOST_RECORDS] and left == 40
    second, left = plan_and_left(diary, set(many), night(*ids(first)))
    assert set(many[MOST_RECORDS:]) <= set(ids(second)) and left == 0


def test_what_was_learned_around_the_beginning_of_a_night_is_in_the_next(diary: Diary) -> None:
    write(diary, "a", "b")
    began_later = night("a", day=1)
    assert ids(plan(diary, {"a", "b"}, began_later)) == ["a", "b"]


def test_without_news_what_is_due_is_worth_a_night_the_next_day(diary: Diary) -> None:
    write(diary, "a")
    assert not plan(diary, {"a"}, night("a"), days=0.6).is_due
    assert plan(diary, {"a"}, night("a"), days=1).is_due
    assert not plan(diary, {"a"}, night("a"), night("a", day=1), days=2).is_due


def test_what_a_copy_was_taught_and_tells_nothing_is_passed_over(diary: Diary) -> None:
    """Of records that no report speaks of the first night gets as many as have room, and so on."""
    known = [f"r{n:04}" for n in range(MOST_RECORDS + 2)]
    write(diary, *known)
    first, left = plan_and_left(diary, set(known))
    assert (ids(first), left) == (known[:MOST_RECORDS], 2)
    rest, left = plan_and_left(diary, set(known), passed_over=set(ids(first)))
    assert (ids(rest), left) == (known[MOST_RECORDS:], 0)


def test_what_was_replaced_comes_with_what_replaced_it_or_not_at_all(diary: Diary) -> None:
    many = [f"r{n:04}" for n in range(MOST_RECORDS)]
    write(diary, "old", "new", *many)
    reports = [
        night(facts=[Dreamt(id="old", replaced_by="new"), Dreamt(id="new", after=True)]),
        night(facts=[Dreamt(id="new", after=True), *(Dreamt(id=id_) for id_ in many)], day=1),
    ]
    past = past_of(reports)
    assert past["old"].heir == "new" and past["old"].is_due and not past["new"].is_due
    order = plan(diary, {"old", "new", *many}, *reports)
    assert "new" not in ids(order) and "old" not in ids(order)
    assert len(ids(order)) == MOST_RECORDS, "its place is another's"
    few = plan(diary, {"old", "new", *many[:5]}, *reports)
    assert {"old", "new"} <= set(ids(few))
    alone = plan(diary, {"old", *many}, *reports)
    assert "old" in ids(alone), "what replaced it was forgotten"


def test_a_record_that_is_in_the_diary_twice_counts_once(diary: Diary) -> None:
    write(diary, "a")
    write(diary, "a", days=1)
    assert ids(plan(diary, {"a"})) == ["a"]


def test_what_was_imported_and_tells_nothing_makes_room(diary: Diary) -> None:
    many = [f"r{n:03}" for n in range(MOST_RECORDS + 9)]
    now = NOON + timedelta(days=31)
    write(diary, *many, imported=now.isoformat())
    order, left = plan_night(
        diary, "mika", since=NOON.isoformat(), taught=frozenset(), waiting=[], reports=[], now=now,
        passed_over=set(many[:MOST_RECORDS]),
    )  # fmt: skip
    assert ids(order) == many[MOST_RECORDS:] and left == 0


def feed(diary: Diary, *ids: str) -> None:
    day, ts = "1970-01-01", NOON.isoformat()
    known: dict[str, Any] = {"role": "document", "session": "d", "soul": "mika", "source": "a.md"}
    records = [Statement(id=id_, text=f"{id_}!", ts=ts, imported=ts, **known) for id_ in ids]
    diary.append_to(day, records)


def plan_since_noon(
    diary: Diary, taught: set[str], *reports: SleepReport, again: Set[str] = frozenset()
) -> tuple[Sleep, int]:
    since, now = NOON.isoformat(), NOON + timedelta(days=9)
    return plan_night(
        diary,
        "mika",
        since=since,
        taught=taught,
        waiting=[],
        reports=reports[::-1],
        now=now,
        again=again,
    )


def test_documents_come_after_the_user_and_have_a_room_of_their_own(diary: Diary) -> None:
    read = [f"d{n}" for n in range(MOST_STATEMENTS + 5)]
    feed(diary, *read)
    write(diary, "said")
    order, left = plan_since_noon(diary, set())
    assert ids(order) == ["said", *read[:MOST_STATEMENTS]]
    assert [record.source for record in order.records[:2]] == ["", "a.md"]
    assert (left, order.is_all) == (5, True)  # all that the user said
    order, left = plan_since_noon(diary, {*ids(order)}, night(*ids(order)))
    assert ids(order)[1 : 1 + MOST_STATEMENTS // 2] == read[: MOST_STATEMENTS // 2]
    assert (set(read[MOST_STATEMENTS:]) <= set(ids(order)), left) == (True, 0)


def test_documents_have_no_room_that_the_user_needs(diary: Diary) -> None:
    said = [f"u{n:03}" for n in range(MOST_RECORDS + 1)]
    feed(diary, "d0", "d1")
    write(diary, *said[:-3])
    order, left = plan_since_noon(diary, set())
    assert ids(order)[-2:] == ["d0", "d1"] and left == 0
    write(diary, *said[-3:])
    order, left = plan_since_noon(diary, set())
    assert (ids(order), left) == (said[:MOST_RECORDS], 2)
    order, left = plan_since_noon(diary, {*said}, night(*said), night(*said, day=1))
    assert ids(order)[-2:] == ["d0", "d1"] and left == 0  # what rests makes room


def test_statements_to_be_learned_again_come_by_name(diary: Diary) -> None:
    feed(diary, "d0")
    with_other = {"since": (NOON + timedelta(days=1)).isoformat()}
    later = {"soul": "mika", "taught": set[str](), "waiting": [], "reports": [], "now": NOON}
    for again, found in ((frozenset(), []), ({"d0"}, ["d0"])):
        order, _ = plan_night(diary, **later, **with_other, again=again)  # type: ignore[arg-type]
        assert ids(order) == found


def test_ten_thousand_records_are_gone_over_night_by_night_in_little_memory(diary: Diary) -> None:
    many, days, text = 10_000, 100, "I own a pot. " * 40
    known = {"role": "user", "session": "s", "soul": "mika", "imported": NOON.isoformat()}
    for day in range(days):
        ts = (NOON + timedelta(days=day - days)).isoformat()
        told = [
            Record(id=f"u{day:03}-{n:03}", ts=ts, text=text, **known)  # type: ignore[arg-type]
            for n in range(many // days)
        ]
        diary.append_to(ts[:10], told)
    learned, reports, left = set[str](), list[SleepReport](), many
    tracemalloc.start()
    while len(reports) < 8:
        before = left
        order, left = plan_since_noon(diary, learned, *reports)
        assert len(order.records) == MOST_RECORDS and left <= before - MOST_RECORDS / 2
        if not reports:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        learned |= {*ids(order)}
        reports.append(night(*ids(order), day=len(reports)))
    size = sum(path.stat().st_size for path in diary.files())
    assert size > 5e6 > 4 * peak


def test_what_was_imported_later_is_older_all_the_same(diary: Diary) -> None:
    write(diary, "rome")
    early = (NOON - timedelta(hours=2)).isoformat()
    write(diary, "paris", ts=early, imported=NOON.isoformat())
    assert ids(plan(diary, set(), waiting=["rome", "paris"])) == ["paris", "rome"]


def test_a_night_that_a_wrong_clock_put_into_the_future_holds_nothing_up(diary: Diary) -> None:
    write(diary, "a")
    assert plan(diary, {"a"}, night("a", day=31)).is_due
