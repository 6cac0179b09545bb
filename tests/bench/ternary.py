"""Ternary bodies of the size of BitNet b1.58 2B: products against memory bandwidth, and decoding
and memory against llama.cpp, both on the same random GGUF file.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import gguf
import numpy as np
import psutil
import torch
from gguf import GGMLQuantizationType

from sould.engine.arena import Arena
from sould.engine.bodyfile import open_body
from sould.engine.kernel import NativeKernel, load_kernel
from sould.engine.kernel.selftest import random_weight
from sould.engine.read_weights import read_weights
from tests.bench import decode
from tests.bench.bandwidth import Memory
from tests.bench.rivals import compare
from tests.bench.table import ROOT, Env, Row
from tests.fakes.tiny_body import SPECIAL, byte_alphabet

D, FF, LAYERS, HEADS, KV_HEADS, VOCABULARY = 2560, 6912, 30, 20, 5, 128_256
KV = D // HEADS * KV_HEADS
SHAPES = {
    "attn_q": (D, D),
    "attn_k": (KV, D),
    "attn_v": (KV, D),
    "attn_output": (D, D),
    "ffn_gate": (FF, D),
    "ffn_up": (FF, D),
    "ffn_down": (D, FF),
}
WEIGHTS = LAYERS * sum(rows * cols for rows, cols in SHAPES.values())
COPIES, ROUNDS = 10, 15  # of a layer, 170 MB: no cache holds them
DECODE_ROUNDS = 5
BANDWIDTH_BAR, DECODE_BAR, MEMORY_BAR = 0.6, 1.2, 1.1


def run(env: Env) -> list[Row]:
    torch.set_num_threads(env.threads)
    rows = products(env)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT) as folder:
        body = write_body(Path(folder) / "bitnet-2b.gguf")
        rows.append(memory(body))
        shapes = f"{decode.DECODED} tokens after {decode.PROMPT}, TQ2_0, head Q8_0"
        name = "ternary decode, 2B-shaped"
        rival = replace(env, body=body)
        rows += compare(
            rival,
            name,
            decode.tokens_per_second,
            rounds=DECODE_ROUNDS,
            bar=DECODE_BAR,
            shapes=shapes,
        )
    return rows


def products(env: Env) -> list[Row]:
    """One token through the matrices of some layers, in turn with reading memory alone."""
    kernel, reading = load_kernel(env.cache_dir, threads=env.threads), Memory(env.threads)
    arena = Arena()  # where weights that were read are
    one = [random_weight("ternary", rows, cols, seed=0) for rows, cols in SHAPES.values()]
    layers = [replace(w, data=arena.keep(w.data)) for _ in range(COPIES) for w in one]
    size = sum(weight.nbytes for weight in layers)
    inputs = {cols: torch.randn(cols) for cols in (D, FF)}
    pairs = []
    for _ in range(ROUNDS):
        bandwidth = reading.bytes_per_second()
        started_s = time.perf_counter()
        for weight in layers:
            kernel.matvec(weight, inputs[weight.cols])
        pairs.append((bandwidth, size / (time.perf_counter() - started_s)))
    share = statistics.median(product / bandwidth for bandwidth, product in pairs)
    note = f"hidden {D}, ffn {FF}, one token; median of {ROUNDS} in turn"
    return [
        Row(
            name=f"memory read, {env.threads} threads",
            value=statistics.median(bandwidth for bandwidth, _ in pairs) / 1e9,
            unit="GB/s",
        ),
        Row(
            name="ternary matrix–vector / memory read",
            value=share,
            unit="×",
            bar=f"≥ {BANDWIDTH_BAR:g}",
            ok=share >= BANDWIDTH_BAR,
            note=note,
        ),
        prefill(kernel),
    ]


def prefill(kernel: NativeKernel) -> Row:
    """Many tokens at once, against the same product through f32."""
    weight = random_weight("ternary", FF, D, seed=0)
    x_TC, ratios = torch.randn(64, D), []
    for _ in range(ROUNDS):
        started_s = time.perf_counter()
        kernel.matvec(weight, x_TC)
        middle_s = time.perf_counter()
        kernel.gemm(x_TC, weight)
        ratios.append((time.perf_counter() - middle_s) / (middle_s - started_s))
    note = f"64 tokens, {FF} × {D}; median of {ROUNDS} in turn"
    return Row(
        name="ternary products of 64 tokens / through f32",
        value=statistics.median(ratios),
        unit="×",
        note=note,
    )


def memory(body: Path) -> Row:
    """What reading a body adds to a process, against 2 bits a weight and the rest as it is."""
    others = sum(t.nbytes for t in open_body(body).tensors.values() if not t.is_ternary)
    packed = WEIGHTS / 4 + others
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        ratio = fresh.submit(_bytes_taken, body).result() / packed
    note = f"{packed / 1e6:,.0f} MB packed, {body.stat().st_size / 1e6:,.0f} MB as a file"
    return Row(
        name="ternary body in memory / packed",
        value=ratio,
        unit="×",
        bar=f"≤ {MEMORY_BAR:g}",
        ok=ratio <= MEMORY_BAR,
        note=note,
    )


def _bytes_taken(body: Path) -> int:
    """Read a body here, where nothing was read before; return what memory that took."""
    file, process = open_body(body), psutil.Process()
    before = process.memory_info().rss
    weights = read_weights(file)
    taken = process.memory_info().rss - before
    del weights
    return taken


def write_body(path: Path) -> Path:
    """Write random weights of the real shape; layers differ in place, not in numbers."""
    writer = gguf.GGUFWriter(path, "bitnet")
    writer.add_context_length(4096)
    writer.add_embedding_length(D)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FF)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500_000.0)
    writer.add_vocab_size(VOCABULARY)
    _add_vocabulary(writer)
    rng = np.random.default_rng(0)
    _add_embedding(writer, rng)
    matrices = {name: _ternary(rng, *shape) for name, shape in SHAPES.items()}
    norms = {"attn_norm": D, "attn_sub_norm": D, "ffn_norm": D, "ffn_sub_norm": FF}
    for i in range(LAYERS):
        for name, size in norms.items():
            writer.add_tensor(f"blk.{i}.{name}.weight", np.ones(size, np.float32))
        for name, raw in matrices.items():
            kind = GGMLQuantizationType.TQ2_0
            writer.add_tensor(f"blk.{i}.{name}.weight", raw, raw_dtype=kind)
    writer.add_tensor("output_norm.weight", np.ones(D, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    known = [*byte_alphabet(), *SPECIAL, "he"]
    unused = [f"<unused {n}>" for n in range(VOCABULARY - len(known))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*known, *unused])
    writer.add_token_types([1] * 256 + [3] * len(SPECIAL) + [1] + [5] * len(unused))
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)


def _add_embedding(writer: gguf.GGUFWriter, rng: np.random.Generator) -> None:
    blocks = np.empty((VOCABULARY, D // 32, 34), np.uint8)
    blocks[..., :2] = np.array([1 / 64 / 127], np.float16).view(np.uint8)
    blocks[..., 2:] = rng.integers(0, 256, (VOCABULARY, D // 32, 32), np.uint8)
    raw = blocks.reshape(VOCABULARY, -1)
    writer.add_tensor("token_embd.weight", raw, raw_dtype=GGMLQuantizationType.Q8_0)


def _ternary(rng: np.random.Generator, rows: int, cols: int) -> np.ndarray:
    codes = np.array(
        [sum(d << 2 * i for i, d in enumerate(four)) for four in np.ndindex(3, 3, 3, 3)]
    )
    blocks = np.empty((rows, cols // 256, 66), np.uint8)
    blocks[..., :64] = codes.astype(np.uint8)[
        rng.integers(0, 81, (rows, cols // 256, 64), np.uint8)
    ]
    blocks[..., 64:] = np.array([cols**-0.5], np.float16).view(np.uint8)
    return blocks.reshape(rows, -1)
