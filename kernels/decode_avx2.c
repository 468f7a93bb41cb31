/* decode_avx2.c - the runtime's kernels for 256-bit registers.
 *
 *     few rows     a panel is read once, tile by tile, for all of one to three rows:
 *
 *                     q 0 | x | tile 0 | tile 1 | .. 8 |  ->  16-bit sums, u and 4 u
 *                     q 1 | x |   the same             |      of each row: folded to 32
 *                                                             bits, then the next 8
 *
 *     heads        codes_product.h has the drawing
 *     blocks       32 codes, a byte each, to the words of one row in two tiles:
 *
 *                     | u0 - u3 | u4 - u7 | u8 - u11 | u12 - u15 |  twice
 *                       << 0      << 2      << 4       << 6         ored: 4 bytes
 */
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/decode_kernels.h"
#include "kernels/unroll.h"

/* --- few rows times panels ---
 *
 * Memory sets the pace if the core does no more than some 30 instructions for a tile of
 * 64 bytes. A panel is two registers of 8 rows x 4 codes; kernels.h' tile holds four
 * such registers in one, two bits each:
 *
 *     t & 3              codes j = 0           (t >> 4) & 3        j = 2
 *     t & 12             4 x codes j = 1       (t >> 4) & 12       j = 3, 4 x again
 *
 * One shift instead of three, if the 4 x are summed apart: in 16 bits, where a product
 * pair is at most 4 * 2 * 2 * 128 = 2048 in size, two of them come with every tile, and
 * so 8 tiles fit: at worst -32768. vpmaddwd then widens both sums to 32 bits, the plain
 * one times 4, and 4 x the result is divided by 4 at the end, exactly. So 256 weights
 * take 2 loads, 2 shifts, 8 ands, 4 broadcasts, 8 vpmaddubsw, 8 vpaddw and an eighth of
 * 4 vpmaddwd and 4 vpaddd: 33 instructions. */
enum {
    SHORT_TILES = 8,
    MOST_TILES = 1 << 16, /* 4 x the sum of 2^20 columns fits 32 bits */
    AHEAD = 4096,         /* bytes of codes that are asked for before they are needed */
};

static inline __m256i broadcast4(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm256_set1_epi32(four);
}

/* Fix the order of additions here: gcc would add the steps of several tiles as a tree,
 * which needs more registers than there are. */
static inline void settle(__m256i *a, __m256i *b)
{
    __asm__("" : "+x"(*a), "+x"(*b));
}

/* Sums in 16 bits: one[r][h] of codes, four[r][h] of 4 x codes, h the half of a panel.
 */
TERN_INLINE void short_tile(const int8_t *q, size_t stride, const uint8_t *tile,
                            int rows, __m256i one[][2], __m256i four[][2])
{
    const __m256i low = _mm256_set1_epi8(3), high = _mm256_set1_epi8(12);
    TERN_UNROLLED (h, 2) {
        const __m256i t = _mm256_load_si256((const void *)(tile + 32 * h));
        const __m256i s = _mm256_srli_epi16(t, 4);
        const __m256i u0 = _mm256_and_si256(t, low), u1 = _mm256_and_si256(t, high);
        const __m256i u2 = _mm256_and_si256(s, low), u3 = _mm256_and_si256(s, high);
        TERN_UNROLLED (r, rows) {
            const int8_t *x = q + (size_t)r * stride;
            one[r][h] =
                _mm256_add_epi16(one[r][h], _mm256_maddubs_epi16(u0, broadcast4(x)));
            four[r][h] = _mm256_add_epi16(four[r][h],
                                          _mm256_maddubs_epi16(u1, broadcast4(x + 4)));
            settle(&one[r][h], &four[r][h]);
            one[r][h] = _mm256_add_epi16(one[r][h],
                                         _mm256_maddubs_epi16(u2, broadcast4(x + 8)));
            four[r][h] = _mm256_add_epi16(four[r][h],
                                          _mm256_maddubs_epi16(u3, broadcast4(x + 12)));
            settle(&one[r][h], &four[r][h]);
        }
    }
}

