// Products of packed matrices with f32 vectors, exact f32 arithmetic: weights are unpacked in
// registers, activations are never rounded. Ternary matrices are multiplied in ternary.c.
#include "kernel.h"

#define PREFETCH_BYTES 4096  // ahead: the processor stops at page ends, and runs are short; 8 %
#if LANES == 8
#define TILE_TOKENS 4    // 16 registers hold 8 sums, the weights and an input
#else
#define TILE_TOKENS 8
#endif

#define BASES BASES1  // one code for all of them: how many bases is a number like any other
static const int64_t block_bytes[] = {[Q4_1] = 20, [Q8_0] = 34, [BF16] = 64, [F16] = 64,
                                      [F32] = 128};

// Of n bases: their f16 scales, and twice, for one block, 8 bytes for each base: bits 2l and
// 2l + 1 of byte j hold column 8 l + j, as one more than -1, 0 or 1.
INLINE int64_t group_bytes(int n) { return 18 * n; }

INLINE int count_bases(const Matrix *m) { return (int)m->format - BASES1 + 1; }

// Where block b of a row lies; of a group of n bases, the codes of its half.
INLINE const uint8_t *block_at(int format, int n, const uint8_t *row, int64_t b) {
    if (format != BASES) return row + b * block_bytes[format];
    return row + (b >> 1) * group_bytes(n) + 2 * n + (b & 1) * (8 * n);
}

int64_t row_bytes(const Matrix *m) {
    if (m->format == TERNARY) return ternary_row_bytes(m->cols);
    if (m->format >= BASES1)
        return (m->cols + GROUP - 1) / GROUP * group_bytes(count_bases(m));
    return m->cols / BLOCK * block_bytes[m->format] +
           m->cols % BLOCK * (block_bytes[m->format] / BLOCK);
}

// The sum over n bases, each a scale times -1, 0 or 1.
INLINE void unpack_bases(int n, const uint8_t *scales, const uint8_t *codes, int lane, vf *low,
                         vf *high) {
    *low = *high = (vf){0};
    for (int k = 0; k < n; k++) {
        float d = half_at(scales + 2 * k);
#if LANES == 16
        // vpermps reads 4 bits of a lane, of which the upper two are another weight's: the table
        // says the same for all of these.
        (void)lane;
        long long eight;
        memcpy(&eight, codes + 8 * k, 8);
        vi q = (vi)_mm512_cvtepu8_epi32(_mm_set1_epi64x(eight)) >>
               (vi){0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2};
        vf values = (vf){-1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0} * d;
        *low += (vf)_mm512_permutexvar_ps((__m512i)q, (__m512)values);
        *high += (vf)_mm512_permutexvar_ps((__m512i)(q >> 4), (__m512)values);
#else
        vi q = widen_u8(codes + 8 * k + lane % 8) >> (lane / 8 * 2);
        *low += to_float((q & 3) - 1) * d;
        *high += to_float((q >> 4 & 3) - 1) * d;
#endif
    }
}

// Weights [lane, lane + LANES) and [lane + 16, lane + 16 + LANES) of block b of a row.
// n: bases of a weight, of the format that has them.
INLINE void unpack(int format, int n, const uint8_t *row, int64_t b, int lane, vf *low, vf *high) {
    const uint8_t *p = block_at(format, n, row, b);
    switch (format) {
    case BASES:
        unpack_bases(n, row + (b >> 1) * group_bytes(n), p, lane, low, high);
        break;
    case Q4_1: {
#if LANES == 16
        // All sixteen values d q + m at once, then looked up: vpermps reads 4 bits of a lane,
        // so nibbles need no mask and no conversion. 15 % faster than the twin below.
        int32_t pair;
        memcpy(&pair, p, 4);
        __m128 dm = _mm_cvtph_ps(_mm_cvtsi32_si128(pair));
        vf d = (vf)_mm512_broadcastss_ps(dm), m = (vf)_mm512_broadcastss_ps(_mm_movehdup_ps(dm));
        vf values = (vf){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} * d + m;
        vi q = widen_u8(p + 4);
        *low = (vf)_mm512_permutexvar_ps((__m512i)q, (__m512)values);
        *high = (vf)_mm512_permutexvar_ps((__m512i)(q >> 4), (__m512)values);
#else
        float d = half_at(p), m = half_at(p + 2);
        vi q = widen_u8(p + 4 + lane);
        *low = to_float(q & 15) * d + m;
        *high = to_float(q >> 4) * d + m;
#endif
        break;
    }
    case Q8_0: {
        float d = half_at(p);
        *low = to_float(widen_i8(p + 2 + lane)) * d;
        *high = to_float(widen_i8(p + 18 + lane)) * d;
        break;
    }
    case BF16:
        *low = (vf)(widen_u16(p + 2 * lane) << 16);
        *high = (vf)(widen_u16(p + 2 * lane + 32) << 16);
        break;
    case F16:
        *low = widen_f16(p + 2 * lane);
        *high = widen_f16(p + 2 * lane + 32);
        break;
    default:
        *low = load((const float *)p + lane);
        *high = load((const float *)p + lane + 16);
    }
}

