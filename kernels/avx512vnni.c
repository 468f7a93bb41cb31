/* avx512vnni.c - the integer kernels for 512-bit registers with vpdpbusd.
 *
 * The product's blocking for many rows (below is its arithmetic):
 *
 *      q, rows x columns       four panels, unpacked: a       y, rows x outputs
 *     +-----+-----+--          register has 16 rows x 4      +------+------+--
 *     | 6 x 1536  |    x       | p0 p1 p2 p3 | j = 0    =    | 6x64 |      |
 *     |-----+-----+--          | p0 p1 p2 p3 | j = 1         |------|      |
 *     |   .. 192  |              .. 96 tiles: 96 KiB         |      |      |
 *     +-----+-----+--                                        +------+------+--
 *
 * Six rows have 24 sums in registers; the buffer stays in the second-level cache while
 * 192 rows meet it. */
#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/unroll.h"

/* The first n (0..16) lanes. */
static inline __mmask16 lanes(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline __mmask16 lanes_left(size_t n)
{
    return lanes(n < 16 ? n : 16);
}

static float absmax(const float *x, size_t n)
{
    __m512 max = _mm512_setzero_ps();
    /* vmaxps returns its second operand if one is NaN: NaN is skipped. */
    for (size_t i = 0; i < n; i += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(lanes_left(n - i), x + i);
        max = _mm512_max_ps(_mm512_abs_ps(v), max);
    }
    return _mm512_reduce_max_ps(max);
}

static int32_t quantize(const float *x, float s, size_t n, int8_t *q)
{
    const __m512 scale = _mm512_set1_ps(s);
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes_left(n - i);
        /* vcvtps2dq rounds half to even and makes INT_MIN of what does not fit. */
        __m512i v =
            _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), scale));
        v = _mm512_max_epi32(v, _mm512_set1_epi32(-128));
        v = _mm512_min_epi32(v, _mm512_set1_epi32(127));
        sum = _mm512_mask_add_epi32(sum, m, sum, v);
        _mm512_mask_cvtepi32_storeu_epi8(q + i, m, v);
    }
    return _mm512_reduce_add_epi32(sum);
}

static void dequantize(const int8_t *q, float s, size_t n, float *y)
{
    const __m512 scale = _mm512_set1_ps(s);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = lanes_left(n - i);
        const __m512i v = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(m, q + i));
        const __m512 quotient = _mm512_div_ps(_mm512_cvtepi32_ps(v), scale);
        _mm512_mask_storeu_ps(y + i, m, quotient);
    }
}

static double abs_sum(const float *w, size_t n)
{
    __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512d a = _mm512_cvtps_pd(_mm256_loadu_ps(w + i));
        const __m512d b = _mm512_cvtps_pd(_mm256_loadu_ps(w + i + 8));
        low = _mm512_add_pd(low, _mm512_abs_pd(a));
        high = _mm512_add_pd(high, _mm512_abs_pd(b));
    }
    double lane[16];
    _mm512_storeu_pd(lane, low);
    _mm512_storeu_pd(lane + 8, high);
    return tern_abs_sum_finish(lane, w + i, n - i);
}

/* The 4 bytes of one row of a tile, from 16 weights. */
static inline void pack_word(__m512 x, __m512 half, __m512 minus, uint8_t *word)
{
    const __m512i one = _mm512_set1_epi32(1);
    const __m512i shift =
        _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    __m512i u = one;
    u = _mm512_mask_add_epi32(u, _mm512_cmp_ps_mask(x, half, _CMP_GT_OQ), u, one);
    u = _mm512_mask_sub_epi32(u, _mm512_cmp_ps_mask(x, minus, _CMP_LT_OQ), u, one);
    u = _mm512_sllv_epi32(u, shift);
    const __m256i v =
        _mm256_or_si256(_mm512_castsi512_si256(u), _mm512_extracti64x4_epi64(u, 1));
    const __m128i b =
        _mm_or_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const int32_t four = _mm_cvtsi128_si32(_mm_cvtepi32_epi8(b));
    memcpy(word, &four, sizeof four);
}

