"""The programs that run on the GPU. Importing this imports Triton: ``load`` does, nobody else.

Matrices lie as ``layout`` says. Legend: T tokens, R rows (out features), C columns (in features),
N bases, W words of a row (and base), each of 16 codes of 2 bits.
"""

from __future__ import annotations

import triton
import triton.language as tl

CHUNK_WORDS = tl.constexpr(8)  # 128 columns, of a ternary matrix
CHUNK_BYTES = tl.constexpr(32)
GROUP_WORDS = tl.constexpr(4)  # 64 columns that share scales, of a sum of ternary matrices
LOW_CODES = tl.constexpr(0x03030303)  # the lowest code of every byte of a word
SMALLEST = tl.constexpr(1e-5)  # these three as in ``sould.engine.ternary``
LARGEST = tl.constexpr(127.0)
LEAST = tl.constexpr(-128.0)
TO_WHOLE = tl.constexpr(12582912.0)  # 1.5 · 2²³: what is added to it becomes a whole number
LOW_HALF = tl.constexpr(0xFFFF)  # of a word: 8 codes
WHOLE = tl.constexpr(8388608.0)  # 2²³: floats from there on are the whole numbers, and their lowest
WHOLE_BITS = tl.constexpr(0x4B000000)  # bits count them


@triton.jit
def round_rows(
    x_ptr,
    whole_ptr,
    sum_ptr,
    step_ptr,
    cols,
    padded,
    BLOCK: tl.constexpr,
):
    """Write every token as int8, zeros up to padded columns; their sum, and what one is worth.

    To the bit ``ternary.rounded``, as long as no product is fused with a sum. What is not finite
    makes the worth NaN: in whole numbers it could not be told.
    """
    token = tl.program_id(0).to(tl.int64)
    largest_B = tl.full([BLOCK], SMALLEST, tl.float32)
    for start in range(0, padded, BLOCK):
        col_B = start + tl.arange(0, BLOCK)
        x_B = tl.load(x_ptr + token * cols + col_B, mask=col_B < cols, other=0.0)
        largest_B = tl.maximum(largest_B, tl.abs(x_B.to(tl.float32)))
    largest = tl.max(largest_B, 0)
    factor = tl.math.div_rn(1.0, largest) * LARGEST
    sum_B = tl.zeros([BLOCK], tl.int32)
    broken_B = tl.zeros([BLOCK], tl.int32)
    for start in range(0, padded, BLOCK):
        col_B = start + tl.arange(0, BLOCK)
        x_B = tl.load(x_ptr + token * cols + col_B, mask=col_B < cols, other=0.0)
        exact_B = x_B.to(tl.float32) * factor
        broken_B += (exact_B != exact_B).to(tl.int32)
        whole_B = (exact_B + TO_WHOLE) - TO_WHOLE  # halves to the even number
        whole_B = tl.minimum(tl.maximum(whole_B, LEAST), LARGEST).to(tl.int32)
        sum_B += whole_B
        tl.store(whole_ptr + token * padded + col_B, whole_B.to(tl.int8), mask=col_B < padded)
    step = tl.math.div_rn(largest, LARGEST)
    step = tl.where(tl.sum(broken_B, 0) > 0, float("nan"), step)
    tl.store(sum_ptr + token, tl.sum(sum_B, 0))
    tl.store(step_ptr + token, step)


@triton.jit
def _dot4(codes, x, total, IS_PTX: tl.constexpr):
    """Return the total and the products of four unsigned bytes with four signed ones."""
    if IS_PTX:
        total = tl.inline_asm_elementwise(
            "dp4a.u32.s32 $0, $1, $2, $3;",
            "=r,r,r,r",
            [codes, x, total],
            dtype=tl.int32,
            is_pure=True,
            pack=1,
        )
    else:
        for i in tl.static_range(4):
            total += ((codes >> (8 * i)) & 3) * ((x << (24 - 8 * i)) >> 24)
    return total


@triton.jit
def ternary_matvec(
    x_ptr,
    sum_ptr,
    step_ptr,
    code_ptr,
    scale_ptr,
    y_ptr,
    rows,
    WORDS: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_W: tl.constexpr,
    IS_PTX: tl.constexpr,
):
    """Multiply BLOCK_R rows with one token; a row is split between threads.

    ``x_ptr``: int8, four to a word. Codes are one more than weights: the token's sum is taken off.
    """
    row_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    safe_R1 = tl.minimum(row_R, rows - 1)[:, None]
    token = tl.program_id(1)
    x_ptr += token * (4 * WORDS) + tl.zeros([BLOCK_R, 1], tl.int32)  # as wide as the codes are
    total_RW = tl.zeros([BLOCK_R, BLOCK_W], tl.int32)
    for start in tl.static_range(0, WORDS, BLOCK_W):
        word_1W = (start + tl.arange(0, BLOCK_W))[None, :]
        is_row_1W = word_1W < WORDS
        codes_RW = tl.load(code_ptr + safe_R1 * WORDS + word_1W, mask=is_row_1W, other=0)
        first_1W = word_1W // CHUNK_WORDS * (4 * CHUNK_WORDS) + word_1W % CHUNK_WORDS
        for lane in tl.static_range(4):
            x_RW = tl.load(x_ptr + (first_1W + lane * CHUNK_WORDS), mask=is_row_1W, other=0)
            total_RW = _dot4((codes_RW >> (2 * lane)) & LOW_CODES, x_RW, total_RW, IS_PTX)
    sum_R = tl.sum(total_RW, 1) - tl.load(sum_ptr + token)
    is_row_R = row_R < rows
    worth_R = tl.load(step_ptr + token) * tl.load(scale_ptr + row_R, mask=is_row_R, other=0.0)
    y_R = sum_R.to(tl.float32) * worth_R
    tl.store(y_ptr + token * rows + row_R, y_R.to(y_ptr.dtype.element_ty), mask=is_row_R)