// Weight i of a row, of a format whose rows may end within a block.
INLINE float scalar(int format, int n, const uint8_t *p, int64_t i) {
    uint16_t half;
    float whole;
    if (format == BASES) {
        int j = (int)(i % BLOCK);
        const uint8_t *scales = p + i / GROUP * group_bytes(n);
        const uint8_t *codes = block_at(format, n, p, i / BLOCK);
        float total = 0;
        for (int k = 0; k < n; k++)
            total += (float)((codes[8 * k + j % 8] >> (j / 8 * 2) & 3) - 1) * half_at(scales + 2 * k);
        return total;
    }
    if (format == F32) {
        memcpy(&whole, p + 4 * i, 4);
        return whole;
    }
    memcpy(&half, p + 2 * i, 2);
    return format == F16 ? half_to_float(half) : bits_to_float((uint32_t)half << 16);
}

// Products of one row with `tokens` vectors, a constant after inlining: every sum has its
// register. One row at a time, in the order of memory: two rows side by side reuse the inputs
// but lose the prefetcher, which from main memory costs a factor of two to three.
INLINE void dot(int format, const Product *job, int64_t row, int tokens, const float *x, float *y) {
    const Matrix *m = job->matrix;
    const int64_t blocks = m->cols / BLOCK, stride = job->x_stride;
    const int n = count_bases(m);
    const uint8_t *w = (const uint8_t *)m->data + row * row_bytes(m);
    vf low_sums[TILE_TOKENS], high_sums[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) low_sums[t] = high_sums[t] = (vf){0};
    for (int64_t b = 0; b < blocks; b++)
        UNROLL for (int lane = 0; lane < 16; lane += LANES) {
            vf low, high;
            if (lane == 0) __builtin_prefetch(block_at(format, n, w, b) + PREFETCH_BYTES);
            unpack(format, n, w, b, lane, &low, &high);
            UNROLL for (int t = 0; t < tokens; t++) {
                const float *at = x + t * stride + b * BLOCK + lane;
                low_sums[t] += low * load(at);
                high_sums[t] += high * load(at + 16);
            }
        }
    UNROLL for (int t = 0; t < tokens; t++) {
        float total = sum(low_sums[t] + high_sums[t]) + (job->bias ? job->bias[row] : 0.0f);
        for (int64_t i = blocks * BLOCK; i < m->cols; i++)
            total += scalar(format, n, w, i) * x[t * stride + i];
        float *out = y + t * job->y_stride + row;
        *out = job->add ? *out + total : total;
    }
}

INLINE void multiply_as(int format, const Product *job, int64_t first, int64_t last) {
    for (int64_t t = 0; t < job->tokens; t += TILE_TOKENS) {
        const float *x = job->x + t * job->x_stride;
        float *y = job->y + t * job->y_stride;
        int64_t left = job->tokens - t;
        if (left == 1)
            for (int64_t r = first; r < last; r++) dot(format, job, r, 1, x, y);
        else if (left == 2)
            for (int64_t r = first; r < last; r++) dot(format, job, r, 2, x, y);
        else if (left <= 4)
            for (int64_t r = first; r < last; r++) dot(format, job, r, 4, x, y);
        else
            for (int64_t r = first; r < last; r++) dot(format, job, r, TILE_TOKENS, x, y);
    }
}

void multiply(const Product *job, int64_t first, int64_t last) {
    switch (job->matrix->format) {
    case Q4_1: multiply_as(Q4_1, job, first, last); break;
    case Q8_0: multiply_as(Q8_0, job, first, last); break;
    case BF16: multiply_as(BF16, job, first, last); break;
    case F16: multiply_as(F16, job, first, last); break;
    case TERNARY: ternary_multiply(job, first, last); break;
    case F32: multiply_as(F32, job, first, last); break;
    default: multiply_as(BASES, job, first, last);
    }
}

INLINE void unpack_rows(int format, const Matrix *m, int64_t first, int64_t last, float *out) {
    const int64_t stride = row_bytes(m), blocks = m->cols / BLOCK;
    const int n = count_bases(m);
    for (int64_t r = first; r < last; r++, out += m->cols) {
        const uint8_t *w = (const uint8_t *)m->data + r * stride;
        for (int64_t b = 0; b < blocks; b++)
            UNROLL for (int lane = 0; lane < 16; lane += LANES) {
                vf low, high;
                unpack(format, n, w, b, lane, &low, &high);
                store(out + b * BLOCK + lane, low);
                store(out + b * BLOCK + lane + 16, high);
            }
        for (int64_t i = blocks * BLOCK; i < m->cols; i++) out[i] = scalar(format, n, w, i);
    }
}

