/* Activations and element-by-element functions against their formulas in double; the
 * gradients against finite differences of those formulas. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/half.h"
#include "kernels/float_kernels.h"
#include "tests/kernels/float_levels.h"

enum { N = 1000 };
static const double TOL = 1e-6;

/* --- exp --- */

static void map_exp(const float *x, size_t n, float *y)
{
    tern_float_active->exp_sum(x, 1.0f, 0.0f, n, y);
}

Test(rows, exp_is_accurate_over_its_range)
{
    enum { STEPS = 1 << 20 };
    float *x = tern_calloc(STEPS, sizeof *x), *y = tern_calloc(STEPS, sizeof *y);
    const float low = -87.3f, high = 88.72f; /* where the result is a normal number */
    for (size_t i = 0; i < STEPS; i++)
        x[i] = low + (high - low) * (float)i / (float)STEPS;
    use_best_level();
    map_exp(x, STEPS, y);
    double worst = 0.0;
    for (size_t i = 0; i < STEPS; i++) {
        const double want = exp((double)x[i]);
        worst = fmax(worst, fabs((double)y[i] - want) / want);
    }
    cr_expect(lt(dbl, worst, 2e-7), "relative error %g", worst);
    for (size_t i = 0; i < STEPS; i++) /* the subnormal results */
        x[i] = -104.0f + 16.7f * (float)i / (float)STEPS;
    map_exp(x, STEPS, y);
    for (size_t i = 0; i < STEPS; i++) {
        const double want = exp((double)x[i]);
        cr_assert(le(dbl, fabs((double)y[i] - want), 2e-7 * want + 0x1p-149), "%g",
                  (double)x[i]);
    }
    tern_free(x), tern_free(y);
}

Test(rows, exp_at_its_ends)
{
    const float x[] = {0.0f,      -0.0f, 1.0f,  -104.0f,  -1e30f,
                       -INFINITY, 89.0f, 1e30f, INFINITY, NAN};
    const float want[] = {1.0f, 1.0f,     2.71828183f, 0.0f,     0.0f,
                          0.0f, INFINITY, INFINITY,    INFINITY, NAN};
    enum { COUNT = sizeof x / sizeof *x };
    float y[COUNT];
    for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        map_exp(x, COUNT, y);
        cr_expect(eq(sz, first_difference(y, want, COUNT), COUNT));
    }
}

/* --- activations --- */

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

static double relu2(double x)
{
    return x > 0.0 ? x * x : 0.0;
}

static double gelu(double x)
{
    return x * 0.5 * (1.0 + erf(x / sqrt(2.0)));
}

static double (*const formula[])(double) = {silu, relu2, gelu};

static double slope(double (*f)(double), double x)
{
    const double h = 1e-5;
    return (f(x + h) - f(x - h)) / (2.0 * h);
}

Test(rows, unary_matches_its_formula)
{
    float *x = random_floats(1, N), *dy = random_floats(2, N);
    float y[N], dx[N];
    for (size_t i = 0; i < N; i++) x[i] *= 9.0f;
    use_best_level();
    for (int f = TERN_UNARY_SILU; f <= TERN_UNARY_GELU; f++) {
        fill_floats(dx, N, 1.0f);
        tern_unary_map((tern_unary)f, x, N, y);
        tern_unary_backward((tern_unary)f, x, dy, N, dx);
        for (size_t i = 0; i < N; i++) {
            const double want = formula[f]((double)x[i]);
            const double grad = 1.0 + (double)dy[i] * slope(formula[f], (double)x[i]);
            cr_expect(lt(dbl, tern_test_relerr((double)y[i], want), TOL), "%d at %g", f,
                      (double)x[i]);
            cr_expect(lt(dbl, tern_test_relerr((double)dx[i], grad), TOL),
                      "%d gradient at %g", f, (double)x[i]);
        }
    }
    tern_free(x), tern_free(dy);
}

