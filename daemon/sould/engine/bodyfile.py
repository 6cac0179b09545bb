"""A body on disk: opened, checked, described; nothing is loaded and torch is not imported."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

from sould.engine.bodies import bit_ttt, family_of_gguf, family_of_hf
from sould.engine.bodies.common import expected_shapes, spec_from_gguf, stored_name
from sould.engine.bodies.ttt_shapes import TERNARY
from sould.engine.fingerprint import fingerprint, recall, remember
from sould.engine.formats import bases
from sould.engine.formats.bitt_file import BittFile, open_bitt
from sould.engine.formats.gguf_file import GgufFile, open_gguf
from sould.engine.formats.safetensors_file import inside, open_folder, open_safetensors
from sould.engine.formats.settings import Settings, read_json
from sould.engine.formats.special_tokens import (
    SpecialTokens,
    optional_json,
    special_of,
    special_of_gguf,
    special_of_hf,
)
from sould.engine.formats.stored import StoredTensor
from sould.engine.formats.ternary import MATRICES, PACKED, as_ternary
from sould.engine.spec import BodySpec
from sould.errors import BodyInvalid

FLOAT_TYPES = frozenset(("F32", "F16", "BF16"))
QUANTISED_TYPES = (
    frozenset(("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"))
    | {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS"}
    | {"TQ1_0", "TQ2_0", "MXFP4"}
)
MATRIX_TYPES = FLOAT_TYPES | QUANTISED_TYPES | {PACKED, bases.PACKED, bases.SCALES}
MAX_TEXT_BYTES = 1 << 20  # of a model card or chat template

# What of config.json makes the architecture, for the fingerprint; present keys only.
_ARCHITECTURE_KEYS = (
    frozenset(("model_type", "vocab_size", "hidden_size", "intermediate_size", "hidden_act"))
    | {"num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim"}
    | {"rms_norm_eps", "attention_bias", "mlp_bias", "tie_word_embeddings"}
    | {"max_position_embeddings", "original_max_position_embeddings", "partial_rotary_factor"}
    | {"rope_theta", "rope_scaling", "rope_parameters"}
    | {"sliding_window", "use_sliding_window", "max_window_layers", "layer_types"}
)


@dataclass(frozen=True, kw_only=True)
class BodyFile:
    """A body that was found sound. ``tensors`` go by role (``bodies.common``).

    ``family`` is a key of ``bodies.FAMILIES``. ``files``: all files the body is made of.
    ``gguf``, ``bitt``: the opened header, if that is the format.
    ``quantisation``: the type most weights have, such as "Q4_1" or "BF16".
    """

    path: Path
    format: Literal["hf", "gguf", "safetensors", "bitt"]
    family: str
    spec: BodySpec
    tensors: Mapping[str, StoredTensor]
    special: SpecialTokens
    chat_template: str | None
    licence: str
    files: tuple[Path, ...]
    gguf: GgufFile | None = None
    bitt: BittFile | None = None

    @property
    def parameters(self) -> int:
        weights = (t for t in self.tensors.values() if t.dtype != bases.SCALES)
        return sum(prod(tensor.shape) for tensor in weights)

    @property
    def quantisation(self) -> str:
        weights: Counter[str] = Counter()
        for tensor in self.tensors.values():
            weights[tensor.dtype] += prod(tensor.shape)
        kind = weights.most_common(1)[0][0]
        return f"{self.spec.bases} × TERNARY" if kind == bases.PACKED else kind

    @property
    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in {t.file for t in self.tensors.values()})

    @property
    def tokenizer_json(self) -> Path:
        """The tokenizer's file; only Hugging Face bodies have one."""
        folder = self.path if self.format == "hf" else self.path.parent
        return folder / "tokenizer.json"

    def tokenizer_description(self) -> dict[str, Any]:
        """Return what tokenizer.json says, or would say.

        Raises:
            BodyInvalid: there is none, or it is no JSON.
        """
        return dict(self.bitt.tokenizer) if self.bitt else read_json(self.tokenizer_json)

    def fingerprint(self, cache_dir: Path | None = None) -> str:
        """Return the sha256 of architecture, weights and tokenizer, from the cache if kept there.

        Reads the whole body otherwise: some 0.1 to 1 s per GB.
        """
        if cache_dir and (known := recall(cache_dir, self.path, self.files)):
            return known
        if self.gguf:
            prefixes = (f"{self.gguf.metadata.text('general.architecture')}.", "tokenizer.ggml.")
            architecture, tokenizer = (_metadata_bytes(self.gguf, p) for p in prefixes)
        elif self.spec.ttt:  # the same in a folder and in a .bitt, whatever sizes are called
            described = (bit_ttt.architecture(self.spec), self.tokenizer_description())
            architecture, tokenizer = ([_canonical(one)] for one in described)
        else:
            config = read_json(self.tokenizer_json.with_name("config.json"))
            kept = {key: config[key] for key in _ARCHITECTURE_KEYS if key in config}
            architecture = [json.dumps(kept, sort_keys=True).encode()]
            tokenizer = [self.tokenizer_json.read_bytes()]
        if self.spec.ternary:
            architecture.append(f"ternary {self.spec.ternary}".encode())
        if self.spec.bases:
            architecture.append(f"bases {self.spec.bases}".encode())
        value = fingerprint([self.family.encode(), *architecture], self.tensors, tokenizer)
        if cache_dir:
            remember(cache_dir, self.path, self.files, value)
        return value


