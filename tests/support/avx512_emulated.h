/* avx512_emulated.h - AVX-512 for a CPU that has AVX2: included before all else
 * (-include) when the tests compile the AVX-512 kernels a second time.
 *
 * SIMDe (simde.org) emulates most intrinsics. Here stand those that its version 0.7.4
 * lacks, from the operation that Intel's intrinsics guide gives for each, and two kinds
 * in which it is too lenient: an absolute value must clear the sign of -0 and of a NaN,
 * and an aligned access must fault where the address is not. A masked access touches
 * only the elements of its mask, in plain C, so that AddressSanitizer sees them.
 *
 * The parts of 256 bits and less are the CPU's own instructions: conversions round as
 * MXCSR says, and make 0x80000000 of what int32 does not hold.
 *
 * An intrinsic that is in neither place does not compile: the compiler refuses to
 * inline it without -mavx512f. */
#ifndef TERN_TESTS_SUPPORT_AVX512_EMULATED_H
#define TERN_TESTS_SUPPORT_AVX512_EMULATED_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <assert.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* One register, by element and by part. */
typedef union emulated_register {
    __m512 ps;
    __m512d pd;
    __m512i si;
    __m256 half_ps[2];
    __m256d half_pd[2];
    __m256i half[2];
    __m128 quarter[4];
    __m128i quarter_si[4];
    float f[16];
    int32_t i[16];
    uint32_t u[16];
    uint64_t q[8];
} emulated_register;

/* --- loads and stores --- */

#undef _mm512_load_si512
#define _mm512_load_si512 emulated_load_si512
static inline __m512i emulated_load_si512(const void *p)
{
    assert((uintptr_t)p % 64 == 0);
    emulated_register r;
    memcpy(&r, p, sizeof r);
    return r.si;
}

#undef _mm512_store_si512
#define _mm512_store_si512 emulated_store_si512
static inline void emulated_store_si512(void *p, __m512i a)
{
    assert((uintptr_t)p % 64 == 0);
    memcpy(p, &a, sizeof a);
}

#undef _mm512_mask_loadu_ps
#define _mm512_mask_loadu_ps emulated_mask_loadu_ps
static inline __m512 emulated_mask_loadu_ps(__m512 src, __mmask16 k, const void *p)
{
    const float *from = p;
    emulated_register r = {.ps = src};
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) r.f[e] = from[e];
    return r.ps;
}

#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
static inline __m512 emulated_maskz_loadu_ps(__mmask16 k, const void *p)
{
    return emulated_mask_loadu_ps(_mm512_setzero_ps(), k, p);
}

#undef _mm512_maskz_loadu_epi32
#define _mm512_maskz_loadu_epi32 emulated_maskz_loadu_epi32
static inline __m512i emulated_maskz_loadu_epi32(__mmask16 k, const void *p)
{
    const int32_t *from = p;
    emulated_register r = {.si = _mm512_setzero_si512()};
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) r.i[e] = from[e];
    return r.si;
}

#undef _mm256_maskz_loadu_epi16
#define _mm256_maskz_loadu_epi16 emulated_maskz_loadu_epi16
static inline __m256i emulated_maskz_loadu_epi16(__mmask16 k, const void *p)
{
    const uint16_t *from = p;
    uint16_t r[16] = {0};
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) r[e] = from[e];
    return _mm256_loadu_si256((const void *)r);
}

#undef _mm_maskz_loadu_epi8
#define _mm_maskz_loadu_epi8 emulated_maskz_loadu_epi8
static inline __m128i emulated_maskz_loadu_epi8(__mmask16 k, const void *p)
{
    const uint8_t *from = p;
    uint8_t r[16] = {0};
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) r[e] = from[e];
    return _mm_loadu_si128((const void *)r);
}

#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
static inline void emulated_mask_storeu_ps(void *p, __mmask16 k, __m512 a)
{
    const emulated_register r = {.ps = a};
    float *to = p;
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) to[e] = r.f[e];
}

#undef _mm512_mask_storeu_epi32
#define _mm512_mask_storeu_epi32 emulated_mask_storeu_epi32
static inline void emulated_mask_storeu_epi32(void *p, __mmask16 k, __m512i a)
{
    const emulated_register r = {.si = a};
    int32_t *to = p;
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) to[e] = r.i[e];
}

#undef _mm256_mask_storeu_epi16
#define _mm256_mask_storeu_epi16 emulated_mask_storeu_epi16
static inline void emulated_mask_storeu_epi16(void *p, __mmask16 k, __m256i a)
{
    uint16_t part[16], *to = p;
    memcpy(part, &a, sizeof part);
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) to[e] = part[e];
}

/* The low bits of each element: no saturation. */
#undef _mm512_mask_cvtepi32_storeu_epi16
#define _mm512_mask_cvtepi32_storeu_epi16 emulated_mask_cvtepi32_storeu_epi16
static inline void emulated_mask_cvtepi32_storeu_epi16(void *p, __mmask16 k, __m512i a)
{
    const emulated_register r = {.si = a};
    uint16_t *to = p;
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) to[e] = (uint16_t)r.u[e];
}

#undef _mm512_mask_cvtepi32_storeu_epi8
#define _mm512_mask_cvtepi32_storeu_epi8 emulated_mask_cvtepi32_storeu_epi8
static inline void emulated_mask_cvtepi32_storeu_epi8(void *p, __mmask16 k, __m512i a)
{
    const emulated_register r = {.si = a};
    uint8_t *to = p;
    for (int e = 0; e < 16; e++)
        if (k >> e & 1) to[e] = (uint8_t)r.u[e];
}

/* --- conversions --- */

