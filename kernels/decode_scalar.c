/* decode_scalar.c - the runtime's kernels in plain C: what every other variant must
 * equal. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/half.h"
#include "kernels/codes.h"
#include "kernels/decode_kernels.h"

static void few(const tern_matmul_block *b)
{
    tern_kernels_active->matmul(b);
}

/* --- heads --- */

static uint16_t read_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* Halves [first, end) of block b: one fused step. */
static float codes_step(const tern_codes *w, size_t b, size_t first, size_t end,
                        const tern_q8_block *x, float y)
{
    int32_t sum = 0;
    for (size_t k = 16 * first; k < 16 * end; k++)
        sum += w->code[TERN_Q8_BLOCK * b + k] * x->q[k];
    return fmaf((float)sum, w->step[2 * b + first] * x->e, y);
}

/* A block of the file. */
static float codes_block(tern_codes_type type, const tern_codes *w,
                         const tern_q8_block *x, float y)
{
    for (size_t b = 0; b < tern_codes_shape_of(type).blocks; b++, x++) {
        if (type == TERN_CODES_Q6_K) {
            y = codes_step(w, b, 0, 1, x, y);
            y = codes_step(w, b, 1, 2, x, y);
            continue;
        }
        y = codes_step(w, b, 0, 2, x, y);
        if (type != TERN_CODES_Q4_K) continue;
        int32_t sum = 0;
        for (size_t k = 0; k < TERN_Q8_BLOCK; k++) sum += x->q[k];
        y = fmaf((float)sum, w->shift[b] * x->e, y);
    }
    return y;
}

static void codes_row(const tern_codes_product *p, size_t r)
{
    const size_t step = tern_codes_shape_of(p->type).blocks;
    const uint8_t *panel =
        p->panels + r / TERN_PANEL_ROWS * tern_codes_panel_bytes(p->type, p->blocks);
    for (size_t i = 0; i < p->m; i++) p->y[i * p->ldy + r] = 0.0f;
    for (size_t b = 0; b < p->blocks; b += step) {
        uint8_t block[TERN_Q6_K_BYTES];
        tern_codes w;
        tern_codes_from_panel(p->type, panel, p->blocks, b / step, r % TERN_PANEL_ROWS,
                              block);
        tern_unpack_codes(p->type, block, &w);
        for (size_t i = 0; i < p->m; i++) {
            float *y = p->y + i * p->ldy + r;
            *y = codes_block(p->type, &w, p->x + i * p->blocks + b, *y);
        }
    }
}

static void codes_product(const tern_codes_product *p)
{
    for (size_t r = 0; r < p->n; r++) codes_row(p, r);
}

/* --- caches of int8 --- */

static void int8_product(const tern_int8_product *t)
{
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            const int8_t *a = t->a + i * t->a_row, *b = t->b + 4 * j;
            int32_t sum = 0;
            for (size_t p = 0; p < t->k; p++)
                sum += a[p] * b[p / 4 * 4 * t->b_row + p % 4];
            const float scale = t->col ? t->row[i] * t->col[j] : t->row[i];
            float *c = t->c + i * t->c_row + j;
            *c = fmaf((float)sum, scale, t->add ? *c : 0.0f);
        }
}

