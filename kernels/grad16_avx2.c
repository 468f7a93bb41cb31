/* grad16_avx2.c - the integer backward for 256-bit registers with vpmaddwd.
 *
 *     six rows of a      16 of a strip's 64 columns      12 sums in registers
 *     | k0 k1 | ..    x  | 8 pairs | 8 pairs |     ->    | 8 | 8 |  6 times
 *
 * A strip (grad16_kernels.h) is walked four times, 16 columns at a time; a pair of a
 * row, broadcast, meets two registers of pairs. */
#include <immintrin.h>
#include <string.h>

#include "kernels/grad16_kernels.h"
#include "kernels/kernels.h"
#include "kernels/unroll.h"

static inline __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void store(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* --- rounding --- */

static inline __m256i magnitude(__m256 x)
{
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

static uint32_t largest(__m256i v)
{
    uint32_t lane[8], most = 0;
    store(lane, v);
    for (int l = 0; l < 8; l++)
        if (lane[l] > most) most = lane[l];
    return most;
}

static uint32_t peak(const float *x, size_t n)
{
    __m256i most = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        most = _mm256_max_epu32(most, magnitude(_mm256_loadu_ps(x + i)));
    const uint32_t tail = tern_grad16_scalar.peak(x + i, n - i), all = largest(most);
    return tail > all ? tail : all;
}

/* The low halves of 8 numbers. vcvtps2dq makes 0x80000000 of a NaN, whose low half is
 * 0. */
static inline __m128i low_halves(__m256i v)
{
    const __m256i byte =
        _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1,
                         4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i halves = _mm256_shuffle_epi8(v, byte);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(halves, 0x08));
}

static void round_row(const float *x, float scale, size_t n, int16_t *q)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i v = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), s));
        _mm_storeu_si128((__m128i *)(void *)(q + i), low_halves(v));
    }
    tern_grad16_scalar.round(x + i, scale, n - i, q + i);
}

/* Four rows at a time: the columns' peaks are read and written once for them. */
TERN_INLINE void peaks_of(const float *x, size_t ldx, const float *factor, int rows,
                          size_t cols, uint32_t *row, uint32_t *col)
{
    __m256i most[4];
    TERN_UNROLLED (r, rows) most[r] = _mm256_setzero_si256();
    size_t c = 0;
    for (; c + 8 <= cols; c += 8) {
        __m256i down = load(col + c);
        TERN_UNROLLED (r, rows) {
            const __m256 v = _mm256_loadu_ps(x + (size_t)r * ldx + c);
            const __m256 f = _mm256_set1_ps(factor[r]);
            most[r] = _mm256_max_epu32(most[r], magnitude(v));
            down = _mm256_max_epu32(down, magnitude(_mm256_mul_ps(v, f)));
        }
        store(col + c, down);
    }
    uint32_t tail[4];
    tern_grad16_scalar.peaks(x + c, ldx, factor, (size_t)rows, cols - c, tail, col + c);
    TERN_UNROLLED (r, rows) {
        row[r] = largest(most[r]);
        if (tail[r] > row[r]) row[r] = tail[r];
    }
}

static void peaks(const float *x, size_t ldx, const float *factor, size_t rows,
                  size_t cols, uint32_t *row, uint32_t *col)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4)
        peaks_of(x + r * ldx, ldx, factor + r, 4, cols, row + r, col);
    for (; r < rows; r++) peaks_of(x + r * ldx, ldx, factor + r, 1, cols, row + r, col);
}

/* Rows r and r + 1 as one pair of 16 bits per column. */
static inline __m256i round_pair(const float *x, size_t ldx, const float *factor,
                                 __m256 scale)
{
    __m256i half[2];
    TERN_UNROLLED (i, 2) {
        const __m256 v = _mm256_loadu_ps(x + (size_t)i * ldx);
        const __m256 scaled = _mm256_mul_ps(v, _mm256_set1_ps(factor[i]));
        half[i] = _mm256_cvtps_epi32(_mm256_mul_ps(scaled, scale));
    }
    return _mm256_blend_epi16(half[0], _mm256_slli_epi32(half[1], 16), 0xaa);
}

