"""Bodies of TTT layers: their files, their forward pass, and going back in a conversation."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.kernel import load_kernel
from sould.engine.memory import STATE_EVERY, held_bytes
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.model import NativeModel
from sould.engine.native.soul import StateSoul
from sould.engine.native.ternary import BitLinear, packed
from sould.engine.native.weights import read_model
from sould.engine.sampling import NotFinite
from sould.errors import BodyInvalid
from tests.fakes.native_body import ORIGINAL, VOCABULARY, write_native_body
from tests.fakes.tiny_body import edit_json, write_tiny_body

RULES = ("reconstruct", "ttt_linear")
TOLERANCE = 1e-5


def some_ids(count: int) -> list[int]:
    return torch.randint(0, 256, (count,), generator=torch.Generator().manual_seed(7)).tolist()


@pytest.fixture(scope="module", params=RULES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BodyFile:
    return open_body(write_native_body(tmp_path_factory.mktemp("native") / "body", request.param))


@pytest.fixture(scope="module", params=["float32", "packed", "packed, by the kernel"])
def decoder(file: BodyFile, request: pytest.FixtureRequest) -> NativeDecoder:
    if request.param == "float32":
        return NativeDecoder(read_model(file).freeze())
    by_kernel = "kernel" in request.param
    kernel = load_kernel(request.getfixturevalue("kernels"), threads=1) if by_kernel else None
    return NativeDecoder(read_model(file, hold=packed(kernel)))


def logits_of(decoder: NativeDecoder, ids: list[int], cut: int) -> Tensor:
    cache = decoder.new_cache(len(ids))
    parts = []
    for start in range(0, len(ids), cut):
        part = decoder.forward(ids[start : start + cut], cache, want="all")
        assert part is not None
        parts.append(part)
    return torch.cat(parts)


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_however_a_text_is_cut_the_logits_are_the_same(decoder: NativeDecoder, cut: int) -> None:
    ids = some_ids(150)
    whole = logits_of(decoder, ids, len(ids))
    torch.testing.assert_close(logits_of(decoder, ids, cut), whole, atol=TOLERANCE, rtol=TOLERANCE)


def test_packed_weights_are_the_same_weights_in_two_bits(
    file: BodyFile, decoder: NativeDecoder
) -> None:
    ids = some_ids(150)
    expected = logits_of(NativeDecoder(read_model(file).freeze()), ids, len(ids))
    found = logits_of(decoder, ids, len(ids))
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)
    assert not any(
        linear.weight.numel() for linear in decoder.model.modules() if isinstance(linear, BitLinear)
    )
    held = held_bytes(file.tensors.values())
    matrices = [tensor for tensor in file.tensors.values() if tensor.bases]
    assert len(matrices) == 2 * (5 if file.spec.ttt and file.spec.ttt.rule == "reconstruct" else 7)
    in_f32 = sum(4 * prod(tensor.shape) for tensor in file.tensors.values())
    saved = sum(4 * prod(t.shape) - t.shape[0] * -(-t.shape[1] // 64) * 18 for t in matrices)
    assert held == in_f32 - saved


def test_both_forms_of_the_whole_body_agree_with_gradients(file: BodyFile) -> None:
    """In f64, so that only what is computed differently could differ."""
    model = read_model(file).double()
    ids = torch.tensor([some_ids(40), some_ids(41)[1:]])
    found: list[list[Tensor]] = []
    for form in ("sequential", "chunked"):
        x_BTD, carries = model(ids, model.begin(batch=2), form=form)  # type: ignore[arg-type]
        states = sum(carry.now_BHEE.sum() for carry in carries)
        loss = model.logits(x_BTD).log_softmax(-1)[..., :50].sum() + states
        grads = torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)
        found.append([x_BTD.detach(), *grads])
    torch.testing.assert_close(found[1], found[0], atol=1e-8, rtol=1e-8)
    assert all(bool(gradient.any()) for gradient in found[0]), "every parameter learns"


def test_the_reconstruct_body_is_the_one_that_was_described(tmp_path: Path) -> None:
    """Token by token, as the original's formats are documented, against ours."""
    file = open_body(write_native_body(tmp_path / "body", "reconstruct"))
    w = {name: tensor.detach() for name, tensor in read_model(file).state_dict().items()}

    def bit(x: Tensor, name: str) -> Tensor:
        unit = w[name] / w[name].abs().mean()
        return (unit.round().clamp(-1, 1) @ x[:, None])[:, 0]

    def norm(x: Tensor, name: str) -> Tensor:
        return x / (x.square().mean() + 1e-5).sqrt() * w[name]

    states, expected, ids = [torch.zeros(8, 8)] * 2, [], some_ids(20)
    for token in ids:
        x = w["embed.weight"][token]
        for i in range(2):
            f = bit(norm(x, f"layers.{i}.norm1.weight"), f"layers.{i}.ttt.down.weight")
            f = f / (f.norm() + 1e-6)
            z = states[i] @ f
            states[i] = states[i] - 0.1 * torch.outer(z - f, f)
            x = x + bit(z, f"layers.{i}.ttt.up.weight")
            h, mlp = norm(x, f"layers.{i}.norm2.weight"), f"layers.{i}.mlp"
            gated = torch.nn.functional.silu(bit(h, f"{mlp}.gate_proj.weight"))
            x = x + bit(gated * bit(h, f"{mlp}.up_proj.weight"), f"{mlp}.down_proj.weight")
        expected.append(w["lm_head.weight"] @ norm(x, "norm_f.weight"))
    found = logits_of(NativeDecoder(read_model(file).freeze()), ids, len(ids))
    torch.testing.assert_close(found, torch.stack(expected), atol=2e-4, rtol=1e-4)


