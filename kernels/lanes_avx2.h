/* lanes_avx2.h - 16 lanes of float as two 256-bit registers; see lanes_scalar.h. */
#ifndef TERN_KERNELS_LANES_AVX2_H
#define TERN_KERNELS_LANES_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CHAIN_ROWS = 6, CHAIN_VECS = 1, SINGLE_VECS = 4, DOT_ROWS = 2, DOT_COLS = 2 };

typedef struct lanes {
    __m256 lo, hi;
} lanes;

static const int32_t lanes_mask_table[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                             -1, -1, -1, -1, -1, -1, -1, -1};

/* All ones in the first c lanes: half 0 has lanes 0-7, half 1 lanes 8-15. */
static inline __m256i lanes_mask(size_t c, size_t half)
{
    return _mm256_loadu_si256((const void *)(lanes_mask_table + 16 - c + 8 * half));
}

static inline lanes lanes_set(float x)
{
    return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline lanes lanes_load(const float *p)
{
    return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline lanes lanes_load_n(const float *p, size_t c)
{
    if (c == 16) return lanes_load(p);
    return (lanes){_mm256_maskload_ps(p, lanes_mask(c, 0)),
                   _mm256_maskload_ps(p + 8, lanes_mask(c, 1))};
}

static inline lanes lanes_load_fill(const float *p, size_t c, float fill)
{
    if (c == 16) return lanes_load(p);
    const lanes a = lanes_load_n(p, c);
    const __m256 f = _mm256_set1_ps(fill);
    return (lanes){_mm256_blendv_ps(f, a.lo, _mm256_castsi256_ps(lanes_mask(c, 0))),
                   _mm256_blendv_ps(f, a.hi, _mm256_castsi256_ps(lanes_mask(c, 1)))};
}

static inline lanes lanes_load_half(const uint16_t *p, size_t c)
{
    uint16_t part[16] = {0};
    if (c < 16) {
        memcpy(part, p, c * sizeof *p);
        p = part;
    }
    return (lanes){_mm256_cvtph_ps(_mm_loadu_si128((const void *)p)),
                   _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 8)))};
}

static inline void lanes_store_half(uint16_t *p, lanes a, size_t c)
{
    uint16_t part[16], *to = c < 16 ? part : p;
    _mm_storeu_si128((void *)to, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((void *)(to + 8),
                     _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
    if (c < 16) memcpy(p, part, c * sizeof *p);
}

static inline void lanes_store_n(float *p, lanes a, size_t c)
{
    if (c == 16) {
        _mm256_storeu_ps(p, a.lo);
        _mm256_storeu_ps(p + 8, a.hi);
    } else {
        _mm256_maskstore_ps(p, lanes_mask(c, 0), a.lo);
        _mm256_maskstore_ps(p + 8, lanes_mask(c, 1), a.hi);
    }
}

static inline lanes lanes_keep(lanes a, size_t c)
{
    if (c == 16) return a;
    return (lanes){_mm256_and_ps(a.lo, _mm256_castsi256_ps(lanes_mask(c, 0))),
                   _mm256_and_ps(a.hi, _mm256_castsi256_ps(lanes_mask(c, 1)))};
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return (lanes){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    return (lanes){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return (lanes){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}

static inline lanes lanes_div(lanes a, lanes b)
{
    return (lanes){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes){_mm256_fmadd_ps(a.lo, b.lo, c.lo),
                   _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return (lanes){_mm256_fnmadd_ps(a.lo, b.lo, c.lo),
                   _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return (lanes){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return (lanes){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}

static inline lanes lanes_sqrt(lanes a)
{
    return (lanes){_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)};
}

static inline lanes lanes_round_half(lanes a)
{
    return (lanes){_mm256_cvtph_ps(_mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT)),
                   _mm256_cvtph_ps(_mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT))};
}

static inline __m256 lanes_scale2_half(__m256 a, __m256 magic)
{
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i e =
        _mm256_sub_epi32(_mm256_castps_si256(magic), _mm256_set1_epi32(0x4b400000));
    const __m256i h = _mm256_srai_epi32(e, 1);
    const __m256i p = _mm256_slli_epi32(_mm256_add_epi32(h, bias), 23);
    const __m256i q =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(e, h), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(p)),
                         _mm256_castsi256_ps(q));
}

static inline lanes lanes_scale2(lanes a, lanes magic)
{
    return (lanes){lanes_scale2_half(a.lo, magic.lo),
                   lanes_scale2_half(a.hi, magic.hi)};
}

static inline float lanes_sum(lanes a)
{
    const __m256 s8 = _mm256_add_ps(a.lo, a.hi);
    const __m128 s4 =
        _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

static inline float lanes_highest(lanes a)
{
    const __m256 s8 = _mm256_max_ps(a.lo, a.hi);
    const __m128 s4 =
        _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

static inline void lanes_sums(const lanes a[DOT_COLS], float *y)
{
    for (size_t i = 0; i < DOT_COLS; i++) y[i] = lanes_sum(a[i]);
}

/* 8 x 8, in three rounds of exchanges at distance 1, 2 and 4. */
static inline void lanes_transpose8(const __m256 a[8], size_t cols, float *y,
                                    size_t ldy)
{
    __m256 b[8], c[8], t[8];
    for (size_t i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4)
        for (size_t j = 0; j < 2; j++) {
            c[i + 2 * j] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0x44);
            c[i + 2 * j + 1] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0xee);
        }
    for (size_t i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(c[i], c[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(c[i], c[i + 4], 0x31);
    }
    for (size_t i = 0; i < 8 && i < cols; i++) _mm256_storeu_ps(y + i * ldy, t[i]);
}

static inline void lanes_transpose(const lanes a[16], size_t cols, float *y, size_t ldy)
{
    for (size_t r = 0; r < 16; r += 8) {
        __m256 half[8];
        for (size_t i = 0; i < 8; i++) half[i] = a[r + i].lo;
        lanes_transpose8(half, cols, y + r, ldy);
        if (cols <= 8) continue;
        for (size_t i = 0; i < 8; i++) half[i] = a[r + i].hi;
        lanes_transpose8(half, cols - 8, y + 8 * ldy + r, ldy);
    }
}

#endif /* TERN_KERNELS_LANES_AVX2_H */
