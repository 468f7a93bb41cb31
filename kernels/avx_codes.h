/* avx_codes.h - heads of 4 and 6 bits for x86-64 (decode_kernels.h has the sums).
 *
 * Eight blocks of a row of weights are 256 columns. Codes are unpacked in registers and
 * meet up to four rows of x there; a single row of x meets two rows of weights, whose
 * chains of fused steps do not wait for each other:
 *
 *     | blocks of w |  ->  u of block b, unsigned  x  q of block b  ->  8 sums of 4
 *                                                                       - none[b]
 *     | d, s .. |  ->  steps, times e of the blocks  ->  f             float, times f,
 *                                                                      into 8 lanes
 *
 * Codes are unsigned in the file, with a zero of 8 or 32: what that adds to a sum,
 * none[b], depends on x only. It is worked out once for all rows of weights, and so are
 * the sums of q by which the offsets of Q4_K are multiplied. */
#ifndef TERN_KERNELS_AVX_CODES_H
#define TERN_KERNELS_AVX_CODES_H

#include <immintrin.h>
#include <string.h>

#include "kernels/avx_q8.h"
#include "kernels/codes.h"
#include "kernels/unroll.h"

enum {
    AVX_CODES_X = 4,       /* rows of x at once */
    AVX_CODES_W = 2,       /* rows of weights at once, for a single row of x */
    AVX_CODES_CHUNK = 128, /* blocks of x that are prepared at a time */
    AVX_CODES_LINES = 64,  /* rows of weights whose lanes wait for the next chunk */
};

/* --- x --- */

/* A chunk of up to AVX_CODES_X rows: of each block, none as int32, or for Q4_K, whose
 * zero is 0, the sums of q as floats. */
typedef struct avx_codes_x {
    const int8_t *q;
    const float *e;
    size_t cols, blocks; /* of a row */
    __m256i sum[AVX_CODES_X][AVX_CODES_CHUNK];
} avx_codes_x;

TERN_INLINE void avx_codes_prepare(tern_codes_type type, avx_codes_x *x, int rows,
                                   size_t blocks)
{
    const bool shifted = type == TERN_CODES_Q4_K;
    const __m256i by = _mm256_set1_epi8((char)(shifted ? 1 : tern_codes_zero(type)));
    for (int r = 0; r < rows; r++)
        for (size_t b = 0; b < blocks; b++) {
            const int8_t *q = x->q + (size_t)r * x->cols + b * TERN_Q8_BLOCK;
            const __m256i sum =
                avx_q8_products(by, _mm256_loadu_si256((const void *)q));
            x->sum[r][b] = shifted ? _mm256_castps_si256(_mm256_cvtepi32_ps(sum)) : sum;
        }
}

/* --- eight blocks of w --- */

static inline __m256i avx_codes_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const void *)p);
}

static inline __m256i avx_codes_high(__m256i bytes)
{
    return _mm256_srli_epi16(bytes, 4);
}

/* Codes of block b, unsigned. */
TERN_INLINE __m256i avx_codes_block(tern_codes_type type, const uint8_t *w, int b)
{
    const __m256i four = _mm256_set1_epi8(15), two = _mm256_set1_epi8(0x30);
    if (type == TERN_CODES_Q4_0) { /* 16 bytes, low halves first */
        const __m128i v = _mm_loadu_si128((const void *)(w + b * TERN_Q4_BYTES + 2));
        const __m256i shift = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
        return _mm256_and_si256(
            _mm256_srlv_epi32(_mm256_broadcastsi128_si256(v), shift), four);
    }
    if (type == TERN_CODES_Q4_K) { /* 32 bytes for two blocks */
        const __m256i v = avx_codes_load(w + 16 + b / 2 * 32);
        return _mm256_and_si256(b % 2 ? avx_codes_high(v) : v, four);
    }
    const __m256i low = avx_codes_load(w + b / 4 * 64 + b % 2 * 32);
    const __m256i high = avx_codes_load(w + 128 + b / 4 * 32);
    const __m256i top = b % 4 == 0   ? _mm256_slli_epi16(high, 4)
                        : b % 4 == 1 ? _mm256_slli_epi16(high, 2)
                        : b % 4 == 2 ? high
                                     : _mm256_srli_epi16(high, 2);
    return _mm256_or_si256(
        _mm256_and_si256(b / 2 % 2 ? avx_codes_high(low) : low, four),
        _mm256_and_si256(top, two));
}

/* Their scales: step of a block, of Q6_K two to a block; shift of Q4_K only. */
typedef struct avx_codes_scales {
    __m256 step[2], shift;
} avx_codes_scales;

static inline __m256 avx_codes_half(const uint8_t *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm256_set1_ps(_cvtsh_ss(bits));
}