TERN_INLINE void short_tiles(const int8_t *q, size_t stride, const uint8_t *tile,
                             size_t tiles, int rows, __m256i sum[][2])
{
    __m256i one[TERN_FEW_ROWS][2], four[TERN_FEW_ROWS][2];
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (h, 2) one[r][h] = four[r][h] = _mm256_setzero_si256();
    for (size_t c = 0; c < tiles; c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES) {
        _mm_prefetch((const char *)tile + AHEAD, _MM_HINT_T0);
        short_tile(q, stride, tile, rows, one, four);
    }
    const __m256i by1 = _mm256_set1_epi16(1), by4 = _mm256_set1_epi16(4);
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (h, 2)
            sum[r][h] = _mm256_add_epi32(
                sum[r][h], _mm256_add_epi32(_mm256_madd_epi16(one[r][h], by4),
                                            _mm256_madd_epi16(four[r][h], by1)));
}

/* y of 16 outputs, of which `left` exist. */
static inline void finish(const tern_matmul_block *b, size_t row, size_t output,
                          const __m256i sum[2])
{
    const size_t left = b->outputs - output, at = row * b->ldy + output;
    const __m256 factor = _mm256_set1_ps(b->gamma / b->scale[row]);
    for (size_t h = 0; h < 2 && 8 * h < left; h++) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i mask = _mm256_cmpgt_epi32(
            _mm256_set1_epi32((int)(left - 8 * h > 8 ? 8 : left - 8 * h)), lane);
        const __m256i whole = _mm256_srai_epi32(sum[h], 2);
        __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(whole), factor);
        if (b->add) y = _mm256_add_ps(y, _mm256_maskload_ps(b->add + at + 8 * h, mask));
        _mm256_maskstore_ps(b->y + at + 8 * h, mask, y);
    }
}

TERN_INLINE void few_panel(const tern_matmul_block *b, size_t panel, int rows)
{
    __m256i sum[TERN_FEW_ROWS][2];
    TERN_UNROLLED (r, rows) sum[r][0] = sum[r][1] = _mm256_set1_epi32(-4 * b->sum[r]);
    const uint8_t *tile = b->codes + panel * b->tiles * TERN_TILE_BYTES;
    const int8_t *q = b->q;
    size_t left = b->tiles;
    for (; left >= SHORT_TILES; left -= SHORT_TILES) {
        short_tiles(q, b->stride, tile, SHORT_TILES, rows, sum);
        q += SHORT_TILES * TERN_TILE_COLS;
        tile += SHORT_TILES * TERN_TILE_BYTES;
    }
    if (left) short_tiles(q, b->stride, tile, left, rows, sum);
    TERN_UNROLLED (r, rows) finish(b, (size_t)r, panel * TERN_PANEL_ROWS, sum[r]);
}

TERN_INLINE void few_panels(const tern_matmul_block *b, int rows)
{
    for (size_t p = 0; p * TERN_PANEL_ROWS < b->outputs; p++) few_panel(b, p, rows);
}

static void few(const tern_matmul_block *b)
{
    if (b->tiles > MOST_TILES)
        tern_kernels_active->matmul(b);
    else if (b->rows == 1)
        few_panels(b, 1);
    else if (b->rows == 2)
        few_panels(b, 2);
    else
        few_panels(b, 3);
}

/* --- caches of int8 --- */

enum { INT8_LANES = 8, INT8_VECS = 2, INT8_TWO_WAYS = 1 };
typedef __m256i int8_words;

static inline int8_words int8_start(int32_t sum)
{
    (void)sum;
    return _mm256_setzero_si256();
}

static inline int8_words int8_load(const int8_t *b)
{
    return _mm256_loadu_si256((const void *)b);
}

static inline int8_words int8_repeat(const int8_t *a)
{
    return broadcast4(a);
}

