"""How likely an answer is: the same as the scorer says, and likelier where the answer was told."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
from msgspec.structs import replace

from soul_client.wire import Progress
from sould.bridge import Load, Told, Trace, Traced
from sould.engine.loading import Body, load
from sould.engine.provenance import trace
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.scoring import Scorer
from sould.errors import Cancelled, PromptTooLong
from tests.fakes.kernel_cache import lend_kernels
from tests.fakes.tiny_home import CONTEXT, load_request, write_tiny_home

QUESTION, ANSWER = "Where do I live?", "You live in Bath, near the station."
ORDER = Trace(question=QUESTION, answer=ANSWER, souls=[""])


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Body:
    home = tmp_path_factory.mktemp("home")
    write_tiny_home(home)
    return loaded(load_request(home))


def loaded(request: Load) -> Body:
    return load(request, should_stop=lambda: False, tell=lambda progress: None)


def traced(body: Body, order: Trace) -> Traced:
    steps = trace(body, order, Event())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            assert isinstance(end.value, Traced)
            return end.value


@pytest.mark.parametrize("system", ["", "Be kind."])
def test_it_is_what_the_scorer_says(body: Body, system: str) -> None:
    told = [
        Told(id="a", text="Hello there! I live in Bath. What is rain?"),
        Told(id="b", text="Hm"),
    ]
    found = traced(body, Trace(question=QUESTION, answer=ANSWER, souls=["", ""], told=told,
                               system=system))  # fmt: skip
    form = ChatForm(body.template, body.ends, system=system)
    asked = [QUESTION, f"I live in Bath.\n{QUESTION}", f"Hm\n{QUESTION}"]
    lines = [form.said(one, body.tokenizer.encode(ANSWER)) for one in asked]
    bare, first, second = (n / len(ANSWER) for n in Scorer(body.decoder).log_p(form.prefix, lines))
    assert found.tokens == len(ANSWER)
    assert found.souls == pytest.approx([bare, bare], abs=1e-4)
    assert [one.text for one in found.told] == ["I live in Bath.", "Hm"]
    assert [one.log_p for one in found.told] == pytest.approx([first, second], abs=1e-4)


def test_it_is_stopped_between_two_tokens(body: Body) -> None:
    stop = Event()
    steps = trace(body, ORDER, stop)
    assert next(steps) == Progress(stage="tracing", done=0, total=1)
    assert next(steps) is None, "a piece of the prompt"
    stop.set()
    with pytest.raises(Cancelled):
        next(steps)


def test_what_cannot_be_traced_is_refused(body: Body) -> None:
    with pytest.raises(PromptTooLong, match=f"the context has {CONTEXT}"):
        traced(body, replace(ORDER, question="x" * CONTEXT))
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        next(trace(body, replace(ORDER, answer=""), stop))


@pytest.mark.real_body
def test_the_record_that_has_the_answer_explains_it(
    default_body: Path, kernels: Path, tmp_path: Path
) -> None:
    lend_kernels(kernels, tmp_path)
    body = loaded(
        Load(name="default", path=str(default_body), cache_dir=str(tmp_path), device="cpu")
    )
    told = [
        Told(id="work", text="I work as a nurse."),
        Told(id="cat", text="My cat is called Biscuit."),
    ]
    order = Trace(question="What is my cat called?", answer="Your cat is called Biscuit.",
                  souls=[""], told=told)  # fmt: skip
    found = traced(body, order)
    work, cat = (one.log_p for one in found.told)
    assert found.souls[0] < found.unrelated < cat - 1
    assert cat > work + 1