def open_body(path: Path) -> BodyFile:
    """Open a Hugging Face folder, a .gguf, a .bitt or a bare .safetensors with its sidecars.

    Reads headers and sidecars only. Everything in them is taken as hostile.

    Raises:
        BodyInvalid: names the file and what is wrong with it.
    """
    if path.is_dir():
        return _open_hf(path, "hf", path, open_folder(path))
    if not path.is_file():
        raise BodyInvalid(f"{path}: there is no such file or folder")
    if path.suffix.lower() == ".gguf":
        return _open_gguf(path)
    if path.suffix.lower() == ".bitt":
        return _open_bitt(path)
    if path.suffix.lower() == ".safetensors":
        return _open_hf(path, "safetensors", path.parent, open_safetensors(path))
    raise BodyInvalid(
        f"{path}: is neither a folder nor a .gguf, .bitt or .safetensors file", "give one of these"
    )


def _open_hf(
    path: Path,
    format: Literal["hf", "safetensors"],
    folder: Path,
    stored: dict[str, StoredTensor],
) -> BodyFile:
    config_path = inside(folder, "config.json")
    tokenizer_path = inside(folder, "tokenizer.json")
    config = Settings(read_json(config_path), config_path)
    family = family_of_hf(config)
    spec = family.spec_from_hf(config)
    tensors = _by_role(path, spec, family.hf_names, stored)
    return BodyFile(
        path=path,
        format=format,
        family=family.key,
        spec=spec,
        tensors=tensors,
        special=special_of_hf(folder, config, spec.vocab_size),
        chat_template=_hf_template(folder),
        licence=_readme_licence(folder),
        files=(config_path, tokenizer_path, *{tensor.file for tensor in tensors.values()}),
    )


def _open_bitt(path: Path) -> BodyFile:
    bitt = open_bitt(path)
    config, nothing = Settings(bitt.config, path), Settings({}, path)
    family = family_of_hf(config)
    spec = family.spec_from_hf(config)
    tokenizer = Settings(bitt.tokenizer, path)
    return BodyFile(
        path=path,
        format="bitt",
        family=family.key,
        spec=spec,
        tensors=_by_role(path, spec, family.hf_names, bitt.tensors),
        special=special_of(tokenizer, nothing, nothing, config, spec.vocab_size),
        chat_template=None,
        licence="",
        files=(path,),
        bitt=bitt,
    )


def _open_gguf(path: Path) -> BodyFile:
    file = open_gguf(path)
    parts = file.metadata.integer("split.count", default=1, high=1 << 16)
    if parts > 1:
        raise BodyInvalid(f"{path}: is one of {parts} parts", "join them with gguf-split --merge")
    family = family_of_gguf(file)
    spec = spec_from_gguf(file, family)
    return BodyFile(
        path=path,
        format="gguf",
        family=family.key,
        spec=spec,
        tensors=_by_role(path, spec, family.gguf_names, file.tensors),
        special=special_of_gguf(file, spec.vocab_size),
        chat_template=file.metadata.text("tokenizer.chat_template", default="") or None,
        licence=file.metadata.text("general.license", default=""),
        files=(path,),
        gguf=file,
    )


