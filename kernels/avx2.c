/* avx2.c - the integer kernels for 256-bit registers (8 floats, 32 bytes).
 *
 * The product's blocking (below is its arithmetic):
 *
 *      q, rows x columns        a panel: 16 rows of W         y, rows x outputs
 *     +-----------------+       +------+------+--             +----+----+--
 *     | 4 rows          |       | tile | tile |               |4x16|    |
 *     |-----------------|   x   +------+------+--      =      |----|    |
 *     | 4 rows          |       two registers of              |4x16|    |
 *     |   .. 192        |       8 rows x 4 codes              |    |    |
 *     +-----------------+                                     +----+----+--
 *
 * Four rows have eight sums in registers and share the unpacking of a tile; the panel,
 * some KB, stays in the first-level cache while 192 rows meet it, and these in the
 * second while all panels pass. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/unroll.h"

static float absmax(const float *x, size_t n)
{
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 max = _mm256_setzero_ps();
    size_t i = 0;
    /* vmaxps returns its second operand if one is NaN: NaN is skipped. */
    for (; i + 8 <= n; i += 8)
        max = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i), magnitude), max);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps(max, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    m = _mm_max_ss(m, _mm_movehdup_ps(m));
    const float rest = tern_kernels_scalar.absmax(x + i, n - i),
                most = _mm_cvtss_f32(m);
    return rest > most ? rest : most;
}

static int32_t quantize(const float *x, float s, size_t n, int8_t *q)
{
    const __m256 scale = _mm256_set1_ps(s);
    __m256i sum = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        /* vcvtps2dq rounds half to even and makes INT_MIN of what does not fit; the
         * packs clamp. */
        const __m256i v =
            _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale));
        __m128i c =
            _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
        c = _mm_packs_epi16(c, c);
        _mm_storel_epi64((__m128i *)(void *)(q + i), c);
        sum = _mm256_add_epi32(sum, _mm256_cvtepi8_epi32(c));
    }
    __m128i t =
        _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
    t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1));
    return _mm_cvtsi128_si32(t) + tern_kernels_scalar.quantize(x + i, s, n - i, q + i);
}

static void dequantize(const int8_t *q, float s, size_t n, float *y)
{
    const __m256 scale = _mm256_set1_ps(s);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i c = _mm_loadl_epi64((const __m128i *)(const void *)(q + i));
        const __m256 v = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(c));
        _mm256_storeu_ps(y + i, _mm256_div_ps(v, scale));
    }
    tern_kernels_scalar.dequantize(q + i, s, n - i, y + i);
}

static double abs_sum(const float *w, size_t n)
{
    const __m128 magnitude = _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff));
    __m256d sum[4];
    TERN_UNROLLED (l, 4) sum[l] = _mm256_setzero_pd();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        TERN_UNROLLED (l, 4) {
            const __m128 x = _mm_and_ps(_mm_loadu_ps(w + i + 4 * l), magnitude);
            sum[l] = _mm256_add_pd(sum[l], _mm256_cvtps_pd(x));
        }
    double lane[16];
    TERN_UNROLLED (l, 4) _mm256_storeu_pd(lane + 4 * l, sum[l]);
    return tern_abs_sum_finish(lane, w + i, n - i);
}

/* The codes of 8 weights as int32, shifted to their place in the byte. */
static __m256i codes(__m256 x, __m256 half, __m256i shift)
{
    const __m256 minus = _mm256_xor_ps(half, _mm256_set1_ps(-0.0f));
    const __m256i above = _mm256_castps_si256(_mm256_cmp_ps(x, half, _CMP_GT_OQ));
    const __m256i below = _mm256_castps_si256(_mm256_cmp_ps(x, minus, _CMP_LT_OQ));
    const __m256i u = /* the comparisons give -1 */
        _mm256_sub_epi32(_mm256_add_epi32(_mm256_set1_epi32(1), below), above);
    return _mm256_sllv_epi32(u, shift);
}