static void pack(const float *w, size_t ld, size_t rows, size_t cols, float half,
                 uint8_t *tiles)
{
    const __m512 h = _mm512_set1_ps(half), minus = _mm512_set1_ps(-half);
    const size_t count = (cols + TERN_TILE_COLS - 1) / TERN_TILE_COLS;
    if (rows < TERN_PANEL_ROWS) memset(tiles, TERN_TILE_ZERO, count * TERN_TILE_BYTES);
    for (size_t r = 0; r < rows; r++) {
        const float *x = w + r * ld;
        uint8_t *word = tiles + 4 * r;
        for (size_t c = 0; c < cols; c += 16, word += TERN_TILE_BYTES)
            pack_word(_mm512_maskz_loadu_ps(lanes_left(cols - c), x + c), h, minus,
                      word);
    }
}

static void expand(const uint8_t *tiles, size_t r, size_t cols, float *t)
{
    /* Column 4j + b of a tile stands in byte b at bit 2j. */
    const __m512i shift =
        _mm512_setr_epi32(0, 8, 16, 24, 2, 10, 18, 26, 4, 12, 20, 28, 6, 14, 22, 30);
    const uint8_t *word = tiles + 4 * r;
    for (size_t c = 0; c < cols; c += 16, word += TERN_TILE_BYTES) {
        int32_t four;
        memcpy(&four, word, sizeof four);
        __m512i u = _mm512_srlv_epi32(_mm512_set1_epi32(four), shift);
        u = _mm512_and_si512(u, _mm512_set1_epi32(3));
        u = _mm512_sub_epi32(u, _mm512_set1_epi32(1));
        _mm512_mask_storeu_ps(t + c, lanes_left(cols - c), _mm512_cvtepi32_ps(u));
    }
}

/* --- the product ---
 *
 * A register holds 16 rows x 4 codes of a panel; vpdpbusd multiplies it with 4
 * activations broadcast to every row and adds each row's four products to 32 bits.
 *
 * Few rows (decode): the codes are unpacked in registers on their way from memory.
 * Many rows: four panels are unpacked once into a buffer and every row of a chunk meets
 * them there, in groups of six rows: 24 sums in registers, 10 loads for 24 vpdpbusd.
 * What limits this shape on a busy core is the number of instructions: 4 x 6 needs 1.4
 * per vpdpbusd, 2 x 12 needs 1.6. Columns beyond DEPTH_TILES come in further passes;
 * the sums wait in `partial`. */
enum {
    ROW_CHUNK = 192,  /* rows that meet an unpacked buffer */
    GROUP = 6,        /* rows in registers */
    QUAD = 4,         /* panels in registers */
    DEPTH_TILES = 96, /* tiles of a panel unpacked at once: 4 * 96 * 256 B = 96 KiB */
    FEW_GROUP = 8,    /* rows in registers when few */
    FEW_PAIR = 5,     /* rows from which two panels are taken at once */
    FEW_ROWS = 32,    /* fewer than these are few */
};

static inline __m512i load_codes(const uint8_t *p)
{
    return _mm512_load_si512((const void *)p);
}

/* Codes 4j .. 4j + 3 of each row of a tile. */
static inline __m512i unpacked(__m512i tile, int j)
{
    return _mm512_and_si512(_mm512_srli_epi32(tile, 2 * (unsigned)j),
                            _mm512_set1_epi8(3));
}

static inline __m512i broadcast4(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_set1_epi32(four);
}

/* 16 outputs of one row, those of the mask. */
static inline void finish(__m512i sum, __m512 factor, const float *add, float *y,
                          __mmask16 m)
{
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor);
    if (add) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(m, add));
    _mm512_mask_storeu_ps(y, m, v);
}

/* Few rows times one panel, or two. The sums of a row and a panel are spread over
 * `chains` registers, so that one vpdpbusd need not wait for the one before. From five
 * rows on there are enough of them: then two panels share what is read of q. */
