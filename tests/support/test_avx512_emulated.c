/* The emulation of AVX-512 against Intel's description of each instruction that is more
 * than the same thing 16 times: written here element by element, with nothing from
 * SIMDe and no vector instruction. Numbers are random bits and the cases at the edges.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fenv.h>
#include <math.h>

#include "base/rng.h"

enum { ROUNDS = 200 };

/* 16 words of random bits; each fourth an edge. */
static emulated_register draw(uint64_t n)
{
    static const uint32_t edge[] = {0,           0x80000000u, 0x7fffffffu, 0xffffffffu,
                                    0x80008000u, 0x7fff7fffu, 0x80808080u, 0x7f7f7f7fu};
    emulated_register r;
    for (uint64_t e = 0; e < 16; e++) {
        const uint64_t bits = tern_rand_u64(5, TERN_STREAM_TEST, 16 * n + e);
        r.u[e] = (bits >> 32 & 3) == 0 ? edge[bits & 7] : (uint32_t)bits;
    }
    return r;
}

static void same(emulated_register got, emulated_register want, const char *what)
{
    for (int e = 0; e < 16; e++)
        cr_assert(eq(u32, got.u[e], want.u[e]), "%s, element %d", what, e);
}

static int32_t byte_of(uint32_t word, int b, int is_signed)
{
    const uint32_t byte = word >> 8 * b & 0xff;
    return is_signed ? (int8_t)byte : (int32_t)byte;
}

Test(avx512_emulated, dot_products_wrap_and_do_not_saturate)
{
    for (uint64_t n = 0; n < ROUNDS; n++) {
        const emulated_register s = draw(3 * n), a = draw(3 * n + 1),
                                b = draw(3 * n + 2);
        emulated_register bytes = s, words = s, got;
        for (int e = 0; e < 16; e++) {
            for (int j = 0; j < 4; j++)
                bytes.u[e] += (uint32_t)(byte_of(a.u[e], j, 0) * byte_of(b.u[e], j, 1));
            for (int j = 0; j < 32; j += 16)
                words.u[e] +=
                    (uint32_t)((int16_t)(a.u[e] >> j) * (int16_t)(b.u[e] >> j));
        }
        got.si = _mm512_dpbusd_epi32(s.si, a.si, b.si);
        same(got, bytes, "vpdpbusd");
        got.si = _mm512_dpwssd_epi32(s.si, a.si, b.si);
        same(got, words, "vpdpwssd");
    }
}

Test(avx512_emulated, shifts_and_rotations_by_each_elements_own_count)
{
    for (uint64_t n = 0; n < ROUNDS; n++) {
        const emulated_register a = draw(n), c = draw(n + 7777);
        emulated_register count, left, right, turned, sign, got;
        for (int e = 0; e < 16; e++) {
            const uint32_t k = count.u[e] = c.u[e] % 40; /* 32 and more: nothing left */
            left.u[e] = k < 32 ? a.u[e] << k : 0;
            right.u[e] = k < 32 ? a.u[e] >> k : 0;
            turned.u[e] = k % 32 ? a.u[e] << k % 32 | a.u[e] >> (32 - k % 32) : a.u[e];
            sign.i[e] = a.i[e] < 0 ? ~(int32_t)(~a.u[e] >> 9) : (int32_t)(a.u[e] >> 9);
        }
        got.si = _mm512_sllv_epi32(a.si, count.si);
        same(got, left, "vpsllvd");
        got.si = _mm512_srlv_epi32(a.si, count.si);
        same(got, right, "vpsrlvd");
        got.si = _mm512_rolv_epi32(a.si, count.si);
        same(got, turned, "vprolvd");
        got.si = _mm512_srai_epi32(a.si, 9);
        same(got, sign, "vpsrad");
    }
}

/* dst[2 blocks] from a, then from b, as two bits of imm each say. */
static emulated_register blocks(emulated_register a, emulated_register b, int imm)
{
    emulated_register r;
    for (int e = 0; e < 16; e++) {
        const int block = imm >> (2 * (e / 4)) & 3;
        r.u[e] = (e < 8 ? a : b).u[4 * block + e % 4];
    }
    return r;
}

Test(avx512_emulated, shuffles)
{
    const emulated_register a = draw(1), b = draw(2);
    emulated_register want = blocks(a, b, 0x88), got;
    got.ps = _mm512_shuffle_f32x4(a.ps, b.ps, 0x88);
    same(got, want, "vshuff32x4 88");
    got.si = _mm512_shuffle_i32x4(a.si, b.si, 0x88);
    same(got, want, "vshufi32x4 88");
    want = blocks(a, b, 0xdd);
    got.ps = _mm512_shuffle_f32x4(a.ps, b.ps, 0xdd);
    same(got, want, "vshuff32x4 dd");
    got.ps = _mm512_permute_ps(a.ps, 0x4e);
    for (int e = 0; e < 16; e++) want.u[e] = a.u[e ^ 2];
    same(got, want, "vpermilps 4e");
    for (int e = 0; e < 16; e++) want.u[e] = (e % 4 < 2 ? a : b).u[e / 4 * 4 + e % 2];
    got.ps = _mm512_shuffle_ps(a.ps, b.ps, 0x44);
    same(got, want, "vshufps 44");
    for (int e = 0; e < 16; e++) want.u[e] = (e & 1 ? b : a).u[e / 4 * 4 + e % 4 / 2];
    got.si = _mm512_unpacklo_epi32(a.si, b.si);
    same(got, want, "vpunpckldq");
    for (int e = 0; e < 16; e++) want.u[e] = e < 4 ? a.u[4 * e] : 0;
    got.ps = _mm512_maskz_compress_ps(0x1111, a.ps);
    same(got, want, "vcompressps");
    for (int e = 0; e < 16; e++)
        want.u[e] = (a.u[e] & 0xffffu) | (b.u[e] & 0xffff0000u);
    got.si = _mm512_mask_blend_epi16(0xaaaaaaaau, a.si, b.si);
    same(got, want, "vpblendmw");
}