@triton.jit
def _low_codes(packed, IS_PTX: tl.constexpr):
    """Return the lowest code of every byte, as int8."""
    if IS_PTX:  # four bytes at a time: Triton by itself takes them one by one
        return tl.inline_asm_elementwise(
            "and.b32 $0, $1, 0x03030303;", "=r,r", [packed], dtype=tl.int8, is_pure=True, pack=4
        )
    else:
        return (packed & 3).to(tl.int8)


@triton.jit
def _next_codes(packed, IS_PTX: tl.constexpr):
    """Move the next code of every byte to the lowest place; what lies above does not matter."""
    if IS_PTX:
        return tl.inline_asm_elementwise(
            "shr.b32 $0, $1, 2;", "=r,r", [packed], dtype=tl.uint8, is_pure=True, pack=4
        )
    else:
        return packed >> 2


@triton.jit(do_not_specialize=["tokens"])
def ternary_tiles(
    x_ptr,
    sum_ptr,
    step_ptr,
    code_ptr,
    scale_ptr,
    y_ptr,
    tokens,
    rows,
    row_bytes,
    BLOCK_T: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    IS_PTX: tl.constexpr,
):
    """Multiply BLOCK_R rows with BLOCK_T tokens: tiles of int8, unpacked on the way.

    ``code_ptr``: uint8, ``row_bytes`` to a row. The four codes of a byte are 32 columns apart, so
    BLOCK_B bytes are as many columns, four times.
    """
    row_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    token_T = tl.program_id(1) * BLOCK_T + tl.arange(0, BLOCK_T)
    codes_1R = code_ptr + tl.minimum(row_R, rows - 1)[None, :].to(tl.int64) * row_bytes
    x_T1 = x_ptr + tl.minimum(token_T, tokens - 1)[:, None].to(tl.int64) * (4 * row_bytes)
    total_TR = tl.zeros([BLOCK_T, BLOCK_R], tl.int32)
    for start in range(0, row_bytes, BLOCK_B):
        byte_B = start + tl.arange(0, BLOCK_B)
        is_row_B = byte_B < row_bytes
        packed_BR = tl.load(codes_1R + byte_B[:, None], mask=is_row_B[:, None], other=0)
        first_B = byte_B // CHUNK_BYTES * (4 * CHUNK_BYTES) + byte_B % CHUNK_BYTES
        for lane in tl.static_range(4):
            col_1B = (first_B + lane * CHUNK_BYTES)[None, :]
            x_TB = tl.load(x_T1 + col_1B, mask=is_row_B[None, :], other=0)
            codes_BR = _low_codes(packed_BR, IS_PTX)
            total_TR = tl.dot(x_TB, codes_BR, total_TR, out_dtype=tl.int32)
            packed_BR = _next_codes(packed_BR, IS_PTX)
    is_token_T, is_row_R = token_T < tokens, row_R < rows
    sum_T = tl.load(sum_ptr + token_T, mask=is_token_T, other=0)
    step_T = tl.load(step_ptr + token_T, mask=is_token_T, other=0.0)
    scale_R = tl.load(scale_ptr + row_R, mask=is_row_R, other=0.0)
    y_TR = (total_TR - sum_T[:, None]).to(tl.float32) * (step_T[:, None] * scale_R[None, :])
    place_TR = token_T[:, None].to(tl.int64) * rows + row_R[None, :]
    is_there_TR = is_token_T[:, None] & is_row_R[None, :]
    tl.store(y_ptr + place_TR, y_TR.to(y_ptr.dtype.element_ty), mask=is_there_TR)


@triton.jit
def order_rows(x_ptr, out_ptr, cols, words, BLOCK: tl.constexpr):
    """Write every token in the order of the codes of a sum of ternary matrices, f32 (T, 16, W):
    what the lowest code of every word is multiplied with, then the second, …

    The j-th of half a word is 4ʲ times too small, since the code is as much too large.
    """
    token = tl.program_id(0).to(tl.int64)
    place_B = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    k_B, word_B = place_B // words, place_B % words
    byte_B, lane_B = k_B // 4, k_B % 4
    col_B = word_B // 4 * 64 + word_B % 4 // 2 * 32 + lane_B * 8 + word_B % 2 * 4 + byte_B
    x_B = tl.load(x_ptr + token * cols + col_B, mask=col_B < cols, other=0.0).to(tl.float32)
    share_B = ((127 - 2 * (k_B % 8)) << 23).to(tl.float32, bitcast=True)
    tl.store(out_ptr + token * (16 * words) + place_B, x_B * share_B, mask=k_B < 16)


