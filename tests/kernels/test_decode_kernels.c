/* The runtime's kernels at every level. Blocks to panels: against codes written down by
 * hand in the layouts that formats/blocks.c draws, read back with
 * tern_ternary_unpack_row; damage must be noticed. Weights of int8 caches: against the
 * steps one by one. (The product for few rows is tested
 * with all others, in test_ternary_matmul.c.) */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "kernels/decode_kernels.h"
#include "kernels/ternary.h"
#include "tests/kernels/levels.h"

enum { COLS = 512, PANEL = COLS * 4 };

typedef struct format {
    const char *name;
    size_t block, bytes, scale_at;
    void (*encode)(const int8_t *t, uint8_t *out);
} format;

static void encode_tq2(const int8_t *t, uint8_t *out)
{
    memset(out, 0, 64);
    for (int i = 0; i < 256; i++)
        out[i / 128 * 32 + i % 32] |= (uint8_t)((t[i] + 1) << i % 128 / 32 * 2);
}

/* Five base-3 digits, the first the most significant, as the fraction of 243 that
 * rounds up. */
static void encode_tq1(const int8_t *t, uint8_t *out)
{
    for (int byte = 0; byte < 52; byte++) {
        const int first = byte < 32   ? byte
                          : byte < 48 ? 160 + byte - 32
                                      : 240 + byte - 48;
        const int step = byte < 32 ? 32 : byte < 48 ? 16 : 4, n = byte < 48 ? 5 : 4;
        int v = 0;
        for (int d = 0; d < 5; d++) v = 3 * v + (d < n ? t[first + d * step] + 1 : 0);
        out[byte] = (uint8_t)((256 * v + 242) / 243);
    }
}

static void encode_q2(const int8_t *t, uint8_t *out)
{
    memset(out + 2, 0, 16);
    for (int i = 0; i < 64; i++) out[2 + i / 4] |= (uint8_t)((t[i] + 1) << i % 4 * 2);
}

static const format FORMATS[] = {
    {"TQ2_0", 256, 66, 64, encode_tq2},
    {"TQ1_0", 256, 54, 52, encode_tq1},
    {"Q2_0", 64, 18, 0, encode_q2},
};

static tern_repack *repack_of(size_t i)
{
    const tern_decode_kernels *k = tern_decode_active;
    return i == 0 ? k->repack_tq2 : i == 1 ? k->repack_tq1 : k->repack_q2;
}

static void put_scale(const format *f, uint8_t *block, float scale)
{
    const uint16_t h = tern_half_from_float(scale);
    memcpy(block + f->scale_at, &h, sizeof h);
}

static void encode(const format *f, const int8_t *t, float scale, uint8_t *out)
{
    for (size_t c = 0; c < COLS; c += f->block, out += f->bytes) {
        f->encode(t + c, out);
        put_scale(f, out, scale);
    }
}

static void draw(int8_t *t, uint64_t seed)
{
    for (size_t i = 0; i < COLS; i++)
        t[i] = (int8_t)(tern_rand_below(seed, TERN_STREAM_TEST, i, 3) - 1);
}

/* 16 rows in an order of their own: each lands in its row, and nowhere else. */
Test(decode_kernels, blocks_become_panels)
{
    static int8_t t[16][COLS], got[COLS];
    uint8_t row[COLS];
    FOR_LEVELS(level)
    for (size_t f = 0; f < 3; f++) {
        uint8_t *tiles = guarded_new(PANEL);
        memset(tiles, TERN_TILE_ZERO, PANEL);
        for (size_t i = 0; i < 16; i++) {
            const size_t r = 7 * i % 16;
            draw(t[r], 100 * f + r);
            encode(&FORMATS[f], t[r], 0.25f, row);
            cr_assert(eq(int, repack_of(f)(row, COLS, r, tiles), 0x3400), "%s",
                      FORMATS[f].name);
        }
        const tern_ternary w = {.rows = 16, .cols = COLS, .codes = tiles};
        for (size_t r = 0; r < 16; r++) {
            tern_ternary_unpack_row(&w, r, got);
            cr_expect(eq(int, memcmp(got, t[r], COLS), 0), "%s at %s, row %zu",
                      FORMATS[f].name, tern_level_name(tern_kernels_level()), r);
        }
        check_guard(tiles, PANEL, FORMATS[f].name);
        guarded_free(tiles);
    }
}

/* All 16 at once, from addresses of their own: what the rows become one by one. */
Test(decode_kernels, rows_become_a_panel_together)
{
    static int8_t t[COLS];
    static uint8_t rows[16][COLS / 256 * 66 + 1];
    const uint8_t *row[16];
    uint8_t *want = aligned_alloc(64, PANEL);
    for (size_t r = 0; r < 16; r++) {
        row[r] = rows[5 * r % 16] + r % 2;
        draw(t, 40 + r);
        encode(&FORMATS[0], t, 0.25f, rows[5 * r % 16] + r % 2);
    }
    FOR_LEVELS(level)
    {
        uint8_t *tiles = guarded_new(PANEL);
        for (size_t r = 0; r < 16; r++)
            (void)tern_decode_scalar.repack_tq2(row[r], COLS, r, want);
        tern_decode_active->panel_tq2(row, COLS, tiles);
        cr_expect(eq(int, memcmp(tiles, want, PANEL), 0), "%s",
                  tern_level_name(tern_kernels_level()));
        check_guard(tiles, PANEL, "a panel of TQ2_0");
        guarded_free(tiles);
    }
    free(want);
}

