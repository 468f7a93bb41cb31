/* decode_scalar.c - the runtime's kernels in plain C: what every other variant must
 * equal. */
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

static float sum_of(float lane[8])
{
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

static float q8_dot(const int8_t *q, const float *e, const uint8_t *w, size_t blocks)
{
    float lane[8] = {0};
    for (size_t b = 0; b < blocks; b++, q += TERN_Q8_BLOCK, w += TERN_Q8_BYTES) {
        const float scale = tern_codes_half(w) * e[b];
        const int8_t *v = (const int8_t *)w + 2;
        for (size_t l = 0; l < 8; l++) {
            int32_t sum = 0;
            for (size_t k = 4 * l; k < 4 * l + 4; k++) sum += v[k] * q[k];
            lane[l] = fmaf((float)sum, scale, lane[l]);
        }
    }
    return sum_of(lane);
}

static void q8_dots(const tern_q8_dots *d)
{
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    for (size_t j = 0; j < d->n; j++)
        for (size_t i = 0; i < d->m; i++)
            d->y[i * d->ldy + j] = q8_dot(d->q + i * d->cols, d->e + i * blocks,
                                          d->w + j * blocks * TERN_Q8_BYTES, blocks);
}

/* One step, or two, of all lanes: block b of what is unpacked. */
static void codes_block(const tern_codes *w, size_t b, bool shifted, const int8_t *q,
                        float e, float lane[8])
{
    const int8_t *code = w->code + b * TERN_Q8_BLOCK;
    for (size_t l = 0; l < 8; l++) {
        int32_t sum = 0, all = 0;
        for (size_t k = 4 * l; k < 4 * l + 4; k++) {
            sum += code[k] * q[k];
            all += q[k];
        }
        lane[l] = fmaf((float)sum, w->step[2 * b + l / 4] * e, lane[l]);
        if (shifted) lane[l] = fmaf((float)all, w->shift[b] * e, lane[l]);
    }
}

static float codes_dot(tern_codes_type type, const int8_t *q, const float *e,
                       const uint8_t *w, size_t blocks)
{
    float lane[8] = {0};
    tern_codes codes;
    for (size_t b = 0; b < blocks; b++, q += TERN_Q8_BLOCK) {
        const size_t at = b % TERN_CODES_BLOCKS, left = blocks - b;
        if (at == 0)
            tern_unpack_codes(type, w + tern_codes_bytes(type, b),
                              left < TERN_CODES_BLOCKS ? left : TERN_CODES_BLOCKS,
                              &codes);
        codes_block(&codes, at, type == TERN_CODES_Q4_K, q, e[b], lane);
    }
    return sum_of(lane);
}

static void codes_dots(const tern_q8_dots *d)
{
    const tern_codes_type type = d->type;
    const size_t blocks = d->cols / TERN_Q8_BLOCK;
    const size_t bytes = tern_codes_bytes(type, blocks);
    for (size_t j = 0; j < d->n; j++)
        for (size_t i = 0; i < d->m; i++)
            d->y[i * d->ldy + j] = codes_dot(
                type, d->q + i * d->cols, d->e + i * blocks, d->w + j * bytes, blocks);
}

/* --- caches of int8 --- */

static void int8_product(const tern_int8_product *t)
{
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            const int8_t *a = t->a + i * t->a_row, *b = t->b + 4 * j;
            int32_t sum = 0;
            for (size_t p = 0; p < t->k; p++) sum += a[p] * b[p / 4 * 4 * t->n + p % 4];
            const float scale = t->col ? t->row[i] * t->col[j] : t->row[i];
            float *c = t->c + i * t->c_row + j;
            *c = fmaf((float)sum, scale, t->add ? *c : 0.0f);
        }
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
    .q8_dots = q8_dots,
    .codes_dots = codes_dots,
    .int8_product = int8_product,
    .repack_tq2 = repack_tq2,
    .repack_tq1 = repack_tq1,
    .repack_q2 = repack_q2,
    .panel_tq2 = panel_tq2,
    .spin = spin,
    .read = read_all,
};
