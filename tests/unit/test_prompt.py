"""What leaves when the context is full, and what stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client.wire import ChatMessage
from sould.engine.prompt import Prompt, fit, reply_room
from sould.errors import PromptTooLong


def render(messages: Sequence[ChatMessage]) -> list[int]:
    return list(("".join(f"<{m.role[0]}>{m.text}" for m in messages) + "<a>").encode())


def text(prompt: Prompt) -> str:
    return bytes(prompt.ids).decode()


def talk(*texts: str, system: str | None = None) -> list[ChatMessage]:
    head = [] if system is None else [ChatMessage(role="system", text=system)]
    roles = ("user", "assistant")
    return head + [
        ChatMessage(role=roles[i % 2], text=said)  # type: ignore[arg-type]
        for i, said in enumerate(texts)
    ]


def fitted(
    messages: list[ChatMessage], *, keep_from: int = 0, context: int = 100, room: int = 20
) -> Prompt:
    return fit(
        messages,
        keep_from=keep_from,
        context_tokens=context,
        room=room,
        render=render,
    )


def test_all_of_a_short_conversation_stays() -> None:
    prompt = fitted(talk("hello", "hi", "bye", system="be kind"))
    assert text(prompt) == "<s>be kind<u>hello<a>hi<u>bye<a>"
    assert prompt.keep_from == 0


def test_the_oldest_turns_leave_and_the_system_message_stays() -> None:
    prompt = fitted(talk("a" * 30, "b" * 30, "c" * 5, "d" * 5, "e", system="s"))
    assert prompt.keep_from == 2
    assert text(prompt) == "<s>s<u>ccccc<a>ddddd<u>e<a>"


def test_a_cut_leaves_room_for_the_next_turns() -> None:
    texts = ["x" * 7] * 9
    prompt = fitted(talk(*texts))
    assert len(prompt.ids) <= 60
    for _ in range(2):
        texts += ["y", "z"]
        again = fitted(talk(*texts), keep_from=prompt.keep_from)
        assert again.keep_from == prompt.keep_from


def test_a_turn_that_left_does_not_come_back() -> None:
    assert text(fitted(talk("a", "b", "c"), keep_from=2)) == "<u>c<a>"


@pytest.mark.parametrize("keep_from", [-3, 0, 1, 2, 3, 99])
def test_a_prompt_never_begins_in_the_middle_of_a_turn(keep_from: int) -> None:
    prompt = fitted(talk("a", "b", "c"), keep_from=keep_from)
    assert prompt.keep_from == (0 if keep_from <= 0 else 2)


def test_a_last_message_over_the_target_is_still_answered() -> None:
    prompt = fitted(talk("a" * 40, "b" * 40, "c" * 70))
    assert text(prompt) == "<u>" + "c" * 70 + "<a>"


def test_a_message_that_does_not_fit_is_an_error_with_numbers() -> None:
    with pytest.raises(PromptTooLong, match="prompt of 81 tokens, a context of 100 leaves 80"):
        fitted(talk("a", "b", "c" * 75))


def test_an_endless_history_is_not_even_read() -> None:
    read = 0

    def counting(messages: Sequence[ChatMessage]) -> list[int]:
        nonlocal read
        read += len(messages)
        return render(messages)

    prompt = fit(
        talk(*["x" * 50] * 20_001),
        keep_from=0,
        context_tokens=100,
        room=20,
        render=counting,
    )
    assert prompt.keep_from == 20_000
    assert read < 1000


def test_the_room_for_a_reply_is_at_most_a_quarter() -> None:
    assert reply_room(512, 4096) == 512
    assert reply_room(512, 1024) == 256


@given(
    st.lists(st.text("xy", max_size=30), min_size=1, max_size=15).filter(lambda t: len(t) % 2),
    st.none() | st.text("s", max_size=10),
    st.integers(0, 20),
)
def test_what_is_kept_is_a_tail_that_fits(
    texts: list[str], system: str | None, keep_from: int
) -> None:
    messages = talk(*texts, system=system)
    prompt = fitted(messages, keep_from=keep_from)
    kept = talk(*texts)[prompt.keep_from :]
    assert prompt.ids == render([*messages[: system is not None], *kept])
    assert len(prompt.ids) <= 80
    assert prompt.keep_from >= min(keep_from, len(texts) - 1)
    assert kept[0].role == "user"
