"""A soul: empty it is not there, full it adds B·A, in torch and in C; and it stays in bounds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.kernel import NativeKernel, load_kernel
from sould.engine.kernel.selftest import ALL_FORMATS, SPEC, random_body, random_soul
from sould.engine.kvcache import KVCache
from sould.engine.prefixcache import PrefixCache
from sould.engine.read_weights import read_weights
from sould.engine.soul import naive
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import MATRICES, Soul, middle_of, norm_limits, wide_open
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, WeightFormat
from tests.fakes.tiny_body import ARCHITECTURES, write_tiny_body

LENGTHS = (1, 2, 63, 64, 65, 130)  # around CALL_TOKENS of the kernel
PARTS = [("slow",), ("fast",), ("slow", "fast")]


def prompt(spec: BodySpec, length: int) -> list[int]:
    generator = torch.Generator().manual_seed(length)
    return torch.randint(0, spec.vocab_size, (length,), generator=generator).tolist()


def bodies(format: WeightFormat) -> tuple[BodySpec, BodyWeights]:
    """A feed-forward of 160 and a model of 96: blocks, but no multiple of a thread's share."""
    spec = replace(SPEC, d_model=96, d_ff=160, n_layers=2, windows=())
    return spec, random_body(spec, [format], seed=3)


def last_logits(decoder: Decoder, ids: list[int]) -> torch.Tensor:
    logits_V = decoder.forward(ids, decoder.new_cache(len(ids)))
    assert logits_V is not None
    return logits_V


def test_an_empty_soul_changes_no_bit(kernel: NativeKernel) -> None:
    weights = random_body(SPEC, ALL_FORMATS, seed=0)
    for decoder in (Decoder(SPEC, weights), Decoder(SPEC, weights, kernel=kernel)):
        for length in (1, 100):
            bare_V = last_logits(decoder, prompt(SPEC, length))
            decoder.soul = Soul(SPEC)
            assert torch.equal(last_logits(decoder, prompt(SPEC, length)), bare_V)
            assert decoder.soul_state is None
            decoder.soul = None


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
@pytest.mark.parametrize("format", ALL_FORMATS)
def test_torch_and_c_equal_naive(
    kernel: NativeKernel, format: WeightFormat, parts: tuple[str, ...]
) -> None:
    spec, weights = bodies(format)
    soul = random_soul(spec, seed=1, parts=parts)
    for length in LENGTHS if parts == PARTS[-1] else (65,):
        ids = prompt(spec, length)
        with torch.no_grad():
            want_TV = naive.logits(spec, weights, soul, ids)
        for decoder in (Decoder(spec, weights), Decoder(spec, weights, kernel=kernel)):
            bare_V = last_logits(decoder, ids)
            decoder.soul = soul
            got_V = last_logits(decoder, ids)
            torch.testing.assert_close(got_V, want_TV[-1], atol=1e-4, rtol=0)
            assert (got_V - bare_V).abs().max() > 1e-2


def test_single_steps_equal_naive(kernel: NativeKernel) -> None:
    spec, weights = bodies("q4_1")
    soul, ids = random_soul(spec, seed=1), prompt(spec, 20)
    with torch.no_grad():
        want_TV = naive.logits(spec, weights, soul, ids)
    stepper, cache = kernel.stepper(spec, weights), KVCache(spec, limit=20)
    for id, want_V in zip(ids, want_TV, strict=True):
        stepper._scratch.view(torch.float32).fill_(torch.nan)
        torch.testing.assert_close(stepper.step(id, cache, soul), want_V, atol=1e-4, rtol=0)


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_any_number_of_threads_and_twice_the_same_bits(kernels: Path, threads: int) -> None:
    kernel = load_kernel(kernels, threads=threads, team="own")
    spec, weights = bodies("f32")
    soul, ids = random_soul(spec, seed=1), prompt(spec, 70)
    decoder = Decoder(spec, weights, kernel=kernel)
    decoder.soul = soul
    got_V = last_logits(decoder, ids)
    torch.testing.assert_close(
        got_V, naive.logits(spec, weights, soul, ids)[-1].detach(), atol=1e-4, rtol=0
    )
    for _ in range(5):
        assert torch.equal(last_logits(decoder, ids), got_V)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_gradients_under_autograd_equal_naive(tmp_path: Path, family: str, tied: bool) -> None:
    body = open_body(write_tiny_body(tmp_path / "body", family, tie_word_embeddings=tied))
    weights = read_weights(body)
    ids, found = prompt(body.spec, 63), []
    for use_naive in (True, False):
        soul = random_soul(body.spec, seed=1, parts=["slow"])
        leaves = [side[name].requires_grad_() for side in (soul.a, soul.b) for name in MATRICES]
        decoder = Decoder(body.spec, weights)
        if use_naive:
            logits_TV = naive.logits(body.spec, weights, soul, ids)
        else:
            decoder.soul = soul
            x_TD = decoder.run(decoder.embed.gather(torch.tensor(ids)))
            logits_TV = decoder.logits(x_TD)
        loss = naive.loss(logits_TV[:-1], Target.tokens(ids[1:])).sum()
        found.append((logits_TV.detach(), *torch.autograd.grad(loss, leaves)))
    for want, got in zip(*found, strict=True):
        # a number rounded to int8 the other way is a step of 1/127 of the largest
        atol = 0.05 * float(want.abs().max()) if family == "bitnet" else 1e-3
        torch.testing.assert_close(got, want, atol=atol, rtol=1e-4)
    assert all(bool(g.any()) for g in found[0][4:])