/* Lane l: size[4l] q[4l] + .. + size[4l + 3] q[4l + 3], by pairs of 16 bits: at most
 * 2 * 128 * 127 in size, they fit. size is unsigned. */
static inline __m256i products(__m256i size, __m256i q)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(size, q), _mm256_set1_epi16(1));
}

/* The unsigned operand is a if it may be, else |b|: pairs are at most 2 * 127 * 127 in
 * size. */
static inline int8_words int8_dot(int8_words s, int8_words a, int8_words b,
                                  bool positive)
{
    const __m256i four = positive
                             ? products(a, b)
                             : products(_mm256_abs_epi8(b), _mm256_sign_epi8(a, b));
    s = _mm256_add_epi32(s, four);
    TERN_OPAQUE(s); /* gcc would begin all eight, and keep sums in memory */
    return s;
}

static inline void int8_finish(int8_words s, float e, const float *d, bool add,
                               float *c)
{
    __m256 scale = _mm256_set1_ps(e);
    if (d) scale = _mm256_mul_ps(scale, _mm256_loadu_ps(d));
    const __m256 before = add ? _mm256_loadu_ps(c) : _mm256_setzero_ps();
    _mm256_storeu_ps(c, _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), scale, before));
}

#include "kernels/int8_product.h"

/* 32 codes from four registers, saturated, in their order. */
static inline __m256i narrow(const __m256i v[4])
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i low = _mm256_packs_epi32(v[0], v[1]);
    const __m256i high = _mm256_packs_epi32(v[2], v[3]);
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
}

static inline float largest_of(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/* All 64 in two passes, the second of which multiplies anew; what is done to each is
 * what avx2.c does. Saturation is its max and min: no code is below -128. */
static float quantize_products(const float *w, const float *e, size_t n, int8_t *q,
                               int32_t *sum)
{
    enum { LANES = 8, N = 64 };
    if (n != N) return tern_decode_scalar.quantize_products(w, e, n, q, sum);
    const __m256 positive = _mm256_castsi256_ps(_mm256_set1_epi32(INT32_MAX));
    __m256 most = _mm256_setzero_ps();
    for (size_t i = 0; i < N; i += LANES) {
        const __m256 x = _mm256_mul_ps(_mm256_loadu_ps(w + i), _mm256_loadu_ps(e + i));
        most = _mm256_max_ps(_mm256_and_ps(x, positive), most);
    }
    const float largest = largest_of(most);
    const __m256 s = _mm256_set1_ps(largest > 1e-30f ? 127.0f / largest : 0.0f);
    __m256i all = _mm256_setzero_si256(), bad = _mm256_setzero_si256();
    for (size_t i = 0; i < N; i += 4 * LANES) {
        __m256i v[4];
        TERN_UNROLLED (j, 4) {
            const size_t at = i + LANES * (size_t)j;
            const __m256 x =
                _mm256_mul_ps(_mm256_loadu_ps(w + at), _mm256_loadu_ps(e + at));
            v[j] = _mm256_cvtps_epi32(_mm256_mul_ps(x, s));
        }
        const __m256i codes = narrow(v), one = _mm256_set1_epi8(1);
        bad = _mm256_or_si256(
            bad, _mm256_cmpeq_epi8(codes, _mm256_set1_epi8((char)INT8_MIN)));
        all = _mm256_add_epi32(all, products(one, codes));
        _mm256_storeu_si256((void *)(q + i), codes);
    }
    int32_t lane[8];
    _mm256_storeu_si256((void *)lane, all);
    *sum = 0;
    TERN_UNROLLED (j, 8) *sum += lane[j];
    return !_mm256_testz_si256(bad, bad) || isinf(largest) ? NAN : largest / 127.0f;
}

/* --- heads --- */

enum { CODES_GROUP = 4, CODES_PAIR = 0, CODES_ZERO = 0 };
typedef __m256 codes_floats;

static inline int8_words codes_load(const uint8_t *p)
{
    return _mm256_load_si256((const void *)p);
}

static inline int8_words codes_and(int8_words w, uint32_t bits)
{
    return _mm256_and_si256(w, _mm256_set1_epi32((int)bits));
}

static inline int8_words codes_or(int8_words a, int8_words b)
{
    return _mm256_or_si256(a, b);
}

static inline int8_words codes_add(int8_words a, int8_words b)
{
    return _mm256_add_epi32(a, b);
}

static inline int8_words codes_left(int8_words w, int n)
{
    return _mm256_slli_epi32(w, n);
}

static inline int8_words codes_right(int8_words w, int n)
{
    return _mm256_srli_epi32(w, n);
}

static inline int8_words codes_divide(int8_words w, int n)
{
    return _mm256_srai_epi32(w, n);
}

static inline int8_words codes_none(void)
{
    return _mm256_setzero_si256();
}

static inline int8_words codes_signed(int8_words w)
{
    return w;
}

/* Four products of 63 and 127 fit 16 bits: small codes are widened two by two. */
static inline int8_words codes_dots(int8_words s, int8_words w, int8_words q,
                                    int8_words v, int8_words p, bool small)
{
    if (!small) return int8_dot(int8_dot(s, q, w, false), p, v, false);
    const __m256i both =
        _mm256_add_epi16(_mm256_maddubs_epi16(w, q), _mm256_maddubs_epi16(v, p));
    s = _mm256_add_epi32(s, _mm256_madd_epi16(both, _mm256_set1_epi16(1)));
    TERN_OPAQUE(s); /* as in int8_dot() */
    return s;
}

static inline codes_floats codes_float(int8_words w)
{
    return _mm256_cvtepi32_ps(w);
}

static inline codes_floats codes_halves(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_load_si128((const void *)p));
}

