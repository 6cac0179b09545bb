"""Text to token ids and back, in whole characters, with control tokens out of users' reach."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import tokenizers
from tokenizers import decoders

from sould.engine.bodyfile import BodyFile
from sould.engine.formats.gguf_tokenizer import SPACE, build_tokenizer
from sould.engine.formats.special_tokens import SpecialTokens
from sould.errors import BodyInvalid


class Tokenizer:
    """Wraps a tokenizer of the ``tokenizers`` library.

    ``control``: ids of the control tokens by their texts; ``control_ids``: the same ids. They
    are never part of decoded text, and only ``encode(…, special=True)`` makes them.
    """

    def __init__(self, backend: tokenizers.Tokenizer, special: SpecialTokens, source: Path) -> None:
        """Wrap ``backend``; ``source`` is the file to name when it fails.

        Raises:
            BodyInvalid: its decoder is neither byte-level nor of the SentencePiece kind.
        """
        self.backend = backend
        self._source = source
        self.special = special
        added = backend.get_added_tokens_decoder()
        self.control = {token.content: i for i, token in added.items() if token.special}
        self.control_ids = frozenset(self.control.values())
        self._control_texts = {i: text for text, i in self.control.items()}
        try:
            self._speller = Speller(backend)
        except ValueError as e:
            raise BodyInvalid(f"{source}: {e}") from e

    @classmethod
    def of(cls, body: BodyFile) -> Tokenizer:
        """Build the tokenizer of ``body``.

        Raises:
            BodyInvalid: the file describes none, or one of a kind that is not supported.
        """
        if body.gguf:
            return cls(build_tokenizer(body.gguf), body.special, body.path)
        source = body.path if body.bitt else body.tokenizer_json
        return cls(_read_tokenizer_json(body, source), body.special, source)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Return the ids of ``text``; nothing is put before or after.

        ``special``: texts of control tokens become these tokens. Never for what a user wrote.

        Raises:
            BodyInvalid: the tokenizer's description is so wrong that the library panics.
        """
        self.backend.encode_special_tokens = not special
        try:
            ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        except BaseException as e:  # a panic of Rust code is no Exception, nor has it a type
            if type(e).__name__ != "PanicException":
                raise
            raise BodyInvalid(f"{self._source}: its tokenizer fails ({e})") from e
        if special or self.control_ids.isdisjoint(ids):
            return ids
        return [part for i in ids for part in self._spelled_out(i)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids`` without control tokens; see ``TextStream``."""
        stream = self.stream()
        return "".join([stream.push(i) for i in ids])

    def transcribe(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``, control tokens as the texts they are written with."""
        stream = self.stream()
        return "".join([self._control_texts.get(i) or stream.push(i) for i in ids])

    def stream(self) -> TextStream:
        """Return a decoder for ids that come one by one."""
        return TextStream(self._speller)

    def _spelled_out(self, i: int) -> list[int]:
        """Return ``i``, or the characters of a control token that plain text merged into."""
        if i not in self.control_ids:
            return [i]
        text = self.backend.id_to_token(i) or ""
        ids = [part for char in text for part in self.backend.encode(char).ids]
        return [part for part in ids if part not in self.control_ids]


class TextStream:
    """Turns ids into text as they come: whole characters only, none twice, none lost.

    Invalid bytes become U+FFFD. Half a character waits for the rest; if that never comes,
    it was no text.
    """

    def __init__(self, speller: Speller) -> None:
        self._speller = speller
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._strips_space = speller.strips_space

    @property
    def is_whole(self) -> bool:
        """No half of a character waits for its other half."""
        return not self._utf8.getstate()[0]

    def push(self, token: int) -> str:
        """Return the characters that ``token`` completes, perhaps none."""
        raw = self._speller.spell(token)
        if raw and self._strips_space:
            self._strips_space = False
            raw = raw.removeprefix(b" ")
        return self._utf8.decode(raw)


class Speller:
    """The bytes behind each token id; none behind control tokens.

    ``strips_space``: the first token's leading space is not part of the text.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        self._silent = frozenset(i for i, token in added.items() if token.special)
        self._bytes_of, self.strips_space = _spelling(backend)
        self.spell = lru_cache(maxsize=1 << 16)(self._spell)

    def _spell(self, token: int) -> bytes:
        if token in self._silent:
            return b""
        text = self._backend.id_to_token(token)
        return b"" if text is None else self._bytes_of(text)  # None: a padded embedding


def _spelling(backend: tokenizers.Tokenizer) -> tuple[Callable[[str], bytes], bool]:
    """Return how the tokens of ``backend`` spell bytes, and whether a first space goes."""
    if isinstance(backend.decoder, decoders.ByteLevel):
        return _byte_level_bytes, False
    state = json.loads(backend.decoder.__getstate__()) if backend.decoder else {}
    steps = {step.get("type"): step for step in state.get("decoders", [state])}
    if "ByteLevel" in steps:
        return _byte_level_bytes, False
    if "Metaspace" in steps:
        return _sentencepiece_bytes, steps["Metaspace"].get("prepend_scheme") != "never"
    if "ByteFallback" in steps:
        return _sentencepiece_bytes, steps.get("Strip", {}).get("start", 0) > 0
    raise ValueError(f"tokens are decoded by {sorted(map(str, steps))}: not supported")


def _byte_level_bytes(text: str) -> bytes:
    """Undo GPT-2's spelling of bytes; a token that is not so spelled stands for itself."""
    try:
        return bytes([_BYTES[char] for char in text])
    except KeyError:
        return text.encode()


def _sentencepiece_bytes(text: str) -> bytes:
    if _BYTE_TOKEN.fullmatch(text):
        return bytes([int(text[3:5], 16)])
    return text.replace(SPACE, " ").encode()


def _byte_alphabet() -> dict[str, int]:
    """Return which character stands for which byte in byte-level vocabularies."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    alphabet = {chr(byte): byte for byte in shown}
    return alphabet | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _byte_alphabet()
_BYTE_TOKEN = re.compile("<0x[0-9A-F]{2}>")


def _read_tokenizer_json(body: BodyFile, path: Path) -> tokenizers.Tokenizer:
    """Read tokenizer.json, which is in ``path``, mended where its added tokens do not fit the body.

    Ends of a reply that it calls ordinary become special; added tokens beyond the embedding
    are left out.
    """
    description = body.tokenizer_description()
    added = description.get("added_tokens") or []
    ends = body.special.eos | {body.special.bos}
    description["added_tokens"] = [
        token | {"special": token.get("special") is True or token["id"] in ends}
        for token in added
        if token["id"] < body.spec.vocab_size
    ]
    try:
        if description["added_tokens"] == added and not body.bitt:
            backend = tokenizers.Tokenizer.from_file(str(path))
        else:
            backend = tokenizers.Tokenizer.from_str(json.dumps(description))
    except Exception as e:  # the library raises nothing narrower
        raise BodyInvalid(f"{path}: describes no tokenizer ({e})") from e
    vocab = description["model"]["vocab"]
    highest = max(vocab.values(), default=0) if isinstance(vocab, dict) else len(vocab) - 1
    if highest >= body.spec.vocab_size:
        raise BodyInvalid(
            f"{path}: has a token {highest}, but the body embeds {body.spec.vocab_size}"
        )
    backend.no_padding()
    backend.no_truncation()
    return backend
