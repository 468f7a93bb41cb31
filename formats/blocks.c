/* blocks.c - each layout drawn beside the code that writes and reads it.
 *
 * The layouts are ggml's (ggml-common.h, ggml-quants.c); tern's codes u = t + 1 are
 * what its reference quantisers make of the weights scale * t, bit for bit. */
#include "formats/blocks.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "formats/blocks_parts.h"

/* I2_S, see there: weights that are packed together, and bytes after the last. */
enum { I2S_GROUP = 128, I2S_TAIL = 32 };

/* Names and sizes of all types of ggml, by number; the gaps were removed from it. I2_S
 * is none of them, but bitnet.cpp's number for it means nothing else. */
enum { TYPE_COUNT = 43 };
static const struct {
    const char *name;
    uint16_t weights, bytes; /* of one block */
} layouts[TYPE_COUNT] = {
    [0] = {"F32", 1, 4},         [1] = {"F16", 1, 2},
    [2] = {"Q4_0", 32, 18},      [3] = {"Q4_1", 32, 20},
    [6] = {"Q5_0", 32, 22},      [7] = {"Q5_1", 32, 24},
    [8] = {"Q8_0", 32, 34},      [9] = {"Q8_1", 32, 36},
    [10] = {"Q2_K", 256, 84},    [11] = {"Q3_K", 256, 110},
    [12] = {"Q4_K", 256, 144},   [13] = {"Q5_K", 256, 176},
    [14] = {"Q6_K", 256, 210},   [15] = {"Q8_K", 256, 292},
    [16] = {"IQ2_XXS", 256, 66}, [17] = {"IQ2_XS", 256, 74},
    [18] = {"IQ3_XXS", 256, 98}, [19] = {"IQ1_S", 256, 50},
    [20] = {"IQ4_NL", 32, 18},   [21] = {"IQ3_S", 256, 110},
    [22] = {"IQ2_S", 256, 82},   [23] = {"IQ4_XS", 256, 136},
    [24] = {"I8", 1, 1},         [25] = {"I16", 1, 2},
    [26] = {"I32", 1, 4},        [27] = {"I64", 1, 8},
    [28] = {"F64", 1, 8},        [29] = {"IQ1_M", 256, 56},
    [30] = {"BF16", 1, 2},       [34] = {"TQ1_0", 256, 54},
    [35] = {"TQ2_0", 256, 66},   [36] = {"I2_S", 1, 0},
    [39] = {"MXFP4", 32, 17},    [40] = {"NVFP4", 64, 36},
    [41] = {"Q1_0", 128, 18},    [42] = {"Q2_0", 64, 18},
};

const char *tern_ggml_name(uint32_t type)
{
    const bool known = type < TYPE_COUNT && layouts[type].name;
    return known ? layouts[type].name : "unknown type";
}

size_t tern_ggml_block(uint32_t type)
{
    return type < TYPE_COUNT ? layouts[type].weights : 0;
}

size_t tern_ggml_bytes(uint32_t type, size_t n)
{
    const size_t block = tern_ggml_block(type);
    if (type == TERN_GGML_I2_S) return n % I2S_GROUP ? 0 : n / 4 + I2S_TAIL;
    if (block == 0 || n % block) return 0;
    const size_t blocks = n / block, bytes = layouts[type].bytes;
    return blocks > SIZE_MAX / bytes ? 0 : blocks * bytes;
}

bool tern_ggml_is_ternary(uint32_t type)
{
    return type == TERN_GGML_TQ1_0 || type == TERN_GGML_TQ2_0 || type == TERN_GGML_Q2_0;
}

bool tern_ggml_decodes(uint32_t type)
{
    return tern_ggml_is_ternary(type) || tern_ggml_encodes(type) ||
           type == TERN_GGML_Q4_K;
}

bool tern_ggml_encodes(uint32_t type)
{
    return type == TERN_GGML_F32 || type == TERN_GGML_F16 || type == TERN_GGML_BF16 ||
           type == TERN_GGML_Q8_0 || type == TERN_GGML_Q6_K || type == TERN_GGML_Q4_0;
}

/* --- TQ2_0: 256 weights in 66 bytes ---
 *
 *     | 32 bytes: weights 0..127 | 32 bytes: weights 128..255 | fp16 scale |
 *
 * Byte m of a half holds, from its lowest bits on, the codes of weights m, 32 + m,
 * 64 + m, 96 + m of that half. */
