/* grad16_avx512.c - the integer backward for 512-bit registers with vpdpwssd.
 *
 *     six rows of a      all 64 columns of a strip              24 sums in registers
 *     | k0 k1 | ..    x  | 16 pairs | 16 | 16 | 16 pairs |  ->  | 16 | 16 | 16 | 16 |
 *
 * A pair of a row, broadcast, meets the four registers of the strip (grad16_kernels.h)
 * that were loaded for six rows. */
#include <immintrin.h>
#include <string.h>

#include "kernels/grad16_kernels.h"
#include "kernels/kernels.h"
#include "kernels/unroll.h"

/* The first n lanes, at most 16. */
static inline __mmask16 lanes(size_t n)
{
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffffu);
}

/* --- rounding --- */

static inline __m512i magnitude(__m512 x)
{
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

static uint32_t peak(const float *x, size_t n)
{
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16)
        most = _mm512_max_epu32(most,
                                magnitude(_mm512_maskz_loadu_ps(lanes(n - i), x + i)));
    return _mm512_reduce_max_epu32(most);
}

/* vcvtps2dq makes 0x80000000 of a NaN, whose low half is 0. */
static void round_row(const float *x, float scale, size_t n, int16_t *q)
{
    const __m512 s = _mm512_set1_ps(scale);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), s);
        _mm512_mask_cvtepi32_storeu_epi16(q + i, m, _mm512_cvtps_epi32(v));
    }
}

/* Four rows at a time: the columns' peaks are read and written once for them. */
TERN_INLINE void peaks_of(const float *x, size_t ldx, const float *factor, int rows,
                          size_t cols, uint32_t *row, uint32_t *col)
{
    __m512i most[4];
    TERN_UNROLLED (r, rows) most[r] = _mm512_setzero_si512();
    for (size_t c = 0; c < cols; c += 16) {
        const __mmask16 m = lanes(cols - c);
        __m512i down = _mm512_maskz_loadu_epi32(m, col + c);
        TERN_UNROLLED (r, rows) {
            const __m512 v = _mm512_maskz_loadu_ps(m, x + (size_t)r * ldx + c);
            const __m512 f = _mm512_set1_ps(factor[r]);
            most[r] = _mm512_max_epu32(most[r], magnitude(v));
            down = _mm512_max_epu32(down, magnitude(_mm512_mul_ps(v, f)));
        }
        _mm512_mask_storeu_epi32(col + c, m, down);
    }
    TERN_UNROLLED (r, rows) row[r] = _mm512_reduce_max_epu32(most[r]);
}

static void peaks(const float *x, size_t ldx, const float *factor, size_t rows,
                  size_t cols, uint32_t *row, uint32_t *col)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4)
        peaks_of(x + r * ldx, ldx, factor + r, 4, cols, row + r, col);
    for (; r < rows; r++) peaks_of(x + r * ldx, ldx, factor + r, 1, cols, row + r, col);
}

/* Rows r and r + 1 as one pair of 16 bits per column; a row that is not there is 0. */
static inline __m512i round_pair(const float *x, size_t ldx, const float *factor,
                                 __m512 scale, size_t r, size_t rows, __mmask16 m)
{
    __m512i half[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    TERN_UNROLLED (i, 2)
        if (r + (size_t)i < rows) {
            const __m512 v = _mm512_maskz_loadu_ps(m, x + (r + (size_t)i) * ldx);
            const __m512 f = _mm512_set1_ps(factor[r + (size_t)i]);
            half[i] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_mul_ps(v, f), scale));
        }
    return _mm512_mask_blend_epi16(0xaaaaaaaau, half[0],
                                   _mm512_slli_epi32(half[1], 16));
}

