"""The tokens with a meaning of their own: begin of text, ends of a reply, and their texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sould.engine.formats.gguf_file import GgufFile
from sould.engine.formats.safetensors_file import inside
from sould.engine.formats.settings import Settings, read_json

# Control tokens that end a turn, whatever the file's eos is: chat models name one eos and
# often close turns with another.
TURN_ENDS = frozenset(("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>")) | {
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_sentence|>",
    "</s>",
}
GGUF_NO_TOKEN = 0xFFFFFFFF  # -1, as some converters write it
GGUF_CONTROL = 3  # token_type of control tokens
_ROLES = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """``eos``: every token that ends a reply. ``add_bos``: plain text begins with ``bos``.

    ``texts``: "bos_token", "eos_token", "unk_token", "pad_token" as chat templates use them.
    """

    bos: int | None = None
    eos: frozenset[int] = frozenset()
    add_bos: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)


def special_of_gguf(file: GgufFile, vocab_size: int) -> SpecialTokens:
    """Read the special tokens of ``tokenizer.ggml.*``.

    Raises:
        BodyInvalid: no vocabulary, one larger than the embedding, or an id outside of it.
    """
    keys = file.metadata.under("tokenizer.ggml.")
    tokens = keys.texts("tokens")
    if len(tokens) > vocab_size:
        raise keys.fault(f"names {len(tokens)} tokens, but embeds {vocab_size}")

    def id_of(name: str) -> int | None:
        key = f"{name}_token_id"
        i = keys.integer(key, default=GGUF_NO_TOKEN, high=GGUF_NO_TOKEN)
        return None if i == GGUF_NO_TOKEN else keys.integer(key, high=len(tokens) - 1)

    ids = {role: id_of("unknown" if role == "unk_token" else role[:3]) for role in _ROLES}
    ids["pad_token"] = id_of("padding")
    ends = {id_of(name) for name in ("eos", "eot", "eom")}
    ends |= {i for i, text in _control_tokens(keys, tokens) if text in TURN_ENDS}
    sentencepiece = keys.text("model", default="") == "llama"
    return SpecialTokens(
        bos=ids["bos_token"],
        eos=frozenset(i for i in ends if i is not None),
        add_bos=keys.flag("add_bos_token", default=sentencepiece),
        texts={role: tokens[i] for role, i in ids.items() if i is not None},
    )


def special_of_hf(folder: Path, config: Settings, vocab_size: int) -> SpecialTokens:
    """Read the special tokens of config, generation_config, tokenizer_config and tokenizer.json.

    Raises:
        BodyInvalid: one of the files is not JSON, or an id is outside of the vocabulary.
    """
    tokenizer = Settings(read_json(folder / "tokenizer.json"), folder / "tokenizer.json")
    settings = optional_json(folder, "tokenizer_config.json")
    generation = optional_json(folder, "generation_config.json")
    return special_of(tokenizer, settings, generation, config, vocab_size)


def special_of(
    tokenizer: Settings,
    settings: Settings,
    generation: Settings,
    config: Settings,
    vocab_size: int,
) -> SpecialTokens:
    """Read the special tokens of these four files' contents.

    Raises:
        BodyInvalid: an id is outside of the vocabulary.
    """
    added = _added_tokens(tokenizer)
    texts = {role: text for role in _ROLES if (text := _token_text(settings.values.get(role)))}
    ends = {added[text] for text in TURN_ENDS & added.keys()}
    ends |= {added[texts["eos_token"]]} if texts.get("eos_token") in added else set()
    for source in (config, generation):
        ends |= _ids(source, "eos_token_id", vocab_size)
    bos = {added[texts["bos_token"]]} if texts.get("bos_token") in added else set()
    bos = bos or _ids(config, "bos_token_id", vocab_size)
    prepends = any(text in _prepended(tokenizer) for text, i in added.items() if i in bos)
    return SpecialTokens(
        bos=min(bos, default=None),
        eos=frozenset(i for i in ends if i < vocab_size),
        add_bos=settings.flag("add_bos_token", default=prepends),
        texts=texts,
    )


def optional_json(folder: Path, name: str) -> Settings:
    """Return the settings in a file of ``folder``, empty ones where there is no such file."""
    path = folder / name
    return Settings(read_json(inside(folder, name)) if path.exists() else {}, path)


def _control_tokens(keys: Settings, tokens: list[str]) -> list[tuple[int, str]]:
    kinds = keys.numbers("token_type", len(tokens), default=0)
    return [(i, tokens[i]) for i, kind in enumerate(kinds) if kind == GGUF_CONTROL]


def _added_tokens(tokenizer: Settings) -> dict[str, int]:
    added = tokenizer.values.get("added_tokens") or []
    is_sound = isinstance(added, list) and all(
        isinstance(token, dict)
        and isinstance(token.get("content"), str)
        and isinstance(token.get("id"), int)
        for token in added
    )
    if not is_sound:
        raise tokenizer.fault("'added_tokens' is not a list of tokens with content and id")
    return {token["content"]: token["id"] for token in added}


def _token_text(value: Any) -> str:
    """Return the text of a token as tokenizer_config.json writes it: a text or an object."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _ids(source: Settings, key: str, vocab_size: int) -> set[int]:
    value = source.values.get(key)
    ids = value if isinstance(value, list) else [] if value is None else [value]
    for i in ids:
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < vocab_size:
            raise source.fault(f"{key!r} holds {i!r}, expected ids below {vocab_size}")
    return set(ids)


def _prepended(tokenizer: Settings) -> set[str]:
    """Return the special tokens tokenizer.json itself puts before a text."""
    processor = tokenizer.values.get("post_processor")
    if not isinstance(processor, dict):
        return set()
    parts = processor.get("processors", [processor])
    parts = parts if isinstance(parts, list) else []
    templates = [part.get("single") for part in parts if isinstance(part, dict)]
    pieces = [piece for single in templates if isinstance(single, list) for piece in single]
    specials = [piece.get("SpecialToken") for piece in pieces if isinstance(piece, dict)]
    return {str(token.get("id")) for token in specials if isinstance(token, dict)}
