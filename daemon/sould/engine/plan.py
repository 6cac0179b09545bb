"""Work out how a body will be run, before a byte of its weights is read. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from soul_client.wire import MemoryEstimate
from sould.bridge import Load
from sould.engine import memory
from sould.engine.choices import (
    Choice,
    Dtypes,
    Placement,
    choose_device,
    choose_dtypes,
    choose_threads,
    place_layers,
)
from sould.engine.formats.stored import StoredTensor
from sould.engine.memory import FLOAT_BYTES, BodyLike
from sould.errors import NoMemory

# What the first tensor on a GPU brings along: CUDA's context, library handles, unpacked weights.
GPU_RUNTIME_BYTES = 768 << 20
# What is left to lessons and nights there before anything is unpacked.
GPU_LEARNING_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts a plan depends on. VRAM is that of the device that would be taken.

    ``allowed_cpus``: those this process may run on; ``own_bytes``: what it takes already.
    ``has_compiler``: for the CPU's kernel.
    """

    n_cuda: int
    has_bf16: bool
    free_vram_bytes: int
    cores: int
    allowed_cpus: int
    own_bytes: int
    has_compiler: bool = True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a body will be run. ``conversations``: full ones there is memory for.

    ``spare_bytes``: of the RAM budget, left over. ``is_unpacked``: what is on the GPU is held
    dense.
    """

    device: str
    dtypes: Dtypes
    threads: int
    context_tokens: int
    conversations: int
    placement: Placement
    spare_bytes: int
    is_unpacked: bool
    reasons: tuple[str, ...]


def make_plan(body: BodyLike, request: Load, machine: Machine) -> Plan:
    """Choose device, dtypes, threads, context and the place of each layer, within the budgets.

    Raises:
        DeviceUnavailable: what was asked for by name is not there.
        NoMemory: not even one conversation fits, or no layer fits the GPU that was asked for.
    """
    context = _choose_context(body, request)
    threads = choose_threads(request.threads, cores=machine.cores, allowed=machine.allowed_cpus)
    quick = replies_from(body, request, has_compiler=machine.has_compiler)
    device = choose_device(request.device, machine.n_cuda, replies_from=quick)
    if device.value == "cpu":
        layout = _on_cpu(body, request, machine, context.value, device)
    else:
        layout = _on_gpu(body, request, machine, context.value, device)
    if not layout.needed.fits:
        raise _no_memory(request.name, layout.needed, context.value)
    return Plan(
        device=layout.device.value,
        dtypes=layout.dtypes.value,
        threads=threads.value,
        context_tokens=context.value,
        conversations=layout.conversations,
        placement=layout.placement.value,
        spare_bytes=layout.needed.budget_bytes - layout.needed.total_bytes,
        is_unpacked=bool(layout.unpacking and layout.unpacking.value),
        reasons=(
            *layout.reasons,
            threads.reason,
            context.reason,
            f"full conversations there is room for: {layout.conversations} of {request.parallel}",
        ),
    )


def replies_from(body: BodyLike, request: Load, *, has_compiler: bool) -> int | None:
    """Return the bytes that a CPU goes through for a token of a reply, None without a kernel for
    what is packed.
    """
    has_kernel = request.kernel != "torch" and has_compiler
    return memory.held_bytes(body.tensors.values()) if has_kernel else None


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What goes where. ``needed``: of the RAM. ``unpacking``: of what is on a GPU, if it can be."""

    device: Choice[str]
    dtypes: Choice[Dtypes]
    placement: Choice[Placement]
    conversations: int
    needed: MemoryEstimate
    unpacking: Choice[bool] | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        chosen = (self.device, self.placement, self.dtypes, self.unpacking)
        return tuple(choice.reason for choice in chosen if choice is not None)


def _on_cpu(
    body: BodyLike, request: Load, machine: Machine, context: int, device: Choice[str]
) -> _Layout:
    needed = memory.estimate(
        body,
        context_tokens=context,
        dtype=request.dtype,
        parallel=request.parallel,
        budget_bytes=_ram_budget(request, machine),
    )
    n_layers = body.spec.n_layers
    return _Layout(
        device=device,
        dtypes=choose_dtypes(request.dtype, "cpu", has_bf16=False),
        placement=Choice(Placement(n_layers, 0, 0), f"layers: all {n_layers} on the CPU"),
        conversations=needed.cache_bytes // (context * memory.token_bytes(body.spec)),
        needed=needed,
    )