/* Transpose 16 x 16 numbers of 32 bits: exchange ever larger blocks. */
static inline void transpose(__m512i v[16])
{
    __m512i t[16];
    TERN_UNROLLED (i, 8) {
        t[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    TERN_UNROLLED (i, 4)
        TERN_UNROLLED (j, 2) {
            v[4 * i + 2 * j] = _mm512_unpacklo_epi64(t[4 * i + j], t[4 * i + j + 2]);
            v[4 * i + 2 * j + 1] =
                _mm512_unpackhi_epi64(t[4 * i + j], t[4 * i + j + 2]);
        }
    /* v[4 i + j] holds rows 4 i .. + 3 of columns j, 4 + j, 8 + j, 12 + j. */
    TERN_UNROLLED (j, 4) {
        t[j] = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88);
        t[4 + j] = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd);
        t[8 + j] = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
    }
    TERN_UNROLLED (j, 4) {
        v[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
        v[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xdd);
        v[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
        v[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xdd);
    }
}

/* 32 rows of up to 16 columns at a time: 16 registers of pairs, turned. */
static void round_columns(const float *x, size_t ldx, const float *factor,
                          const float *scale, size_t rows, size_t cols, int16_t *q,
                          size_t ldq)
{
    const size_t pairs = (rows + TERN_STRIP_STEP - 1) / TERN_STRIP_STEP * 4;
    for (size_t r = 0; r < rows; r += 32)
        for (size_t c = 0; c < cols; c += 16) {
            const __mmask16 m = lanes(cols - c), stored = lanes(pairs - r / 2);
            const __m512 s = _mm512_maskz_loadu_ps(m, scale + c);
            __m512i v[16];
            TERN_UNROLLED (i, 16)
                v[i] = round_pair(x + c, ldx, factor, s, r + 2 * (size_t)i, rows, m);
            transpose(v);
            TERN_UNROLLED (i, 16)
                if (c + (size_t)i < cols)
                    _mm512_mask_storeu_epi32(q + (c + (size_t)i) * ldq + r, stored,
                                             v[i]);
        }
}

/* --- strips --- */

static inline int32_t load4(const void *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return four;
}

/* Column 4j + b of a row stands in byte b of its word at bit 2j: shifted right by that
 * for the even row, and rotated to bit 16 for the odd one. */
static void unpack(const uint8_t *codes, size_t panel_bytes, size_t panels,
                   size_t tiles, int16_t *strip)
{
    const __m512i right =
        _mm512_setr_epi32(0, 8, 16, 24, 2, 10, 18, 26, 4, 12, 20, 28, 6, 14, 22, 30);
    const __m512i left = _mm512_sub_epi32(_mm512_set1_epi32(16), right); /* mod 32 */
    const __m512i code = _mm512_set1_epi16(3), one = _mm512_set1_epi16(1);
    for (size_t p = 0; p < panels; p++, codes += panel_bytes)
        for (int r = 0; r < TERN_PANEL_ROWS; r += 2, strip += 2 * TERN_STRIP_COLS)
            for (size_t t = 0; t < tiles; t++) {
                const uint8_t *word = codes + t * TERN_TILE_BYTES + 4 * r;
                const __m512i even =
                    _mm512_srlv_epi32(_mm512_set1_epi32(load4(word)), right);
                const __m512i odd =
                    _mm512_rolv_epi32(_mm512_set1_epi32(load4(word + 4)), left);
                const __m512i u = _mm512_and_si512(
                    _mm512_mask_blend_epi16(0xaaaaaaaau, even, odd), code);
                _mm512_store_si512((void *)(strip + 32 * t), _mm512_sub_epi16(u, one));
            }
}

static inline __m128i load16(const int8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static void interleave(const int8_t *q, size_t stride, size_t rows, int16_t *strip)
{
    const size_t end = (rows + TERN_STRIP_STEP - 1) / TERN_STRIP_STEP * TERN_STRIP_STEP;
    for (size_t r = 0; r < end; r += 2, strip += 2 * TERN_STRIP_COLS)
        TERN_UNROLLED (t, 4) {
            const int8_t *row = q + r * stride + 16 * t;
            const __m128i zero = _mm_setzero_si128();
            const __m128i a = r < rows ? load16(row) : zero;
            const __m128i b = r + 1 < rows ? load16(row + stride) : zero;
            const __m256i both =
                _mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b));
            _mm512_store_si512((void *)(strip + 32 * t), _mm512_cvtepi8_epi16(both));
        }
}

/* --- the product --- */
enum { GROUP = 6, QUAD = 4 };

TERN_INLINE void dots(const tern_strip_product *p, size_t row, int rows, int quads,
                      __m512i sum[][QUAD])
{
    const int16_t *a = p->a + row * p->lda;
    const int16_t *a3 = a + 3 * p->lda; /* two bases reach six rows cheaply */
    const int16_t *w = p->strip;
    for (size_t k = 0; k < p->steps; k += TERN_STRIP_STEP) {
        TERN_UNROLLED (j, TERN_STRIP_STEP / 2) {
            __m512i b[QUAD];
            TERN_UNROLLED (i, quads)
                b[i] = _mm512_load_si512((const void *)(w + 128 * j + 32 * i));
            TERN_UNROLLED (r, rows) {
                const int16_t *base = r < 3 ? a : a3;
                const __m512i x =
                    _mm512_set1_epi32(load4(base + (size_t)(r % 3) * p->lda + 2 * j));
                TERN_UNROLLED (i, quads)
                    sum[r][i] = _mm512_dpwssd_epi32(sum[r][i], b[i], x);
            }
        }
        a += TERN_STRIP_STEP;
        a3 += TERN_STRIP_STEP;
        w += TERN_STRIP_STEP * TERN_STRIP_COLS;
    }
}

/* 16 columns of one row, those of the mask. */
static inline void finish(__m512i sum, __m512 scale, bool add, float *y, __mmask16 m)
{
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
    if (add) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(m, y));
    _mm512_mask_storeu_ps(y, m, v);
}

