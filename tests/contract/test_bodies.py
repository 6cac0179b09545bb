"""One suite over every body family: same logits as transformers, however they are asked for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from sould.engine.bodies import FAMILIES as ALL_FAMILIES
from sould.engine.bodyfile import open_body
from sould.engine.decoder import SCRATCH_WEIGHTS, Decoder
from sould.engine.kvcache import KVCache
from sould.engine.read_weights import read_weights
from sould.engine.soul.weights import Soul
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, Weight
from tests.fakes.reference import ROUNDED, reference_model
from tests.fakes.tiny_body import write_tiny_body
from tests.fakes.tiny_gguf import GGUF_VOCABULARY, write_tiny_gguf

FAMILIES = tuple(key for key in ALL_FAMILIES if key != "bit_ttt")  # transformers has not
LENGTHS = (1, 2, 63, 64, 65, 150)
TOLERANCE = 5e-5  # f32, two layers, logits up to 5

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
YARN_FULL = {
    "rope_type": "yarn",
    "rope_theta": 500.0,
    "factor": 3.0,
    "original_max_position_embeddings": 100,
    "beta_fast": 16,
    "beta_slow": 2,
    "mscale": 1.2,
    "mscale_all_dim": 0.8,
    "truncate": False,
}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES),
    *((family, {"tie_word_embeddings": False}) for family in FAMILIES),
    ("llama", {"num_key_value_heads": 4}),
    ("llama", {"num_key_value_heads": 1}),
    ("llama", {"num_attention_heads": 3, "num_key_value_heads": 1, "hidden_size": 48}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    ("llama", {"rope_scaling": LLAMA3}),
    ("llama", {"rope_parameters": YARN_FULL}),
    ("mistral", {"sliding_window": 13}),
    ("qwen2", {"rope_scaling": YARN}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
    ("qwen3", {"attention_bias": True}),
    (
        "qwen3",
        {
            "use_sliding_window": True,
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
]


def open_decoder(path: Path, **options: Any) -> Decoder:
    body = open_body(path)
    return Decoder(body.spec, read_weights(body), **options)


def logits_of(decoder: Decoder, ids: list[int], cache: KVCache | None = None) -> Tensor:
    logits = decoder.forward(ids, cache or decoder.new_cache(len(ids)), want="all")
    assert logits is not None
    return logits


def tolerance_of(family: str) -> float:
    return ROUNDED if family == "bitnet" else TOLERANCE


def some_ids(count: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count,), generator=generator).tolist()


def reference_logits(folder: Path, ids: list[int]) -> Tensor:
    return reference_model(folder)(ids)


@pytest.mark.parametrize(("family", "config"), CASES)
def test_logits_equal_those_of_transformers(
    tmp_path: Path, family: str, config: dict[str, Any]
) -> None:
    write_tiny_body(tmp_path, family, **config)
    decoder, tolerance = open_decoder(tmp_path), tolerance_of(family)
    ids = some_ids(max(LENGTHS))
    expected = reference_logits(tmp_path, ids)
    for length in LENGTHS:
        torch.testing.assert_close(
            logits_of(decoder, ids[:length]), expected[:length], atol=tolerance, rtol=0
        )


@pytest.mark.parametrize(("family", "config"), CASES)
@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunks_and_single_tokens_equal_one_go(
    tmp_path: Path, family: str, config: dict[str, Any], chunk: int
) -> None:
    decoder = open_decoder(write_tiny_body(tmp_path, family, **config))
    ids = some_ids(90)
    cache = decoder.new_cache(len(ids))
    parts = [logits_of(decoder, ids[i : i + chunk], cache) for i in range(0, len(ids), chunk)]
    atol = tolerance_of(family)
    torch.testing.assert_close(torch.cat(parts), logits_of(decoder, ids), atol=atol, rtol=0)
    assert cache.tokens == ids


def test_want_chooses_what_is_returned(tmp_path: Path) -> None:
    decoder = open_decoder(write_tiny_body(tmp_path))
    ids = some_ids(20)
    everything = logits_of(decoder, ids)
    last = decoder.forward(ids, decoder.new_cache(20))
    assert last is not None
    torch.testing.assert_close(last, everything[-1], atol=TOLERANCE, rtol=0)
    cache = decoder.new_cache(20)
    assert decoder.forward(ids[:19], cache, want="none") is None
    assert cache.tokens == ids[:19]


def test_going_back_in_the_cache_forgets_what_came_after(tmp_path: Path) -> None:
    decoder = open_decoder(write_tiny_body(tmp_path))
    ids = some_ids(30)
    cache = decoder.new_cache(40)
    logits_of(decoder, [*ids[:10], *some_ids(20, seed=1)], cache)
    cache.truncate(10)
    resumed = logits_of(decoder, ids[10:], cache)
    torch.testing.assert_close(resumed, logits_of(decoder, ids)[10:], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("ids", [[], [-1], [259], [5, 10**9]])
def test_ids_outside_of_the_vocabulary_are_refused(tmp_path: Path, ids: list[int]) -> None:
    decoder = open_decoder(write_tiny_body(tmp_path))
    cache = decoder.new_cache(10)
    with pytest.raises(ValueError, match="ids, expected some, from 0 to 258"):
        decoder.forward(ids, cache)
    assert cache.tokens == []


def test_more_tokens_than_the_limit_are_refused(tmp_path: Path) -> None:
    decoder = open_decoder(write_tiny_body(tmp_path))
    cache = decoder.new_cache(10)
    with pytest.raises(ValueError, match="11 tokens do not fit a context of 10"):
        decoder.forward(some_ids(11), cache)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "bitnet"])
def test_a_gguf_file_gives_the_logits_of_its_folder(tmp_path: Path, family: str) -> None:
    folder = write_tiny_body(tmp_path / "hf", family, vocab_size=GGUF_VOCABULARY)
    file = write_tiny_gguf(tmp_path / "body.gguf", family)
    ids = some_ids(50)
    torch.testing.assert_close(
        logits_of(open_decoder(file), ids),
        logits_of(open_decoder(folder), ids),
        atol=TOLERANCE,
        rtol=0,
    )


def test_gguf_rope_settings_equal_those_of_the_folder(tmp_path: Path) -> None:
    """The same scaling, said in the words of either format, gives the same frequencies."""
    plain = open_body(write_tiny_body(tmp_path / "plain")).spec.inv_freq
    llama3 = open_body(write_tiny_body(tmp_path / "llama3", rope_scaling=LLAMA3)).spec
    factors = np.array([p / f for p, f in zip(plain, llama3.inv_freq, strict=True)], np.float32)
    pairs: list[tuple[BodySpec, dict[str, Any]]] = [
        (llama3, {"extra_tensors": {"rope_freqs.weight": factors}}),
        (
            open_body(
                write_tiny_body(tmp_path / "l", rope_scaling={"type": "linear", "factor": 4.0})
            ).spec,
            {"extra": {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}},
        ),
        (
            open_body(write_tiny_body(tmp_path / "yarn", rope_scaling=YARN)).spec,
            {
                "extra": {
                    "llama.rope.scaling.type": "yarn",
                    "llama.rope.scaling.factor": 4.0,
                    "llama.rope.scaling.original_context_length": 64,
                }
            },
        ),
    ]
    for n, (expected, options) in enumerate(pairs):
        spec = open_body(write_tiny_gguf(tmp_path / f"{n}.gguf", **options)).spec
        assert spec.inv_freq == pytest.approx(expected.inv_freq, rel=1e-6)
        assert spec.rope_scale == pytest.approx(expected.rope_scale)


class CountingKernel:
    """Unpacks as the reference does; ``fails_at`` counts down to an error."""

    def __init__(self, fails_at: int = -1) -> None:
        self.fails_at = fails_at
        self.stepped: list[list[int]] = []
        self.unpacked = 0

    def dense(self, weight: Weight, out: Tensor | None = None) -> Tensor:
        self.unpacked += 1
        if self.unpacked == self.fails_at:
            raise MemoryError("no room")
        assert out is not None
        return out.copy_(weight.dense())

    def stepper(self, spec: BodySpec, weights: BodyWeights) -> CountingKernel:
        self.inner = Decoder(spec, weights)
        return self

    def step_many(self, tokens: list[int], cache: KVCache, soul: Soul | None = None) -> Tensor:
        assert soul is None
        self.stepped.append(list(tokens))
        logits = self.inner.forward(tokens, cache)
        assert logits is not None
        return logits


def test_a_kernel_steps_unless_all_logits_are_wanted(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf", kind="Q8_0")
    kernel = CountingKernel()
    decoder, plain = open_decoder(file, kernel=kernel), open_decoder(file)
    ids = some_ids(60)
    cache, plain_cache = decoder.new_cache(200), plain.new_cache(200)
    chunks: list[tuple[list[int], Literal["last", "all"]]] = [
        (ids[:40], "all"),
        (ids[40:], "last"),
        (ids[:1], "last"),
    ]
    for chunk, want in chunks:
        torch.testing.assert_close(
            decoder.forward(chunk, cache, want=want),
            plain.forward(chunk, plain_cache, want=want),
            atol=TOLERANCE,
            rtol=0,
        )
    assert kernel.stepped == [ids[40:], ids[:1]]
    assert kernel.unpacked == 2 * 7 + 1


def test_a_forward_that_fails_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf", kind="Q8_0")
    ids = some_ids(100)
    decoder = open_decoder(file, kernel=CountingKernel(fails_at=15 + 9))
    cache = decoder.new_cache(200)
    decoder.forward(ids[:50], cache, want="all")
    with pytest.raises(MemoryError):
        decoder.forward(some_ids(50, seed=1), cache, want="all")
    assert cache.tokens == ids[:50]
    resumed = logits_of(decoder, ids[50:], cache)
    torch.testing.assert_close(resumed, logits_of(open_decoder(file), ids)[50:])


def test_wide_matrices_are_unpacked_in_parts(tmp_path: Path) -> None:
    wide = SCRATCH_WEIGHTS // 64 + 32
    sizes: dict[str, Any] = {"num_hidden_layers": 1, "intermediate_size": wide}
    file = write_tiny_gguf(tmp_path / "body.gguf", kind="Q8_0", **sizes)
    kernel = CountingKernel()
    ids = some_ids(3)
    torch.testing.assert_close(
        logits_of(open_decoder(file, kernel=kernel), ids), logits_of(open_decoder(file), ids)
    )
    assert kernel.unpacked == 4 + 3 * 2 + 1


def test_gradients_flow_through_packed_weights(tmp_path: Path) -> None:
    """Values and gradients equal those of the same body with its weights made dense."""
    file = write_tiny_gguf(tmp_path / "body.gguf", kind="Q4_1")
    packed = open_decoder(file, kernel=CountingKernel())
    dense = open_decoder(file)
    gradients: list[Tensor] = []
    for decoder in (packed, dense):
        x_TD = decoder.embed.gather(torch.tensor(some_ids(20))).requires_grad_()
        if decoder is dense:
            decoder.layers = [_made_dense(layer) for layer in decoder.layers]
        logits_TV = decoder.logits(decoder.run(x_TD))
        gradients += torch.autograd.grad(logits_TV.logsumexp(-1).sum(), x_TD)
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0


def test_half_precision_activations_come_close(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path)
    ids = some_ids(40)
    exact = logits_of(open_decoder(folder), ids)
    body = open_body(folder)
    weights = read_weights(body, dtype=torch.bfloat16)
    half = Decoder(body.spec, weights, dtype=torch.bfloat16)
    assert half.new_cache(10).k[0].dtype == torch.bfloat16
    assert logits_of(half, ids).dtype == torch.float32
    assert (logits_of(half, ids) - exact).abs().mean() < 0.05


def test_one_device_for_every_layer_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 devices for 2 layers"):
        open_decoder(write_tiny_body(tmp_path), devices=[torch.device("cpu")])


@pytest.mark.gpu
def test_layers_split_over_devices_give_the_same_logits(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    folder = write_tiny_body(tmp_path)
    ids = some_ids(40)
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    expected = logits_of(open_decoder(folder), ids)
    for devices in ([cuda, cuda], [cuda, cpu], [cpu, cuda]):
        split = open_decoder(folder, devices=devices)
        torch.testing.assert_close(logits_of(split, ids).cpu(), expected, atol=1e-3, rtol=0)


def test_masks_hide_the_future_and_what_left_the_window(tmp_path: Path) -> None:
    """A token changes the logits of those that may look at it, and of no others."""
    decoder = open_decoder(write_tiny_body(tmp_path, "mistral", sliding_window=5))
    ids = some_ids(30)
    changed = [*ids[:10], (ids[10] + 1) % 256, *ids[11:]]
    moved = (logits_of(decoder, ids) - logits_of(decoder, changed)).abs().amax(-1)
    reach = 10 + 2 * (5 - 1)  # two layers look back four tokens each
    assert moved[:10].max() == 0
    assert moved[10 : reach + 1].min() > 0
    assert moved[reach + 1 :].max() == 0
    assert math.isfinite(moved.sum())


def _made_dense(layer: Any) -> Any:
    parts = {
        name: Weight("f32", part.dense(), part.rows, part.cols)
        if isinstance(part, Weight)
        else part
        for name, part in vars(layer).items()
    }
    return type(layer)(**parts)