static inline codes_floats codes_same(float x)
{
    return _mm256_set1_ps(x);
}

static inline codes_floats codes_times(codes_floats a, codes_floats b)
{
    return _mm256_mul_ps(a, b);
}

static inline codes_floats codes_fused(codes_floats a, codes_floats b, codes_floats c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline void codes_put(float *p, codes_floats v)
{
    _mm256_storeu_ps(p, v);
}

#include "kernels/codes_product.h"

/* --- blocks to panels --- */

/* 32 codes, of two tiles, to their words: code 4j + b of 16 moves to bits 2j of byte b.
 * Shift dword j left by 2j, then or the dwords of each half. */
static inline __m256i words(__m256i u)
{
    const __m256i place = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    u = _mm256_sllv_epi32(u, place);
    u = _mm256_or_si256(u, _mm256_shuffle_epi32(u, 0x4e));
    return _mm256_or_si256(u, _mm256_shuffle_epi32(u, 0xb1));
}

static inline void put_word(uint8_t *tiles, size_t tile, int32_t word)
{
    memcpy(tiles + tile * TERN_TILE_BYTES, &word, sizeof word);
}

static inline void put_words(uint8_t *tiles, size_t tile, __m256i u)
{
    const __m256i v = words(u);
    put_word(tiles, tile, _mm_cvtsi128_si32(_mm256_castsi256_si128(v)));
    put_word(tiles, tile + 1, _mm_cvtsi128_si32(_mm256_extracti128_si256(v, 1)));
}

static inline bool any(__m256i v)
{
    return !_mm256_testz_si256(v, v);
}

static int32_t repack_tq2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    const __m256i three = _mm256_set1_epi8(3), zero = _mm256_set1_epi8(TERN_TILE_ZERO);
    __m256i bad = _mm256_setzero_si256();
    int32_t scale = 0;
    tiles += 4 * r;
    for (size_t t = 0; t < cols / 16 && scale >= 0; t += 16, row += TERN_TQ2_BYTES) {
        __m256i nonzero = _mm256_setzero_si256();
        for (size_t h = 0; h < 2; h++) {
            __m256i v = _mm256_loadu_si256((const void *)(row + 32 * h));
            nonzero = _mm256_or_si256(nonzero, _mm256_xor_si256(v, zero));
            /* Both bits of a code set: only 3 has them. */
            bad = _mm256_or_si256(bad, _mm256_and_si256(v, _mm256_srli_epi16(v, 1)));
            TERN_UNROLLED (n, 4) {
                put_words(tiles, t + 8 * h + 2 * (size_t)n, _mm256_and_si256(v, three));
                v = _mm256_srli_epi16(v, 2);
            }
        }
        uint16_t bits;
        memcpy(&bits, row + 64, sizeof bits);
        if (any(nonzero)) scale = tern_repack_scale(scale, bits);
    }
    return any(_mm256_and_si256(bad, zero)) ? -1 : scale;
}

