/* Two independent witnesses: bytes that ggml wrote (ggml_vectors.h), and an oracle that
 * asks, weight by weight, where the description of the format puts it - slow formulas,
 * no loops in common with blocks.c. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "formats/blocks.h"
#include "tests/formats/ggml_vectors.h"
#include "tests/support/numeric.h"

static const uint32_t ternary[] = {TERN_GGML_TQ2_0, TERN_GGML_TQ1_0, TERN_GGML_Q2_0};

/* --- the oracle --- */

/* Where weight i of a TQ1_0 block lives: byte, and digit number (0 most significant).
 */
static void tq1_place(size_t i, size_t *byte, int *digit)
{
    if (i < 160)
        *byte = i % 32, *digit = (int)(i / 32);
    else if (i < 240)
        *byte = 32 + (i - 160) % 16, *digit = (int)((i - 160) / 16);
    else
        *byte = 48 + (i - 240) % 4, *digit = (int)((i - 240) / 4);
}

static int oracle_code(uint32_t type, const uint8_t *block, size_t i)
{
    size_t byte;
    int digit;
    if (type == TERN_GGML_Q2_0) return block[2 + i / 4] >> (i % 4) * 2 & 3;
    if (type == TERN_GGML_TQ2_0) {
        const size_t h = i / 128, n = i % 128 / 32, m = i % 32;
        return block[32 * h + m] >> 2 * n & 3;
    }
    tq1_place(i, &byte, &digit);
    const int scaled = block[byte] * (int)lround(pow(3.0, digit)) % 256;
    return scaled * 3 / 256;
}

static uint8_t tq1_byte_of(int v)
{
    return (uint8_t)ceil(256.0 * v / 243.0);
}

static void random_trits(int8_t *t, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        t[i] = (int8_t)tern_rand_below(seed, TERN_STREAM_TEST, i, 3) - 1;
}

/* --- ternary types --- */

Test(blocks, same_bytes_as_ggml)
{
    int8_t t[256], back[256];
    uint8_t out[66];
    float scale;
    for (int i = 0; i < 256; i++) t[i] = (int8_t)((i * i + 3 * i / 7) % 3 - 1);
    tern_encode_trits(TERN_GGML_TQ2_0, t, 256, 0.0625f, out);
    cr_expect(eq(int, memcmp(out, ggml_tq2, 66), 0));
    tern_encode_trits(TERN_GGML_TQ1_0, t, 256, 0.0625f, out);
    cr_expect(eq(int, memcmp(out, ggml_tq1, 54), 0));
    tern_encode_trits(TERN_GGML_Q2_0, t, 64, 0.0625f, out);
    cr_expect(eq(int, memcmp(out, ggml_q2, 18), 0));
    cr_expect(tern_decode_trits(TERN_GGML_TQ1_0, ggml_tq1, 256, back, &scale) ==
              TERN_OK);
    cr_expect(scale == 0.0625f && memcmp(back, t, 256) == 0);
    float x[32];
    for (int i = 0; i < 32; i++) x[i] = (float)((i * 37) % 64 - 31) * 0.37f;
    tern_encode_floats(TERN_GGML_Q8_0, x, 32, out);
    cr_expect(eq(int, memcmp(out, ggml_q8, 34), 0));
}

static uint32_t hash_floats(const float *x, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++)
            h = (h ^ (tern_float_bits(x[i]) >> 8 * k & 255)) * 16777619u;
    return h;
}

Test(blocks, same_bytes_as_llama_quantize)
{
    float x[512], y[512];
    uint8_t out[420];
    for (int i = 0; i < 512; i++)
        x[i] =
            (float)((i * i * 7 + i * 13) % 201 - 100) * 0.01f * (float)(1 + i / 16 % 5);
    memset(x + 48, 0, 16 * sizeof *x);
    tern_encode_floats(TERN_GGML_Q4_0, x, 64, out);
    cr_expect(eq(int, memcmp(out, ggml_q4_0, 36), 0));
    tern_decode_floats(TERN_GGML_Q4_0, ggml_q4_0, 64, y);
    cr_expect(eq(u32, hash_floats(y, 64), ggml_q4_0_floats));
    tern_encode_floats(TERN_GGML_Q6_K, x, 512, out);
    cr_expect(eq(int, memcmp(out, ggml_q6_k, 420), 0));
    tern_decode_floats(TERN_GGML_Q6_K, ggml_q6_k, 512, y);
    cr_expect(eq(u32, hash_floats(y, 512), ggml_q6_k_floats));
    tern_decode_floats(TERN_GGML_Q4_K, ggml_q4_k, 256, y);
    cr_expect(eq(u32, hash_floats(y, 256), ggml_q4_k_floats));
}