/* Eight bytes as floats. */
static inline __m256 avx_codes_bytes(uint64_t bytes, bool negative)
{
    const __m128i b = _mm_cvtsi64_si128((long long)bytes);
    return _mm256_cvtepi32_ps(negative ? _mm256_cvtepi8_epi32(b)
                                       : _mm256_cvtepu8_epi32(b));
}

/* Of n blocks: eight, or one of Q4_0. */
TERN_INLINE avx_codes_scales avx_codes_steps(tern_codes_type type, const uint8_t *w,
                                             int n)
{
    avx_codes_scales s = {0};
    uint64_t a, b;
    if (type == TERN_CODES_Q4_0) {
        short d[8] = {0};
        TERN_UNROLLED (i, n) memcpy(&d[i], w + i * TERN_Q4_BYTES, sizeof *d);
        s.step[0] = _mm256_cvtph_ps(
            _mm_setr_epi16(d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]));
    } else if (type == TERN_CODES_Q4_K) {
        const __m256 minus = _mm256_set1_ps(-0.0f);
        tern_q4_k_scales(w, &a, &b);
        s.step[0] = _mm256_mul_ps(avx_codes_half(w), avx_codes_bytes(a, false));
        s.shift = _mm256_mul_ps(_mm256_xor_ps(avx_codes_half(w + 2), minus),
                                avx_codes_bytes(b, false));
    } else {
        const __m256 d = avx_codes_half(w + 208);
        memcpy(&a, w + 192, sizeof a);
        memcpy(&b, w + 200, sizeof b);
        s.step[0] = _mm256_mul_ps(d, avx_codes_bytes(a, true));
        s.step[1] = _mm256_mul_ps(d, avx_codes_bytes(b, true));
    }
    return s;
}

/* --- both --- */

/* Of a row of x and one of w: step times e of eight blocks, or of sixteen halves; and
 * shift times e. */
typedef struct avx_codes_factors {
    float step[16], shift[8];
} avx_codes_factors;

TERN_INLINE void avx_codes_scale(tern_codes_type type, const avx_codes_scales *s,
                                 const float *e, int n, avx_codes_factors *f)
{
    const __m256 v = n == 1 ? _mm256_set1_ps(*e) : _mm256_loadu_ps(e);
    if (type == TERN_CODES_Q6_K) {
        const __m256 low = _mm256_unpacklo_ps(v, v), high = _mm256_unpackhi_ps(v, v);
        const __m256 e0 = _mm256_permute2f128_ps(low, high, 0x20);
        const __m256 e1 = _mm256_permute2f128_ps(low, high, 0x31);
        _mm256_storeu_ps(f->step, _mm256_mul_ps(s->step[0], e0));
        _mm256_storeu_ps(f->step + 8, _mm256_mul_ps(s->step[1], e1));
        return;
    }
    _mm256_storeu_ps(f->step, _mm256_mul_ps(s->step[0], v));
    if (type == TERN_CODES_Q4_K) _mm256_storeu_ps(f->shift, _mm256_mul_ps(s->shift, v));
}

/* The factor of block b's lanes. */
TERN_INLINE __m256 avx_codes_factor(tern_codes_type type, const avx_codes_factors *f,
                                    int b)
{
    if (type != TERN_CODES_Q6_K) return _mm256_broadcast_ss(f->step + b);
    const int i = b % 4 * 2;
    return _mm256_permutevar8x32_ps(
        _mm256_loadu_ps(f->step + b / 4 * 8),
        _mm256_setr_epi32(i, i, i, i, i + 1, i + 1, i + 1, i + 1));
}

/* n blocks, from block `at` of the chunk, of `rows` rows of x and `cols` of w. */
TERN_INLINE void avx_codes_step(tern_codes_type type, const avx_codes_x *x, size_t at,
                                const uint8_t *w, size_t bytes, int n, int rows,
                                int cols, __m256 lane[][AVX_CODES_W])
{
    avx_codes_factors f[AVX_CODES_X][AVX_CODES_W];
    TERN_UNROLLED (c, cols) {
        const avx_codes_scales s = avx_codes_steps(type, w + (size_t)c * bytes, n);
        TERN_UNROLLED (r, rows)
            avx_codes_scale(type, &s, x->e + (size_t)r * x->blocks + at, n, &f[r][c]);
    }
    TERN_UNROLLED (b, n)
        TERN_UNROLLED (c, cols) {
            const __m256i u = avx_codes_block(type, w + (size_t)c * bytes, b);
            TERN_UNROLLED (r, rows) {
                const int8_t *q =
                    x->q + (size_t)r * x->cols + (at + (size_t)b) * TERN_Q8_BLOCK;
                __m256i sum = avx_q8_products(u, _mm256_loadu_si256((const void *)q));
                const __m256i all = x->sum[r][at + (size_t)b];
                if (type != TERN_CODES_Q4_K) sum = _mm256_sub_epi32(sum, all);
                lane[r][c] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                                    avx_codes_factor(type, &f[r][c], b), lane[r][c]);
                if (type == TERN_CODES_Q4_K)
                    lane[r][c] = _mm256_fmadd_ps(_mm256_castsi256_ps(all),
                                                 _mm256_broadcast_ss(f[r][c].shift + b),
                                                 lane[r][c]);
            }
        }
}