/* Four rows of 32 bytes, codes 4 j + b of plane p and half s at bit 2 p of byte
 * 16 s + 4 j + b, to what tile 2 p + s holds of them: code j at bit 2 j of byte b.
 * First dwords change places,
 *
 *     row 0 | j0 j1 j2 j3 | j0 j1 j2 j3 |        v[0] | j0 of rows 0-3 | the same |
 *         1 | j0 j1 j2 j3 | j0 j1 j2 j3 |  ->    v[1] | j1 of rows 0-3 | of s = 1 |
 *
 * then the 2-bit fields: v[j]'s field p and v[p]'s field j. */
static inline void turn_fields(__m256i *a, __m256i *b, int bits, __m256i mask)
{
    const __m256i t =
        _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(*a, bits), *b), mask);
    *b = _mm256_xor_si256(*b, t);
    *a = _mm256_xor_si256(*a, _mm256_slli_epi16(t, bits));
}

static inline void turn_rows(__m256i v[4])
{
    const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]);
    const __m256i b = _mm256_unpackhi_epi32(v[0], v[1]);
    const __m256i c = _mm256_unpacklo_epi32(v[2], v[3]);
    const __m256i d = _mm256_unpackhi_epi32(v[2], v[3]);
    const __m256i fields = _mm256_set1_epi8(0x33), pairs = _mm256_set1_epi8(0x0f);
    v[0] = _mm256_unpacklo_epi64(a, c);
    v[1] = _mm256_unpackhi_epi64(a, c);
    v[2] = _mm256_unpacklo_epi64(b, d);
    v[3] = _mm256_unpackhi_epi64(b, d);
    turn_fields(&v[0], &v[1], 2, fields);
    turn_fields(&v[2], &v[3], 2, fields);
    turn_fields(&v[0], &v[2], 4, pairs);
    turn_fields(&v[1], &v[3], 4, pairs);
}

/* Sixteen rows a little at a time are too many streams for a prefetcher: the panel
 * after this one, which lies behind it, is fetched from its beginning to its end. */
static void panel_tq2(const uint8_t *const row[16], size_t cols, uint8_t *tiles)
{
    const size_t halves = cols / (TERN_TQ_BLOCK / 2);
    const uint8_t *next = row[0] + TERN_PANEL_ROWS * (halves / 2) * TERN_TQ2_BYTES;
    for (size_t h = 0; h < halves; h++, tiles += 8 * TERN_TILE_BYTES)
        for (size_t r = 0; r < TERN_PANEL_ROWS; r += 4, next += 4 * 33) {
            const size_t at = h / 2 * TERN_TQ2_BYTES + h % 2 * 32;
            __m256i v[4];
            _mm_prefetch((const char *)next, _MM_HINT_T0);
            _mm_prefetch((const char *)next + 64, _MM_HINT_T0);
            TERN_UNROLLED (i, 4)
                v[i] = _mm256_loadu_si256((const void *)(row[r + (size_t)i] + at));
            turn_rows(v);
            TERN_UNROLLED (p, 4) {
                uint8_t *out = tiles + 2 * (size_t)p * TERN_TILE_BYTES + 4 * r;
                _mm_store_si128((void *)out, _mm256_castsi256_si128(v[p]));
                _mm_store_si128((void *)(out + TERN_TILE_BYTES),
                                _mm256_extracti128_si256(v[p], 1));
            }
        }
}