@triton.jit
def bases_matvec(
    x_ptr,
    code_ptr,
    scale_ptr,
    y_ptr,
    rows,
    N: tl.constexpr,
    WORDS: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_W: tl.constexpr,
):
    """Multiply BLOCK_R rows with one token, in f32; a row is split between threads.

    ``x_ptr``: as ``order_rows`` leaves it. A code is made a float where it lies: its bits are
    the lowest of a whole number, so it comes out 4ʲ times as large, of which the token knows.
    """
    row_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    safe_R1 = tl.minimum(row_R, rows - 1)[:, None]
    token = tl.program_id(1)
    x_ptr += token * (16 * WORDS) + tl.zeros([BLOCK_R, 1], tl.int32)
    total_RW = tl.zeros([BLOCK_R, BLOCK_W], tl.float32)
    for start in tl.static_range(0, WORDS, BLOCK_W):
        word_1W = (start + tl.arange(0, BLOCK_W))[None, :]
        is_row_1W = word_1W < WORDS
        for n in tl.static_range(N):
            row_n_R1 = safe_R1 * N + n
            codes_RW = tl.load(code_ptr + row_n_R1 * WORDS + word_1W, mask=is_row_1W, other=0)
            group_RW = row_n_R1 * (WORDS // GROUP_WORDS) + word_1W // GROUP_WORDS
            scale_RW = tl.load(scale_ptr + group_RW, mask=is_row_1W, other=0.0).to(tl.float32)
            part_RW = tl.zeros([BLOCK_R, BLOCK_W], tl.float32)
            for half in tl.static_range(2):
                half_RW = ((codes_RW >> (16 * half)) & LOW_HALF) | WHOLE_BITS
                for j in tl.static_range(8):
                    place_1W = (8 * half + j) * WORDS + word_1W
                    x_RW = tl.load(x_ptr + place_1W, mask=is_row_1W, other=0.0)
                    bits_RW = half_RW & (WHOLE_BITS | (3 << (2 * j)))
                    whole_RW = bits_RW.to(tl.float32, bitcast=True)
                    part_RW += (whole_RW - (WHOLE + (1 << (2 * j)))) * x_RW
            total_RW += part_RW * scale_RW
    y_R = tl.sum(total_RW, 1)
    tl.store(y_ptr + token * rows + row_R, y_R.to(y_ptr.dtype.element_ty), mask=row_R < rows)


@triton.jit
def ternary_dense(
    code_ptr,
    scale_ptr,
    out_ptr,
    rows,
    cols,
    row_bytes,
    BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Write the weights of BLOCK_R rows, BLOCK_C columns."""
    row_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    col_C = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    byte_C = col_C // 128 * CHUNK_BYTES + col_C % CHUNK_BYTES
    lane_C = col_C % 128 // CHUNK_BYTES
    is_there_RC = (row_R < rows)[:, None] & (col_C < cols)[None, :]
    row_R1 = row_R[:, None].to(tl.int64)
    packed_RC = tl.load(code_ptr + row_R1 * row_bytes + byte_C[None, :], mask=is_there_RC, other=0)
    sign_RC = ((packed_RC >> (2 * lane_C)[None, :]) & 3).to(tl.float32) - 1.0
    scale_R = tl.load(scale_ptr + row_R, mask=row_R < rows, other=0.0)
    dense_RC = (sign_RC * scale_R[:, None]).to(out_ptr.dtype.element_ty)
    tl.store(out_ptr + row_R1 * cols + col_C[None, :], dense_RC, mask=is_there_RC)


@triton.jit
def bases_dense(
    code_ptr,
    scale_ptr,
    out_ptr,
    rows,
    cols,
    groups,
    N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Write the weights of BLOCK_R rows, BLOCK_C columns."""
    row_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    col_C = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    byte_C = col_C // 32 * 8 + col_C % 8
    lane_C = col_C % 32 // 8
    is_there_RC = (row_R < rows)[:, None] & (col_C < cols)[None, :]
    row_R1 = row_R[:, None].to(tl.int64)
    dense_RC = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    for n in tl.static_range(N):
        first_R1 = (row_R1 * N + n) * groups
        packed_RC = tl.load(code_ptr + first_R1 * 16 + byte_C[None, :], mask=is_there_RC, other=0)
        sign_RC = ((packed_RC >> (2 * lane_C)[None, :]) & 3).to(tl.float32) - 1.0
        scale_RC = tl.load(scale_ptr + first_R1 + col_C[None, :] // 64, mask=is_there_RC, other=0.0)
        dense_RC += sign_RC * scale_RC.to(tl.float32)
    dense_RC = dense_RC.to(out_ptr.dtype.element_ty)
    tl.store(out_ptr + row_R1 * cols + col_C[None, :], dense_RC, mask=is_there_RC)