TERN_INLINE void few_group(const tern_matmul_block *b, size_t row, size_t panel,
                           int rows, int panels, const uint8_t *next)
{
    const int chains = (rows > 4 ? 2 : 4) / panels; /* registers for a sum */
    const size_t panel_bytes = b->tiles * TERN_TILE_BYTES;
    const int8_t *q = b->q + row * b->stride;
    const uint8_t *tile = b->codes + panel * panel_bytes;
    __m512i sum[FEW_GROUP][4];
    TERN_UNROLLED (r, rows) {
        TERN_UNROLLED (i, panels * chains) sum[r][i] = _mm512_setzero_si512();
        TERN_UNROLLED (p, panels)
            sum[r][p * chains] = _mm512_set1_epi32(-b->sum[row + (size_t)r]);
    }
    for (size_t c = 0; c < b->tiles;
         c++, q += TERN_TILE_COLS, tile += TERN_TILE_BYTES) {
        __m512i t[2];
        TERN_UNROLLED (p, panels) {
            const uint8_t *at = tile + (size_t)p * panel_bytes;
            t[p] = load_codes(at);
            _mm_prefetch((const char *)next + TERN_TILE_BYTES * p, _MM_HINT_T1);
        }
        next += TERN_TILE_BYTES * panels;
        TERN_UNROLLED (j, 4) {
            __m512i u[2];
            TERN_UNROLLED (p, panels) u[p] = unpacked(t[p], j);
            TERN_UNROLLED (r, rows) {
                const __m512i x = broadcast4(q + (size_t)r * b->stride + 4 * j);
                TERN_UNROLLED (p, panels) {
                    __m512i *to = &sum[r][p * chains + j % chains];
                    *to = _mm512_dpbusd_epi32(*to, u[p], x);
                    TERN_OPAQUE(*to); /* stay in that register */
                }
            }
        }
    }
    TERN_UNROLLED (r, rows) {
        const __m512 factor = _mm512_set1_ps(b->gamma / b->scale[row + (size_t)r]);
        TERN_UNROLLED (p, panels) {
            const size_t output = (panel + (size_t)p) * TERN_PANEL_ROWS;
            const size_t at = (row + (size_t)r) * b->ldy + output;
            __m512i all = sum[r][p * chains];
            TERN_UNROLLED (i, chains - 1)
                all = _mm512_add_epi32(all, sum[r][p * chains + i + 1]);
            finish(all, factor, b->add ? b->add + at : NULL, b->y + at,
                   lanes_left(b->outputs - output));
        }
    }
}

/* All rows of one panel, or of two. */
TERN_INLINE void few_rows(const tern_matmul_block *b, size_t p, int panels)
{
    size_t row = 0;
    const size_t bytes = b->tiles * TERN_TILE_BYTES;
    const size_t after = p + (size_t)panels;
    const uint8_t *next = b->codes + after * bytes;
    if (b->next && after * TERN_PANEL_ROWS >= b->outputs) next = b->next;
    for (; row + FEW_GROUP <= b->rows; row += FEW_GROUP)
        few_group(b, row, p, FEW_GROUP, panels, next);
    switch (b->rows - row) {
    case 7:
        few_group(b, row, p, 7, panels, next);
        break;
    case 6:
        few_group(b, row, p, 6, panels, next);
        break;
    case 5:
        few_group(b, row, p, 5, panels, next);
        break;
    case 4:
        few_group(b, row, p, 4, panels, next);
        break;
    case 3:
        few_group(b, row, p, 3, panels, next);
        break;
    case 2:
        few_group(b, row, p, 2, panels, next);
        break;
    case 1:
        few_group(b, row, p, 1, panels, next);
        break;
    default:
        break;
    }
}

static size_t panels_of(const tern_matmul_block *b)
{
    return (b->outputs + TERN_PANEL_ROWS - 1) / TERN_PANEL_ROWS;
}

static void matmul_few(const tern_matmul_block *b)
{
    const size_t panels = panels_of(b);
    size_t p = 0;
    if (b->rows >= FEW_PAIR)
        for (; p + 2 <= panels; p += 2) few_rows(b, p, 2);
    for (; p < panels; p++) few_rows(b, p, 1);
}

/* What the next pass unpacks: it is fetched while this one multiplies, a few tiles of
 * its panels for every group of rows. */
typedef struct coming {
    const uint8_t *at; /* in the first of the panels */
    size_t panels, tiles, step;
} coming;

