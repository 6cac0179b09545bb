"""Which files of a repository or folder make a body, and why others are left behind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fnmatch import fnmatchcase

import msgspec

from sould.bodystore.scan import CONFIG
from sould.errors import PullFailed

INDEX = "model.safetensors.index.json"

_BESIDE = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "LICEN[CS]E*",
    "NOTICE*",
    "USE_POLICY*",
    "README.md",
)
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


def choose_files(where: str, names: Collection[str], read: Callable[[str], bytes]) -> list[str]:
    """Return the files to take of those at the top of ``where``: weights, config, tokenizer.

    ``read`` fetches one small file. Of sharded weights exactly the shards of the index are
    taken, so a second copy in another layout (``consolidated.safetensors``) is not.

    Raises:
        PullFailed: these files are no body, and what they are instead.
    """
    if CONFIG not in names:
        raise PullFailed(f"{where} has no {CONFIG}: it is not a body", _hint(where, names))
    weights = _weights(where, names, read)
    beside = [n for n in names if any(fnmatchcase(n, pattern) for pattern in _BESIDE)]
    return sorted([CONFIG, *weights, *beside])


def refuse_pickle(where: str, names: Collection[str]) -> None:
    """Refuse weights that only exist as pickles.

    Raises:
        PullFailed: with the reason.
    """
    pickled = sorted(n for n in names if n.endswith(_PICKLED))
    if pickled:
        raise PullFailed(
            f"{where} has its weights as {pickled[0]}: pickle files can run code when they "
            "are read, so they are never loaded",
            "look for the same model as .safetensors or .gguf",
        )


def _weights(where: str, names: Collection[str], read: Callable[[str], bytes]) -> list[str]:
    if INDEX in names:
        return [INDEX, *_shards(where, names, read(INDEX))]
    found = [n for n in names if n.endswith(".safetensors")]
    if "model.safetensors" in found:
        return ["model.safetensors"]
    if len(found) == 1:
        return found
    if found:
        raise PullFailed(
            f"{where} has {len(found)} .safetensors files and no {INDEX} that says how they belong"
        )
    refuse_pickle(where, names)
    raise PullFailed(f"{where} has no .safetensors weights", _hint(where, names))


def _shards(where: str, names: Collection[str], index: bytes) -> list[str]:
    try:
        shards = sorted(set(msgspec.json.decode(index, type=_Index).weight_map.values()))
    except msgspec.MsgspecError as e:
        raise PullFailed(f"{where}/{INDEX} is not an index of shards: {e}") from e
    missing = [shard for shard in shards if shard not in names]
    if missing or not shards:
        raise PullFailed(f"{where}/{INDEX} names {missing or 'no shards'}, not found beside it")
    return shards


def _hint(where: str, names: Collection[str]) -> str:
    ggufs = sorted(n for n in names if n.endswith(".gguf"))
    return f"take one of its files, as {where}/{ggufs[0]}" if ggufs else ""
