// Vectors of LANES floats and the few operations a compiler does not find by itself.
//
// Arithmetic is written with the vector extensions of gcc and clang; intrinsics stand only
// where compilers make poor code (widening loads: gcc 12 goes lane by lane, seven times
// slower). Every one of them has a plain twin, chosen by -DPLAIN_C or an unknown processor.
#pragma once

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#define UNROLL12 _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#define UNROLL12 _Pragma("GCC unroll 12")
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && !defined(PLAIN_C)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && !defined(PLAIN_C)
#include <immintrin.h>
#define LANES 8
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(PLAIN_C)
#include <arm_neon.h>
#define LANES 4
#else
#define PLAIN_SIMD
#define LANES 4
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));

INLINE vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }

INLINE vf splat(float s) { return s - (vf){0}; }

INLINE float bits_to_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

// An f16 as f32, subnormals, infinities and NaNs included.
INLINE float half_to_float(uint16_t h) {
#if defined(__FLT16_MAX__) && !defined(PLAIN_C)
    _Float16 f;
    memcpy(&f, &h, 2);
    return (float)f;
#else
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    if (rest >= 0x0f800000) return bits_to_float(sign | 0x70000000 | rest);
    return bits_to_float(sign | 0x3f800000) * (bits_to_float(rest) * 0x1p112f);
#endif
}

INLINE float half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return half_to_float(h);
}

// widen_*: LANES small numbers, unaligned, as 32-bit lanes. sum: of all lanes.
#if !defined(PLAIN_SIMD) && LANES == 16
INLINE vi widen_u8(const uint8_t *p) {
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
INLINE vi widen_i8(const uint8_t *p) {
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
INLINE vi widen_u16(const uint8_t *p) {
    return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
INLINE vf widen_f16(const uint8_t *p) {
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
INLINE float sum(vf v) { return _mm512_reduce_add_ps((__m512)v); }
#elif !defined(PLAIN_SIMD) && LANES == 8
INLINE vi widen_u8(const uint8_t *p) {
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
INLINE vi widen_i8(const uint8_t *p) {
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
INLINE vi widen_u16(const uint8_t *p) {
    return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}
INLINE vf widen_f16(const uint8_t *p) {
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
INLINE float sum(vf v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
#elif !defined(PLAIN_SIMD)
INLINE vi widen_u16(const uint8_t *p) {
    return (vi)vmovl_u16(vld1_u16((const uint16_t *)p));
}
INLINE vi widen_u8(const uint8_t *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return (vi)vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}
INLINE vi widen_i8(const uint8_t *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return (vi)vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four))));
}
INLINE vf widen_f16(const uint8_t *p) {
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p)));
}
INLINE float sum(vf v) { return vaddvq_f32((float32x4_t)v); }
#else
INLINE vi widen_u8(const uint8_t *p) { return (vi){p[0], p[1], p[2], p[3]}; }
INLINE vi widen_i8(const uint8_t *p) {
    return (vi){(int8_t)p[0], (int8_t)p[1], (int8_t)p[2], (int8_t)p[3]};
}
INLINE vi widen_u16(const uint8_t *p) {
    uint16_t h[4];
    memcpy(h, p, 8);
    return (vi){h[0], h[1], h[2], h[3]};
}
INLINE vf widen_f16(const uint8_t *p) {
    return (vf){half_at(p), half_at(p + 2), half_at(p + 4), half_at(p + 6)};
}
INLINE float sum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
#endif

// The nearest whole numbers, halves to the even one, of numbers that an int32 holds. Not by adding
// a magic number: compilers would take the product before it into the sum, unrounded.
INLINE vi to_whole(vf v) {
#if !defined(PLAIN_SIMD) && LANES == 16
    return (vi)_mm512_cvtps_epi32((__m512)v);
#elif !defined(PLAIN_SIMD) && LANES == 8
    return (vi)_mm256_cvtps_epi32((__m256)v);
#elif !defined(PLAIN_SIMD)
    return (vi)vcvtnq_s32_f32((float32x4_t)v);
#else
    vi whole;
    for (int i = 0; i < LANES; i++) whole[i] = (int32_t)__builtin_lrintf(v[i]);
    return whole;
#endif
}

INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }

INLINE vf choose(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

// e^x to 2 ulp; x is clamped to [-87, 88], where f32 neither over- nor underflows.
// x = n ln 2 + r, |r| <= ln 2 / 2; the polynomial is that of Cephes' expf (Moshier).
INLINE vf exp_v(vf x) {
    x = choose(x > 88.0f, splat(88.0f), x);
    x = choose(x < -87.0f, splat(-87.0f), x);
    vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    vf shifted = x * 1.44269504f + magic;
    vf n = shifted - magic;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    vi exponent = ((vi)shifted - (vi)magic) << 23;
    return (vf)((vi)p + exponent);
}
