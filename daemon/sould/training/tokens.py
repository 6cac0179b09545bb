"""Token files: ids as little-endian u32, one after the other, and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sould.durable import replace_file
from sould.errors import BadRequest, StorageError
from sould.training.corpus import Corpus
from sould.training.vocabulary import END_OF_TEXT, train_tokenizer

Ids = NDArray[np.uint32]
TOKENIZER, TRAIN, VALID, NOTE = "tokenizer.json", "train.u32", "valid.u32", "data.json"


@dataclass(frozen=True, kw_only=True)
class DataNote:
    """What the token files were made of; another note, and they are made anew."""

    source: str
    files: list[tuple[str, int, int]]
    vocabulary: int
    train_tokens: int = 0
    valid_tokens: int = 0
    valid_bytes: int = 0


class Data:
    """The tokens of a run's folder, mapped, not read."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        note = _read_note(folder)
        assert note is not None  # it is written last
        self.note: DataNote = note
        self.train, self.valid = (_mapped(folder / name) for name in (TRAIN, VALID))


def prepare(
    folder: Path, corpus: Corpus, vocabulary: int, on_progress: Callable[[str, int, int], None]
) -> Data:
    """Return the tokens of a corpus, made in ``folder`` unless they are there already.

    ``on_progress`` gets stage, bytes done and bytes in all.

    Raises:
        BadRequest: a text cannot be read, or the folder holds the tokens of another one.
        StorageError: they cannot be written.
    """
    wanted = _note_of(corpus, vocabulary)
    known = _read_note(folder)
    if known is not None:
        if (known.source, known.files, known.vocabulary) != (
            wanted.source,
            wanted.files,
            wanted.vocabulary,
        ):
            raise BadRequest(
                f"{folder} is a training on other texts, or for another preset",
                f"give the new body another name, or remove {folder} to begin anew",
            )
        if _is_whole(folder, known):
            return Data(folder)
    try:
        _make(folder, corpus, wanted, on_progress)
    except OSError as e:
        raise StorageError(f"{folder} cannot be written: {e.strerror or e}") from e
    return Data(folder)


def _make(
    folder: Path, corpus: Corpus, wanted: DataNote, on_progress: Callable[[str, int, int], None]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    total, done = corpus.total_bytes, 0

    def counted(text: str, stage: str) -> str:
        nonlocal done
        done += len(text.encode())
        on_progress(stage, done, total)
        return text

    texts = (counted(p.text, "tokenizer") for p in corpus.pieces() if not p.is_held_out)
    tokenizer = train_tokenizer(texts, wanted.vocabulary)
    replace_file(folder / TOKENIZER, [tokenizer.to_str().encode()])
    done = 0
    note = _encode(folder, corpus, tokenizer, wanted, lambda text: counted(text, "tokens"))
    replace_file(folder / NOTE, [msgspec.json.encode(asdict(note))])


def _encode(
    folder: Path,
    corpus: Corpus,
    tokenizer: Tokenizer,
    note: DataNote,
    count: Callable[[str], str],
) -> DataNote:
    end = tokenizer.token_to_id(END_OF_TEXT)
    assert end is not None
    sizes, valid_bytes = {TRAIN: 0, VALID: 0}, 0
    tokenizer.encode_special_tokens = True
    with (folder / TRAIN).open("wb") as train, (folder / VALID).open("wb") as valid:
        for piece in corpus.pieces():
            ids = tokenizer.encode(count(piece.text), add_special_tokens=False).ids
            ids += [end] if piece.ends_file else []
            name, file = (VALID, valid) if piece.is_held_out else (TRAIN, train)
            sizes[name] += len(ids)
            valid_bytes += len(piece.text.encode()) if piece.is_held_out else 0
            file.write(np.asarray(ids, "<u4").tobytes())
        for file in (train, valid):
            file.flush()
            os.fsync(file.fileno())
    return DataNote(
        source=note.source,
        files=note.files,
        vocabulary=note.vocabulary,
        train_tokens=sizes[TRAIN],
        valid_tokens=sizes[VALID],
        valid_bytes=valid_bytes,
    )


def _note_of(corpus: Corpus, vocabulary: int) -> DataNote:
    stats = [(str(file), file.stat()) for file in corpus.files]
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return DataNote(source=corpus.name, files=files, vocabulary=vocabulary)


def _read_note(folder: Path) -> DataNote | None:
    try:
        return msgspec.json.decode((folder / NOTE).read_bytes(), type=DataNote)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as e:
        raise BadRequest(f"{folder / NOTE} is damaged ({e})", f"remove {folder}") from e


def _is_whole(folder: Path, note: DataNote) -> bool:
    """Tell whether the token files are as long as their note says, and the tokenizer is there."""
    sizes = {TRAIN: note.train_tokens, VALID: note.valid_tokens}
    paths = {folder / name: 4 * tokens for name, tokens in sizes.items()}
    is_there = all(path.is_file() and path.stat().st_size == size for path, size in paths.items())
    return is_there and (folder / TOKENIZER).is_file()


def _mapped(path: Path) -> Ids:
    if not path.stat().st_size:
        return np.zeros(0, np.uint32)
    return np.memmap(path, "<u4", "r")