/* Transpose 8 x 8 numbers of 32 bits. */
static inline void transpose(__m256i v[8])
{
    __m256i t[8];
    TERN_UNROLLED (i, 4) {
        t[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    TERN_UNROLLED (i, 2)
        TERN_UNROLLED (j, 2) {
            v[4 * i + 2 * j] = _mm256_unpacklo_epi64(t[4 * i + j], t[4 * i + j + 2]);
            v[4 * i + 2 * j + 1] =
                _mm256_unpackhi_epi64(t[4 * i + j], t[4 * i + j + 2]);
        }
    TERN_UNROLLED (j, 4) {
        t[j] = _mm256_permute2x128_si256(v[j], v[4 + j], 0x20);
        t[4 + j] = _mm256_permute2x128_si256(v[j], v[4 + j], 0x31);
    }
    TERN_UNROLLED (i, 8) v[i] = t[i];
}

/* 16 rows of 8 columns at a time; what is left over goes the slow way. */
static void round_columns(const float *x, size_t ldx, const float *factor,
                          const float *scale, size_t rows, size_t cols, int16_t *q,
                          size_t ldq)
{
    size_t r = 0, c = 0;
    for (; r + 16 <= rows; r += 16)
        for (c = 0; c + 8 <= cols; c += 8) {
            const __m256 s = _mm256_loadu_ps(scale + c);
            __m256i v[8];
            TERN_UNROLLED (i, 8)
                v[i] = round_pair(x + (r + 2 * (size_t)i) * ldx + c, ldx,
                                  factor + r + 2 * i, s);
            transpose(v);
            TERN_UNROLLED (i, 8) store(q + (c + (size_t)i) * ldq + r, v[i]);
        }
    tern_grad16_scalar.round_columns(x + c, ldx, factor, scale + c, r, cols - c,
                                     q + c * ldq, ldq);
    tern_grad16_scalar.round_columns(x + r * ldx, ldx, factor + r, scale, rows - r,
                                     cols, q + r, ldq);
}

/* --- strips --- */

static inline int32_t load4(const void *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return four;
}

/* Eight columns of two rows of a tile. Column 4j + b stands in byte b at bit 2j. */
static inline __m256i unpack_pair(int32_t even, int32_t odd, __m256i shift)
{
    const __m256i code = _mm256_set1_epi16(3), one = _mm256_set1_epi16(1);
    const __m256i e = _mm256_srlv_epi32(_mm256_set1_epi32(even), shift);
    const __m256i o = _mm256_srlv_epi32(_mm256_set1_epi32(odd), shift);
    const __m256i u = _mm256_blend_epi16(e, _mm256_slli_epi32(o, 16), 0xaa);
    return _mm256_sub_epi16(_mm256_and_si256(u, code), one);
}

static void unpack(const uint8_t *codes, size_t panel_bytes, size_t panels,
                   size_t tiles, int16_t *strip)
{
    const __m256i low = _mm256_setr_epi32(0, 8, 16, 24, 2, 10, 18, 26);
    const __m256i high = _mm256_add_epi32(low, _mm256_set1_epi32(4));
    for (size_t p = 0; p < panels; p++, codes += panel_bytes)
        for (int r = 0; r < TERN_PANEL_ROWS; r += 2, strip += 2 * TERN_STRIP_COLS)
            for (size_t t = 0; t < tiles; t++) {
                const uint8_t *word = codes + t * TERN_TILE_BYTES + 4 * r;
                const int32_t even = load4(word), odd = load4(word + 4);
                store(strip + 32 * t, unpack_pair(even, odd, low));
                store(strip + 32 * t + 16, unpack_pair(even, odd, high));
            }
}

static inline __m128i load16(const int8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static void interleave(const int8_t *q, size_t stride, size_t rows, int16_t *strip)
{
    const size_t end = (rows + TERN_STRIP_STEP - 1) / TERN_STRIP_STEP * TERN_STRIP_STEP;
    const __m128i zero = _mm_setzero_si128();
    for (size_t r = 0; r < end; r += 2, strip += 2 * TERN_STRIP_COLS)
        for (size_t t = 0; t < 4; t++) {
            const int8_t *row = q + r * stride + 16 * t;
            const __m128i a = r < rows ? load16(row) : zero;
            const __m128i b = r + 1 < rows ? load16(row + stride) : zero;
            store(strip + 32 * t, _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)));
            store(strip + 32 * t + 16, _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b)));
        }
}

