/* decode_avx512.c - the runtime's kernels with vpdpbusd. What is bound by memory or by
 * shuffles gains nothing from wider registers: those slots are AVX2's.
 *
 * The 8-bit head for several rows of x takes two of them in a register, so that its
 * sixteen lanes are the eight of decode_kernels.h twice. Rows of x are laid out in
 * pairs once for a chunk of blocks, and every row of w meets them in the first level
 * cache:
 *
 *     of a block and two rows of x                        of a block of w
 *     codes      | x r: q0 .. q31 | x r+1: q0 .. q31 |    | |w0| .. |w31| | |w0| .. |
 *     scales     | e r, 8 times   | e r+1, 8 times   |    d, 16 times; signs: a mask
 *
 *     lanes = float(|w| (codes, negated where w is)) * (d scales) + lanes
 */
#include <immintrin.h>

#include "kernels/avx_q8.h"
#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

/* avx512vnni.c unpacks few rows in registers already. */
static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

static inline __m256i products(__m256i size, __m256i q)
{
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), size, q);
}

/* --- the 8-bit head for several rows --- */

enum {
    PAIRS = 4,   /* pairs of rows of x at once */
    CHUNK = 128, /* blocks of them that are laid out: 37 KiB */
    W_ROWS = 64, /* rows of w that wait for the next chunk */
};

/* A block of up to PAIRS pairs of rows of x. */
typedef struct pair_block {
    _Alignas(64) int8_t codes[PAIRS][2][TERN_Q8_BLOCK];
    float scales[PAIRS][2];
} pair_block;

/* Blocks [first, first + n) of rows [row, row + rows) of x; zeros make a pair full. */
static void lay_out(const tern_q8_dots *d, size_t row, size_t rows, size_t first,
                    size_t n, pair_block *out)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    for (size_t b = 0; b < n; b++) {
        const size_t at = first + b;
        if (rows % 2) out[b] = (pair_block){0};
        for (size_t r = 0; r < rows; r++) {
            memcpy(out[b].codes[r / 2][r % 2],
                   d->q + (row + r) * d->cols + at * TERN_Q8_BLOCK, TERN_Q8_BLOCK);
            out[b].scales[r / 2][r % 2] = d->e[(row + r) * blocks + at];
        }
    }
}

/* The scale of a block of w in all lanes. */
static inline __m512 scale_of(const uint8_t *w)
{
    uint16_t bits;
    memcpy(&bits, w, sizeof bits);
    return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

/* n blocks of one row of w with those laid out. */
TERN_INLINE void pair_blocks(const uint8_t *w, const pair_block *x, size_t n, int pairs,
                             __m512 *lanes)
{
    __m512 lane[PAIRS];
    TERN_UNROLLED (p, pairs) lane[p] = lanes[p];
    for (size_t b = 0; b < n; b++, w += TERN_Q8_BYTES, x++) {
        const __m512i both =
            _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)(w + 2)));
        const __mmask64 below = _mm512_movepi8_mask(both);
        const __m512i size = _mm512_abs_epi8(both), zero = _mm512_setzero_si512();
        const __m512 d = scale_of(w);
        _mm_prefetch((const char *)w + AVX_Q8_AHEAD, _MM_HINT_T0);
        TERN_UNROLLED (p, pairs) {
            const __m512i q = _mm512_load_si512((const void *)x->codes[p]);
            const __m512i signedly = _mm512_mask_sub_epi8(q, below, zero, q);
            const __m512 e = _mm512_mask_broadcastss_ps(
                _mm512_set1_ps(x->scales[p][0]), 0xff00, _mm_load_ss(&x->scales[p][1]));
            const __m512i sum = _mm512_dpbusd_epi32(zero, size, signedly);
            lane[p] =
                _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(d, e), lane[p]);
        }
    }
    TERN_UNROLLED (p, pairs) lanes[p] = lane[p];
}

