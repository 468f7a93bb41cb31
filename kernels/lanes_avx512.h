/* lanes_avx512.h - 16 lanes of float as one 512-bit register; see lanes_scalar.h. */
#ifndef TERN_KERNELS_LANES_AVX512_H
#define TERN_KERNELS_LANES_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAIN_ROWS = 6, CHAIN_VECS = 4, SINGLE_VECS = 8, DOT_ROWS = 4, DOT_COLS = 4 };

typedef __m512 lanes;

static inline __mmask16 lanes_mask(size_t c)
{
    return (__mmask16)((1u << c) - 1u);
}

static inline lanes lanes_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline lanes lanes_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline lanes lanes_load_n(const float *p, size_t c)
{
    return c == 16 ? lanes_load(p) : _mm512_maskz_loadu_ps(lanes_mask(c), p);
}

static inline lanes lanes_load_fill(const float *p, size_t c, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), lanes_mask(c), p);
}

static inline lanes lanes_load_half(const uint16_t *p, size_t c)
{
    return _mm512_cvtph_ps(c == 16 ? _mm256_loadu_si256((const void *)p)
                                   : _mm256_maskz_loadu_epi16(lanes_mask(c), p));
}

static inline void lanes_store_half(uint16_t *p, lanes a, size_t c)
{
    const __m256i h = _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT);
    if (c == 16)
        _mm256_storeu_si256((void *)p, h);
    else
        _mm256_mask_storeu_epi16(p, lanes_mask(c), h);
}

static inline void lanes_store_n(float *p, lanes a, size_t c)
{
    if (c == 16)
        _mm512_storeu_ps(p, a);
    else
        _mm512_mask_storeu_ps(p, lanes_mask(c), a);
}

static inline lanes lanes_keep(lanes a, size_t c)
{
    return _mm512_maskz_mov_ps(lanes_mask(c), a);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    return _mm512_sub_ps(a, b);
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}

static inline lanes lanes_div(lanes a, lanes b)
{
    return _mm512_div_ps(a, b);
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return _mm512_max_ps(a, b);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_ps(a, b);
}

static inline lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_ps(a);
}

static inline lanes lanes_round_half(lanes a)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

static inline lanes lanes_scale2(lanes a, lanes magic)
{
    const __m512i bias = _mm512_set1_epi32(127);
    const __m512i e =
        _mm512_sub_epi32(_mm512_castps_si512(magic), _mm512_set1_epi32(0x4b400000));
    const __m512i h = _mm512_srai_epi32(e, 1);
    const __m512i p = _mm512_slli_epi32(_mm512_add_epi32(h, bias), 23);
    const __m512i q =
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(e, h), bias), 23);
    return _mm512_mul_ps(_mm512_mul_ps(a, _mm512_castsi512_ps(p)),
                         _mm512_castsi512_ps(q));
}

static inline float lanes_sum(lanes a)
{
    const __m256 s8 =
        _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 s4 =
        _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

static inline float lanes_highest(lanes a)
{
    const __m256 s8 =
        _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 s4 =
        _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

/* Four trees at once: after each step one register holds twice as many rows.
 *
 *     a0 = [p q r s] (128-bit blocks)   + 8:  [p+r q+s | b's]   + 4:  [a | b | c | d]
 */
static inline void lanes_sums(const lanes a[DOT_COLS], float *y)
{
    const lanes ab = _mm512_add_ps(_mm512_shuffle_f32x4(a[0], a[1], 0x44),
                                   _mm512_shuffle_f32x4(a[0], a[1], 0xee));
    const lanes cd = _mm512_add_ps(_mm512_shuffle_f32x4(a[2], a[3], 0x44),
                                   _mm512_shuffle_f32x4(a[2], a[3], 0xee));
    const lanes s4 = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88),
                                   _mm512_shuffle_f32x4(ab, cd, 0xdd));
    const lanes s2 = _mm512_add_ps(s4, _mm512_permute_ps(s4, 0x4e));
    const lanes s1 = _mm512_add_ps(s2, _mm512_permute_ps(s2, 0xb1));
    _mm_storeu_ps(y, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, s1)));
}

/* Four rounds of exchanges, at distance 1, 2, 4 and 8. */
static inline void lanes_transpose(const lanes a[16], size_t cols, float *y, size_t ldy)
{
    lanes b[16], c[16];
    for (size_t i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (size_t i = 0; i < 16; i += 4)
        for (size_t j = 0; j < 2; j++) {
            c[i + 2 * j] = _mm512_shuffle_ps(b[i + j], b[i + j + 2], 0x44);
            c[i + 2 * j + 1] = _mm512_shuffle_ps(b[i + j], b[i + j + 2], 0xee);
        }
    /* c[4g + k], block q: rows 4g .. 4g + 3 of column 4q + k. */
    for (size_t k = 0; k < 4; k++) {
        b[k] = _mm512_shuffle_f32x4(c[k], c[k + 4], 0x88);
        b[k + 4] = _mm512_shuffle_f32x4(c[k], c[k + 4], 0xdd);
        b[k + 8] = _mm512_shuffle_f32x4(c[k + 8], c[k + 12], 0x88);
        b[k + 12] = _mm512_shuffle_f32x4(c[k + 8], c[k + 12], 0xdd);
    }
    for (size_t k = 0; k < 4; k++) {
        c[k] = _mm512_shuffle_f32x4(b[k], b[k + 8], 0x88);
        c[k + 8] = _mm512_shuffle_f32x4(b[k], b[k + 8], 0xdd);
        c[k + 4] = _mm512_shuffle_f32x4(b[k + 4], b[k + 12], 0x88);
        c[k + 12] = _mm512_shuffle_f32x4(b[k + 4], b[k + 12], 0xdd);
    }
    for (size_t i = 0; i < 16 && i < cols; i++) _mm512_storeu_ps(y + i * ldy, c[i]);
}

#endif /* TERN_KERNELS_LANES_AVX512_H */