def test_going_back_reads_on_from_the_state_kept_before(decoder: NativeDecoder) -> None:
    ids = some_ids(2 * STATE_EVERY + 30)
    cache = decoder.new_cache(2 * len(ids))
    decoder.forward(ids, cache, want="none")
    cache.truncate(STATE_EVERY + 20)
    assert cache.length == STATE_EVERY
    copy = decoder.new_cache(2 * len(ids))
    copy.copy_from(cache, STATE_EVERY + 1)
    for one in (cache, copy):
        logits = decoder.forward(ids[STATE_EVERY:], one)
        assert logits is not None and one.tokens == ids
        expected = logits_of(decoder, ids, len(ids))[-1]
        torch.testing.assert_close(logits, expected, atol=TOLERANCE, rtol=TOLERANCE)
    cache.truncate(5)
    assert (cache.length, cache.carries) == (0, None)


def test_a_soul_is_what_a_text_begins_with(decoder: NativeDecoder) -> None:
    ids = some_ids(60)
    cache = decoder.new_cache(200)
    decoder.forward(ids[:24], cache, want="none")
    assert cache.carries is not None
    soul = StateSoul(decoder.first)
    assert soul.change([carry.now_BHEE[0] for carry in cache.carries]) is None
    bare = logits_of(decoder, ids, 60)
    with decoder.wearing(soul):
        worn = logits_of(decoder, ids, 60)
    assert float((worn - bare).abs().max()) > 1e-3
    torch.testing.assert_close(logits_of(decoder, ids, 60), bare)
    assert soul.norms()[0] > 0