def _by_role(
    path: Path, spec: BodySpec, names: Mapping[str, str], stored: Mapping[str, StoredTensor]
) -> dict[str, StoredTensor]:
    """Return the tensors by role; each is there, of the right shape and of a readable type."""
    left = dict(stored)
    tensors = {}
    for role, shape in expected_shapes(spec).items():
        name = stored_name(names, role)
        tensor = left.pop(name, None)
        if tensor is None:
            raise BodyInvalid(f"{path}: tensor {name!r} is missing")
        if spec.ternary and role.rpartition(".")[2] in MATRICES:
            tensor = as_ternary(tensor, spec.ternary)
        if spec.ttt and role.rpartition(".")[2] in TERNARY:
            tensor = replace(tensor, bases=1)
        if spec.bases:
            tensor = _of_bases(tensor, role, spec.bases, shape)
        if tensor.shape != shape:
            raise BodyInvalid(f"{path}: tensor {name!r} has shape {tensor.shape}, expected {shape}")
        readable = FLOAT_TYPES if len(shape) == 1 else MATRIX_TYPES
        if tensor.dtype not in readable:
            raise BodyInvalid(f"{path}: tensor {name!r} is of type {tensor.dtype}: not supported")
        tensors[role] = tensor
    unused = [name for name in left if not _is_ignorable(name, spec)]
    if unused:
        raise BodyInvalid(
            f"{path}: tensor {unused[0]!r} (and {len(unused) - 1} more) has no place "
            f"in a {spec.family} body"
        )
    return tensors


def _of_bases(tensor: StoredTensor, role: str, n: int, shape: tuple[int, ...]) -> StoredTensor:
    """Return a tensor of a body of ``n`` bases, marked as what it is.

    Raises:
        BodyInvalid: its type or shape is not that of its place.
    """
    if role.rpartition(".")[2].removesuffix(bases.SCALES_SUFFIX) in MATRICES:
        return bases.as_bases(tensor, n, shape)
    return bases.as_q8_0(tensor, shape) if role in ("embed", "head") else tensor


def _is_ignorable(name: str, spec: BodySpec) -> bool:
    """Say whether a tensor may be left unread: it repeats what is known from elsewhere."""
    if name.endswith("rotary_emb.inv_freq") or name == "rope_freqs.weight":
        return True
    if spec.ttt is not None and name == "lm_head.bias":
        return True  # versions of the original engine before v0.3.0 wrote one; it reads none
    return spec.tied and name == "lm_head.weight"


def _hf_template(folder: Path) -> str | None:
    if (folder / "chat_template.jinja").exists():
        return _read_text(inside(folder, "chat_template.jinja"))
    settings = optional_json(folder, "tokenizer_config.json")
    template = settings.values.get("chat_template")
    if isinstance(template, list):  # several, by name
        named = {str(t.get("name")): t.get("template") for t in template if isinstance(t, dict)}
        template = named.get("default")
    if template is not None and not isinstance(template, str):
        raise settings.fault("'chat_template' is not a text")
    return template


def _readme_licence(folder: Path) -> str:
    """Return the licence a model card's front matter names, "" where there is none."""
    if not (folder / "README.md").exists():
        return ""
    head = _read_text(inside(folder, "README.md")).removeprefix("---\n").split("\n---")[0]
    found = re.search(r"^license:\s*['\"]?([\w.+-]{1,64})", head, re.MULTILINE)
    return found[1] if found else ""


def _read_text(path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise BodyInvalid(f"{path}: is larger than {MAX_TEXT_BYTES} bytes")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as e:
        raise BodyInvalid(f"{path}: is not UTF-8 ({e.reason} at byte {e.start})") from e


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _metadata_bytes(file: GgufFile, prefix: str) -> list[bytes]:
    """Return keys and raw values of the metadata under ``prefix``, in the order of the keys."""
    parts = []
    with file.path.open("rb") as stream:
        for key in sorted(key for key in file.spans if key.startswith(prefix)):
            start, end = file.spans[key]
            stream.seek(start)
            parts += [key.encode(), stream.read(end - start)]
    return parts