/* A chunk of so many blocks of `cols` rows of weights. Meanwhile the rows after them
 * are fetched, from their beginning to their end, which memory likes better than the
 * order in which they will be read (where a chunk is a whole row; else that is a
 * guess). lane (cols, rows, 8). */
TERN_INLINE void avx_codes_rows(tern_codes_type type, const avx_codes_x *x,
                                const uint8_t *w, size_t bytes, size_t blocks, int rows,
                                int cols, float lane[][8])
{
    __m256 sum[AVX_CODES_X][AVX_CODES_W];
    const size_t step = tern_codes_bytes(type, 8);
    const uint8_t *next = w + (size_t)cols * bytes;
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (c, cols) sum[r][c] = _mm256_loadu_ps(lane[c * rows + r]);
    size_t b = 0;
    for (; b + 8 <= blocks; b += 8, w += step, next += (size_t)cols * step) {
        TERN_UNROLLED (l, (cols * TERN_Q6_K_BYTES + 63) / 64)
            _mm_prefetch((const char *)next + 64 * l, _MM_HINT_T0);
        avx_codes_step(type, x, b, w, bytes, 8, rows, cols, sum);
    }
    for (; type == TERN_CODES_Q4_0 && b < blocks; b++, w += TERN_Q4_BYTES)
        avx_codes_step(type, x, b, w, bytes, 1, rows, cols, sum);
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (c, cols) _mm256_storeu_ps(lane[c * rows + r], sum[r][c]);
}

/* Rows [i, i + rows) of x with rows [j, j + n) of w, AVX_CODES_LINES at most. */
TERN_INLINE void avx_codes_part(tern_codes_type type, const tern_q8_dots *d, size_t i,
                                size_t j, size_t n, int rows)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    const size_t bytes = tern_codes_bytes(type, blocks);
    const size_t lines = (size_t)rows; /* of lanes, for each row of w */
    float lane[AVX_CODES_LINES * AVX_CODES_X][8];
    avx_codes_x x = {.cols = d->cols, .blocks = blocks};
    memset(lane, 0, n * lines * sizeof *lane);
    for (size_t b = 0; b < blocks; b += AVX_CODES_CHUNK) {
        const size_t left = blocks - b;
        const size_t count = left < AVX_CODES_CHUNK ? left : AVX_CODES_CHUNK;
        const uint8_t *w = d->w + j * bytes + tern_codes_bytes(type, b);
        size_t c = 0;
        x.q = d->q + i * d->cols + b * TERN_Q8_BLOCK;
        x.e = d->e + i * blocks + b;
        avx_codes_prepare(type, &x, rows, count);
        for (; rows == 1 && c + AVX_CODES_W <= n; c += AVX_CODES_W)
            avx_codes_rows(type, &x, w + c * bytes, bytes, count, rows, AVX_CODES_W,
                           lane + c * lines);
        for (; c < n; c++)
            avx_codes_rows(type, &x, w + c * bytes, bytes, count, rows, 1,
                           lane + c * lines);
    }
    for (size_t c = 0; c < n; c++)
        for (size_t r = 0; r < lines; r++)
            d->y[(i + r) * d->ldy + j + c] =
                avx_q8_sum(_mm256_loadu_ps(lane[c * lines + r]));
}

TERN_INLINE void avx_codes_all(tern_codes_type type, const tern_q8_dots *d)
{
    for (size_t j = 0; j < d->n; j += AVX_CODES_LINES) {
        const size_t n = d->n - j < AVX_CODES_LINES ? d->n - j : AVX_CODES_LINES;
        size_t i = 0;
        for (; i + AVX_CODES_X <= d->m; i += AVX_CODES_X)
            avx_codes_part(type, d, i, j, n, AVX_CODES_X);
        for (; i < d->m; i++) avx_codes_part(type, d, i, j, n, 1);
    }
}

static inline void avx_codes_dots(const tern_q8_dots *d)
{
    if (d->type == TERN_CODES_Q4_0)
        avx_codes_all(TERN_CODES_Q4_0, d);
    else if (d->type == TERN_CODES_Q4_K)
        avx_codes_all(TERN_CODES_Q4_K, d);
    else
        avx_codes_all(TERN_CODES_Q6_K, d);
}

#endif /* TERN_KERNELS_AVX_CODES_H */