def test_a_state_that_would_diverge_is_reported_and_nothing_is_kept(file: BodyFile) -> None:
    decoder = NativeDecoder(read_model(file).freeze())
    soul = StateSoul(decoder.first)
    fault = soul.change([state + 1e6 for state in decoder.first])
    assert fault is not None and fault.what == "over the cap" and soul.is_empty
    fault = soul.change([state * float("nan") for state in decoder.first])
    assert fault is not None and fault.what == "not finite"
    cache = decoder.new_cache(64)
    decoder.forward(some_ids(8), cache)
    before = cache.carries
    decoder.first = [state * 0 + 1e-9 for state in decoder.first]
    soul.states = tuple(torch.full_like(state, 1e6) for state in decoder.first)
    fresh = decoder.new_cache(64)
    with decoder.wearing(soul), pytest.raises(NotFinite, match="layer 0: state is over the cap"):
        decoder.forward(some_ids(8), fresh)
    assert (fresh.length, fresh.carries) == (0, None)
    assert cache.carries is before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_layers", "n_layers"),
        ("num_layers", "num_hidden_layers"),
        ("hidden_dim", "hidden_size"),
    ],
)
def test_the_original_knew_sizes_by_several_names(tmp_path: Path, old: str, new: str) -> None:
    folder = write_native_body(tmp_path / "body", "reconstruct")
    usual = open_body(folder)
    edit_json(folder / "config.json", **{old: ..., new: ORIGINAL[old], "arch": "ttt"})
    other = open_body(folder)
    assert (other.spec, other.fingerprint()) == (usual.spec, usual.fingerprint())


@pytest.mark.parametrize("name", ["intermediate_dim", "intermediate_size"])
def test_the_original_knew_the_width_inside_by_two_names(tmp_path: Path, name: str) -> None:
    folder = write_native_body(tmp_path / "body", "reconstruct", config={name: 48})
    assert open_body(folder).spec.d_ff == 48
    edit_json(folder / "config.json", **{name: ...})
    with pytest.raises(BodyInvalid, match=r"has shape \(48, 32\), expected \(128, 32\)"):
        open_body(folder)


def test_what_the_original_left_out_is_what_it_took(tmp_path: Path) -> None:
    folder = write_native_body(tmp_path / "body", "reconstruct")
    edit_json(folder / "config.json", inner_lr=..., activation="SiLU", rms_norm_eps=1e-5)
    spec = open_body(folder).spec
    assert spec.ttt is not None
    assert (spec.ttt.inner_lr, spec.norm_eps, spec.d_ff) == (0.0, 1e-5, 4 * 32)


def test_the_epsilon_of_the_norms_is_read_and_makes_another_body(tmp_path: Path) -> None:
    folder, ids = write_native_body(tmp_path / "body", "reconstruct"), some_ids(20)
    one = open_body(folder)
    edit_json(folder / "config.json", rms_norm_eps=0.1)
    other = open_body(folder)
    assert other.spec.norm_eps == 0.1 and other.fingerprint() != one.fingerprint()
    logits = [logits_of(NativeDecoder(read_model(b).freeze()), ids, 20) for b in (one, other)]
    assert float((logits[0] - logits[1]).abs().max()) > 1e-3


def test_a_bias_of_the_head_is_passed_over_as_the_original_does(tmp_path: Path) -> None:
    folder = write_native_body(tmp_path / "body", "reconstruct")
    usual = open_body(folder).fingerprint()
    path = folder / "model.safetensors"
    save_file(load_file(path) | {"lm_head.bias": torch.ones(VOCABULARY)}, path)
    assert open_body(folder).fingerprint() == usual


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"arch": "llama"}, "'arch' is 'llama'"),
        ({"inner_lr": 2.0}, "from 2 on the state diverges"),
        ({"activation": "GELU"}, "'activation' is 'GELU'"),
        ({"intermediate_dim": 48}, r"has shape \(128, 32\), expected \(48, 32\)"),
        ({"hidden_dim": 30}, "no multiple of 4"),
        ({"rule": "hebb"}, "'rule' is 'hebb'"),
        ({"num_layers": 3}, "layers.2.norm1.weight' is missing"),
    ],
)
def test_what_is_wrong_with_a_body_is_named(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    folder = write_native_body(tmp_path / "body", "reconstruct")
    edit_json(folder / "config.json", **changes)
    with pytest.raises(BodyInvalid, match=fault):
        open_body(folder)


def test_a_transformer_has_no_native_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no TTT layers"):
        NativeModel(open_body(write_tiny_body(tmp_path)).spec)