/* The 4 bytes of one row of a tile, from 16 weights. */
static void pack_word(__m256 x0, __m256 x1, __m256 half, uint8_t *word)
{
    const __m256i v =
        _mm256_or_si256(codes(x0, half, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2)),
                        codes(x1, half, _mm256_setr_epi32(4, 4, 4, 4, 6, 6, 6, 6)));
    const __m128i b =
        _mm_or_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i bytes = _mm_shuffle_epi8(b, _mm_set1_epi32(0x0c080400));
    const int32_t four = _mm_cvtsi128_si32(bytes);
    memcpy(word, &four, sizeof four);
}

static void pack(const float *w, size_t ld, size_t rows, size_t cols, float half,
                 uint8_t *tiles)
{
    const __m256 h = _mm256_set1_ps(half);
    const size_t whole = cols / TERN_TILE_COLS, rest = cols % TERN_TILE_COLS;
    const size_t count = whole + (rest != 0);
    if (rows < TERN_PANEL_ROWS) memset(tiles, TERN_TILE_ZERO, count * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++) {
        const float *x = w + r * ld;
        uint8_t *word = tiles + 4 * r;
        for (size_t c = 0; c < whole; c++, x += 16, word += TERN_TILE_BYTES)
            pack_word(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), h, word);
        if (rest) {
            float last[TERN_TILE_COLS] = {0};
            memcpy(last, x, rest * sizeof *x);
            pack_word(_mm256_loadu_ps(last), _mm256_loadu_ps(last + 8), h, word);
        }
    }
}

static void expand(const uint8_t *tiles, size_t r, size_t cols, float *t)
{
    /* Column 4j + b of a tile stands in byte b at bit 2j. */
    const __m256i low = _mm256_setr_epi32(0, 8, 16, 24, 2, 10, 18, 26);
    const __m256i high = _mm256_add_epi32(low, _mm256_set1_epi32(4));
    const __m256i three = _mm256_set1_epi32(3), one = _mm256_set1_epi32(1);
    const uint8_t *word = tiles + 4 * r;
    size_t c = 0;
    for (; c + 16 <= cols; c += 16, word += TERN_TILE_BYTES) {
        int32_t four;
        memcpy(&four, word, sizeof four);
        const __m256i v = _mm256_set1_epi32(four);
        const __m256i u0 = _mm256_and_si256(_mm256_srlv_epi32(v, low), three);
        const __m256i u1 = _mm256_and_si256(_mm256_srlv_epi32(v, high), three);
        _mm256_storeu_ps(t + c, _mm256_cvtepi32_ps(_mm256_sub_epi32(u0, one)));
        _mm256_storeu_ps(t + c + 8, _mm256_cvtepi32_ps(_mm256_sub_epi32(u1, one)));
    }
    tern_kernels_scalar.expand(tiles + c / 16 * TERN_TILE_BYTES, r, cols - c, t + c);
}

/* --- the product ---
 *
 * A panel is two registers of 8 rows x 4 codes. vpmaddubsw multiplies one with 4
 * activations broadcast and adds neighbours: 16 words u*q + u*q. With u in 0..2 and q
 * in -128..127 a word lies in -512..508, so 64 of them can be added in 16 bits: between
 * -32768 and 32512. 64 steps are 16 tiles; then vpmaddwd adds each row's two words into
 * 32 bits. */
enum { ROW_CHUNK = 192, GROUP = 4, SHORT_SUM_TILES = 16 };

/* Fix the order of additions here: gcc would add the four steps of a tile as a tree,
 * which needs more registers than there are. */
static inline void settle(__m256i v[2])
{
    __asm__("" : "+x"(v[0]), "+x"(v[1]));
}