/* Where sum i of a row waits for the next pass. */
static inline void *waiting(const tern_strip_product *p, size_t row, int i)
{
    return p->partial + row * TERN_STRIP_COLS + 16 * i;
}

TERN_INLINE void group(const tern_strip_product *p, size_t row, int rows, int quads)
{
    __m512i sum[GROUP][QUAD];
    if (p->first)
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (i, quads) sum[r][i] = _mm512_setzero_si512();
    else
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (i, quads)
                sum[r][i] = _mm512_load_si512(waiting(p, row + (size_t)r, i));

    dots(p, row, rows, quads, sum);

    if (!p->last) {
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (i, quads)
                _mm512_store_si512(waiting(p, row + (size_t)r, i), sum[r][i]);
        return;
    }
    const __mmask16 tail = lanes(p->cols - 16 * (size_t)(quads - 1));
    float *y = p->y + row * p->ldy;
    TERN_UNROLLED (r, rows) {
        const __m512 scale = _mm512_set1_ps(p->scale[row + (size_t)r]);
        TERN_UNROLLED (i, quads)
            finish(sum[r][i], scale, p->add, y + 16 * i,
                   i == quads - 1 ? tail : 0xffff);
        y += p->ldy;
    }
}

TERN_INLINE void all_rows(const tern_strip_product *p, int quads)
{
    size_t row = 0;
    for (; row + GROUP <= p->rows; row += GROUP) group(p, row, GROUP, quads);
    for (; row + 2 <= p->rows; row += 2) group(p, row, 2, quads);
    if (row < p->rows) group(p, row, 1, quads);
}

static void product(const tern_strip_product *p)
{
    switch ((p->cols + 15) / 16) {
    case 4:
        all_rows(p, 4);
        break;
    case 3:
        all_rows(p, 3);
        break;
    case 2:
        all_rows(p, 2);
        break;
    default:
        all_rows(p, 1);
        break;
    }
}

const tern_grad16_kernels tern_grad16_avx512 = {
    .peak = peak,
    .round = round_row,
    .peaks = peaks,
    .round_columns = round_columns,
    .unpack = unpack,
    .interleave = interleave,
    .product = product,
};