Test(blocks, random_rows_agree_with_the_oracle)
{
    enum { N = 256 * 5 };
    int8_t t[N], back[N];
    uint8_t *bytes = malloc(tern_ggml_bytes(TERN_GGML_Q2_0, N));
    float x[N], scale;
    for (size_t k = 0; k < 3; k++)
        for (uint64_t seed = 0; seed < 200; seed++) {
            const uint32_t type = ternary[k];
            const size_t block = tern_ggml_block(type);
            const float gamma =
                tern_round_to_half(1e-5f + 3.0f * tern_rand_uniform(seed, 99, 0));
            random_trits(t, N, seed);
            tern_encode_trits(type, t, N, gamma, bytes);
            for (size_t i = 0; i < N; i++) {
                const uint8_t *b = bytes + i / block * tern_ggml_bytes(type, block);
                cr_assert(eq(int, oracle_code(type, b, i % block) - 1, t[i]),
                          "%s seed %d weight %zu", tern_ggml_name(type), (int)seed, i);
            }
            cr_assert(tern_decode_trits(type, bytes, N, back, &scale) == TERN_OK);
            cr_assert(scale == gamma && memcmp(back, t, N) == 0);
            tern_decode_floats(type, bytes, N, x);
            for (size_t i = 0; i < N; i++) cr_assert(x[i] == gamma * (float)t[i]);
        }
    free(bytes);
}

/* All 243 codes of five digits, and the 13 bytes that are none. */
Test(blocks, every_byte_of_tq1)
{
    bool image[256] = {false};
    int8_t t[256];
    uint8_t block[54];
    float scale;
    for (int v = 0; v < 243; v++) {
        const uint8_t byte = tq1_byte_of(v);
        cr_assert(not(image[byte]));
        image[byte] = true;
        int digits[5], rest = v;
        for (int n = 5; n-- > 0; rest /= 3) digits[n] = rest % 3;
        memset(t, 0, sizeof t);
        for (size_t n = 0; n < 5; n++) t[7 + 32 * n] = (int8_t)(digits[n] - 1);
        tern_encode_trits(TERN_GGML_TQ1_0, t, 256, 1.0f, block);
        cr_expect(eq(int, block[7], byte));
        for (size_t n = 0; n < 5; n++)
            cr_expect(
                eq(int, oracle_code(TERN_GGML_TQ1_0, block, 7 + 32 * n), digits[n]));
    }
    memset(t, 0, sizeof t);
    tern_encode_trits(TERN_GGML_TQ1_0, t, 256, 1.0f, block);
    for (int at = 0; at < 52; at += 17) /* 0, 17, 34, 51: each of the three groups */
        for (int byte = 0; byte < 256; byte++) {
            const uint8_t keep = block[at];
            block[at] = (uint8_t)byte;
            const bool fifth = at >= 48 && byte * 243 / 256 % 3 != 0;
            const tern_status want = image[byte] && !fifth ? TERN_OK : TERN_ECORRUPT;
            cr_expect(eq(int, tern_decode_trits(TERN_GGML_TQ1_0, block, 256, t, &scale),
                         want),
                      "byte %d = %d", at, byte);
            block[at] = keep;
        }
}

