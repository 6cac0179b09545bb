"""Compile the Triton programs for GPUs that need not be there: ``python -m … 80 90``.

The interpreter, which other tests run them with, takes much that no compiler would. Prints a line
for each program: its name, its constants and the bytes of shared memory it takes.
"""

from __future__ import annotations

import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sould.engine.triton_kernel import programs
from sould.engine.triton_kernel.launch import TILES, rows_of

TYPES = {
    "whole_ptr": "*i8",
    "sum_ptr": "*i32",
    "step_ptr": "*fp32",
    "y_ptr": "*bf16",
    "out_ptr": "*bf16",
}
NOT_BY_16 = ("tokens",)
ROWS, COLS, PROCESSORS = 2560, 6912, 100


def compile_program(name: str, capability: int, types: dict[str, str], **constants: Any) -> None:
    """Compile for a device of this capability.

    Raises:
        triton.errors.TritonError, RuntimeError: it is not to be compiled.
    """
    program = getattr(programs, name)
    options = {key: constants.pop(key) for key in ("num_warps",) if key in constants}
    names = program.arg_names
    known = TYPES | types
    signature = {n: "constexpr" if n in constants else known.get(n, "i32") for n in names}
    by_16 = {(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if n not in NOT_BY_16}
    source = ASTSource(
        fn=program,
        signature=signature,
        constexprs={(names.index(n),): value for n, value in constants.items()},
        attrs={at: attr for at, attr in by_16.items() if names[at[0]] not in constants},
    )
    target = GPUTarget("cuda", capability, 32)
    options |= {"enable_fp_fusion": name == "bases_matvec"}
    compiled = triton.compile(source, target=target, options=options)
    print(capability, name, constants, compiled.metadata.shared, flush=True)


def compile_all(capability: int) -> None:
    words, group_words = -(-COLS // 128) * 8, -(-COLS // 64) * 4
    cut = rows_of(ROWS, words, PROCESSORS)
    blocks = {"BLOCK_R": cut.rows, "BLOCK_W": cut.words, "num_warps": cut.warps}
    compile_program("round_rows", capability, {"x_ptr": "*bf16"}, BLOCK=4096, num_warps=8)
    types = {"x_ptr": "*i32", "code_ptr": "*i32", "scale_ptr": "*fp32"}
    compile_program("ternary_matvec", capability, types, WORDS=words, IS_PTX=True, **blocks)
    types = {"x_ptr": "*i8", "code_ptr": "*u8", "scale_ptr": "*fp32"}
    for tokens, rows, warps in TILES:
        tile = {"BLOCK_T": tokens, "BLOCK_R": rows, "BLOCK_B": 64, "num_warps": warps}
        compile_program("ternary_tiles", capability, types, IS_PTX=True, **tile)
    dense = {"BLOCK_R": 4, "BLOCK_C": 512}
    compile_program("ternary_dense", capability, types, **dense)
    compile_program("order_rows", capability, {"x_ptr": "*bf16", "out_ptr": "*fp32"}, BLOCK=1024)
    types = {"x_ptr": "*fp32", "code_ptr": "*i32", "scale_ptr": "*fp16"}
    for n in (1, 3):
        compile_program("bases_matvec", capability, types, N=n, WORDS=group_words, **blocks)
    types = {"code_ptr": "*u8", "scale_ptr": "*fp16"}
    compile_program("bases_dense", capability, types, N=2, **dense)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        compile_all(int(word))
