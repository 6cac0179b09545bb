"""A converted body is, once read again, what it was when it was made; spoilt ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from sould.bodystore.scan import require_free
from sould.converting import placing, sizes
from sould.converting.convert import Original, convert, perplexity
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.decoder import Decoder
from sould.engine.formats.bases import LARGEST_BYTE
from sould.engine.formats.ternary import MATRICES
from sould.engine.kernel import NativeKernel
from sould.engine.memory import held_bytes
from sould.engine.read_weights import read_weights
from sould.engine.tokenizer import Tokenizer
from sould.engine.weights import BodyWeights, Weight
from sould.errors import BadRequest, BodyInvalid
from tests.fakes.tiny_body import edit_json, write_tiny_body
from tests.fakes.tiny_gguf import write_tiny_gguf

WINDOWS = [[(7 * i + 3 * j) % 256 for i in range(24)] for j in range(12)]
TEXT = "Where did Łukasz leave <|im_end|> the kite?"
CARD = placing.Card(licence="apache-2.0", text="Made for a test.")


def converted(path: Path, place: Path, n: int) -> tuple[BodyFile, BodyWeights]:
    body = open_body(path)
    weights = read_weights(body)
    original = Original(spec=body.spec, weights=weights, kernel=None, windows=WINDOWS)
    _, made = convert(original, n)
    placing.place_body(place, body, made, n, CARD)
    return body, made


def logits_of(body: BodyFile, weights: BodyWeights, kernel: NativeKernel | None) -> torch.Tensor:
    decoder = Decoder(body.spec, weights, kernel=kernel)
    logits_V = decoder.forward(WINDOWS[0], decoder.new_cache(64))
    assert logits_V is not None
    return logits_V


def assert_same(body: BodyFile, made: BodyWeights, again: BodyFile, kernel: NativeKernel) -> None:
    found = read_weights(again)
    for layer, expected in zip(found.layers, made.layers, strict=True):
        for name in MATRICES:
            assert getattr(layer, name).format == f"bases{again.spec.bases}"
            assert torch.equal(getattr(layer, name).data, getattr(expected, name).data)
    assert torch.equal(found.embed.dense(), made.embed.dense())
    want_V = logits_of(again, made, None)
    for one in (None, kernel):
        torch.testing.assert_close(logits_of(again, found, one), want_V, atol=1e-4, rtol=0)
    size = sizes.of_converted(made, again.spec.bases)
    assert held_bytes(again.tensors.values()) == size.held_bytes
    assert again.fingerprint() != body.fingerprint()
    assert again.parameters == body.parameters
    assert again.licence == "apache-2.0"
    assert again.special == body.special and again.chat_template == body.chat_template


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_folders_of_every_family(tmp_path: Path, native: NativeKernel, family: str) -> None:
    more: dict[str, Any] = {"tie_word_embeddings": False} if family == "qwen2" else {}
    path = write_tiny_body(tmp_path / "body", family, **more)
    body, made = converted(path, tmp_path / "made", 2)
    assert_same(body, made, open_body(tmp_path / "made"), native)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_gguf_files_with_their_tokenizers(
    tmp_path: Path, native: NativeKernel, family: str
) -> None:
    path = write_tiny_gguf(tmp_path / "body.gguf", family, kind="Q8_0")
    body, made = converted(path, tmp_path / "made", 3)
    again = open_body(tmp_path / "made")
    assert_same(body, made, again, native)
    for special in (False, True):
        ids = [Tokenizer.of(one).encode(TEXT, special=special) for one in (body, again)]
        assert ids[0] == ids[1]
    assert Tokenizer.of(again).decode(ids[0]) == Tokenizer.of(body).decode(ids[0])


def test_widths_that_are_no_whole_groups(tmp_path: Path, native: NativeKernel) -> None:
    path = write_tiny_body(tmp_path / "body", hidden_size=40, intermediate_size=83)
    body, made = converted(path, tmp_path / "made", 4)
    assert made.embed.format == "f32"  # 40 columns are no blocks of Q8_0
    assert_same(body, made, open_body(tmp_path / "made"), native)


def test_more_bases_are_nearer_to_the_original(tmp_path: Path) -> None:
    body = open_body(write_tiny_body(tmp_path / "body"))
    weights = read_weights(body)
    original = Original(spec=body.spec, weights=weights, kernel=None, windows=WINDOWS)
    want_V = logits_of(body, weights, None)
    off, told = [], list[tuple[int, int]]()
    for n in (1, 2, 4):
        _, made = convert(original, n, on_matrix=lambda *step: told.append(step))
        off.append(float((logits_of(body, made, None) - want_V).square().mean()))
    assert off[1] < 0.5 * off[0] and off[2] < 0.2 * off[1]
    assert told[:4] == [(3, 14), (4, 14), (6, 14), (7, 14)] and told[-1] == (14, 14)
    decoder = Decoder(body.spec, weights)
    assert 1 < perplexity(decoder, WINDOWS[:2]) < 1e6


def test_what_converting_takes_grows_with_what_is_made(tmp_path: Path) -> None:
    body = open_body(write_tiny_body(tmp_path / "body"))
    weights = read_weights(body)
    for n in (1, 4):
        original = Original(spec=body.spec, weights=weights, kernel=None, windows=WINDOWS)
        held = sizes.of_converted(convert(original, n)[1], n).held_bytes
        needed = [
            sizes.needed_bytes(body.spec, n, read=4096, is_taught=taught)
            for taught in (False, True)
        ]
        assert held < needed[0] < needed[1] < held + 400 * body.size_bytes


def spoil(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


Q = "model.layers.0.self_attn.q_proj.weight"


def _set(name: str, value: object) -> Callable[[dict[str, np.ndarray]], None]:
    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name].flat[3] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set(Q, LARGEST_BYTE + 1), "no five ternary weights"),
        (_set(f"{Q}_scales", np.nan), "scale of tensor .*q_proj.weight_scales' is not finite"),
        (_set(f"{Q}_scales", np.inf), "not finite"),
        (_set("model.norm.weight", np.nan), "not finite"),
        (lambda t: t.pop(f"{Q}_scales"), "is missing"),
        (lambda t: t.update({Q: t[Q][:, :, 1:]}), "of shape .* expected U8"),
        (lambda t: t.update({Q: t[Q][:1]}), "of shape .* expected U8"),
        (lambda t: t.update({Q: t[Q].astype(np.float32)}), "is F32 .* expected U8"),
        (lambda t: t.update({f"{Q}_scales": t[f"{Q}_scales"].astype(np.float32)}), "expected F16"),
        (
            lambda t: t.update(
                {"model.embed_tokens.weight": t["model.embed_tokens.weight"][:, 1:]}
            ),
            "no Q8_0",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_spoilt_weights_are_refused(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], said: str
) -> None:
    converted(write_tiny_body(tmp_path / "body"), tmp_path / "made", 2)
    spoil(tmp_path / "made", change)
    with pytest.raises(BodyInvalid, match=said):
        read_weights(open_body(tmp_path / "made"))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"bases": 5}, "from 1 to 4"),
        ({"bases": 0}, "from 1 to 4"),
        ({"bases": 3}, "expected U8"),
        ({"bases": "2"}, "whole number"),
        ({"group_size": 32}, "groups of 32 are not supported"),
        ({"quant_method": "gptq"}, "'gptq' are not supported"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, how: dict[str, Any], said: str) -> None:
    converted(write_tiny_body(tmp_path / "body"), tmp_path / "made", 2)
    right = {"quant_method": "bit_ttt", "bases": 2, "group_size": 64}
    edit_json(tmp_path / "made" / "config.json", quantization_config=right | how)
    with pytest.raises(BodyInvalid, match=said):
        open_body(tmp_path / "made")


def test_what_no_config_can_say_is_refused(tmp_path: Path) -> None:
    """A Llama file with windows: its config.json has no word for them."""
    path = write_tiny_gguf(
        tmp_path / "body.gguf", extra={"llama.attention.sliding_window": 16}, kind="F32"
    )
    with pytest.raises(BadRequest, match="windows would not be what it is there"):
        converted(path, tmp_path / "made", 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["body.gguf"]


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "story.gguf").touch()
    for name in ("story", "../story", ""):
        with pytest.raises(BadRequest):
            require_free(tmp_path, name)
    assert require_free(tmp_path, "story-b3") == tmp_path / "story-b3"


def test_the_weights_of_a_body_keep_their_type(tmp_path: Path) -> None:
    made = converted(write_tiny_body(tmp_path / "body"), tmp_path / "made", 1)[1]
    assert isinstance(made.layers[0].q, Weight) and made.embed.format == "q8_0"
    assert made.head is made.embed