void unpack_to(const Matrix *m, int64_t first, int64_t last, float *out) {
    switch (m->format) {
    case Q4_1: unpack_rows(Q4_1, m, first, last, out); break;
    case Q8_0: unpack_rows(Q8_0, m, first, last, out); break;
    case BF16: unpack_rows(BF16, m, first, last, out); break;
    case F16: unpack_rows(F16, m, first, last, out); break;
    case TERNARY:
        for (int64_t r = first; r < last; r++, out += m->cols) ternary_unpack(m, r, 0, m->cols, out);
        break;
    case F32: unpack_rows(F32, m, first, last, out); break;
    default: unpack_rows(BASES, m, first, last, out);
    }
}

INLINE void unpack_blocks_as(int format, const Matrix *m, int64_t first, int64_t last,
                             int64_t block, float *out) {
    const int64_t stride = row_bytes(m), rest = m->cols - block * BLOCK;
    const uint8_t *w = (const uint8_t *)m->data + first * stride;
    const int n = count_bases(m);
    for (int64_t r = first; r < last; r++, w += stride, out += BLOCK) {
        if (rest < BLOCK) {
            for (int64_t i = 0; i < BLOCK; i++)
                out[i] = i < rest ? scalar(format, n, w, block * BLOCK + i) : 0;
            continue;
        }
        UNROLL for (int lane = 0; lane < 16; lane += LANES) {
            vf low, high;
            unpack(format, n, w, block, lane, &low, &high);
            store(out + lane, low);
            store(out + lane + 16, high);
        }
    }
}

void unpack_blocks(const Matrix *m, int64_t first, int64_t last, int64_t block, float *out) {
    switch (m->format) {
    case Q4_1: unpack_blocks_as(Q4_1, m, first, last, block, out); break;
    case Q8_0: unpack_blocks_as(Q8_0, m, first, last, block, out); break;
    case BF16: unpack_blocks_as(BF16, m, first, last, block, out); break;
    case F16: unpack_blocks_as(F16, m, first, last, block, out); break;
    case TERNARY:
        for (int64_t r = first; r < last; r++, out += BLOCK)
            ternary_unpack(m, r, block * BLOCK, BLOCK, out);
        break;
    case F32: unpack_blocks_as(F32, m, first, last, block, out); break;
    default: unpack_blocks_as(BASES, m, first, last, block, out);
    }
}

typedef struct {
    Product product;
    float *out;  // unpack to, or NULL
    Team *team;
    atomic_long next_vector, next;
} Shared;

#define ITEM_ROWS 32

static void share(void *arg, int me, int n) {
    (void)me;
    Shared *s = arg;
    const Matrix *m = s->product.matrix;
    if (m->format == TERNARY && !s->out) {
        const Rounded *r = &s->product.rounded;
        for (int64_t t; (t = atomic_fetch_add(&s->next_vector, 1)) < s->product.tokens;)
            round_vector(s->product.x + t * m->cols, m->cols, r->whole + t * r->stride,
                         r->steps + t, r->sums + t);
        team_wait(s->team, n);
    }
    for (int64_t first; (first = atomic_fetch_add(&s->next, 1) * ITEM_ROWS) < m->rows;) {
        int64_t last = first + ITEM_ROWS < m->rows ? first + ITEM_ROWS : m->rows;
        if (s->out) unpack_to(m, first, last, s->out + first * m->cols);
        else multiply(&s->product, first, last);
    }
}

// Bytes that matmul needs to round its input.
EXPORT int64_t rounding_bytes(const Matrix *m, int64_t tokens) {
    if (m->format != TERNARY) return 0;
    return tokens * (rounded_stride(m->cols) + (int64_t)sizeof(float) + (int64_t)sizeof(int32_t));
}

// y (tokens, rows) = x (tokens, cols) matrix^T, both contiguous, with room as Product says.
EXPORT void matmul(Team *team, const Matrix *m, const float *x, float *y, int64_t tokens,
                   void *scratch) {
    Shared s = {.product = {.matrix = m, .x = x, .y = y, .tokens = tokens, .x_stride = m->cols,
                            .y_stride = m->rows}, .team = team};
    Rounded *r = &s.product.rounded;
    r->stride = rounded_stride(m->cols);
    r->whole = scratch;
    r->steps = (float *)(r->whole + tokens * r->stride);
    r->sums = (int32_t *)(r->steps + tokens);
    team_run(team, share, &s);
}

// The whole matrix as f32, (rows, cols).
EXPORT void dense(Team *team, const Matrix *m, float *out) {
    Shared s = {.product = {.matrix = m}, .out = out};
    team_run(team, share, &s);
}