/* The highest base-3 digit of each byte, 3 x / 256; and what follows it, 3 x mod 256.
 */
static inline __m256i digit(__m256i x)
{
    const __m256i d1 = _mm256_cmpeq_epi8(_mm256_max_epu8(x, _mm256_set1_epi8(86)), x);
    const __m256i d2 =
        _mm256_cmpeq_epi8(_mm256_max_epu8(x, _mm256_set1_epi8((char)171)), x);
    return _mm256_sub_epi8(_mm256_setzero_si256(), _mm256_add_epi8(d1, d2));
}

static inline __m256i after_digit(__m256i x)
{
    return _mm256_add_epi8(x, _mm256_add_epi8(x, x));
}

/* Not 0 where x >= 243 (decode_scalar.c says why that is wrong after five digits). */
static inline __m256i too_large(__m256i x)
{
    return _mm256_cmpeq_epi8(_mm256_max_epu8(x, _mm256_set1_epi8((char)243)), x);
}

/* What one row has been found to hold so far. */
typedef struct tq1_state {
    __m256i bad, nonzero;
} tq1_state;

/* Five planes of 32 bytes: ten tiles. */
static inline void tq1_first(const uint8_t *in, uint8_t *tiles, tq1_state *s)
{
    const __m256i one = _mm256_set1_epi8(1);
    __m256i x = _mm256_loadu_si256((const void *)in);
    TERN_UNROLLED (n, 5) {
        const __m256i u = digit(x);
        s->nonzero = _mm256_or_si256(s->nonzero, _mm256_xor_si256(u, one));
        put_words(tiles, 2 * (size_t)n, u);
        x = after_digit(x);
    }
    s->bad = _mm256_or_si256(s->bad, too_large(x));
}

/* Five planes of 16 bytes, and four of 4: six tiles. Both halves of the registers hold
 * the same. The planes of the last are its word's dwords already. */
static inline void tq1_rest(const uint8_t *in, uint8_t *tiles, tq1_state *s)
{
    const __m256i one = _mm256_set1_epi8(1);
    int32_t last;
    memcpy(&last, in + 16, sizeof last);
    __m256i x = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)in));
    __m256i z = _mm256_set1_epi32(last);
    __m256i word = _mm256_setzero_si256();
    TERN_UNROLLED (n, 5) {
        const __m256i u = digit(x), v = digit(z);
        s->nonzero = _mm256_or_si256(s->nonzero, _mm256_xor_si256(u, one));
        const __m256i w = words(u);
        put_word(tiles, (size_t)n, _mm_cvtsi128_si32(_mm256_castsi256_si128(w)));
        if (n < 4) {
            s->nonzero = _mm256_or_si256(s->nonzero, _mm256_xor_si256(v, one));
            word = _mm256_or_si256(word, _mm256_slli_epi32(v, 2 * n));
        } else {
            s->bad = _mm256_or_si256(s->bad, v); /* a fifth digit */
        }
        x = after_digit(x);
        z = after_digit(z);
    }
    s->bad = _mm256_or_si256(s->bad, _mm256_or_si256(too_large(x), too_large(z)));
    put_word(tiles, 5, _mm_cvtsi128_si32(_mm256_castsi256_si128(word)));
}