def _on_gpu(
    body: BodyLike, request: Load, machine: Machine, context: int, device: Choice[str]
) -> _Layout:
    """Fill the GPU; without room for a single layer there, "auto" goes on with the CPU."""
    dtypes = choose_dtypes(request.dtype, device.value, has_bf16=machine.has_bf16)
    sizes = _Sizes.of(body, dtypes.value, context)
    budget = request.vram_budget_bytes or int(memory.AUTO_SHARE_OF_FREE * machine.free_vram_bytes)
    placed, conversations = sizes.fill(budget, request.parallel)
    if placed.n_gpu == 0:
        smallest = sizes.fixed + sizes.layers[-1] + sizes.conversation // placed.n_layers
        why = f"one layer takes {_mb(smallest)} on {device.value}, the VRAM budget is {_mb(budget)}"
        if request.device != "auto":
            raise NoMemory(why, "set a smaller body.context_tokens, or body.device: auto")
        return _on_cpu(body, request, machine, context, Choice("cpu", f"device cpu: {why}"))
    where = f"layers: all {placed.n_layers} on {device.value}"
    if placed.n_gpu < placed.n_layers:
        where = (
            f"layers: the last {placed.n_gpu} on {device.value}, which fills the VRAM budget of "
            f"{_mb(budget)}; the first {placed.n_layers - placed.n_gpu} on the CPU"
        )
    return _Layout(
        device=device,
        dtypes=dtypes,
        placement=Choice(placed, where),
        conversations=conversations,
        needed=sizes.needed_beside(placed, conversations, _ram_budget(request, machine)),
        unpacking=sizes.unpacking(placed, budget, dtypes.value),
    )


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Bytes of a body's parts on a GPU. ``fixed``: what comes with the first layer there.
    ``unpacked``: what each layer takes more if it is held dense, the head last.
    """

    layers: tuple[int, ...]
    unpacked: tuple[int, ...]
    embed: int
    fixed: int
    conversation: int
    scratch: int

    @classmethod
    def of(cls, body: BodyLike, dtypes: Dtypes, context: int) -> _Sizes:
        def named(*prefixes: str) -> list[StoredTensor]:
            return [t for role, t in body.tensors.items() if role.startswith(prefixes)]

        def held(*prefixes: str) -> int:
            return memory.held_bytes(named(*prefixes), dtypes.held)

        spec = body.spec
        layers = [f"layers.{i}." for i in range(spec.n_layers)]
        head = "embed" if spec.tied else "head"
        value_bytes = FLOAT_BYTES[dtypes.computed]
        return cls(
            layers=tuple(map(held, layers)),
            unpacked=tuple(
                memory.unpacked_bytes(named(part), value_bytes) for part in (*layers, head)
            ),
            embed=held("embed"),
            fixed=GPU_RUNTIME_BYTES + held(head, "final_norm"),
            conversation=context * memory.token_bytes(spec, value_bytes),
            scratch=memory.scratch_bytes(spec, context),
        )

    def fill(self, budget: int, parallel: int) -> tuple[Placement, int]:
        """Place layers, with room for as many conversations as let all of them fit, or for one."""
        for count in range(parallel, 0, -1):
            share = count * self.conversation // len(self.layers)
            placed = place_layers(
                [size + share for size in self.layers],
                fixed_bytes=self.fixed,
                embed_bytes=self.embed,
                budget_bytes=budget,
            )
            if placed.n_gpu == placed.n_layers:
                break
        return placed, count

    def unpacking(self, placed: Placement, budget: int, dtypes: Dtypes) -> Choice[bool] | None:
        """Say whether what is placed on the GPU is held dense; None: there is nothing to unpack."""
        extra = sum(self.unpacked[-placed.n_gpu - 1 :])
        spare = budget - placed.gpu_bytes - GPU_LEARNING_BYTES
        if not extra:
            return None
        if extra > spare:
            return Choice(
                False,
                f"weights stay packed: as {dtypes.computed} they take {_mb(extra)} more, the VRAM "
                f"budget leaves {_mb(max(0, spare))} beside lessons; torch unpacks them for every "
                "product",
            )
        return Choice(
            True, f"weights unpacked to {dtypes.computed} ({_mb(extra)}): the GPU is quicker so"
        )

    def needed_beside(self, placed: Placement, conversations: int, budget: int) -> MemoryEstimate:
        """Estimate the RAM for what is not on the GPU."""
        n_cpu = placed.n_layers - placed.n_gpu
        weights = sum(self.layers[:n_cpu]) + (self.embed if n_cpu else 0)
        cache = conversations * self.conversation * n_cpu // placed.n_layers
        total = weights + cache + self.scratch
        return MemoryEstimate(
            weights_bytes=weights,
            cache_bytes=cache,
            scratch_bytes=self.scratch,
            total_bytes=total,
            budget_bytes=budget,
            fits=total <= budget,
        )


def _choose_context(body: BodyLike, request: Load) -> Choice[int]:
    tokens = memory.choose_context(body.spec, request.context_tokens)
    known = body.spec.context_max
    if request.context_tokens is None:
        why = "all the body knows" if tokens == known else f"enough for most; it knows {known}"
    elif tokens < request.context_tokens:
        why = f"all the body knows; {request.context_tokens} were asked for"
    else:
        why = "asked for"
    return Choice(tokens, f"context {tokens} tokens: {why}")


def _ram_budget(request: Load, machine: Machine) -> int:
    return request.memory_budget_bytes or memory.auto_budget_bytes(machine.own_bytes)


def _no_memory(name: str, needed: MemoryEstimate, context: int) -> NoMemory:
    return NoMemory(
        f"body {name!r} needs {_mb(needed.total_bytes)} ({_mb(needed.weights_bytes)} for weights, "
        f"{_mb(needed.cache_bytes)} for a conversation of {context} tokens, "
        f"{_mb(needed.scratch_bytes)} to work with), the budget is {_mb(needed.budget_bytes)}",
        "set a smaller body.context_tokens, take a smaller body, or raise body.memory_budget",
    )


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
