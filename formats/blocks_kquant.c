/* blocks_kquant.c - Q4_0, Q4_K and Q6_K: the types to which llama-quantize rounds float
 * matrices, and with them the embedding of a ternary model.
 *
 * Encoding is by ggml's reference rule, so that the bytes are the ones that its tools
 * write. Q4_K is only read: it is what llama-quantize makes of the embedding when it is
 * told to write TQ1_0 or TQ2_0. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "formats/blocks_parts.h"

enum { SUPER = 256, GROUP = 16, GROUPS = SUPER / GROUP };

/* The nearest integer, half to even, inside [low, high]; a NaN becomes 0. */
static int nearest(float x, int low, int high)
{
    const float r = rintf(x);
    if (isnan(r)) return 0;
    if (r < (float)low) return low;
    return r > (float)high ? high : (int)r;
}

/* The element of largest magnitude, the first among equals; with its sign. */
static float extreme(const float *x, size_t n)
{
    float most = 0.0f, value = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > most) {
            most = fabsf(x[i]);
            value = x[i];
        }
    return value;
}

/* --- Q4_0: 32 weights in 18 bytes ---
 *
 *     | fp16 d | 16 bytes: byte m holds weight m (low half) and 16 + m |   w = d (q -
 * 8)
 *
 * d is chosen so that the largest magnitude becomes q = 0, that is -8. */
void tern_q4_0_encode(const float *x, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += 32, x += 32, out += 18) {
        const float d = extreme(x, 32) / -8.0f;
        const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        uint8_t q[32];
        for (size_t m = 0; m < 32; m++) {
            const float v = truncf(x[m] * inverse + 8.5f);
            q[m] = (uint8_t)nearest(v, 0, 15);
        }
        tern_write_u16(out, tern_half_from_float(d));
        for (size_t m = 0; m < 16; m++) out[2 + m] = (uint8_t)(q[m] | q[16 + m] << 4);
    }
}

void tern_q4_0_decode(const uint8_t *in, size_t n, float *x)
{
    for (size_t i = 0; i < n; i += 32, x += 32, in += 18) {
        const float d = tern_float_from_half(tern_read_u16(in));
        for (size_t m = 0; m < 16; m++) {
            x[m] = (float)((in[2 + m] & 15) - 8) * d;
            x[16 + m] = (float)((in[2 + m] >> 4) - 8) * d;
        }
    }
}

/* --- Q4_K: 256 weights in 144 bytes ---
 *
 *     | fp16 d | fp16 e | 12 bytes: 8 scales s and 8 offsets o of 6 bits | 128 bytes |
 *
 * Eight groups of 32 weights, w = d s q - e o. Groups 2j and 2j + 1 are the low and the
 * high halves of bytes 32j .. 32j + 31. Of the 12 bytes, the first four hold s of
 * groups 0..3, the next four their o, the last four the low halves of s and o of
 * groups 4..7; the upper two bits of those are on top of the first eight bytes. */