/* --- the product: 6 rows by 16 columns, 12 sums --- */
enum { GROUP = 6 };

/* Fix the order of additions here: gcc would add the steps of an iteration as a tree,
 * which needs more registers than there are. */
static inline void settle(__m256i v[2])
{
    __asm__("" : "+x"(v[0]), "+x"(v[1]));
}

/* Columns [col, col + 16) of the strip. */
TERN_INLINE void dots(const tern_strip_product *p, size_t row, size_t col, int rows,
                      __m256i sum[][2])
{
    const int16_t *a = p->a + row * p->lda, *w = p->strip + 2 * col;
    for (size_t k = 0; k < p->steps; k += TERN_STRIP_STEP) {
        TERN_UNROLLED (j, TERN_STRIP_STEP / 2) {
            const __m256i b0 = load(w + 128 * j), b1 = load(w + 128 * j + 16);
            TERN_UNROLLED (r, rows) {
                const __m256i x =
                    _mm256_set1_epi32(load4(a + (size_t)r * p->lda + 2 * j));
                sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(b0, x));
                sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(b1, x));
                settle(sum[r]);
            }
        }
        a += TERN_STRIP_STEP;
        w += TERN_STRIP_STEP * TERN_STRIP_COLS;
    }
}

/* 8 columns of one row, of which `left` exist. Masked stores are slow on some CPUs, so
 * only the last columns of a matrix are stored that way. */
static inline void finish(__m256i sum, float scale, bool add, float *y, size_t left)
{
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(scale));
    if (left >= 8) {
        if (add) v = _mm256_add_ps(v, _mm256_loadu_ps(y));
        _mm256_storeu_ps(y, v);
        return;
    }
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left), lane);
    if (add) v = _mm256_add_ps(v, _mm256_maskload_ps(y, mask));
    _mm256_maskstore_ps(y, mask, v);
}

/* Where the sums from (row, col) wait for the next pass. */
static inline void *waiting(const tern_strip_product *p, size_t row, size_t col)
{
    return p->partial + row * TERN_STRIP_COLS + col;
}

TERN_INLINE void group(const tern_strip_product *p, size_t row, size_t col, int rows)
{
    __m256i sum[GROUP][2];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (i, 2)
            sum[r][i] = p->first
                            ? _mm256_setzero_si256()
                            : load(waiting(p, row + (size_t)r, col + 8 * (size_t)i));
    dots(p, row, col, rows, sum);
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (i, 2) {
            const size_t at = col + 8 * (size_t)i, line = row + (size_t)r;
            if (!p->last)
                store(waiting(p, line, at), sum[r][i]);
            else if (at < p->cols)
                finish(sum[r][i], p->scale[line], p->add, p->y + line * p->ldy + at,
                       p->cols - at);
        }
}

static void product(const tern_strip_product *p)
{
    for (size_t col = 0; col < p->cols; col += 16) {
        size_t row = 0;
        for (; row + GROUP <= p->rows; row += GROUP) group(p, row, col, GROUP);
        for (; row < p->rows; row++) group(p, row, col, 1);
    }
}

const tern_grad16_kernels tern_grad16_avx2 = {
    .peak = peak,
    .round = round_row,
    .peaks = peaks,
    .round_columns = round_columns,
    .unpack = unpack,
    .interleave = interleave,
    .product = product,
};