def test_it_may_come_change_and_go_between_two_steps(kernel: NativeKernel) -> None:
    spec, weights = bodies("q8_0")
    decoder = Decoder(spec, weights, kernel=kernel)
    ids = prompt(spec, 9)
    bare_V = last_logits(decoder, ids)
    first, second = random_soul(spec, seed=1), random_soul(spec, seed=2)
    seen = []
    for soul in (first, second, first):
        decoder.soul = soul
        seen.append(last_logits(decoder, ids))
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])
    first.change(lambda: first.b["gate"].mul_(2))
    assert not torch.equal(last_logits(decoder, ids), seen[0])
    decoder.soul = None
    assert torch.equal(last_logits(decoder, ids), bare_V)


def test_where_it_is_shut_not_one_bit_changes(kernel: NativeKernel) -> None:
    spec, weights = bodies("q4_1")
    soul, ids = random_soul(spec, seed=1), prompt(spec, 40)
    soul.change(lambda: [b[: middle_of(spec)].zero_() for b in soul.b.values()])
    shut = torch.cat([torch.zeros(8, spec.d_model), -torch.ones(8, 1)], 1)
    for decoder in (Decoder(spec, weights), Decoder(spec, weights, kernel=kernel)):
        bare_V = last_logits(decoder, ids)
        decoder.soul = soul
        for scope, is_bare in ((wide_open(8, spec.d_model), False), (shut, True)):
            soul.change(lambda scope=scope: soul.scope.copy_(scope))  # type: ignore[misc]
            assert torch.equal(last_logits(decoder, ids), bare_V) is is_bare


