"""The header of a safetensors file, and the set of files that make a sharded body."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sould.engine.formats.settings import read_json
from sould.engine.formats.stored import StoredTensor
from sould.errors import BodyInvalid

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of one file.

    The library checks the header: its size, names, types, and that shapes and offsets cover
    the file exactly. What is left here is to take the offsets, which it does not offer.

    Raises:
        BodyInvalid: not a safetensors file, truncated, or inconsistent.
    """
    try:
        with safe_open(path, framework="np"):
            pass
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_bytes))
    except SafetensorError as e:
        raise BodyInvalid(f"{path}: is not a sound safetensors file ({e})") from e
    except FileNotFoundError as e:
        raise BodyInvalid(f"{path}: is missing") from e
    except OSError as e:
        raise BodyInvalid(f"{path}: cannot be read ({e.strerror or e})") from e
    header.pop("__metadata__", None)
    base = 8 + header_bytes
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        shape = tuple(entry["shape"])
        tensors[name] = StoredTensor(name, entry["dtype"], shape, path, base + start, end - start)
    return tensors


def open_folder(folder: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a Hugging Face folder, from one file or from the shards of an index.

    Raises:
        BodyInvalid: no weights, a shard is missing or lies elsewhere, or holds other tensors
            than the index says.
    """
    if (folder / INDEX).exists():
        return _open_shards(folder)
    files = sorted(folder.glob("*.safetensors"))
    if (folder / SINGLE) in files:
        files = [folder / SINGLE]
    if len(files) == 1:
        return open_safetensors(inside(folder, files[0].name))
    if files:
        names = ", ".join(file.name for file in files[:4])
        raise BodyInvalid(f"{folder}: holds {len(files)} weight files ({names}…) and no {INDEX}")
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        raise BodyInvalid(
            f"{folder}: holds pickled weights only, which could run any code and are never read",
            "convert them to safetensors",
        )
    raise BodyInvalid(f"{folder}: holds no *.safetensors")


def inside(folder: Path, name: str) -> Path:
    """Return ``folder/name``, an existing file that really lies in ``folder``.

    Raises:
        BodyInvalid: the name or a symlink leads out of the folder, or there is no such file.
    """
    path = folder / name
    try:
        resolved = path.resolve(strict=True)
    except (OSError, ValueError) as e:  # ValueError: a NUL byte
        raise BodyInvalid(f"{folder}: {name!r} is missing") from e
    if not resolved.is_relative_to(folder.resolve()) or not resolved.is_file():
        raise BodyInvalid(f"{folder}: {name!r} is not a file of this folder")
    return path


def _open_shards(folder: Path) -> dict[str, StoredTensor]:
    index = inside(folder, INDEX)
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BodyInvalid(f"{index}: has no 'weight_map'")
    if not all(isinstance(file, str) for file in weight_map.values()):
        raise BodyInvalid(f"{index}: 'weight_map' names a file that is not a text")
    shards = {file: open_safetensors(inside(folder, file)) for file in set(weight_map.values())}
    tensors = {}
    for name, file in weight_map.items():
        if name not in shards[file]:
            raise BodyInvalid(f"{index}: tensor {name!r} is not in {file}")
        tensors[name] = shards[file][name]
    return tensors
