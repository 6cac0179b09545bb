"""Bring a body into memory, ready to answer."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import psutil
import torch
from msgspec.structs import replace

from soul_client.wire import LoadedBody, Progress
from sould.bridge import Load
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.choices import Choice, choose_device
from sould.engine.decoder import Decoder, GpuKernel
from sould.engine.kernel import NativeKernel
from sould.engine.kernel.build import KernelUnavailable, find_compiler
from sould.engine.kernels import choose_cpu_kernel, choose_gpu_kernel
from sould.engine.memory import FLOAT_BYTES, BodyLike, token_bytes
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.ternary import Hold, dense, packed
from sould.engine.native.weights import read_model
from sould.engine.pacing import Pacer
from sould.engine.plan import Machine, Plan, make_plan, replies_from
from sould.engine.prefixcache import PrefixCache
from sould.engine.read_weights import read_weights
from sould.engine.runner import Runner
from sould.engine.soul.weights import MatrixName, norm_limits
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from sould.engine.unpack import unpack
from sould.engine.weights import BodyWeights, Weight
from sould.errors import Cancelled, DeviceUnavailable

log = logging.getLogger(__name__)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Tell = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Body:
    """A loaded body. ``parallel``: replies it has memory for at the same time.

    ``vocab_size``: of the tokenizer; the embedding may be padded beyond it. ``ends``: tokens
    that end a reply, which are all control tokens: a body that begins another turn has said
    its own, and nothing it says is hidden from the user. ``soul_limits``: of each matrix, the
    norm that a soul's share may have; of a native body, none.
    """

    tokenizer: Tokenizer
    template: ChatTemplate
    decoder: Runner
    prefixes: PrefixCache
    pacer: Pacer
    vocab_size: int
    parameters: int
    ends: frozenset[int]
    context_tokens: int
    parallel: int
    summary: LoadedBody
    soul_limits: Mapping[MatrixName, torch.Tensor]


def load(request: Load, *, should_stop: Callable[[], bool], tell: Tell) -> Body:
    """Load a body within the budgets of ``request``. Blocks; ``tell`` hears of progress.

    Raises:
        BodyInvalid: a file of it is wrong.
        DeviceUnavailable: a device, dtype or kernel asked for by name is not there.
        NoMemory: it does not fit.
        Cancelled: ``should_stop`` said so.
    """
    started_s = time.perf_counter()
    progress = _Progress(should_stop, tell)
    file = open_body(Path(request.path))
    request = _as_native(request) if file.spec.ttt else request
    plan = make_plan(file, request, look_at_machine(file, request))
    torch.set_num_threads(plan.threads)
    running = (_run_native if file.spec.ttt else _run_packed)(file, request, plan, progress)
    decoder = running.decoder
    progress.say("checking")
    fingerprint = file.fingerprint(Path(request.cache_dir))
    progress.say("loading", note="warming up")
    _warm_up(decoder)
    tokenizer = Tokenizer.of(file)
    template = ChatTemplate(file, tokenizer)
    gc.freeze()  # torch's million objects need not be looked at in every full collection
    load_s = time.perf_counter() - started_s
    summary = _summarise(request, plan, file.family, running, fingerprint, load_s)
    limits = running.limits()
    return _new_body(summary, tokenizer, template, decoder, plan, file.parameters, limits)


def look_at_machine(body: BodyLike, request: Load) -> Machine:
    """Gather the facts a plan depends on. A GPU is only woken if it may be used.

    Raises:
        DeviceUnavailable: one was asked for that is not there.
    """
    n_cuda = torch.cuda.device_count() if request.device != "cpu" else 0
    has_compiler = _has_compiler()
    quick = replies_from(body, request, has_compiler=has_compiler)
    device = choose_device(request.device, n_cuda, replies_from=quick)
    index = device.value.partition(":")[2]
    is_there = bool(index)
    cpus = os.cpu_count() or 1
    has_affinity = hasattr(os, "sched_getaffinity")
    return Machine(
        n_cuda=n_cuda,
        has_bf16=is_there and torch.cuda.is_bf16_supported(),
        free_vram_bytes=torch.cuda.mem_get_info(int(index))[0] if is_there else 0,
        cores=psutil.cpu_count(logical=False) or cpus,
        allowed_cpus=len(os.sched_getaffinity(0)) if has_affinity else cpus,
        own_bytes=resident_bytes(),
        has_compiler=has_compiler,
    )


def _has_compiler() -> bool:
    try:
        find_compiler()
    except KernelUnavailable:
        return False
    return True


def resident_bytes() -> int:
    """Return what this process takes of the RAM, mapped files included."""
    return int(psutil.Process().memory_info().rss)


def gpu_bytes() -> int:
    """Return what this process has reserved on all GPUs."""
    n_cuda = torch.cuda.device_count()
    return sum(torch.cuda.memory_reserved(i) for i in range(n_cuda))


class _Progress:
    """Passes progress on, at most a hundred times a stage, and raises where work should stop."""

    def __init__(self, should_stop: Callable[[], bool], tell: Tell) -> None:
        self._should_stop = should_stop
        self._tell = tell
        self._last = Progress(stage="")

    def say(self, stage: str, done: int = 0, total: int = 0, *, note: str = "") -> None:
        """Report.

        Raises:
            Cancelled: the load should stop.
        """
        if self._should_stop():
            raise Cancelled("loading was stopped")
        last = self._last
        is_small_step = (stage, note) == (last.stage, last.note) and done - last.done < total / 100
        if not is_small_step or done == total:
            self._last = Progress(stage=stage, done=done, total=total, note=note)
            self._tell(self._last)


@dataclass(frozen=True, kw_only=True)
class _Running:
    """A body that can run. ``limits``: of souls' shares; ``reasons``: of what was chosen."""

    decoder: Runner
    kernel: Literal["native", "triton", "torch"]
    limits: Callable[[], Mapping[MatrixName, torch.Tensor]]
    reasons: list[str]