static void tq2_encode(const int8_t *t, uint8_t *out)
{
    for (size_t half = 0; half < 2; half++, t += 128, out += 32)
        for (size_t m = 0; m < 32; m++)
            out[m] = (uint8_t)((t[m] + 1) | (t[32 + m] + 1) << 2 |
                               (t[64 + m] + 1) << 4 | (t[96 + m] + 1) << 6);
}

static void tq2_decode(const uint8_t *in, int8_t *t)
{
    for (size_t half = 0; half < 2; half++, t += 128, in += 32)
        for (size_t n = 0; n < 4; n++)
            for (size_t m = 0; m < 32; m++)
                t[32 * n + m] = (int8_t)((in[m] >> 2 * n & 3) - 1);
}

/* --- Q2_0: 64 weights in 18 bytes ---
 *
 *     | fp16 scale | 16 bytes: byte i holds weights 4i .. 4i + 3, lowest bits first |
 */
static void q2_encode(const int8_t *t, uint8_t *out)
{
    for (size_t i = 0; i < 16; i++, t += 4)
        out[i] =
            (uint8_t)((t[0] + 1) | (t[1] + 1) << 2 | (t[2] + 1) << 4 | (t[3] + 1) << 6);
}

static void q2_decode(const uint8_t *in, int8_t *t)
{
    for (size_t i = 0; i < 64; i++) t[i] = (int8_t)((in[i / 4] >> 2 * (i % 4) & 3) - 1);
}

/* --- TQ1_0: 256 weights in 54 bytes ---
 *
 *     | 32 bytes: weights 0..159 | 16 bytes: 160..239 | 4 bytes: 240..255 | fp16 scale
 * |
 *
 * A group of w bytes holds five planes of w weights (the last group four): byte m has
 * the codes u of weights m, w + m, 2w + m, ... as base-3 digits, the first the most
 * significant, v = sum u_n 3^(4-n). The byte stores v as the fraction ceil(256 v / 243)
 * / 256, so that multiplying by 3 brings up digit after digit above bit 7. 13 of the
 * 256 bytes are no such fraction. */
typedef struct group {
    size_t bytes, planes;
} group;
static const group tq1_groups[3] = {{32, 5}, {16, 5}, {4, 4}};

static void tq1_encode(const int8_t *t, uint8_t *out)
{
    for (size_t g = 0; g < 3; g++) {
        const size_t w = tq1_groups[g].bytes, planes = tq1_groups[g].planes;
        for (size_t m = 0; m < w; m++) {
            unsigned v = 0;
            for (size_t n = 0; n < 5; n++)
                v = 3 * v + (n < planes ? (unsigned)(t[w * n + m] + 1) : 0);
            out[m] = (uint8_t)((256 * v + 242) / 243);
        }
        t += w * planes;
        out += w;
    }
}

static void tq1_decode(const uint8_t *in, int8_t *t)
{
    for (size_t g = 0; g < 3; g++) {
        const size_t w = tq1_groups[g].bytes, planes = tq1_groups[g].planes;
        unsigned power = 1;
        for (size_t n = 0; n < planes; n++, power *= 3)
            for (size_t m = 0; m < w; m++) {
                const uint8_t rest = (uint8_t)(in[m] * power);
                t[w * n + m] = (int8_t)((rest * 3 >> 8) - 1);
            }
        t += w * planes;
        in += w;
    }
}

/* Whether all 52 bytes are what tq1_encode can write. */
static bool tq1_valid(const uint8_t *in)
{
    bool good = true;
    for (size_t i = 0; i < 52; i++) {
        const unsigned v = in[i] * 243u >> 8;
        good &= (256 * v + 242) / 243 == in[i];
        good &= i < 48 || v % 3 == 0; /* the last group's fifth digit is 0 */
    }
    return good;
}

/* --- one ternary block of any type --- */

static const uint8_t *block_scale(uint32_t type, const uint8_t *block)
{
    return type == TERN_GGML_Q2_0 ? block : block + layouts[type].bytes - 2;
}

/* The codes as they stand: -1, 0, 1, and 2 for the code that means nothing. */
static void block_decode(uint32_t type, const uint8_t *in, int8_t *t)
{
    switch (type) {
    case TERN_GGML_TQ2_0:
        tq2_decode(in, t);
        break;
    case TERN_GGML_TQ1_0:
        tq1_decode(in, t);
        break;
    default:
        q2_decode(in + 2, t);
        break;
    }
}

