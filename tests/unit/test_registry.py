"""When a body that was seen counts, on a manual clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from soul_client.wire import BodyEntry
from sould.bodystore.registry import SETTLE_S, Change, Registry
from sould.bodystore.sighting import OPEN_S, Sighting

NOW_S = 1_000_000.0
"""Of the wall clock when the other one is at 0."""
LATER_S = SETTLE_S + 0.01


def seen(name: str, content: int = 1, *, written_s: float = 0.0, **how: bool) -> Sighting:
    """Return a body whose file was written at a time of the manual clock."""
    entry = BodyEntry(name=name, path=f"/models/{name}.gguf", format="gguf", size_bytes=content)
    stamp = (("", content, int(written_s * 1e9), 7),)
    return Sighting(entry=entry, stamp=stamp, written_s=NOW_S + written_s, **how)


class Shelf:
    """A registry with its clock."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.wait_s: float | None = None

    def look(self, at_s: float, *sightings: Sighting) -> list[Change]:
        found = {one.entry.name: one for one in sightings}
        changes, self.wait_s = self.registry.handle(found, now_s=at_s, wall_s=NOW_S + at_s)
        return changes

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.registry.bodies]


def test_what_has_lain_there_for_a_while_counts_at_once() -> None:
    shelf = Shelf()
    assert shelf.look(10, seen("old")) == [Change(kind="added", name="old")]
    assert shelf.names == ["old"] and shelf.wait_s is None


def test_what_is_being_written_counts_once_it_is_left_alone() -> None:
    shelf = Shelf()
    assert shelf.look(10, seen("new", 1, written_s=10)) == []
    assert shelf.look(10.2, seen("new", 2, written_s=10.2)) == []
    assert shelf.names == []
    assert shelf.wait_s is not None and abs(shelf.wait_s - SETTLE_S) < 1e-6
    last = seen("new", 2, written_s=10.2)
    assert shelf.look(10.2 + LATER_S, last) == [Change(kind="added", name="new")]
    assert shelf.registry.whole("new") == last


def test_a_change_is_told_of_and_the_former_one_is_known_until_then() -> None:
    shelf = Shelf()
    shelf.look(0, seen("body", written_s=-9))
    assert shelf.look(1, seen("body", 2, written_s=1)) == []
    assert shelf.names == ["body"] and shelf.registry.whole("body") is None
    assert shelf.look(2, seen("body", 2, written_s=1)) == [Change(kind="changed", name="body")]


def test_a_moment_of_absence_is_no_removal() -> None:
    shelf = Shelf()
    body = seen("body", written_s=-9)
    shelf.look(0, body)
    assert shelf.look(1) == [] and shelf.names == []
    assert shelf.look(1.1, body) == [] and shelf.names == ["body"]
    shelf.look(2)
    assert shelf.look(2 + LATER_S) == [Change(kind="removed", name="body")]


def test_another_name_for_the_same_file_is_a_renaming() -> None:
    shelf = Shelf()
    shelf.look(0, seen("a", written_s=-9), seen("b", 5, written_s=-9))
    changes = shelf.look(1, seen("c", written_s=-9), seen("b", 5, written_s=-9))
    assert changes == [Change(kind="renamed", name="c", was="a")]
    assert shelf.names == ["b", "c"]


def test_a_file_that_is_held_open_is_waited_for_but_not_for_ever() -> None:
    shelf = Shelf()
    held = seen("new", written_s=1, is_open=True)
    assert shelf.look(1, held) == [] and shelf.look(1 + 2 * SETTLE_S, held) == []
    closed = seen("new", written_s=1)
    assert shelf.look(1 + 3 * SETTLE_S, closed) == [Change(kind="added", name="new")]
    forgotten = seen("other", written_s=2, is_open=True)
    assert shelf.look(2, closed, forgotten) == []
    assert shelf.look(2 + OPEN_S, closed, forgotten) == [Change(kind="added", name="other")]


def test_a_folder_with_a_part_in_it_is_not_whole() -> None:
    shelf = Shelf()
    assert shelf.look(100, seen("hf", is_partial=True)) == []
    assert shelf.wait_s is None  # a notice tells when the part has gone
    assert shelf.look(100, seen("hf")) == [Change(kind="added", name="hf")]


def test_clocks_that_differ_do_not_keep_a_body_away() -> None:
    shelf = Shelf()
    ahead = seen("ahead", written_s=500)
    assert shelf.look(1, ahead) == []
    assert shelf.look(1 + LATER_S, ahead) == [Change(kind="added", name="ahead")]


def test_who_placed_a_body_is_believed() -> None:
    shelf = Shelf()
    shelf.registry.vouch("pulled")
    assert shelf.look(5, seen("pulled", written_s=5)) == [Change(kind="added", name="pulled")]


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.integers(0, 3)), min_size=1, max_size=40))
def test_nothing_counts_that_changed_within_the_last_moment(steps: list[tuple[float, int]]) -> None:
    """A body is written again whenever its content is another, 0 is none; whatever the looks."""
    shelf, at_s, content, written_s = Shelf(), 0.0, 0, 0.0
    for step_s, new in steps:
        at_s += step_s
        if new != content:
            content, written_s = new, at_s
        sightings = [seen("body", content, written_s=written_s)] if content else []
        for change in shelf.look(at_s, *sightings):
            assert at_s - written_s >= SETTLE_S * 0.999
            assert (change.kind == "removed") == (content == 0)
        if shelf.wait_s is None:  # all that there is is known
            assert shelf.names == ["body"] * bool(content)
    shelf.look(at_s + 1, *sightings)
    shelf.look(at_s + 2, *sightings)
    assert shelf.names == ["body"] * bool(content) and shelf.wait_s is None
