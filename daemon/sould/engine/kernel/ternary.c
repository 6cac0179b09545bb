// Products of ternary matrices with vectors rounded to int8: sums of whole numbers, exact, and
// one factor at the end. The same bits as the reference (engine/ternary.py) on every processor.
//
// A row is an f32 scale and 32 bytes for every 128 columns, column 32 l + j in bits 2l and
// 2l + 1 of byte j, as one more than the weight. So a sum of codes times inputs is one of
// weights times inputs and of the inputs alone; the latter is taken once for a vector.
#include <math.h>

#include "kernel.h"

#define PREFETCH_BYTES 4096
#define TILE_TOKENS 4
#define WIDEN 16  // chunks whose sums fit 16 bits: of each 4 codes of up to 2 times 2 inputs of 128

int64_t ternary_row_bytes(int64_t cols) {
    return (int64_t)sizeof(float) + (cols + CHUNK - 1) / CHUNK * CHUNK_BYTES;
}

int64_t rounded_stride(int64_t cols) { return (cols + CHUNK - 1) / CHUNK * CHUNK; }

static const uint8_t *row_at(const Matrix *m, int64_t row) {
    return (const uint8_t *)m->data + row * ternary_row_bytes(m->cols);
}

static float scale_at(const uint8_t *row) {
    float scale;
    memcpy(&scale, row, sizeof scale);
    return scale;
}

void round_vector(const float *x, int64_t n, int8_t *whole, float *step, int32_t *sum) {
    vf most = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf size = (vf)((vi)load(x + i) & 0x7fffffff);
        most = choose(size > most, size, most);
    }
    float largest = 1e-5f;
    for (int j = 0; j < LANES; j++) largest = most[j] > largest ? most[j] : largest;
    for (; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    float factor = 1.0f / largest * 127.0f;  // two roundings, as in the reference
    int32_t total = 0;
    for (i = 0; i + LANES <= n; i += LANES) {
        vi rounded = to_whole(load(x + i) * factor);
        for (int j = 0; j < LANES; j++) {
            whole[i + j] = (int8_t)rounded[j];
            total += rounded[j];
        }
    }
    for (; i < n; i++) {
        int32_t rounded = (int32_t)lrintf(x[i] * factor);
        whole[i] = (int8_t)rounded;
        total += rounded;
    }
    memset(whole + n, 0, (size_t)(rounded_stride(n) - n));
    *step = largest / 127.0f;
    *sum = total;
}

// Sums of codes times inputs of one row and `tokens` vectors, a constant after inlining.
#if !defined(PLAIN_SIMD) && LANES >= 8
INLINE int32_t sum_i32(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

INLINE __m256i times(__m256i codes, const int8_t *x) {
    return _mm256_maddubs_epi16(codes, _mm256_loadu_si256((const __m256i *)x));
}

INLINE void sums_of(const uint8_t *codes, const int8_t *x, int64_t stride, int64_t chunks,
                    int tokens, int32_t *out) {
    const __m256i low = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    __m256i wide[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) wide[t] = _mm256_setzero_si256();
    for (int64_t c = 0; c < chunks;) {
        int64_t stop = c + WIDEN < chunks ? c + WIDEN : chunks;
        __m256i part[TILE_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) part[t] = _mm256_setzero_si256();
        for (; c < stop; c++) {
            __m256i all = _mm256_loadu_si256((const __m256i *)(codes + c * CHUNK_BYTES));
            __asm__("" : "+x"(all));  // or it is loaded again for every use: loads are what is scarce
            __builtin_prefetch(codes + c * CHUNK_BYTES + PREFETCH_BYTES);
            __m256i a = _mm256_and_si256(all, low);
            __m256i b = _mm256_and_si256(_mm256_srli_epi16(all, 2), low);
            __m256i d = _mm256_and_si256(_mm256_srli_epi16(all, 4), low);
            __m256i e = _mm256_and_si256(_mm256_srli_epi16(all, 6), low);
            UNROLL for (int t = 0; t < tokens; t++) {
                const int8_t *at = x + t * stride + c * CHUNK;
                __m256i ab = _mm256_add_epi16(times(a, at), times(b, at + 32));
                __m256i de = _mm256_add_epi16(times(d, at + 64), times(e, at + 96));
                part[t] = _mm256_add_epi16(part[t], _mm256_add_epi16(ab, de));
            }
        }
        UNROLL for (int t = 0; t < tokens; t++)
            wide[t] = _mm256_add_epi32(wide[t], _mm256_madd_epi16(part[t], ones));
    }
    UNROLL for (int t = 0; t < tokens; t++) out[t] = sum_i32(wide[t]);
}
#else
INLINE void sums_of(const uint8_t *codes, const int8_t *x, int64_t stride, int64_t chunks,
                    int tokens, int32_t *out) {
    for (int t = 0; t < tokens; t++, x += stride) {
        int32_t total = 0;
        for (int64_t c = 0; c < chunks; c++)
            for (int l = 0; l < 4; l++)
                for (int j = 0; j < CHUNK_BYTES; j++)
                    total += (codes[c * CHUNK_BYTES + j] >> 2 * l & 3) *
                             x[c * CHUNK + l * CHUNK_BYTES + j];
        out[t] = total;
    }
}
#endif

INLINE void rows_times(const Product *job, int64_t first, int64_t last, int64_t t0, int tokens) {
    const Rounded *in = &job->rounded;
    const int64_t chunks = (job->matrix->cols + CHUNK - 1) / CHUNK;
    for (int64_t r = first; r < last; r++) {
        const uint8_t *row = row_at(job->matrix, r);
        float scale = scale_at(row);
        int32_t sums[TILE_TOKENS];
        sums_of(row + sizeof(float), in->whole + t0 * in->stride, in->stride, chunks, tokens, sums);
        for (int t = 0; t < tokens; t++) {
            float y = (float)(sums[t] - in->sums[t0 + t]) * (in->steps[t0 + t] * scale);
            float *out = job->y + (t0 + t) * job->y_stride + r;
            if (job->bias) y += job->bias[r];
            *out = job->add ? *out + y : y;
        }
    }
}

void ternary_multiply(const Product *job, int64_t first, int64_t last) {
    int64_t t = 0;
    for (; t + TILE_TOKENS <= job->tokens; t += TILE_TOKENS)
        rows_times(job, first, last, t, TILE_TOKENS);
    for (; t < job->tokens; t++) rows_times(job, first, last, t, 1);
}

void ternary_unpack(const Matrix *m, int64_t row, int64_t first, int64_t count, float *out) {
    const uint8_t *data = row_at(m, row);
    float scale = scale_at(data);
    data += sizeof(float);
    for (int64_t i = 0, run; i < count; i += run) {
        int64_t c = first + i, lane = c % CHUNK / CHUNK_BYTES, at = c % CHUNK_BYTES;
        const uint8_t *codes = data + c / CHUNK * CHUNK_BYTES + at;
        run = CHUNK_BYTES - at < count - i ? CHUNK_BYTES - at : count - i;
        for (int64_t j = 0; j < run; j++)
            out[i + j] = (float)((codes[j] >> 2 * lane & 3) - 1) * scale;
    }
}