TERN_INLINE void short_sums(const int8_t *q, size_t stride, const uint8_t *tile,
                            size_t tiles, int rows, __m256i sum[][2])
{
    const __m256i three = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    __m256i words[GROUP][2];
    TERN_UNROLLED (r, rows) words[r][0] = words[r][1] = _mm256_setzero_si256();
    for (size_t c = 0; c < tiles; c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES) {
        __m256i t0 = _mm256_load_si256((const __m256i *)(const void *)tile);
        __m256i t1 = _mm256_load_si256((const __m256i *)(const void *)(tile + 32));
        TERN_UNROLLED (j, 4) {
            const __m256i u0 = _mm256_and_si256(t0, three);
            const __m256i u1 = _mm256_and_si256(t1, three);
            TERN_UNROLLED (r, rows) {
                int32_t four;
                memcpy(&four, q + (size_t)r * stride + 4 * j, sizeof four);
                const __m256i x = _mm256_set1_epi32(four);
                words[r][0] =
                    _mm256_add_epi16(words[r][0], _mm256_maddubs_epi16(u0, x));
                words[r][1] =
                    _mm256_add_epi16(words[r][1], _mm256_maddubs_epi16(u1, x));
            }
            TERN_UNROLLED (r, rows) settle(words[r]);
            t0 = _mm256_srli_epi16(t0, 2);
            t1 = _mm256_srli_epi16(t1, 2);
        }
    }
    TERN_UNROLLED (r, rows)
        TERN_UNROLLED (h, 2)
            sum[r][h] =
                _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(words[r][h], ones));
}

/* y of 8 outputs, of which `left` exist. Masked stores are slow on some CPUs, so only
 * the last outputs of a matrix are stored that way. */
static inline void finish(const tern_matmul_block *b, size_t at, size_t left,
                          __m256i sum, __m256 factor)
{
    __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), factor);
    if (left >= 8) {
        if (b->add) y = _mm256_add_ps(y, _mm256_loadu_ps(b->add + at));
        _mm256_storeu_ps(b->y + at, y);
        return;
    }
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left), lane);
    if (b->add) y = _mm256_add_ps(y, _mm256_maskload_ps(b->add + at, mask));
    _mm256_maskstore_ps(b->y + at, mask, y);
}

/* y of a panel's 16 outputs. */
static inline void finish_panel(const tern_matmul_block *b, size_t row, size_t panel,
                                const __m256i sum[2])
{
    const size_t output = panel * TERN_PANEL_ROWS, left = b->outputs - output;
    const size_t at = row * b->ldy + output;
    const __m256 factor = _mm256_set1_ps(b->gamma / b->scale[row]);
    finish(b, at, left, sum[0], factor);
    if (left > 8) finish(b, at + 8, left - 8, sum[1], factor);
}

TERN_INLINE void group(const tern_matmul_block *b, size_t row, size_t panel, int rows)
{
    __m256i sum[GROUP][2];
    TERN_UNROLLED (r, rows)
        sum[r][0] = sum[r][1] = _mm256_set1_epi32(-b->sum[row + (size_t)r]);
    const int8_t *q = b->q + row * b->stride;
    const uint8_t *tile = b->codes + panel * b->tiles * TERN_TILE_BYTES;
    for (size_t c = 0; c < b->tiles; c += SHORT_SUM_TILES) {
        const size_t left = b->tiles - c;
        short_sums(q + c * TERN_TILE_COLS, b->stride, tile + c * TERN_TILE_BYTES,
                   left < SHORT_SUM_TILES ? left : SHORT_SUM_TILES, rows, sum);
    }
    TERN_UNROLLED (r, rows) finish_panel(b, row + (size_t)r, panel, sum[r]);
}

static void matmul(const tern_matmul_block *b)
{
    const size_t panels = (b->outputs + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
    /* A chunk of activations stays in the second level cache, the codes of a panel in
     * the first, while every row of the chunk meets them. */
    for (size_t row0 = 0; row0 < b->rows; row0 += ROW_CHUNK) {
        const size_t end = row0 + ROW_CHUNK < b->rows ? row0 + ROW_CHUNK : b->rows;
        for (size_t p = 0; p < panels; p++) {
            size_t row = row0;
            for (; row + GROUP <= end; row += GROUP) group(b, row, p, GROUP);
            switch (end - row) {
            case 3:
                group(b, row, p, 3);
                break;
            case 2:
                group(b, row, p, 2);
                break;
            case 1:
                group(b, row, p, 1);
                break;
            default:
                break;
            }
        }
    }
}

void tern_kernels_upgrade_avx2(tern_kernels *k)
{
    k->absmax = absmax;
    k->quantize = quantize;
    k->dequantize = dequantize;
    k->abs_sum = abs_sum;
    k->pack = pack;
    k->expand = expand;
    k->matmul = matmul;
}