/* Blocks of zeros may have any scale, a row of them has none. */
Test(decode_kernels, scales_of_zeros_do_not_count)
{
    static int8_t t[COLS];
    uint8_t row[COLS], tiles[PANEL];
    FOR_LEVELS(level)
    for (size_t f = 0; f < 3; f++) {
        const format *k = &FORMATS[f];
        memset(t, 0, sizeof t);
        encode(k, t, -1.0f, row);
        cr_expect(eq(int, repack_of(f)(row, COLS, 3, tiles), 0), "%s", k->name);
        t[COLS - 1] = -1; /* in the last block */
        encode(k, t, 2.0f, row);
        put_scale(k, row, 0.0f / 1.0f);
        cr_expect(eq(int, repack_of(f)(row, COLS, 3, tiles), 0x4000), "%s", k->name);
    }
}

Test(decode_kernels, damage_is_noticed)
{
    static int8_t t[COLS];
    uint8_t row[COLS], tiles[PANEL];
    static const uint16_t bad_scales[] = {0x0000, 0x7c00, 0x7e00, 0xb400, 0x3401};
    FOR_LEVELS(level)
    for (size_t f = 0; f < 3; f++) {
        const format *k = &FORMATS[f];
        draw(t, f);
        for (size_t i = 0; i < sizeof bad_scales / sizeof *bad_scales; i++) {
            encode(k, t, 0.25f, row); /* two blocks at least: 0.25 and another */
            memcpy(row + k->bytes + k->scale_at, &bad_scales[i], 2);
            cr_expect(eq(int, repack_of(f)(row, COLS, 0, tiles), -1), "%s, scale %x",
                      k->name, (unsigned)bad_scales[i]);
        }
        /* Every byte of codes, every value: whether it is one that encoding gives. */
        for (size_t at = 0; at < k->bytes; at++) {
            if (at == k->scale_at || at == k->scale_at + 1) continue;
            for (int value = 0; value < 256; value++) {
                bool good = true;
                if (f == 1) {
                    const int v = value * 243 >> 8;
                    good = (256 * v + 242) / 243 == value && (at < 48 || v % 3 == 0);
                } else {
                    for (int s = 0; s < 8; s += 2) good &= (value >> s & 3) != 3;
                }
                encode(k, t, 0.25f, row);
                row[k->bytes + at] = (uint8_t)value;
                cr_assert(
                    eq(int, repack_of(f)(row, COLS, 0, tiles), good ? 0x3400 : -1),
                    "%s at %s, byte %zu is %d", k->name,
                    tern_level_name(tern_kernels_level()), at, value);
            }
        }
    }
}

/* Against the steps one by one, in plain C. */
Test(decode_kernels, products_become_codes)
{
    enum { MOST = 64 };
    static const float odd[] = {0.0f, -0.0f, 1e-40f, 1e30f, INFINITY, -INFINITY, NAN};
    float w[MOST], e[MOST], product[MOST];
    int8_t q[MOST + 1], want[MOST];
    for (uint64_t seed = 0; seed < 400; seed++) {
        const size_t n = seed % 3 ? MOST : seed / 3 % (MOST + 1);
        for (size_t i = 0; i < n; i++) {
            w[i] = tern_rand_normal(seed, 1, i);
            e[i] = seed % 7 ? fabsf(tern_rand_normal(seed, 2, i)) : 1e-33f;
        }
        if (n > 0 && seed % 5 == 0)
            w[seed * 7 % n] = odd[seed / 5 % (sizeof odd / sizeof *odd)];
        if (seed % 11 == 0) memset(w, 0, sizeof w);
        float largest = 0.0f;
        bool bad = false;
        for (size_t i = 0; i < n; i++) {
            product[i] = w[i] * e[i];
            bad |= !isfinite(product[i]);
            if (fabsf(product[i]) > largest) largest = fabsf(product[i]);
        }
        const float s = largest > 1e-30f ? 127.0f / largest : 0.0f;
        int32_t all = 0;
        for (size_t i = 0; i < n && !bad; i++) {
            want[i] = (int8_t)lrintf(product[i] * s);
            all += want[i];
        }
        FOR_LEVELS(level)
        {
            int32_t sum = 0;
            q[n] = 42;
            const float scale = tern_decode_active->quantize_products(w, e, n, q, &sum);
            const char *name = tern_level_name(tern_kernels_level());
            cr_expect(eq(int, q[n], 42), "%s, seed %d", name, (int)seed);
            if (bad) {
                cr_expect(isnan(scale), "%s, seed %d", name, (int)seed);
                continue;
            }
            cr_expect(eq(flt, scale, largest / 127.0f), "%s, %d", name, (int)seed);
            cr_expect(eq(int, memcmp(q, want, n), 0), "%s, seed %d", name, (int)seed);
            cr_expect(eq(int, sum, all), "%s, seed %d", name, (int)seed);
        }
    }
}

/* What `tern bench` calls the peak is a number of products that were made. */
Test(decode_kernels, the_limits_are_measured_on_something)
{
    static _Alignas(64) uint64_t words[64];
    FOR_LEVELS(level)
    {
        int32_t sum;
        cr_expect(gt(sz, tern_decode_active->spin(10, &sum), 10));
        words[17] = 5;
        const uint64_t before = tern_decode_active->read(words, sizeof words);
        words[17] = 9;
        cr_expect(ne(u64, tern_decode_active->read(words, sizeof words), before));
    }
}