/* What a chunk of rows and up to QUAD panels share. */
typedef struct quad {
    const tern_matmul_block *block;
    size_t row0, rows;        /* the chunk */
    const float *factor;      /* (rows) gamma / s */
    size_t panel, panels;     /* first of the quad, and how many */
    __mmask16 tail;           /* outputs that exist in its last panel */
    size_t tile, tiles;       /* the columns of this pass */
    const uint8_t *codes;     /* unpacked, 64 bytes at (4 * tile + j) * panels + p */
    __m512i (*partial)[QUAD]; /* (rows) sums between passes */
    coming coming;
} quad;

/* Tiles of a pass, of those that are left. */
static size_t depth(size_t left)
{
    return left < DEPTH_TILES ? left : DEPTH_TILES;
}

/* The same panels' next columns, or the next panels, or, for more rows, the first. */
static coming after(const quad *k)
{
    const tern_matmul_block *b = k->block;
    const size_t all = panels_of(b);
    size_t panel = k->panel, tile = k->tile + k->tiles;
    if (tile == b->tiles) tile = 0, panel += k->panels;
    if (panel == all) {
        if (k->row0 + k->rows == b->rows) return (coming){0};
        panel = 0;
    }
    const size_t groups = k->rows / GROUP;
    coming c = {.at = b->codes + (panel * b->tiles + tile) * TERN_TILE_BYTES,
                .panels = all - panel < QUAD ? all - panel : QUAD,
                .tiles = depth(b->tiles - tile)};
    if (groups) c.step = (c.tiles + groups - 1) / groups;
    return c;
}

static inline void fetch_some(coming *c, size_t panel_bytes)
{
    for (size_t i = 0; i < c->step && c->tiles > 0; i++, c->tiles--) {
        for (size_t p = 0; p < c->panels; p++)
            _mm_prefetch((const char *)c->at + p * panel_bytes, _MM_HINT_T1);
        c->at += TERN_TILE_BYTES;
    }
}

static void unpack(const quad *k, uint8_t *out)
{
    const size_t panel_bytes = k->block->tiles * TERN_TILE_BYTES;
    const size_t step = k->panels * TERN_TILE_BYTES;
    const uint8_t *first =
        k->block->codes + k->panel * panel_bytes + k->tile * TERN_TILE_BYTES;
    for (size_t p = 0; p < k->panels; p++) {
        const uint8_t *tile = first + p * panel_bytes;
        uint8_t *o = out + p * TERN_TILE_BYTES;
        for (size_t c = 0; c < k->tiles; c++, tile += TERN_TILE_BYTES) {
            const __m512i t = load_codes(tile);
            TERN_UNROLLED (j, 4) {
                _mm512_store_si512((void *)o, unpacked(t, j));
                o += step;
            }
        }
    }
}

TERN_INLINE void quad_dots(const quad *k, size_t i, int rows, int panels,
                           __m512i sum[][QUAD])
{
    const size_t stride = k->block->stride;
    const int8_t *q = k->block->q + (k->row0 + i) * stride + k->tile * TERN_TILE_COLS;
    const int8_t *q3 = q + 3 * stride; /* two bases reach six rows cheaply */
    const uint8_t *w = k->codes;
    for (size_t c = 0; c < k->tiles; c++) {
        TERN_UNROLLED (j, 4) {
            __m512i u[QUAD];
            TERN_UNROLLED (p, panels) u[p] = load_codes(w + (j * panels + p) * 64);
            TERN_UNROLLED (r, rows) {
                const int8_t *base = r < 3 ? q : q3;
                const __m512i x = broadcast4(base + (size_t)(r % 3) * stride + 4 * j);
                TERN_UNROLLED (p, panels)
                    sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], u[p], x);
            }
        }
        w += 4 * panels * TERN_TILE_BYTES;
        q += TERN_TILE_COLS;
        q3 += TERN_TILE_COLS;
    }
}

