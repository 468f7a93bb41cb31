/* Every fp16 value both ways, and rounding against an oracle in double: the nearest of
 * all 65,536 values, ties to the even bit pattern. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/half.h"
#include "tests/support/numeric.h"

/* The value of fp16 bits, from the definition. */
static double value(uint16_t h)
{
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    const double sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31) return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

Test(half, every_value_converts_exactly)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const double want = value((uint16_t)h);
        const float got = tern_float_from_half((uint16_t)h);
        if (isnan(want)) {
            cr_assert(isnan(got));
            cr_assert(isnan(tern_float_from_half(tern_half_from_float(got))));
            continue;
        }
        cr_assert(eq(dbl, (double)got, want), "bits %04x", h);
        cr_assert(eq(uint, tern_half_from_float(got), h), "bits %04x back", h);
    }
}

static uint16_t nearest(double x)
{
    uint32_t best = 0;
    double distance = (double)INFINITY;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double d = fabs(value((uint16_t)h) - fabs(x));
        if (d < distance || (d == distance && h % 2 == 0)) {
            best = h;
            distance = d;
        }
    }
    if (fabs(x) >= 65520.0) best = 0x7c00;
    return (uint16_t)(best | (signbit(x) ? 0x8000u : 0u));
}

Test(half, rounds_to_nearest_even)
{
    for (size_t i = 0; i < 300; i++) {
        const int exponent = (int)(i % 46) - 28;
        const float x = ldexpf(tern_test_rand(7, i), exponent);
        cr_expect(eq(uint, tern_half_from_float(x), nearest((double)x)), "%a",
                  (double)x);
    }
    for (uint32_t h = 0; h < 0x7bff; h += 97) { /* exact ties between neighbours */
        const double tie = 0.5 * (value((uint16_t)h) + value((uint16_t)(h + 1)));
        cr_expect(eq(uint, tern_half_from_float((float)tie), h + h % 2), "%a", tie);
    }
}

Test(half, bfloat16_rounds_to_nearest_even)
{
    cr_expect(eq(uint, tern_bf16_from_float(1.0f), 0x3f80));
    cr_expect(eq(uint, tern_bf16_from_float(1.00390625f), 0x3f80)); /* tie, to even */
    cr_expect(eq(uint, tern_bf16_from_float(1.01171875f), 0x3f82));
    cr_expect(isnan(tern_float_from_bf16(tern_bf16_from_float(NAN))));
}