Test(blocks, refuses_code_3)
{
    int8_t t[256];
    uint8_t block[66];
    float scale = -1.0f, x[256];
    for (size_t k = 0; k < 3; k += 2) { /* TQ2_0, Q2_0 */
        const size_t n = tern_ggml_block(ternary[k]);
        random_trits(t, n, 5);
        tern_encode_trits(ternary[k], t, n, 0.5f, block);
        block[5] |= 0x0c;
        cr_expect(
            eq(int, tern_decode_trits(ternary[k], block, n, t, &scale), TERN_ECORRUPT));
        cr_expect(eq(flt, scale, -1.0f));
        tern_decode_floats(ternary[k], block, n, x);
        size_t twos = 0;
        for (size_t i = 0; i < n; i++) twos += x[i] == 1.0f; /* 2 * 0.5, as in ggml */
        cr_expect(eq(sz, twos, 1));
    }
}

static void set_scale(uint32_t type, uint8_t *block, float d)
{
    const size_t at =
        type == TERN_GGML_Q2_0 ? 0 : tern_ggml_bytes(type, tern_ggml_block(type)) - 2;
    const uint16_t h = tern_half_from_float(d);
    block[at] = (uint8_t)h;
    block[at + 1] = (uint8_t)(h >> 8);
}

Test(blocks, one_scale_for_a_row)
{
    int8_t t[768];
    uint8_t row[3 * 66];
    float scale;
    for (size_t k = 0; k < 3; k++) {
        const uint32_t type = ternary[k];
        const size_t n = tern_ggml_block(type), bytes = tern_ggml_bytes(type, n);
        random_trits(t, 3 * n, 11);
        memset(t + n, 0, n); /* the middle block is all zeros: its scale is free */
        tern_encode_trits(type, t, 3 * n, 0.25f, row);
        set_scale(type, row + bytes, 0.0f);
        cr_expect(tern_decode_trits(type, row, 3 * n, t, &scale) == TERN_OK);
        cr_expect(eq(flt, scale, 0.25f));
        set_scale(type, row + 2 * bytes, 0.5f);
        cr_expect(
            eq(int, tern_decode_trits(type, row, 3 * n, t, &scale), TERN_EFORMAT));
        static const float wrong[] = {0.0f, -0.25f, INFINITY, NAN};
        for (size_t i = 0; i < 4; i++) {
            set_scale(type, row, wrong[i]);
            set_scale(type, row + 2 * bytes, wrong[i]);
            cr_expect(
                eq(int, tern_decode_trits(type, row, 3 * n, t, &scale), TERN_ECORRUPT),
                "%s scale %g", tern_ggml_name(type), (double)wrong[i]);
        }
        cr_expect(tern_decode_trits(type, row + bytes, n, t, &scale) == TERN_OK);
        cr_expect(eq(flt, scale, 0.0f), "nothing but zeros has no scale");
    }
}

/* Weight i of a group of 128 stands in byte i mod 32, the first 32 in its top bits. */
Test(blocks, i2s)
{
    enum { N = 384 };
    uint8_t in[N / 4 + 32] = {0};
    int8_t want[N], t[N];
    float scale = -1.0f;
    random_trits(want, N, 3);
    for (size_t i = 0; i < N; i++)
        in[i / 128 * 32 + i % 32] |=
            (uint8_t)((want[i] + 1) << (6 - 2 * (int)(i % 128 / 32)));
    const uint8_t d[] = {0xdb, 0x0f, 0x49, 0x40}; /* pi */
    memcpy(in + N / 4, d, 4);
    cr_expect(tern_decode_i2s(in, N, t, &scale) == TERN_OK);
    cr_expect(scale == 3.14159274f && memcmp(t, want, N) == 0);
    in[40] |= 0x30;
    cr_expect(eq(int, tern_decode_i2s(in, N, t, &scale), TERN_ECORRUPT));
    in[40] &= 0xcf;
    in[N / 4 + 31] = 1;
    cr_expect(eq(int, tern_decode_i2s(in, N, t, &scale), TERN_ECORRUPT));
    in[N / 4 + 31] = 0;
    memset(in + N / 4, 0, 4);
    cr_expect(eq(int, tern_decode_i2s(in, N, t, &scale), TERN_ECORRUPT));
}

/* --- floats --- */