def test_its_scopes_may_read_another_layer(kernel: NativeKernel) -> None:
    spec, weights = bodies("q4_1")
    ids = prompt(spec, 40)
    plain, quick = Decoder(spec, weights), Decoder(spec, weights, kernel=kernel)
    seen = []
    for reads in (0, spec.n_layers - 1):
        soul = random_soul(spec, seed=1, reads=reads)
        below = [b[: spec.n_layers - 1] for b in soul.b.values()]
        soul.change(lambda below=below: [b.zero_() for b in below])  # type: ignore[misc]
        plain.soul = quick.soul = soul
        seen.append(last_logits(plain, ids))
        torch.testing.assert_close(last_logits(quick, ids), seen[-1], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(
            naive.logits(spec, weights, soul, ids)[-1], seen[-1], atol=1e-3, rtol=1e-3
        )
    assert not torch.allclose(*seen, atol=1e-3)


def test_keys_of_another_state_are_never_reused() -> None:
    spec, weights = bodies("f32")
    decoder = Decoder(spec, weights)
    token_bytes = spec.n_layers * 2 * spec.d_kv * 4
    cache = PrefixCache(
        decoder.new_cache,
        limit=300,
        token_bytes=token_bytes,
        budget_bytes=3000 * token_bytes,
        state=lambda: decoder.soul_state,
    )
    ids = prompt(spec, 40)

    def cached_tokens() -> int:
        slot = cache.take(ids, room=50)
        length = slot.kv.length
        decoder.forward(ids[length:], slot.kv)
        cache.give_back(slot)
        return length

    assert (cached_tokens(), cached_tokens()) == (0, 39)
    decoder.soul = Soul(spec)
    assert cached_tokens() == 39, "an empty soul is like none"
    decoder.soul = soul = random_soul(spec, seed=1)
    assert (cached_tokens(), cached_tokens()) == (0, 39)
    soul.change(lambda: soul.b["down"].mul_(0.5))
    assert (cached_tokens(), cached_tokens()) == (0, 39)
    decoder.soul = None
    assert cached_tokens() == 39
    slot = cache.take(ids, room=50)
    decoder.soul = soul  # in the middle of a reply
    cache.give_back(slot)
    assert cached_tokens() == 39, "the soul's own slot, not the one it came into"


def test_a_soul_of_another_shape_is_refused() -> None:
    spec, weights = bodies("f32")
    with pytest.raises(ValueError, match="beside a body"):
        Decoder(spec, weights).soul = Soul(replace(spec, d_ff=128))
    with pytest.raises(ValueError, match="ranks"):
        Soul(spec, ranks={"slow": 0})


def test_norms_are_those_of_the_dense_product() -> None:
    soul = random_soul(SPEC, seed=1)
    for name, norms_N in soul.norms().items():
        dense_NOI = soul.b[name].mT @ soul.a[name]
        torch.testing.assert_close(norms_N.float(), dense_NOI.flatten(1).norm(dim=1))
    assert all(not norms_N.any() for norms_N in Soul(SPEC).norms().values())


def test_the_same_seed_gives_the_same_soul() -> None:
    one, two, other = Soul(SPEC, seed=1), Soul(SPEC, seed=1), Soul(SPEC, seed=2)
    assert torch.equal(one.a["up"], two.a["up"]) and not torch.equal(one.a["up"], other.a["up"])
    assert abs(float(one.a["down"].std()) * SPEC.d_ff**0.5 - 1) < 0.05


def test_a_change_is_made_wholly_or_not_at_all() -> None:
    limits = norm_limits(random_body(SPEC, ALL_FORMATS, seed=0), share=0.5)
    soul = Soul(SPEC, limits=limits)
    before = soul.state

    def spoil(value: float) -> None:
        soul.a["up"].mul_(2)
        soul.b["gate"][3] = value

    fault = soul.change(lambda: spoil(float("nan")))
    assert fault is not None and fault.what == "not finite"
    fault = soul.change(lambda: spoil(10.0))
    assert fault is not None
    assert (fault.what, fault.where) == ("over the cap", "layer 3: gate")
    assert fault.value > fault.limit == pytest.approx(float(limits["gate"][3]))
    with pytest.raises(ZeroDivisionError):
        soul.change(lambda: (spoil(1.0), 1 / 0))
    fresh = Soul(SPEC)
    assert all(torch.equal(soul.a[m], fresh.a[m]) and not soul.b[m].any() for m in MATRICES)
    assert soul.state == before
    assert soul.change(lambda: spoil(1e-3)) is None
    assert soul.state != before


@pytest.mark.parametrize("first", [0, 2, 3])
def test_a_change_of_a_part_is_looked_at_where_it_is(first: int) -> None:
    soul = random_soul(SPEC, seed=1)
    soul.limits = {m: norms_N.mul(1.1) for m, norms_N in soul.norms().items()}
    kept, before = {m: soul.b[m].clone() for m in MATRICES}, soul.state
    for value, what in ((float("nan"), "not finite"), (1.0, "over the cap")):
        fast = soul.tensors("fast")["gate.b"][3]
        fault = soul.change(partial(fast.fill_, value), part="fast", first=first)
        assert fault is not None and fault.what == what
        assert fault.where in ("", "layer 3: gate")
        assert all(torch.equal(soul.b[m], kept[m]) for m in MATRICES) and soul.state == before
    assert soul.change(partial(fast.mul_, 1.01), part="fast", first=first) is None
    assert soul.state != before and not torch.equal(soul.b["gate"], kept["gate"])


def test_on_another_device_it_is_kept_until_it_changes() -> None:
    soul, device = random_soul(SPEC, seed=1), torch.device("meta")
    pairs = [soul.pair(1, "gate", device) for _ in range(2)]
    assert pairs[0] is not None and pairs[1] is not None
    assert pairs[0][0].device == device and pairs[0][0].shape == soul.a["gate"][1].shape
    assert all(a is b for a, b in zip(*pairs, strict=True))
    x_TD = torch.ones(3, SPEC.d_model, device=device)
    some_TR = soul.opening(x_TD)
    assert some_TR is not None and some_TR.shape[1] == len(pairs[0][0])
    assert soul.change(lambda: soul.b["gate"].mul_(2)) is None
    changed = soul.pair(1, "gate", device)
    assert changed is not None and not any(a is b for a, b in zip(pairs[0], changed, strict=True))


def test_reset_empties_one_part() -> None:
    soul = random_soul(SPEC, seed=1)
    slow = {key: t.clone() for key, t in soul.tensors("slow").items()}
    assert soul.used == slice(0, 8)
    soul.reset("fast", seed=4)
    assert soul.used == slice(0, 3)
    assert all(torch.equal(t, slow[key]) for key, t in soul.tensors("slow").items())
    assert not soul.tensors("fast")["up.b"].any() and soul.tensors("fast")["up.a"].any()
    soul.reset("slow", seed=5)
    assert soul.state is None