/* The compiler may not move what reads or makes x to before or behind this line. */
#define HERE(x) __asm__ volatile("" : "+m"(x))

/* As the guide writes vcvtps2dq: the rounding of the moment, else the indefinite. */
Test(avx512_emulated, floats_become_integers_as_the_rounding_says)
{
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    static const float x[16] = {0.5f,         1.5f,          2.5f,         -0.5f,
                                -1.5f,        -2.5f,         0.49f,        -0.51f,
                                2147483648.f, -2147483648.f, 2147483520.f, 3e9f,
                                -3e9f,        INFINITY,      -INFINITY,    NAN};
    for (int m = 0; m < 4; m++) {
        emulated_register a, want, got;
        memcpy(a.f, x, sizeof x);
        fesetround(modes[m]);
        HERE(a);
        for (int e = 0; e < 16; e++) {
            const float r = nearbyintf(a.f[e]);
            want.i[e] = r >= -0x1p31f && r < 0x1p31f ? (int32_t)r : INT32_MIN;
        }
        got.si = _mm512_cvtps_epi32(a.ps);
        HERE(want);
        HERE(got);
        fesetround(FE_TONEAREST);
        same(got, want, "vcvtps2dq");
    }
}

Test(avx512_emulated, signs_are_cleared_and_comparisons_are_false_for_nan)
{
    emulated_register a = draw(4), want, got;
    a.f[0] = -0.0f, a.f[1] = -NAN, a.f[2] = NAN, a.f[3] = -INFINITY;
    uint32_t above = 0;
    for (int e = 0; e < 16; e++) {
        want.u[e] = a.u[e] & 0x7fffffffu;
        if (a.f[e] > 0.25f) above |= 1u << e;
    }
    got.ps = _mm512_abs_ps(a.ps);
    same(got, want, "abs_ps");
    const uint32_t mask = _mm512_cmp_ps_mask(a.ps, _mm512_set1_ps(0.25f), _CMP_GT_OQ);
    cr_expect(eq(u32, mask, above));
    for (int e = 0; e < 16; e++) want.u[e] = e & 1 ? a.u[e] & 0x7fffffffu : a.u[e];
    got.pd = _mm512_abs_pd(a.pd);
    same(got, want, "abs_pd");
    /* vmaxps: the second operand where one is NaN. */
    got.ps = _mm512_max_ps(a.ps, _mm512_set1_ps(7.0f));
    cr_expect(all(eq(flt, got.f[1], 7.0f), eq(flt, got.f[2], 7.0f)));
    got.ps = _mm512_max_ps(_mm512_set1_ps(7.0f), a.ps);
    cr_expect(all(isnan(got.f[1]), isnan(got.f[2])));
}

Test(avx512_emulated, reductions)
{
    for (uint64_t n = 0; n < ROUNDS; n++) {
        const emulated_register a = draw(n);
        uint32_t sum = 0, most = 0;
        for (int e = 0; e < 16; e++) {
            sum += a.u[e];
            if (a.u[e] > most) most = a.u[e];
        }
        cr_assert(eq(u32, (uint32_t)_mm512_reduce_add_epi32(a.si), sum));
        cr_assert(eq(u32, _mm512_reduce_max_epu32(a.si), most));
        emulated_register f;
        for (int e = 0; e < 16; e++) f.f[e] = (float)(a.i[e] >> 4);
        float highest = f.f[0];
        for (int e = 1; e < 16; e++) highest = fmaxf(highest, f.f[e]);
        cr_assert(eq(flt, _mm512_reduce_max_ps(f.ps), highest));
    }
}

Test(avx512_emulated, masks_choose_and_narrow_stores_keep_the_low_bits)
{
    const emulated_register a = draw(9);
    for (uint32_t n = 0; n <= 16; n++) {
        const __mmask16 k = (__mmask16)((1u << n) - 1);
        uint32_t words[16];
        uint16_t halves[16];
        uint8_t bytes[16];
        memset(words, 0xa5, sizeof words);
        memset(halves, 0xa5, sizeof halves);
        memset(bytes, 0xa5, sizeof bytes);
        _mm512_mask_storeu_epi32(words, k, a.si);
        _mm512_mask_cvtepi32_storeu_epi16(halves, k, a.si);
        _mm512_mask_cvtepi32_storeu_epi8(bytes, k, a.si);
        const emulated_register loaded = {.ps = _mm512_maskz_loadu_ps(k, a.f)};
        for (uint32_t e = 0; e < 16; e++) {
            cr_assert(eq(u32, words[e], e < n ? a.u[e] : 0xa5a5a5a5u));
            cr_assert(eq(u32, halves[e], e < n ? a.u[e] & 0xffff : 0xa5a5));
            cr_assert(eq(u32, bytes[e], e < n ? a.u[e] & 0xff : 0xa5));
            cr_assert(eq(u32, loaded.u[e], e < n ? a.u[e] : 0));
        }
    }
}
