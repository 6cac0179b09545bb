"""Stop texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sould.engine.stopping import StopTexts


def through(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    """Feed ``pieces``; return all that was shown and whether a stop text was met."""
    texts = StopTexts(stops)
    shown = ""
    for piece in pieces:
        shown += texts.feed(piece)
        if texts.has_stopped:
            return shown, True
    return shown + texts.finish(), False


def test_text_passes_at_once_when_no_stop_can_begin_in_it() -> None:
    assert StopTexts(["END"]).feed("hello") == "hello"


def test_a_stop_across_pieces_is_never_shown() -> None:
    assert through(["END"], ["so E", "N", "D and more"]) == ("so ", True)


def test_a_false_beginning_is_shown_after_all() -> None:
    assert through(["END"], ["so E", "Nd"]) == ("so ENd", False)


def test_held_back_text_comes_out_at_the_end() -> None:
    assert through(["END"], ["so EN"]) == ("so EN", False)


def test_the_stop_that_begins_first_counts() -> None:
    assert through(["c", "bcd"], ["abcd"]) == ("a", True)


def test_a_beginning_that_repeats_itself() -> None:
    assert through(["aab"], ["a", "a", "a", "b"]) == ("a", True)


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
    st.lists(st.text("ab", max_size=3), max_size=10),
)
def test_pieces_make_no_difference_unless_stops_overlap(
    stops: list[str], pieces: list[str]
) -> None:
    """Shown is a beginning of the text that contains no stop, and all of it without one."""
    whole = "".join(pieces)
    shown, has_stopped = through(stops, pieces)
    assert whole.startswith(shown)
    assert not any(stop in shown for stop in stops)
    assert has_stopped == any(stop in whole for stop in stops)
    if not has_stopped:
        assert shown == whole


@given(st.text("ab", min_size=1, max_size=4), st.lists(st.text("ab", max_size=3), max_size=10))
def test_one_stop_cuts_where_it_first_occurs(stop: str, pieces: list[str]) -> None:
    assert through([stop], pieces)[0] == "".join(pieces).split(stop)[0]