void tern_encode_trits(uint32_t type, const int8_t *t, size_t n, float scale,
                       uint8_t *out)
{
    assert(tern_ggml_is_ternary(type) && n % tern_ggml_block(type) == 0);
    const size_t block = layouts[type].weights, bytes = layouts[type].bytes;
    const uint16_t d = tern_half_from_float(scale);
    for (size_t i = 0; i < n; i += block, t += block, out += bytes) {
        switch (type) {
        case TERN_GGML_TQ2_0:
            tq2_encode(t, out);
            tern_write_u16(out + 64, d);
            break;
        case TERN_GGML_TQ1_0:
            tq1_encode(t, out);
            tern_write_u16(out + 52, d);
            break;
        default:
            tern_write_u16(out, d);
            q2_encode(t, out + 2);
            break;
        }
    }
}

/* What is true of a block's codes: whether any is not zero, and whether any is 2. */
static void block_scan(const int8_t *t, size_t n, bool *nonzero, bool *invalid)
{
    unsigned any = 0, two = 0;
    for (size_t i = 0; i < n; i++) {
        any |= (unsigned)t[i];
        two |= (unsigned)(t[i] == 2);
    }
    *nonzero = any != 0;
    *invalid = two != 0;
}

tern_status tern_decode_trits(uint32_t type, const uint8_t *in, size_t n, int8_t *t,
                              float *scale)
{
    assert(tern_ggml_is_ternary(type) && n % tern_ggml_block(type) == 0);
    const size_t block = layouts[type].weights, bytes = layouts[type].bytes;
    float common = 0.0f;
    for (size_t i = 0; i < n; i += block, t += block, in += bytes) {
        bool nonzero, invalid;
        block_decode(type, in, t);
        block_scan(t, block, &nonzero, &invalid);
        if (invalid || (type == TERN_GGML_TQ1_0 && !tq1_valid(in)))
            return tern_fail(TERN_ECORRUPT, "weights %zu to %zu: not a ternary code", i,
                             i + block - 1);
        if (!nonzero) continue;
        const float d = tern_float_from_half(tern_read_u16(block_scale(type, in)));
        if (!(d > 0.0f && d <= 65504.0f))
            return tern_fail(TERN_ECORRUPT, "weights %zu to %zu: the scale is %g", i,
                             i + block - 1, (double)d);
        if (common != 0.0f && d != common)
            return tern_fail(TERN_EFORMAT,
                             "weights %zu to %zu: the scale is %g, before it %g", i,
                             i + block - 1, (double)d, (double)common);
        common = d;
    }
    *scale = common;
    return TERN_OK;
}

/* --- I2_S, bitnet.cpp's own: a whole tensor ---
 *
 *     | groups of 32 bytes: 128 weights each | f32 scale, 28 zeros |
 *
 * A group is 128 neighbours of the flattened matrix; byte m of it holds, from its
 * highest bits down, the codes of weights m, 32 + m, 64 + m, 96 + m. This is the layout
 * of x86, of bitnet.cpp's converter, and of the files that its authors publish. On ARM
 * its quantiser writes groups of 64 under the same number, and nothing in such a file
 * says so: it cannot be told apart, and is read wrongly here as it is there. */
static bool i2s_tail(const uint8_t *tail, float *scale)
{
    *scale = tern_float_from_bits(tern_read_u16(tail) |
                                  (uint32_t)tern_read_u16(tail + 2) << 16);
    bool zeros = true;
    for (size_t i = 4; i < I2S_TAIL; i++) zeros &= tail[i] == 0;
    return zeros;
}

tern_status tern_decode_i2s(const uint8_t *in, size_t n, int8_t *t, float *scale)
{
    float d;
    if (!i2s_tail(in + n / 4, &d))
        return tern_fail(TERN_ECORRUPT,
                         "the bytes behind the scale are not zero: not the I2_S that "
                         "tern reads");
    if (!(d > 0.0f && d < INFINITY))
        return tern_fail(TERN_ECORRUPT, "the scale is %g", (double)d);
    for (size_t i = 0; i < n; i++) {
        const size_t at = i / I2S_GROUP, k = i % I2S_GROUP / 32, m = i % 32;
        const int u = in[at * 32 + m] >> (6 - 2 * k) & 3;
        if (u == 3)
            return tern_fail(TERN_ECORRUPT, "weight %zu: not a ternary code", i);
        t[i] = (int8_t)(u - 1);
    }
    *scale = d;
    return TERN_OK;
}