Test(rows, unary_may_write_over_its_input)
{
    float *x = random_floats(1, N), y[N];
    use_best_level();
    for (int f = TERN_UNARY_SILU; f <= TERN_UNARY_GELU; f++) {
        float over[N];
        memcpy(over, x, sizeof over);
        tern_unary_map((tern_unary)f, x, N, y);
        tern_unary_map((tern_unary)f, over, N, over);
        cr_expect(eq(sz, first_difference(y, over, N), N));
    }
    tern_free(x);
}

Test(rows, silu_far_from_zero)
{
    const float x[] = {100.0f, -100.0f, 1e30f, 80.0f, -80.0f, 0.0f};
    float y[6], dx[6] = {0};
    const float one[] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    use_best_level();
    tern_unary_map(TERN_UNARY_SILU, x, 6, y);
    tern_unary_backward(TERN_UNARY_SILU, x, one, 6, dx);
    for (size_t i = 0; i < 6; i++) {
        const double want = silu((double)x[i]);
        cr_expect(le(dbl, fabs((double)y[i] - want), 1e-6 * fabs(want) + 1e-30));
        cr_expect(eq(flt, dx[i], x[i] > 0.0f ? 1.0f : x[i] < 0.0f ? dx[i] : 0.5f));
    }
    cr_expect(
        all(le(dbl, fabs((double)dx[1]), 1e-30), le(dbl, fabs((double)dx[4]), 1e-30)));
}

Test(rows, glu_matches_its_formula)
{
    float *g = random_floats(1, N), *u = random_floats(2, N), *dy = random_floats(3, N);
    float y[N], over[N], dg[N], du[N];
    for (size_t i = 0; i < N; i++) g[i] *= 9.0f;
    use_best_level();
    for (int f = TERN_SILU; f <= TERN_RELU2; f++) {
        fill_floats(dg, N, 1.0f);
        fill_floats(du, N, 1.0f);
        tern_glu((tern_activation)f, g, u, N, y);
        tern_glu_backward((tern_activation)f, g, u, dy, N, true, dg, du);
        for (size_t i = 0; i < N; i++) {
            const double x = (double)g[i], v = (double)u[i], d = (double)dy[i];
            const double want[] = {formula[f](x) * v,
                                   1.0 + d * v * slope(formula[f], x),
                                   1.0 + d * formula[f](x)};
            const float got[] = {y[i], dg[i], du[i]};
            for (size_t o = 0; o < 3; o++)
                cr_expect(lt(dbl, tern_test_relerr((double)got[o], want[o]), TOL),
                          "%d output %zu at %g", f, o, x);
        }
        memcpy(over, g, sizeof over);
        tern_glu((tern_activation)f, over, u, N, over);
        cr_expect(eq(sz, first_difference(y, over, N), N), "y over gate");
        memcpy(over, u, sizeof over);
        tern_glu((tern_activation)f, g, over, N, over);
        cr_expect(eq(sz, first_difference(y, over, N), N), "y over up");
    }
    tern_free(g), tern_free(u), tern_free(dy);
}

/* --- element by element --- */

Test(rows, elements)
{
    float *a = random_floats(1, N), *b = random_floats(2, N), *c = random_floats(3, N);
    float sum[N], product[N], axpy[N], fused[N];
    memcpy(axpy, c, sizeof axpy);
    memcpy(fused, c, sizeof fused);
    use_best_level();
    tern_add(a, b, N, sum);
    tern_mul(a, b, N, product);
    tern_axpy(0.7f, a, N, axpy);
    tern_mul_add(a, b, N, fused);
    for (size_t i = 0; i < N; i++) {
        const double x = (double)a[i], y = (double)b[i], z = (double)c[i];
        cr_expect(eq(flt, sum[i], (float)(x + y)));
        cr_expect(eq(flt, product[i], (float)(x * y)));
        cr_expect(lt(dbl, fabs((double)axpy[i] - ((double)0.7f * x + z)), 1e-7));
        cr_expect(lt(dbl, fabs((double)fused[i] - (x * y + z)), 1e-7));
    }
    tern_free(a), tern_free(b), tern_free(c);
}