/* Of any level: what it calls is that of the level in use. */
static float quantize_products(const float *w, const float *e, size_t n, int8_t *q,
                               int32_t *sum)
{
    float x[64];
    assert(n <= sizeof x / sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = w[i] * e[i];
    return tern_quantize_codes(x, n, q, sum);
}

/* --- blocks to panels --- */

/* Codes u of `n` columns (a multiple of 16) from column `first` on. */
static void put_codes(const uint8_t *u, size_t first, size_t n, size_t r,
                      uint8_t *tiles)
{
    for (size_t c = first; c < first + n; c += 16, u += 16)
        for (size_t b = 0; b < 4; b++)
            tiles[c / 16 * TERN_TILE_BYTES + 4 * r + b] =
                (uint8_t)(u[b] | u[4 + b] << 2 | u[8 + b] << 4 | u[12 + b] << 6);
}

/* The scale of a block in the light of its codes. */
static int32_t judge(const uint8_t *u, size_t n, int32_t before, uint16_t bits)
{
    bool zero = true, good = true;
    for (size_t i = 0; i < n; i++) {
        zero &= u[i] == 1;
        good &= u[i] < 3;
    }
    if (!good) return -1;
    return zero ? before : tern_repack_scale(before, bits);
}

static int32_t repack_tq2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    int32_t scale = 0;
    uint8_t u[TERN_TQ_BLOCK];
    for (size_t c = 0; c < cols && scale >= 0;
         c += TERN_TQ_BLOCK, row += TERN_TQ2_BYTES) {
        for (size_t i = 0; i < TERN_TQ_BLOCK; i++)
            u[i] = row[i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3;
        put_codes(u, c, TERN_TQ_BLOCK, r, tiles);
        scale = judge(u, TERN_TQ_BLOCK, scale, read_u16(row + 64));
    }
    return scale;
}

/* `planes` digits of `n` bytes; false if a byte is no fraction of 243 (blocks.c). What
 * is left after five digits is 243 x mod 256: the distance that ceil() added, below
 * 243. */
static bool digits(const uint8_t *in, size_t n, size_t planes, uint8_t *u)
{
    bool good = true;
    for (size_t m = 0; m < n; m++) {
        unsigned x = in[m];
        for (size_t p = 0; p < 5; p++, x = 3 * x & 0xff) {
            if (p < planes)
                u[p * n + m] = (uint8_t)(3 * x >> 8);
            else
                good &= 3 * x >> 8 == 0;
        }
        good &= x < 243;
    }
    return good;
}

static int32_t repack_tq1(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    int32_t scale = 0;
    uint8_t u[TERN_TQ_BLOCK];
    for (size_t c = 0; c < cols && scale >= 0;
         c += TERN_TQ_BLOCK, row += TERN_TQ1_BYTES) {
        bool good = digits(row, 32, 5, u);
        good &= digits(row + 32, 16, 5, u + 160);
        good &= digits(row + 48, 4, 4, u + 240);
        put_codes(u, c, TERN_TQ_BLOCK, r, tiles);
        scale = good ? judge(u, TERN_TQ_BLOCK, scale, read_u16(row + 52)) : -1;
    }
    return scale;
}

static int32_t repack_q2(const uint8_t *row, size_t cols, size_t r, uint8_t *tiles)
{
    int32_t scale = 0;
    uint8_t u[TERN_Q2_BLOCK];
    for (size_t c = 0; c < cols && scale >= 0;
         c += TERN_Q2_BLOCK, row += TERN_Q2_BYTES) {
        for (size_t i = 0; i < TERN_Q2_BLOCK; i++)
            u[i] = row[2 + i / 4] >> 2 * (i % 4) & 3;
        put_codes(u, c, TERN_Q2_BLOCK, r, tiles);
        scale = judge(u, TERN_Q2_BLOCK, scale, read_u16(row));
    }
    return scale;
}

static void panel_tq2(const uint8_t *const row[16], size_t cols, uint8_t *tiles)
{
    for (size_t r = 0; r < 16; r++)
        (void)tern_decode_active->repack_tq2(row[r], cols, r, tiles);
}

static size_t spin(size_t steps, int32_t *sum)
{
    enum { N = 64, LIMIT = 1 << 14 }; /* plain C is slow: fewer steps will do */
    int8_t a[N], b[N];
    uint32_t s = 0;
    memset(a, (int)(steps & 3), sizeof a);
    memset(b, (int)(steps & 5), sizeof b);
    const size_t n = steps < LIMIT ? steps : LIMIT;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < N; j++) s += (uint32_t)(a[j] * b[j]);
        a[i % N] = (int8_t)s;
    }
    *sum = (int32_t)s;
    return n * N;
}

static uint64_t read_all(const void *p, size_t bytes)
{
    const uint64_t *word = p;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i < bytes / sizeof *word; i += 8)
        for (size_t j = 0; j < 8; j++) sum[j] ^= word[i + j];
    return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

const tern_decode_kernels tern_decode_scalar = {
    .few = few,
    .codes_product = codes_product,
    .int8_product = int8_product,
    .quantize_products = quantize_products,
    .repack_tq2 = repack_tq2,
    .repack_tq1 = repack_tq1,
    .repack_q2 = repack_q2,
    .panel_tq2 = panel_tq2,
    .spin = spin,
    .read = read_all,
};