/* --- Q8_0: 32 weights in 34 bytes: | fp16 scale d | 32 x int8 q |, w = d q --- */

/* Half away from zero, as ggml rounds; a NaN becomes 0. */
static int8_t round_to_i8(float x)
{
    const float r = roundf(x);
    if (isnan(r)) return 0;
    return (int8_t)(r > 127.0f ? 127.0f : r < -127.0f ? -127.0f : r);
}

static void q8_encode(const float *x, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += 32, x += 32, out += 34) {
        float largest = 0.0f;
        for (size_t j = 0; j < 32; j++) largest = fmaxf(largest, fabsf(x[j]));
        const float d = largest / 127.0f, inverse = d > 0.0f ? 1.0f / d : 0.0f;
        tern_write_u16(out, tern_half_from_float(d));
        for (size_t j = 0; j < 32; j++)
            out[2 + j] = (uint8_t)round_to_i8(x[j] * inverse);
    }
}

static void q8_decode(const uint8_t *in, size_t n, float *x)
{
    for (size_t i = 0; i < n; i += 32, x += 32, in += 34) {
        const float d = tern_float_from_half(tern_read_u16(in));
        for (size_t j = 0; j < 32; j++) x[j] = (float)(int8_t)in[2 + j] * d;
    }
}

/* --- plain numbers --- */

void tern_encode_floats(uint32_t type, const float *x, size_t n, uint8_t *out)
{
    assert(tern_ggml_encodes(type));
    assert(n % tern_ggml_block(type) == 0);
    switch (type) {
    case TERN_GGML_F32:
        for (size_t i = 0; i < n; i++) {
            const uint32_t u = tern_float_bits(x[i]);
            tern_write_u16(out + 4 * i, (uint16_t)u);
            tern_write_u16(out + 4 * i + 2, (uint16_t)(u >> 16));
        }
        break;
    case TERN_GGML_F16:
        for (size_t i = 0; i < n; i++)
            tern_write_u16(out + 2 * i, tern_half_from_float(x[i]));
        break;
    case TERN_GGML_BF16:
        for (size_t i = 0; i < n; i++)
            tern_write_u16(out + 2 * i, tern_bf16_from_float(x[i]));
        break;
    case TERN_GGML_Q4_0:
        tern_q4_0_encode(x, n, out);
        break;
    case TERN_GGML_Q6_K:
        tern_q6_k_encode(x, n, out);
        break;
    default:
        q8_encode(x, n, out);
        break;
    }
}

static void ternary_to_floats(uint32_t type, const uint8_t *in, size_t n, float *x)
{
    const size_t block = layouts[type].weights, bytes = layouts[type].bytes;
    int8_t t[256];
    for (size_t i = 0; i < n; i += block, x += block, in += bytes) {
        const float d = tern_float_from_half(tern_read_u16(block_scale(type, in)));
        block_decode(type, in, t);
        for (size_t j = 0; j < block; j++) x[j] = (float)t[j] * d;
    }
}

void tern_decode_floats(uint32_t type, const uint8_t *in, size_t n, float *x)
{
    assert(tern_ggml_decodes(type) && n % tern_ggml_block(type) == 0);
    switch (type) {
    case TERN_GGML_F32:
        for (size_t i = 0; i < n; i++)
            x[i] = tern_float_from_bits(tern_read_u16(in + 4 * i) |
                                        (uint32_t)tern_read_u16(in + 4 * i + 2) << 16);
        break;
    case TERN_GGML_F16:
        for (size_t i = 0; i < n; i++)
            x[i] = tern_float_from_half(tern_read_u16(in + 2 * i));
        break;
    case TERN_GGML_BF16:
        for (size_t i = 0; i < n; i++)
            x[i] = tern_float_from_bf16(tern_read_u16(in + 2 * i));
        break;
    case TERN_GGML_Q8_0:
        q8_decode(in, n, x);
        break;
    case TERN_GGML_Q4_0:
        tern_q4_0_decode(in, n, x);
        break;
    case TERN_GGML_Q4_K:
        tern_q4_k_decode(in, n, x);
        break;
    case TERN_GGML_Q6_K:
        tern_q6_k_decode(in, n, x);
        break;
    default:
        ternary_to_floats(type, in, n, x);
        break;
    }
}