/* The outputs of a group; add is NULL or not for all of them. */
TERN_INLINE void quad_finish(__m512i sum[][QUAD], const float *factor, const float *add,
                             float *y, size_t ldy, int rows, int panels, __mmask16 tail)
{
    TERN_UNROLLED (r, rows) {
        const __m512 f = _mm512_set1_ps(factor[r]);
        TERN_UNROLLED (p, panels)
            finish(sum[r][p], f, add ? add + 16 * p : NULL, y + 16 * p,
                   p == panels - 1 ? tail : lanes(16));
        if (add) add += ldy;
        y += ldy;
    }
}

/* `rows` rows of the chunk, from row i, times `panels` unpacked panels. */
TERN_INLINE void quad_group(const quad *k, size_t i, int rows, int panels)
{
    const tern_matmul_block *b = k->block;
    __m512i sum[GROUP][QUAD], (*partial)[QUAD] = k->partial + i;
    if (k->tile == 0)
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (p, panels)
                sum[r][p] = _mm512_set1_epi32(-b->sum[k->row0 + i + (size_t)r]);
    else
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (p, panels) sum[r][p] = partial[r][p];

    quad_dots(k, i, rows, panels, sum);

    const size_t at = (k->row0 + i) * b->ldy + k->panel * TERN_PANEL_ROWS;
    if (k->tile + k->tiles < b->tiles)
        TERN_UNROLLED (r, rows)
            TERN_UNROLLED (p, panels) partial[r][p] = sum[r][p];
    else if (b->add)
        quad_finish(sum, k->factor + i, b->add + at, b->y + at, b->ldy, rows, panels,
                    k->tail);
    else
        quad_finish(sum, k->factor + i, NULL, b->y + at, b->ldy, rows, panels, k->tail);
}

TERN_INLINE void quad_rows(quad *k, int panels)
{
    const size_t panel_bytes = k->block->tiles * TERN_TILE_BYTES;
    size_t i = 0;
    for (; i + GROUP <= k->rows; i += GROUP) {
        fetch_some(&k->coming, panel_bytes);
        quad_group(k, i, GROUP, panels);
    }
    for (; i + 2 <= k->rows; i += 2) quad_group(k, i, 2, panels);
    if (i < k->rows) quad_group(k, i, 1, panels);
}

static void matmul_quad(quad *k, uint8_t *buffer)
{
    const size_t tiles = k->block->tiles;
    const size_t left =
        k->block->outputs - (k->panel + k->panels - 1) * TERN_PANEL_ROWS;
    k->tail = lanes_left(left);
    for (k->tile = 0; k->tile < tiles; k->tile += DEPTH_TILES) {
        k->tiles = depth(tiles - k->tile);
        k->coming = after(k);
        unpack(k, buffer);
        switch (k->panels) {
        case 4:
            quad_rows(k, 4);
            break;
        case 3:
            quad_rows(k, 3);
            break;
        case 2:
            quad_rows(k, 2);
            break;
        default:
            quad_rows(k, 1);
            break;
        }
    }
}

static void matmul(const tern_matmul_block *b)
{
    if (b->rows < FEW_ROWS || b->tiles == 0) {
        matmul_few(b);
        return;
    }
    _Alignas(64) uint8_t buffer[QUAD * DEPTH_TILES * 4 * TERN_TILE_BYTES];
    __m512i partial[ROW_CHUNK][QUAD];
    float factor[ROW_CHUNK];
    const size_t panels = panels_of(b);
    quad k = {.block = b, .codes = buffer, .partial = partial, .factor = factor};
    for (k.row0 = 0; k.row0 < b->rows; k.row0 += ROW_CHUNK) {
        k.rows = b->rows - k.row0 < ROW_CHUNK ? b->rows - k.row0 : ROW_CHUNK;
        for (size_t i = 0; i < k.rows; i++) factor[i] = b->gamma / b->scale[k.row0 + i];
        for (k.panel = 0; k.panel < panels; k.panel += QUAD) {
            k.panels = panels - k.panel < QUAD ? panels - k.panel : QUAD;
            matmul_quad(&k, buffer);
        }
    }
}

void tern_kernels_upgrade_avx512vnni(tern_kernels *k)
{
    k->absmax = absmax;
    k->quantize = quantize;
    k->dequantize = dequantize;
    k->abs_sum = abs_sum;
    k->pack = pack;
    k->expand = expand;
    k->matmul = matmul;
}