def _run_packed(file: BodyFile, request: Load, plan: Plan, progress: _Progress) -> _Running:
    """Read the weights of a transformer, packed as they are."""
    progress.say("loading", note="preparing the kernel")
    kernel: Choice[NativeKernel | None] = Choice(None, "")
    gpu: Choice[GpuKernel | None] = Choice(None, "")
    if plan.placement.n_gpu:
        gpu = choose_gpu_kernel(file.tensors.values(), request, plan)
    else:
        kernel = choose_cpu_kernel(request, plan)
    weights = read_weights(
        file,
        dtype=_DTYPES.get(plan.dtypes.held),
        on_progress=lambda done, total: progress.say("loading", done, total),
    )
    if kernel.value is None and plan.device == "cpu":
        weights = unpack(weights, spare_bytes=plan.spare_bytes)
    dense = kernel.value.dense if kernel.value else Weight.dense
    return _Running(
        decoder=_new_decoder(file, weights, plan, kernel.value, gpu.value),
        kernel="native" if kernel.value else "triton" if gpu.value else "torch",
        limits=lambda: norm_limits(weights, dense=dense),
        reasons=[kernel.reason or gpu.reason, *weights.notes],
    )


def _run_native(file: BodyFile, request: Load, plan: Plan, progress: _Progress) -> _Running:
    """Read a body of TTT layers, and make its weights ternary."""
    progress.say("loading", note="preparing the kernel")
    kernel = choose_cpu_kernel(request, plan)
    held = _choose_hold(file, plan, kernel.value)
    model = read_model(
        file,
        hold=held.value,
        on_progress=lambda done, total: progress.say("loading", done, total),
    )
    return _Running(
        decoder=NativeDecoder(model),
        kernel="native" if kernel.value else "torch",
        limits=dict,
        reasons=[kernel.reason, held.reason],
    )


def _choose_hold(file: BodyFile, plan: Plan, kernel: NativeKernel | None) -> Choice[Hold]:
    """Choose what ternary weights are held as: without a kernel in f32, if there is the memory."""
    extra = sum(4 * prod(t.shape) for t in file.tensors.values() if t.bases)
    if kernel is None and extra <= plan.spare_bytes:
        why = f"weights in float32, up to {extra / 1e6:,.0f} MB: torch is quicker so"
        return Choice(dense, why)
    return Choice(packed(kernel), "weights stay ternary, in 2 bits each")


def _as_native(request: Load) -> Load:
    """Return how a body of TTT layers is loaded: on the CPU, in f32.

    Raises:
        DeviceUnavailable: something else was asked for by name.
    """
    chosen = {"device": "cpu", "dtype": "float32"}
    for key, value in chosen.items():
        if (asked := getattr(request, key)) not in ("auto", value):
            raise DeviceUnavailable(
                f"{key} {asked} was asked for; bodies of TTT layers run with {value}",
                f"set body.{key} to auto",
            )
    return replace(request, **chosen)


def _new_decoder(
    file: BodyFile,
    weights: BodyWeights,
    plan: Plan,
    kernel: NativeKernel | None,
    gpu: GpuKernel | None,
) -> Decoder:
    return Decoder(
        file.spec,
        weights,
        devices=[torch.device(name) for name in plan.placement.devices(plan.device)],
        dtype=_DTYPES[plan.dtypes.computed],
        kernel=kernel,
        gpu=gpu,
        unpacked=plan.is_unpacked,
    )


def _warm_up(decoder: Runner) -> None:
    """Compute a token: so mapped weights are read now, and what fails does not fail later."""
    decoder.forward([0], decoder.new_cache(1))


def _summarise(
    request: Load,
    plan: Plan,
    family: str,
    running: _Running,
    fingerprint: str,
    load_s: float,
) -> LoadedBody:
    return LoadedBody(
        name=request.name,
        family=family,
        fingerprint=fingerprint,
        device=plan.device,
        dtype=plan.dtypes.computed,
        kernel=running.kernel,
        threads=plan.threads,
        context_tokens=plan.context_tokens,
        memory_bytes=resident_bytes() + gpu_bytes(),
        load_s=load_s,
        reasons=[*plan.reasons, *running.reasons],
    )


def _new_body(
    summary: LoadedBody,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    decoder: Runner,
    plan: Plan,
    parameters: int,
    limits: Mapping[MatrixName, torch.Tensor],
) -> Body:
    spec = decoder.spec
    per_token = token_bytes(spec, FLOAT_BYTES[plan.dtypes.computed])
    highest = max(tokenizer.backend.get_vocab(with_added_tokens=True).values())
    return Body(
        tokenizer=tokenizer,
        template=template,
        decoder=decoder,
        prefixes=PrefixCache(
            decoder.new_cache,
            limit=plan.context_tokens,
            token_bytes=per_token,
            budget_bytes=plan.conversations * plan.context_tokens * per_token,
            state=lambda: decoder.soul_state,
        ),
        pacer=Pacer(),
        vocab_size=min(spec.vocab_size, highest + 1),
        parameters=parameters,
        ends=tokenizer.control_ids | tokenizer.special.eos,
        context_tokens=plan.context_tokens,
        parallel=plan.conversations,
        summary=summary,
        soul_limits=limits,
    )