Test(rows, bias_and_its_gradient)
{
    enum { ROWS = 37, COLS = 131 };
    float *b = random_floats(1, COLS), *y = random_floats(2, ROWS * COLS);
    float *dy = random_floats(2, ROWS * COLS), db[COLS];
    fill_floats(db, COLS, 1.0f);
    use_best_level();
    tern_add_bias(b, ROWS, COLS, y);
    tern_bias_backward(dy, ROWS, COLS, db);
    for (size_t c = 0; c < COLS; c++) {
        double want = 1.0;
        for (size_t r = 0; r < ROWS; r++) {
            want += (double)dy[r * COLS + c];
            cr_expect(eq(flt, y[r * COLS + c], dy[r * COLS + c] + b[c]));
        }
        cr_expect(lt(dbl, tern_test_relerr((double)db[c], want), 1e-5));
    }
    tern_free(b), tern_free(y), tern_free(dy);
}

Test(rows, round_half_is_base_half)
{
    float x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        const uint32_t u = (uint32_t)(i * 4294967u); /* all exponents, both signs */
        memcpy(x + i, &u, sizeof u);
        if (isnan(x[i])) x[i] = 65519.99f;
    }
    for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        tern_round_half(x, N, y);
        for (size_t i = 0; i < N; i++)
            cr_expect(eq(flt, y[i], tern_float_from_half(tern_half_from_float(x[i]))));
    }
}

/* --- dropout --- */

Test(rows, dropout_keeps_and_scales)
{
    enum { MANY = 100000 };
    float *x = random_floats(1, MANY), *y = tern_calloc(MANY, sizeof *y);
    use_best_level();
    tern_dropout_map(x, MANY, 0.3f, 7, 11, 0, y);
    size_t kept = 0;
    for (size_t i = 0; i < MANY; i++) {
        if (y[i] == 0.0f) continue;
        kept++;
        cr_expect(lt(dbl, tern_test_relerr((double)y[i], (double)x[i] / 0.7), TOL));
    }
    /* A binomial count: five standard deviations. */
    cr_expect(lt(dbl, fabs((double)kept - 0.7 * MANY), 5.0 * sqrt(0.21 * MANY)));
    /* Draws that lie any power of two apart agree by chance only. */
    for (size_t lag = 1; lag <= MANY / 2; lag *= 2) {
        size_t same = 0;
        for (size_t i = 0; i < MANY - lag; i++)
            same += (y[i] == 0.0f) == (y[i + lag] == 0.0f);
        cr_expect(lt(dbl, fabs((double)same / (double)(MANY - lag) - 0.58), 0.02),
                  "lag %zu", lag);
    }
    tern_free(x), tern_free(y);
}

Test(rows, dropout_is_a_function_of_seed_key_and_index)
{
    float x[N], a[N], b[N], g[N];
    fill_floats(x, N, 1.0f);
    use_best_level();
    tern_dropout_map(x, N, 0.5f, 7, 11, 0, a);
    tern_dropout_map(x, N / 3, 0.5f, 7, 11, 0, b);
    cr_expect(eq(sz, first_difference(a, b, N / 3), N / 3), "shorter array");
    fill_floats(g, N, 1.0f);
    tern_dropout_map(x, N, 0.5f, 7, 11, 1, g);
    size_t other_key = 0, other_seed = 0;
    for (size_t i = 0; i < N; i++) cr_expect(eq(flt, g[i], 1.0f + a[i]), "gradient");
    tern_dropout_map(x, N, 0.5f, 7, 12, 0, b);
    tern_dropout_map(x, N, 0.5f, 8, 11, 0, g);
    for (size_t i = 0; i < N; i++) {
        other_key += b[i] != a[i];
        other_seed += g[i] != a[i];
    }
    cr_expect(all(gt(sz, other_key, N / 3), gt(sz, other_seed, N / 3)));
    tern_dropout_map(x, N, 0.0f, 7, 11, 0, a);
    cr_expect(eq(sz, first_difference(a, x, N), N), "p = 0 changes nothing");
}