#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
static inline __m512 emulated_cvtepi32_ps(__m512i a)
{
    emulated_register r = {.si = a};
    for (int h = 0; h < 2; h++) r.half_ps[h] = _mm256_cvtepi32_ps(r.half[h]);
    return r.ps;
}

#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
static inline __m512i emulated_cvtps_epi32(__m512 a)
{
    emulated_register r = {.ps = a};
    for (int h = 0; h < 2; h++) r.half[h] = _mm256_cvtps_epi32(r.half_ps[h]);
    return r.si;
}

#undef _mm512_cvtps_pd
#define _mm512_cvtps_pd emulated_cvtps_pd
static inline __m512d emulated_cvtps_pd(__m256 a)
{
    emulated_register r;
    r.half_pd[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    r.half_pd[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    return r.pd;
}

#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
static inline __m512i emulated_cvtepi8_epi32(__m128i a)
{
    emulated_register r;
    r.half[0] = _mm256_cvtepi8_epi32(a);
    r.half[1] = _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8));
    return r.si;
}

#undef _mm_cvtepi32_epi8
#define _mm_cvtepi32_epi8 emulated_cvtepi32_epi8
static inline __m128i emulated_cvtepi32_epi8(__m128i a)
{
    int32_t word[4];
    uint8_t r[16] = {0};
    memcpy(word, &a, sizeof word);
    for (int e = 0; e < 4; e++) r[e] = (uint8_t)word[e];
    return _mm_loadu_si128((const void *)r);
}

#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps emulated_cvtph_ps
static inline __m512 emulated_cvtph_ps(__m256i a)
{
    emulated_register r;
    r.half_ps[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(a));
    r.half_ps[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1));
    return r.ps;
}

#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps emulated_extractf32x8_ps
static inline __m256 emulated_extractf32x8_ps(__m512 a, int half)
{
    const emulated_register r = {.ps = a};
    return r.half_ps[half & 1];
}

/* A macro: the rounding must be a constant. */
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(a, rounding)                                                   \
    _mm256_set_m128i(_mm256_cvtps_ph(emulated_extractf32x8_ps(a, 1), rounding),        \
                     _mm256_cvtps_ph(emulated_extractf32x8_ps(a, 0), rounding))

/* --- within a register --- */

#undef _mm512_permute_ps
#define _mm512_permute_ps emulated_permute_ps
static inline __m512 emulated_permute_ps(__m512 a, int imm)
{
    const emulated_register from = {.ps = a};
    emulated_register r;
    for (int e = 0; e < 16; e++) r.f[e] = from.f[(e & ~3) + (imm >> (2 * (e & 3)) & 3)];
    return r.ps;
}

#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4 emulated_shuffle_f32x4
static inline __m512 emulated_shuffle_f32x4(__m512 a, __m512 b, int imm)
{
    const emulated_register x = {.ps = a}, y = {.ps = b};
    emulated_register r;
    r.quarter[0] = x.quarter[imm & 3];
    r.quarter[1] = x.quarter[imm >> 2 & 3];
    r.quarter[2] = y.quarter[imm >> 4 & 3];
    r.quarter[3] = y.quarter[imm >> 6 & 3];
    return r.ps;
}

#undef _mm512_srai_epi32
#define _mm512_srai_epi32 emulated_srai_epi32
static inline __m512i emulated_srai_epi32(__m512i a, unsigned count)
{
    emulated_register r = {.si = a};
    for (int h = 0; h < 2; h++) r.half[h] = _mm256_srai_epi32(r.half[h], (int)count);
    return r.si;
}

#undef _mm512_abs_ps
#define _mm512_abs_ps emulated_abs_ps
static inline __m512 emulated_abs_ps(__m512 a)
{
    emulated_register r = {.ps = a};
    for (int e = 0; e < 16; e++) r.u[e] &= UINT32_MAX >> 1;
    return r.ps;
}

#undef _mm512_abs_pd
#define _mm512_abs_pd emulated_abs_pd
static inline __m512d emulated_abs_pd(__m512d a)
{
    emulated_register r = {.pd = a};
    for (int e = 0; e < 8; e++) r.q[e] &= UINT64_MAX >> 1;
    return r.pd;
}

/* --- reductions: elements that stand n / 2 apart, then n / 4 ... --- */

#undef _mm512_reduce_add_epi32
#define _mm512_reduce_add_epi32 emulated_reduce_add_epi32
static inline int32_t emulated_reduce_add_epi32(__m512i a)
{
    emulated_register r = {.si = a};
    for (int n = 8; n > 0; n /= 2)
        for (int e = 0; e < n; e++) r.u[e] += r.u[e + n];
    return r.i[0];
}

#undef _mm512_reduce_max_epu32
#define _mm512_reduce_max_epu32 emulated_reduce_max_epu32
static inline uint32_t emulated_reduce_max_epu32(__m512i a)
{
    emulated_register r = {.si = a};
    for (int n = 8; n > 0; n /= 2)
        for (int e = 0; e < n; e++) r.u[e] = r.u[e] > r.u[e + n] ? r.u[e] : r.u[e + n];
    return r.u[0];
}

#undef _mm512_reduce_max_ps
#define _mm512_reduce_max_ps emulated_reduce_max_ps
static inline float emulated_reduce_max_ps(__m512 a)
{
    emulated_register r = {.ps = a};
    for (int n = 8; n > 0; n /= 2)
        for (int e = 0; e < n; e++) r.f[e] = r.f[e] > r.f[e + n] ? r.f[e] : r.f[e + n];
    return r.f[0];
}

#endif /* TERN_TESTS_SUPPORT_AVX512_EMULATED_H */