static int32_t repack_tq1(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    tq1_state s = {.bad = _mm256_setzero_si256()};
    int32_t scale = 0;
    tiles += 4 * r;
    for (size_t t = 0; t < cols / 16 && scale >= 0; t += 16, row += TERN_TQ1_BYTES) {
        uint16_t bits;
        s.nonzero = _mm256_setzero_si256();
        tq1_first(row, tiles + t * TERN_TILE_BYTES, &s);
        tq1_rest(row + 32, tiles + (t + 10) * TERN_TILE_BYTES, &s);
        memcpy(&bits, row + 52, sizeof bits);
        if (any(s.nonzero)) scale = tern_repack_scale(scale, bits);
    }
    return any(s.bad) ? -1 : scale;
}

/* Byte j of a block's word has codes 4j + b at bits 2b; a tile's has them in byte b at
 * bits 2j: a matrix of 4 x 4 fields to be transposed, which two rounds of exchanges do,
 * at distances of 1 and of 2 fields in both directions. */
static int32_t repack_q2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    uint32_t bad = 0;
    int32_t scale = 0;
    tiles += 4 * r;
    for (size_t t = 0; t < cols / 16 && scale >= 0; t += 4, row += TERN_Q2_BYTES) {
        uint32_t nonzero = 0;
        for (size_t i = 0; i < 4; i++) {
            uint32_t v;
            memcpy(&v, row + 2 + 4 * i, sizeof v);
            nonzero |= v ^ 0x55555555u;
            bad |= v & v >> 1 & 0x55555555u;
            const uint32_t near = (v ^ v >> 6) & 0x00cc00ccu;
            v ^= near ^ near << 6;
            const uint32_t far = (v ^ v >> 12) & 0x0000f0f0u;
            v ^= far ^ far << 12;
            memcpy(tiles + (t + i) * TERN_TILE_BYTES, &v, sizeof v);
        }
        uint16_t bits;
        memcpy(&bits, row, sizeof bits);
        if (nonzero) scale = tern_repack_scale(scale, bits);
    }
    return bad ? -1 : scale;
}

/* --- the limit --- */

static size_t spin(size_t steps, int32_t *sum)
{
    enum { CHAINS = 8 };
    const __m256i u = _mm256_set1_epi8((char)(steps & 3));
    __m256i q = _mm256_set1_epi8((char)(steps & 7)), word[CHAINS];
    TERN_UNROLLED (i, CHAINS) word[i] = _mm256_setzero_si256();
    for (size_t s = 0; s < steps; s++) {
        TERN_UNROLLED (i, CHAINS) {
            TERN_OPAQUE(q); /* no product is like another */
            word[i] = _mm256_add_epi16(word[i], _mm256_maddubs_epi16(u, q));
            TERN_OPAQUE(word[i]); /* nor is a register moved */
        }
    }
    __m256i all = _mm256_setzero_si256();
    TERN_UNROLLED (i, CHAINS) all = _mm256_xor_si256(all, word[i]);
    *sum = _mm256_extract_epi32(all, 0);
    return steps * CHAINS * 32;
}

static uint64_t read_all(const void *p, size_t bytes)
{
    __m256i sum[4];
    TERN_UNROLLED (i, 4) sum[i] = _mm256_setzero_si256();
    for (const char *at = p, *end = at + bytes; at < end; at += 128)
        TERN_UNROLLED (i, 4)
            sum[i] = _mm256_xor_si256(sum[i],
                                      _mm256_load_si256((const void *)(at + 32 * i)));
    const __m256i all = _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]),
                                         _mm256_xor_si256(sum[2], sum[3]));
    return (uint64_t)(_mm256_extract_epi64(all, 0) ^ _mm256_extract_epi64(all, 1) ^
                      _mm256_extract_epi64(all, 2) ^ _mm256_extract_epi64(all, 3));
}

void tern_decode_upgrade_avx2(tern_decode_kernels *k)
{
    k->few = few;
    k->codes_product = codes_product;
    k->int8_product = int8_product;
    k->quantize_products = quantize_products;
    k->repack_tq2 = repack_tq2;
    k->repack_tq1 = repack_tq1;
    k->repack_q2 = repack_q2;
    k->panel_tq2 = panel_tq2;
    k->spin = spin;
    k->read = read_all;
}
