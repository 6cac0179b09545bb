"""Jobs take turns, the limit holds, exclusive jobs run alone, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client.wire import Chunk, Empty
from sould.engine.scheduler import Failed, Finished, Job, Outcome, Scheduler, Told


def talk(*words: str) -> Job:
    for word in words:
        yield Chunk(text=word)
    return Empty()


def silent(steps: int) -> Job:
    for _ in range(steps):
        yield None
    return Empty()


def broken() -> Job:
    yield None
    raise OSError("no")


def run(scheduler: Scheduler) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while not scheduler.is_idle:
        outcome = scheduler.step()
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


def words(outcomes: list[Outcome]) -> list[str]:
    return [
        o.message.text for o in outcomes if isinstance(o, Told) and isinstance(o.message, Chunk)
    ]


def test_jobs_take_turns_step_by_step() -> None:
    scheduler = Scheduler(parallel=2)
    scheduler.submit("a", talk("a1", "a2", "a3"))
    scheduler.submit("b", talk("b1"))
    assert words(run(scheduler)) == ["a1", "b1", "a2", "a3"]


def test_a_job_over_the_limit_waits_for_its_turn() -> None:
    scheduler = Scheduler(parallel=1)
    scheduler.submit("a", talk("a1", "a2"))
    scheduler.submit("b", talk("b1"))
    scheduler.submit("c", talk("c1"))
    assert words(run(scheduler)) == ["a1", "a2", "b1", "c1"]


def test_a_higher_limit_lets_waiting_jobs_in() -> None:
    scheduler = Scheduler(parallel=1)
    scheduler.submit("a", talk("a1", "a2"))
    scheduler.submit("b", talk("b1"))
    scheduler.allow(2)
    assert words(run(scheduler)) == ["a1", "b1", "a2"]


def test_a_failing_job_ends_alone() -> None:
    scheduler = Scheduler(parallel=2)
    scheduler.submit("bad", broken())
    scheduler.submit("good", talk("x", "y"))
    outcomes = run(scheduler)
    failed = [o for o in outcomes if isinstance(o, Failed)]
    assert [(o.id, type(o.error)) for o in failed] == [("bad", OSError)]
    assert Finished("good", Empty()) in outcomes


def test_an_exclusive_job_runs_alone_and_in_order() -> None:
    scheduler = Scheduler(parallel=4)
    scheduler.submit("a", talk("a1", "a2"))
    scheduler.submit("load", talk("l1", "l2"), is_exclusive=True)
    scheduler.submit("b", talk("b1"))
    assert words(run(scheduler)) == ["a1", "a2", "l1", "l2", "b1"]


def test_a_waiting_job_told_to_stop_does_not_wait() -> None:
    scheduler = Scheduler(parallel=1)
    is_stopped = False
    scheduler.submit("a", talk("a1", "a2", "a3"))
    scheduler.submit("b", talk(), should_stop=lambda: is_stopped)
    scheduler.step()
    is_stopped = True
    assert scheduler.step() == Finished("b", Empty())
    assert words(run(scheduler)) == ["a2", "a3"]


def test_a_step_of_an_idle_scheduler_does_nothing() -> None:
    assert Scheduler(parallel=1).step() is None


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12),
    st.integers(1, 4),
)
def test_every_job_ends_and_the_limits_hold(jobs: list[tuple[int, bool]], parallel: int) -> None:
    scheduler = Scheduler(parallel)
    at_work: set[str] = set()

    def watched(id_: str, steps: int, is_exclusive: bool) -> Job:
        at_work.add(id_)
        for _ in range(steps):
            others = at_work - {id_}
            assert len(at_work) <= parallel
            assert not is_exclusive or not others
            yield None
        at_work.discard(id_)
        return Empty()

    for i, (steps, is_exclusive) in enumerate(jobs):
        job = watched(str(i), steps, is_exclusive)
        scheduler.submit(str(i), job, is_exclusive=is_exclusive)
    ended = [o.id for o in run(scheduler) if isinstance(o, Finished)]
    assert sorted(ended, key=int) == [str(i) for i in range(len(jobs))]


@pytest.mark.parametrize("others", [1, 3])
def test_a_short_job_ends_while_a_long_one_goes_on(others: int) -> None:
    scheduler = Scheduler(parallel=others + 1)
    for i in range(others):
        scheduler.submit(f"long{i}", silent(10_000))
    scheduler.submit("short", silent(5))
    steps = 0
    finished: Callable[[], bool] = lambda: isinstance(scheduler.step(), Finished)  # noqa: E731
    while not finished():
        steps += 1
    assert steps <= 6 * (others + 1)
