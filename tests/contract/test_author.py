"""The default body writes dreams, though it is too small to do it by itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from sould.bridge import Load
from sould.engine.loading import load
from sould.engine.soul.anchors import NAMED
from sould.engine.soul.author import Author
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.dreams import Fact
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.topics import following
from tests.fakes.finished import finished

CAT = Fact("cat", "My cat is called Biscuit, and she sleeps on the piano.", ())
OTHERS = [Fact("job", "I mend clocks in Bath.", ()), Fact("boat", "My boat is called Olga.", ())]


@pytest.mark.real_body
@pytest.mark.timeout(300)
def test_what_is_written_is_of_this_fact_and_taught_by_who_read_it(
    default_body: Path, tmp_path: Path
) -> None:
    order = Load(name="default", path=str(default_body), cache_dir=str(tmp_path), kernel="torch")
    body = load(order, should_stop=lambda: False, tell=lambda progress: None)
    form, scorer = ChatForm(body.template, body.ends), Scorer(body.decoder)
    author = Author(body, form, scorer)
    written = finished(author.write(CAT, OTHERS, seed=1))
    assert written and len({one.question for one in written}) == len(written)
    questions = [one.question for one in written]
    likely = {
        fact.id: scorer.log_p(*following(body.tokenizer.encode, fact.statement, questions))
        for fact in (CAT, *OTHERS)
    }
    for n, one in enumerate(written):
        assert likely["cat"][n] > max(likely["job"][n], likely["boat"][n])
        line = form.line(one.question, one.answer)
        assert one.target.ids.shape == (len(line.answer), NAMED)
        assert line.answer[-1] in body.ends
        sums = one.target.p.sum(-1) + one.target.rest
        assert sums.allclose(sums.new_ones(sums.shape), atol=1e-4)
        names = [a in row for a, row in zip(line.answer, one.target.ids.tolist(), strict=True)]
        assert all(names)  # a greedy reply is what its teacher finds likeliest
    taught = [scorer.teach(form.prefix, [form.line(o.question, o.answer)], 1) for o in written]
    surprised = partial(scorer.divergence, form.prefix)
    for one, (bare,) in zip(written, taught, strict=True):
        line = form.line(one.question, one.answer)
        assert surprised([line], [one.target])[0] > surprised([line], [bare])[0]
