"""Build a tokenizer from what a GGUF file says of it: byte-level BPE or SentencePiece BPE.

GGUF names a pre-tokenizer instead of describing it; the table below describes those that
bodies of our families use. SentencePiece vocabularies become BPE by ranking every way to
join two pieces by the score of the result, which is the order SentencePiece joins in.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)

from sould.engine.formats.gguf_file import GgufFile
from sould.engine.formats.settings import Settings
from sould.errors import BodyInvalid

log = logging.getLogger(__name__)

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
SPACE = "▁"

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}"
_QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, kw_only=True)
class _Pre:
    """A pre-tokenizer. ``split`` None: the GPT-2 pattern.

    ``whole_words``: a word that is a token as it stands needs no merges to lead there.
    """

    split: str | None = None
    single_digits: bool = False
    nfc: bool = False
    whole_words: bool = False


_GPT2 = _Pre()
_DIGITS = _Pre(single_digits=True)
_PRE: dict[str, _Pre] = {
    "default": _GPT2,
    "gpt-2": _GPT2,
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "command-r": _DIGITS,
    **dict.fromkeys(
        ("llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"),
        _Pre(split=_LLAMA3, whole_words=True),
    ),
    "smaug-bpe": _Pre(split=_LLAMA3),
    "qwen2": _Pre(split=_QWEN2, nfc=True),
    "deepseek-r1-qwen": _Pre(split=_QWEN2),
    "tekken": _Pre(split=_TEKKEN, whole_words=True),
}


def build_tokenizer(file: GgufFile) -> Tokenizer:
    """Return the tokenizer of a GGUF file; control tokens are special, user-defined are not.

    Raises:
        BodyInvalid: a model or pre-tokenizer that is not known, or lists that do not agree.
    """
    keys = file.metadata.under("tokenizer.ggml.")
    tokens = keys.texts("tokens")
    kinds = keys.numbers("token_type", len(tokens), default=NORMAL)
    model = keys.text("model")
    builders = {"gpt2": _byte_level, "llama": _sentencepiece}
    if model not in builders:
        known = " and ".join(builders)
        raise keys.fault(f"tokenizer model {model!r} is not supported ({known} are)")
    try:
        tokenizer = builders[model](keys, tokens, kinds)
        tokenizer.add_special_tokens(_added(tokens, kinds, {CONTROL, UNKNOWN}, special=True))
        tokenizer.add_tokens(_added(tokens, kinds, {USER_DEFINED}, special=False))
    except BodyInvalid:
        raise
    except Exception as e:  # the library raises nothing narrower
        raise keys.fault(f"its vocabulary makes no tokenizer ({e})") from e
    if tokenizer.get_vocab_size() != len(tokens):
        raise keys.fault("its vocabulary names a token twice")
    return tokenizer


def _byte_level(keys: Settings, tokens: list[str], kinds: list[int]) -> Tokenizer:
    name = keys.text("pre", default="default")
    pre = _PRE.get(name)
    if pre is None:
        raise keys.fault(f"pre-tokenizer {name!r} is not supported; these are: {', '.join(_PRE)}")
    if "pre" not in keys:
        log.warning("%s names no pre-tokenizer; GPT-2's is used", keys.source)
    merges = [_pair(keys, merge) for merge in keys.texts("merges")]
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=pre.whole_words))
    if pre.nfc:
        tokenizer.normalizer = normalizers.NFC()
    steps: list[Any] = []
    if pre.single_digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if pre.split:
        steps.append(pre_tokenizers.Split(Regex(pre.split), behavior="isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pre.split))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentencepiece(keys: Settings, tokens: list[str], kinds: list[int]) -> Tokenizer:
    scores = keys.numbers("scores", len(tokens), default=0)
    vocab = {token: i for i, token in enumerate(tokens)}
    unknown = next((tokens[i] for i, kind in enumerate(kinds) if kind == UNKNOWN), None)
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=_merges_by_score(tokens, kinds, scores),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    has_prefix = keys.flag("add_space_prefix", default=True)
    spaces: list[Any] = [normalizers.Prepend(SPACE)] if has_prefix else []
    tokenizer.normalizer = normalizers.Sequence([*spaces, normalizers.Replace(" ", SPACE)])
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if has_prefix:
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def _merges_by_score(
    tokens: list[str], kinds: list[int], scores: list[float]
) -> list[tuple[str, str]]:
    """Return all ways to join two pieces into a third, best score first.

    Control and byte tokens are left out: text that spells one must not become one.
    """
    pieces = {token: i for i, token in enumerate(tokens) if kinds[i] == NORMAL}
    ranked = [
        (-scores[i], i, at, token)
        for token, i in pieces.items()
        for at in range(1, len(token))
        if token[:at] in pieces and token[at:] in pieces
    ]
    ranked.sort()
    return [(token[:at], token[at:]) for _, _, at, token in ranked]


def _added(
    tokens: list[str], kinds: list[int], wanted: set[int], *, special: bool
) -> list[AddedToken]:
    return [
        AddedToken(tokens[i], special=special, normalized=False)
        for i, kind in enumerate(kinds)
        if kind in wanted and tokens[i]
    ]


def _pair(keys: Settings, merge: str) -> tuple[str, str]:
    left, space, right = merge.partition(" ")
    if not (left and space and right):
        raise keys.fault(f"merge {merge!r} is not two tokens and a space")
    return left, right