Test(blocks, plain_floats)
{
    static const float x[8] = {0.0f,     -0.0f, 1.0f,        -2.5f,
                               65504.0f, 1e-7f, 3.14159274f, -1e30f};
    uint8_t b[32];
    float y[8];
    tern_encode_floats(TERN_GGML_F32, x, 8, b);
    cr_expect(b[8] == 0 && b[10] == 0x80 && b[11] == 0x3f, "1.0f little-endian");
    tern_decode_floats(TERN_GGML_F32, b, 8, y);
    cr_expect(eq(int, memcmp(x, y, sizeof x), 0));
    tern_encode_floats(TERN_GGML_F16, x, 8, b);
    tern_decode_floats(TERN_GGML_F16, b, 8, y);
    cr_expect(y[3] == -2.5f && y[4] == 65504.0f && y[6] == 3.140625f && isinf(y[7]));
    tern_encode_floats(TERN_GGML_BF16, x, 8, b);
    cr_expect(b[4] == 0x80 && b[5] == 0x3f);
    tern_decode_floats(TERN_GGML_BF16, b, 8, y);
    cr_expect(y[2] == 1.0f && y[6] == 3.140625f && y[7] < -9.9e29f);
}

Test(blocks, q8_is_within_half_a_step)
{
    enum { N = 320 };
    float x[N], y[N];
    uint8_t b[N / 32 * 34];
    for (size_t i = 0; i < N; i++) x[i] = tern_test_rand(3, i) * (float)(1 + i / 32);
    memset(x + 64, 0, 32 * sizeof *x);
    tern_encode_floats(TERN_GGML_Q8_0, x, N, b);
    tern_decode_floats(TERN_GGML_Q8_0, b, N, y);
    for (size_t i = 0; i < N; i++) {
        float largest = 0.0f;
        for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; j++)
            largest = fmaxf(largest, fabsf(x[j]));
        cr_expect(fabsf(x[i] - y[i]) <= largest / 127.0f * 0.5626f, "weight %zu", i);
    }
    const float odd[32] = {NAN, INFINITY, -INFINITY, 1.0f}; /* defined, if senseless */
    tern_encode_floats(TERN_GGML_Q8_0, odd, 32, b);
    tern_encode_floats(TERN_GGML_Q4_0, odd, 32, b);
    for (size_t i = 0; i < 256; i++) x[i] = odd[i % 32];
    tern_encode_floats(TERN_GGML_Q6_K, x, 256, b);
}

Test(blocks, names_and_sizes)
{
    cr_expect(eq(str, (char *)tern_ggml_name(TERN_GGML_TQ1_0), "TQ1_0"));
    cr_expect(eq(str, (char *)tern_ggml_name(37), "unknown type"));
    cr_expect(eq(str, (char *)tern_ggml_name(TERN_GGML_I2_S), "I2_S"));
    cr_expect(eq(sz, tern_ggml_bytes(TERN_GGML_I2_S, 256), 96));
    cr_expect(eq(sz, tern_ggml_bytes(TERN_GGML_I2_S, 64), 0));
    cr_expect(not(tern_ggml_decodes(TERN_GGML_I2_S)), "a whole tensor, no rows");
    cr_expect(tern_ggml_decodes(TERN_GGML_Q4_K) && !tern_ggml_encodes(TERN_GGML_Q4_K));
    cr_expect(eq(sz, tern_ggml_bytes(TERN_GGML_TQ1_0, 512), 108));
    cr_expect(eq(sz, tern_ggml_bytes(14, 256), 210), "Q6_K");
    cr_expect(eq(sz, tern_ggml_bytes(TERN_GGML_TQ1_0, 128), 0));
    cr_expect(eq(sz, tern_ggml_bytes(99, 128), 0));
    cr_expect(eq(sz, tern_ggml_bytes(TERN_GGML_F32, SIZE_MAX), 0));
    cr_expect(tern_ggml_is_ternary(TERN_GGML_Q2_0) && !tern_ggml_is_ternary(2));
    cr_expect(tern_ggml_decodes(TERN_GGML_BF16) && !tern_ggml_decodes(11));
}