/* Rows [row, row + rows) of x, which make `pairs`, times up to W_ROWS rows of w. */
TERN_INLINE void q8_pairs(const tern_q8_dots *d, size_t row, size_t rows, size_t j,
                          size_t n, int pairs)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK, bytes = blocks * TERN_Q8_BYTES;
    pair_block x[CHUNK];
    __m512 lanes[W_ROWS][PAIRS];
    for (size_t i = 0; i < n; i++)
        TERN_UNROLLED (p, pairs) lanes[i][p] = _mm512_setzero_ps();
    for (size_t b = 0; b < blocks; b += CHUNK) {
        const size_t count = blocks - b < CHUNK ? blocks - b : CHUNK;
        lay_out(d, row, rows, b, count, x);
        for (size_t i = 0; i < n; i++)
            pair_blocks(d->w + (j + i) * bytes + b * TERN_Q8_BYTES, x, count, pairs,
                        lanes[i]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < rows; r++) {
            const __m512 both = lanes[i][r / 2];
            d->y[(row + r) * d->ldy + j + i] = avx_q8_sum(
                r % 2 ? _mm512_extractf32x8_ps(both, 1) : _mm512_castps512_ps256(both));
        }
}

static void q8_dots(const tern_q8_dots *d)
{
    if (d->m == 1) {
        avx_q8_dots(d, products);
        return;
    }
    for (size_t j = 0; j < d->n; j += W_ROWS) {
        const size_t n = d->n - j < W_ROWS ? d->n - j : W_ROWS;
        for (size_t i = 0; i < d->m; i += 2 * PAIRS) {
            const size_t rows = d->m - i < 2 * PAIRS ? d->m - i : 2 * PAIRS;
            if (rows > 6)
                q8_pairs(d, i, rows, j, n, 4);
            else if (rows > 4)
                q8_pairs(d, i, rows, j, n, 3);
            else if (rows > 2)
                q8_pairs(d, i, rows, j, n, 2);
            else
                q8_pairs(d, i, rows, j, n, 1);
        }
    }
}

/* --- caches of int8 --- */

enum { INT8_LANES = 16, INT8_VECS = 4, INT8_TWO_WAYS = 0 };
typedef __m512i int8_words;

/* vpdpbusd wants one operand unsigned: b + 128. What that adds is taken off before. */
static inline int8_words int8_start(int32_t sum)
{
    return _mm512_set1_epi32(-128 * sum);
}

static inline int8_words int8_load(const int8_t *b)
{
    return _mm512_xor_si512(_mm512_loadu_si512((const void *)b),
                            _mm512_set1_epi8((char)0x80));
}

static inline int8_words int8_repeat(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_set1_epi32(four);
}

static inline int8_words int8_dot(int8_words s, int8_words a, int8_words b,
                                  bool positive)
{
    (void)positive;
    s = _mm512_dpbusd_epi32(s, b, a);
    TERN_OPAQUE(s); /* as in decode_avx2.c */
    return s;
}

static inline void int8_finish(int8_words s, float e, const float *d, bool add,
                               float *c)
{
    __m512 scale = _mm512_set1_ps(e);
    if (d) scale = _mm512_mul_ps(scale, _mm512_loadu_ps(d));
    const __m512 before = add ? _mm512_loadu_ps(c) : _mm512_setzero_ps();
    _mm512_storeu_ps(c, _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), scale, before));
}

#include "kernels/int8_product.h"

/* --- the limit --- */

static size_t spin(size_t steps, int32_t *sum)
{
    enum { CHAINS = 12 };
    const __m512i u = _mm512_set1_epi8((char)(steps & 3));
    __m512i q = _mm512_set1_epi8((char)(steps & 7)), word[CHAINS];
    TERN_UNROLLED (i, CHAINS) word[i] = _mm512_setzero_si512();
    for (size_t s = 0; s < steps; s++) {
        TERN_UNROLLED (i, CHAINS) {
            TERN_OPAQUE(q); /* no product is like another */
            word[i] = _mm512_dpbusd_epi32(word[i], u, q);
            TERN_OPAQUE(word[i]); /* nor is a register moved */
        }
    }
    __m512i all = _mm512_setzero_si512();
    TERN_UNROLLED (i, CHAINS) all = _mm512_xor_si512(all, word[i]);
    *sum = _mm_cvtsi128_si32(_mm512_castsi512_si128(all));
    return steps * CHAINS * 64;
}

void tern_decode_upgrade_avx512(tern_decode_kernels *k)
{
    k->few = few;
    k->q8_dots = q8_dots;
    k->int8_product = int8_product;
    k->spin = spin;
}