static void q4_k_scale(const uint8_t *packed, size_t group, int *s, int *o)
{
    if (group < 4) {
        *s = packed[group] & 63;
        *o = packed[group + 4] & 63;
        return;
    }
    *s = (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
    *o = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
}

void tern_q4_k_decode(const uint8_t *in, size_t n, float *x)
{
    for (size_t i = 0; i < n; i += SUPER, in += 144) {
        const float d = tern_float_from_half(tern_read_u16(in));
        const float e = tern_float_from_half(tern_read_u16(in + 2));
        for (size_t group = 0; group < 8; group++, x += 32) {
            int s, o;
            q4_k_scale(in + 4, group, &s, &o);
            const float step = d * (float)s, offset = e * (float)o;
            const uint8_t *q = in + 16 + group / 2 * 32;
            for (size_t m = 0; m < 32; m++) {
                const float product = step * (float)(q[m] >> group % 2 * 4 & 15);
                x[m] = product - offset;
            }
        }
    }
}

/* --- Q6_K: 256 weights in 210 bytes ---
 *
 *     | 128 bytes: low 4 bits | 64 bytes: high 2 bits | 16 x int8 s | fp16 d |
 *
 * w = d s (q - 32), s of 16 neighbours in common. Weight 128h + 32k + m has its low
 * bits in byte 64h + 32 (k mod 2) + m of the first part, the upper half of it for
 * k > 1; its high bits are bits 2k and 2k + 1 of byte 32h + m of the second. */

/* How well the grid of step 1 / inverse holds x: with l the rounded numbers and weights
 * x^2, the best step for these l is top / bottom, and the error falls as top^2 / bottom
 * grows. */
typedef struct fit {
    float top, bottom;
} fit;

static fit fit_of(const float *x, float inverse)
{
    fit f = {0.0f, 0.0f};
    for (size_t i = 0; i < GROUP; i++) {
        const float l = (float)nearest(inverse * x[i], -32, 31), square = x[i] * x[i];
        const float top = square * x[i] * l, bottom = square * l * l;
        f.top += top;
        f.bottom += bottom;
    }
    return f;
}

/* The best step for a group among 19 grids around the one on which the extreme number
 * is -32, and the numbers on the grid that won. */
static float fit_group(const float *x, int8_t *q)
{
    const float most = extreme(x, GROUP);
    memset(q, 0, GROUP);
    if (fabsf(most) < 1e-15f) return 0.0f;
    float won = -32.0f / most;
    fit f = fit_of(x, won);
    float step = f.bottom != 0.0f ? f.top / f.bottom : 0.0f;
    float best = step * f.top;
    for (int k = -9; k <= 9; k++) {
        const float inverse = -(32.0f + 0.1f * (float)k) / most;
        if (k == 0) continue;
        f = fit_of(x, inverse);
        if (!(f.bottom > 0.0f) || !(f.top * f.top > best * f.bottom)) continue;
        won = inverse;
        step = f.top / f.bottom;
        best = step * f.top;
    }
    for (size_t i = 0; i < GROUP; i++)
        q[i] = (int8_t)(32 + nearest(won * x[i], -32, 31));
    return step;
}

static void q6_k_pack(const int8_t *q, uint8_t *out)
{
    uint8_t *low = out, *high = out + 128;
    for (size_t h = 0; h < 2; h++, q += 128, low += 64, high += 32)
        for (size_t m = 0; m < 32; m++) {
            low[m] = (uint8_t)((q[m] & 15) | (q[64 + m] & 15) << 4);
            low[32 + m] = (uint8_t)((q[32 + m] & 15) | (q[96 + m] & 15) << 4);
            high[m] = (uint8_t)(q[m] >> 4 | q[32 + m] >> 4 << 2 | q[64 + m] >> 4 << 4 |
                                q[96 + m] >> 4 << 6);
        }
}

static void q6_k_block(const float *x, uint8_t *out)
{
    int8_t q[SUPER];
    float step[GROUPS];
    for (size_t g = 0; g < GROUPS; g++)
        step[g] = fit_group(x + g * GROUP, q + g * GROUP);
    const float most = extreme(step, GROUPS);
    memset(out, 0, 210);
    if (fabsf(most) < 1e-15f) return;
    const float inverse = -128.0f / most;
    const uint16_t half = tern_half_from_float(1.0f / inverse);
    tern_write_u16(out + 208, half);
    for (size_t g = 0; g < GROUPS; g++) {
        const int s = nearest(inverse * step[g], -128, 127);
        const float d = tern_float_from_half(half) * (float)s;
        out[192 + g] = (uint8_t)(int8_t)s;
        for (size_t i = g * GROUP; d != 0.0f && i < (g + 1) * GROUP; i++)
            q[i] = (int8_t)(32 + nearest(x[i] / d, -32, 31));
    }
    q6_k_pack(q, out);
}

void tern_q6_k_encode(const float *x, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += SUPER) q6_k_block(x + i, out + i / SUPER * 210);
}

void tern_q6_k_decode(const uint8_t *in, size_t n, float *x)
{
    for (size_t i = 0; i < n; i += SUPER, in += 210) {
        const float d = tern_float_from_half(tern_read_u16(in + 208));
        for (size_t j = 0; j < SUPER; j++) {
            const size_t h = j / 128, k = j / 32 % 4, m = j % 32;
            const int low = in[64 * h + k % 2 * 32 + m] >> k / 2 * 4 & 15;
            const int high = in[128 + 32 * h + m] >> 2 * k & 3;
            const float step = d * (float)(int8_t)in[192 + j / GROUP];
            x[i + j] = step * (float)((low | high << 4) - 32);
        }
    }
}
