"""Training a native body: its text, its tokens, its steps, and going on exactly after a stop."""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path

import pytest
import torch

from soul_cli.texts import LANGUAGES, Texts
from sould.engine.bodyfile import open_body
from sould.engine.tokenizer import Tokenizer
from sould.errors import BadRequest, Cancelled, StorageError
from sould.supervisor.diary import Diary, Record
from sould.training.corpus import Corpus
from sould.training.diarytext import days_of
from sould.training.evaluation import evaluate, loss_of
from sould.training.loss import mean_loss
from sould.training.placing import NOTE, place_body, require_free
from sould.training.presets import PRESETS, Preset
from sould.training.schedule import rate_at
from sould.training.tokens import Data, prepare
from sould.training.trainer import Report, Trainer
from sould.training.vocabulary import train_tokenizer
from tests.fakes.native_body import drawn

SMALL = Preset(
    hidden=32, layers=2, heads=2, d_ff=48, vocabulary=300,
    window=48, batch=4, steps=6, lr=3e-3, mini_batch=8,
)  # fmt: skip
NAMES = ("Anna", "Bela", "Cleo", "Dana")
THINGS = ("a red kite", "two old books", "some bread", "the brass key")


def story(seed: int, sentences: int = 700) -> str:
    draw = random.Random(seed)
    said = (f"{draw.choice(NAMES)} has {draw.choice(THINGS)}.\n" for _ in range(sentences))
    return "".join(said)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for n in range(5):
        (folder / f"{n}.txt").write_text(story(n), "utf-8")
    (folder / "notes.md").write_text("Größe: 日本語 🐢\n", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture(scope="module")
def data(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("run")
    return prepare(folder, Corpus(texts), SMALL.vocabulary, lambda stage, done, total: None)


def test_a_corpus_is_read_in_pieces_and_a_part_is_held_out(texts: Path) -> None:
    corpus = Corpus(texts)
    pieces = list(corpus.pieces())
    assert [file.name for file in corpus.files] == [*(f"{n}.txt" for n in range(5)), "notes.md"]
    whole = "".join(piece.text for piece in pieces)
    assert whole == "".join(file.read_text("utf-8") for file in corpus.files)
    assert sum(piece.ends_file for piece in pieces) == 6
    assert 0 < sum(piece.is_held_out for piece in pieces) < len(pieces) / 16
    assert max(len(piece.text) for piece in pieces) < 3000


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="there is no text in"):
        Corpus(tmp_path)
    (tmp_path / "a.txt").write_text("too little", "utf-8")
    with pytest.raises(BadRequest, match="holds 10 bytes of text"):
        Corpus(tmp_path)
    with pytest.raises(BadRequest, match="the diary holds 3 bytes of text"):
        Corpus(None, days=["hm\n"])
    (tmp_path / "a.txt").write_bytes(b"\xff" * 70_000)
    with pytest.raises(BadRequest, match=r"a\.txt is not UTF-8"):
        list(Corpus(tmp_path).pieces())


@pytest.mark.parametrize("text", ["日本語の本。\n" * 3500, "🐢" * 17_000, "a" * 70_000])
def test_a_part_is_held_out_of_any_text_that_is_long_enough(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text, "utf-8")
    pieces = list(Corpus(tmp_path).pieces())
    assert "".join(piece.text for piece in pieces) == text
    assert 0 < sum(piece.is_held_out for piece in pieces) < len(pieces) / 16
    assert [piece.ends_file for piece in pieces] == [*[False] * (len(pieces) - 1), True]


def test_what_the_user_said_is_text_too(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "memories", lambda: datetime(2026, 1, 2))
    diary.open()
    said = [("user", "My cat is Tim."), ("assistant", "Noted."), ("document", "Cats purr.")]
    for n, (role, text) in enumerate(said):
        diary.append([Record(id=str(n), ts="", role=role, text=text, session="s")])
    hidden = Record(id="8", ts="", role="user", text="Not this.", session="s", learn=False)
    diary.append([hidden])
    anew = Record(id="9", ts="", role="user", text="My cat is Tom.", session="s")
    diary.append([anew], replaced=["0"])
    assert list(days_of(diary.folder)) == ["Cats purr.\nMy cat is Tom.\n"]
    (tmp_path / "a.txt").write_text("A text.\n", "utf-8")
    corpus = Corpus(tmp_path / "a.txt", days=[*days_of(diary.folder)], least_bytes=1)
    assert "".join(p.text for p in corpus.pieces()) == "A text.\nCats purr.\nMy cat is Tom.\n"
    assert corpus.name == f"{tmp_path / 'a.txt'} and the diary"


@pytest.mark.parametrize(
    "text", ["Anna has a red kite.\n", "Größe 日本語 🐢\n\n  two  blanks", "<|im_end|>", "\r\n\0"]
)
def test_no_character_is_unknown(data: Data, tmp_path: Path, text: str) -> None:
    trainer = Trainer(tmp_path, data, SMALL, steps=1)
    place = tmp_path / "body"
    config = SMALL.config(data.tokenizer.get_vocab_size())
    place_body(place, trainer.train(lambda: False, lambda report: None), config, data, {})
    tokenizer = Tokenizer.of(open_body(place))
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not tokenizer.control_ids & set(ids)


def test_common_words_are_one_token() -> None:
    tokenizer = train_tokenizer([story(0)], 320)
    assert tokenizer.get_vocab_size() <= 320
    assert "\u2581has" in tokenizer.encode("Anna has two old books.").tokens


def test_tokens_are_made_once(texts: Path, data: Data, tmp_path: Path) -> None:
    note = data.note
    assert (note.train_tokens, note.valid_tokens) == (len(data.train), len(data.valid))
    assert note.valid_bytes > note.valid_tokens > 0
    told: list[str] = []
    first = prepare(tmp_path, Corpus(texts), 300, lambda stage, *_: told.append(stage))
    assert set(told) == {"tokenizer", "tokens"}
    told.clear()
    again = prepare(tmp_path, Corpus(texts), 300, lambda stage, *_: told.append(stage))
    assert told == [] and again.note == first.note
    with pytest.raises(BadRequest, match="is a training on other texts"):
        prepare(tmp_path, Corpus(texts), 301, lambda stage, *_: None)
    with (tmp_path / "train.u32").open("rb+") as file:
        file.truncate(400)  # of a disk that lost power
    assert prepare(tmp_path, Corpus(texts), 300, lambda *_: None).note == first.note
    assert (tmp_path / "train.u32").stat().st_size == 4 * note.train_tokens


def test_the_rate_rises_and_falls() -> None:
    rates = [rate_at(step, 100, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[4] == 1.0 == max(rates)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("size", [2, 65, 130])  # of four texts: less, as much and more than ROWS
def test_the_loss_of_a_step_is_the_mean_of_all_tokens(data: Data, size: int) -> None:
    config = SMALL.config(data.tokenizer.get_vocab_size())
    model = drawn(config, Path(), 0)
    ids_BT = torch.from_numpy(data.train[: 4 * size].astype("int64")).view(4, size)
    losses, grads = [], []
    for loss in (loss_of(model, ids_BT).mean(), mean_loss(model, ids_BT)):
        model.zero_grad()
        (3 * loss).backward()
        losses.append(loss.detach())
        grads.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-6, atol=0)
    for mine, reference in zip(grads[1], grads[0], strict=True):
        scale = reference.abs().max()
        torch.testing.assert_close(mine / scale, reference / scale, rtol=0, atol=1e-5)


def test_a_training_that_was_stopped_comes_to_the_same_parameters(
    data: Data, tmp_path: Path
) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = Trainer(tmp_path / "whole", data, SMALL, steps=6).train(lambda: False, lambda r: None)
    reports: list[Report] = []
    stopped = Trainer(tmp_path / "parts", data, SMALL, steps=6)
    with pytest.raises(Cancelled, match="stopped after 3 of 6 steps"):
        stopped.train(lambda: len(reports) == 3, reports.append)
    assert [report.step for report in reports] == [1, 2, 3]
    state = json.loads((tmp_path / "parts" / "training_state.json").read_bytes())
    assert (state["step"], state["checkpoint"]) == (3, "checkpoint-00000003.safetensors")
    for steps, seed, said in ((7, 0, "steps 6, not steps 7"), (6, 1, "seed 0, not seed 1")):
        with pytest.raises(BadRequest, match=f"was begun with {said}"):
            Trainer(tmp_path / "parts", data, SMALL, steps=steps, seed=seed)
    later = Trainer(tmp_path / "parts", data, SMALL, steps=6)
    assert (later.step, later.loss) == (3, stopped.loss)
    parts = later.train(lambda: False, lambda report: None)
    assert (parts.loss, parts.on, parts.off) == (whole.loss, whole.on, whole.off)
    assert parts.curve == whole.curve and [step for step, *_ in whole.curve] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(parts.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)
    (checkpoint,) = (tmp_path / "parts").glob("checkpoint-*")
    checkpoint.unlink()
    with pytest.raises(StorageError, match="cannot be gone on with"):
        Trainer(tmp_path / "parts", data, SMALL, steps=6)


def test_training_makes_text_likelier_and_the_body_can_be_loaded(
    data: Data, tmp_path: Path
) -> None:
    trainer = Trainer(tmp_path, data, SMALL, steps=40)
    before = evaluate(trainer.model, data.valid, window=48, batch=8, most=8)
    trained = trainer.train(lambda: False, lambda report: None)
    assert trained.on.nats < before.nats - 0.5
    assert len(trained.on.by_position) == 8 and trained.on != trained.off
    place = require_free(tmp_path, "story")
    config = SMALL.config(data.tokenizer.get_vocab_size())
    place_body(place, trained, config, data, {"preset": "test"})
    body = open_body(place)
    assert body.spec.ttt is not None and body.spec.ttt.rule == "ttt_linear"
    note = json.loads((place / NOTE).read_bytes())
    assert note["states_learning"]["nats"] == trained.on.nats and note["preset"] == "test"
    losses = [loss for _, loss, _ in note["curve"]]
    assert len(losses) == 20 and losses == sorted(losses, reverse=True)
    assert require_free(tmp_path, "story") == place, "what was trained here may be trained on"
    (place / NOTE).unlink()
    with pytest.raises(BadRequest, match="is there already"):
        require_free(tmp_path, "story")


def test_a_body_that_cannot_be_replaced_stays(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trainer(tmp_path, data, SMALL, steps=1).train(lambda: False, lambda report: None)
    config = SMALL.config(data.tokenizer.get_vocab_size())
    place = tmp_path / "story"
    place_body(place, trained, config, data, {"preset": "first"})

    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise OSError(28, "no space left")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StorageError, match="no space left"):
        place_body(place, trained, config, data, {"preset": "second"})
    assert json.loads((place / NOTE).read_bytes())["preset"] == "first"
    assert not list(tmp_path.glob(".story*"))


def test_presets_say_what_they_take() -> None:
    sizes = [preset.parameters for preset in PRESETS.values()]
    assert sizes == sorted(sizes) and sizes[-1] < 30_000_000
    for name, preset in PRESETS.items():
        assert preset.memory_bytes > 16 * preset.parameters
        size, memory = preset.parameters / 1e6, preset.memory_bytes / 1e9
        for language in LANGUAGES:
            text = Texts(language)("option.preset")
            assert f"{name} ({size:.2g}M, {memory:.2g} GB)" in text
