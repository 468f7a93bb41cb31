/* The promise of rows.h: the same bits at every level and for any number of threads.
 * Each case writes all that its functions compute into `out`; the reference is the
 * scalar level on one thread. Inputs hold ordinary numbers, zeros of both signs, large
 * and tiny ones. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>

#include "base/half.h"
#include "kernels/float_kernels.h"
#include "tests/kernels/float_levels.h"
#include "tests/support/emulated.h"

enum { SPAN = 1 << 17, OUTPUTS = 4, MAX_OUT = OUTPUTS * SPAN, GUARD = 32 };

typedef struct inputs {
    float *a, *b, *c, *d;
} inputs;

typedef void (*level_case)(size_t rows, size_t cols, const inputs *in, float *out);

static float *out_at(float *out, int i)
{
    return out + (size_t)i * SPAN;
}

static void norm_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    float *rstd = out_at(out, 3), *dx = out_at(out, 1);
    float *scratch = tern_calloc(tern_norm_scratch(rows, cols), sizeof *scratch);
    tern_rmsnorm_rows(in->a, in->c, 1e-5f, rows, cols, out, rstd);
    tern_rmsnorm_rows_backward(in->a, in->c, rstd, in->b, rows, cols, true, dx,
                               out_at(out, 2), scratch);
    tern_rmsnorm_rows(in->a, NULL, 1e-5f, rows, cols, out, NULL);
    tern_rmsnorm_rows_backward(in->a, NULL, rstd, in->b, rows, cols, true, dx, NULL,
                               scratch);
    tern_free(scratch);
}

/* With a gated unit before it: fused, and one function after the other. */
static void glu_norm_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    const size_t n = rows * cols;
    const float *gate = in->d, *up = in->b, *dy = in->a, *gain = in->c;
    float *dgate = out, *dup = out_at(out, 1), *dgain = out_at(out, 2);
    float *rstd = out_at(out, 3), *a = tern_calloc(4 * n, sizeof *a), *da = a + n;
    float *scratch = tern_calloc(tern_norm_scratch(rows, cols), sizeof *scratch);
    float *apart = tern_calloc(cols, sizeof *apart);
    for (int f = TERN_SILU; f <= TERN_RELU2; f++) {
        memset(dgain, 0, cols * sizeof *dgain);
        memset(apart, 0, cols * sizeof *apart);
        tern_glu((tern_activation)f, gate, up, n, a);
        tern_rmsnorm_rows(a, gain, 1e-5f, rows, cols, da, rstd);
        tern_rmsnorm_rows_backward(a, gain, rstd, dy, rows, cols, false, da, apart,
                                   scratch);
        tern_glu_backward((tern_activation)f, gate, up, da, n, false, a + 2 * n,
                          a + 3 * n);
        tern_glu_rmsnorm_rows_backward((tern_activation)f, gate, up, gain, rstd, dy,
                                       rows, cols, false, dgate, dup, dgain, scratch);
        cr_expect(eq(sz, first_difference(dgate, a + 2 * n, n), n));
        cr_expect(eq(sz, first_difference(dup, a + 3 * n, n), n));
        cr_expect(eq(sz, first_difference(dgain, apart, cols), cols));
        memcpy(dgate, gate, n * sizeof *dgate); /* over the values */
        memcpy(dup, up, n * sizeof *dup);
        tern_glu_rmsnorm_rows_backward((tern_activation)f, dgate, dup, gain, rstd, dy,
                                       rows, cols, false, dgate, dup, NULL, scratch);
        cr_expect(eq(sz, first_difference(dgate, a + 2 * n, n), n));
        cr_expect(eq(sz, first_difference(dup, a + 3 * n, n), n));
        tern_glu_rmsnorm_rows_backward((tern_activation)f, gate, up, NULL, rstd, dy,
                                       rows, cols, true, dgate, dup, NULL, scratch);
    }
    tern_free(a), tern_free(scratch), tern_free(apart);
}

static void unary_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    const size_t n = rows * cols;
    for (int f = TERN_UNARY_SILU; f <= TERN_UNARY_GELU; f++) {
        tern_unary_map((tern_unary)f, in->d, n, out_at(out, f));
        tern_unary_backward((tern_unary)f, in->d, in->b, n, out_at(out, 3));
    }
}

static void glu_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    const size_t n = rows * cols;
    for (int f = TERN_SILU; f <= TERN_RELU2; f++) {
        tern_glu((tern_activation)f, in->d, in->b, n, out_at(out, f));
        tern_glu_backward((tern_activation)f, in->d, in->b, in->a, n, true,
                          out_at(out, 2), out_at(out, 3));
    }
}

static void element_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    const size_t n = rows * cols;
    tern_add(in->a, in->b, n, out);
    tern_mul(in->a, in->d, n, out_at(out, 1));
    tern_axpy(0.3f, in->d, n, out);
    tern_mul_add(in->a, in->b, n, out_at(out, 1));
    tern_add_bias(in->c, rows, cols, out);
    tern_bias_backward(in->a, rows, cols, out_at(out, 2));
    tern_round_half(in->d, n, out_at(out, 3));
    tern_dropout_map(in->a, n, 0.3f, 1, 2, 1, out_at(out, 3));
}

static void softmax_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    tern_softmax_rows(in->d, rows, cols, out);
    tern_softmax_rows_backward(out, in->b, rows, cols, out_at(out, 1));
}

static void loss_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    int32_t *target = calloc(rows, sizeof *target);
    for (size_t i = 0; i < rows; i++) target[i] = (int32_t)(i * 7 % cols);
    if (rows > 1) target[1] = -1;
    tern_cross_entropy_rows(in->d, target, rows, cols, out, out_at(out, 1));
    tern_cross_entropy_backward(in->d, target, out_at(out, 1), rows, cols, 0.3f,
                                out_at(out, 2));
    free(target);
}

static void embed_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    int32_t *ids = calloc(rows, sizeof *ids);
    for (size_t i = 0; i < rows; i++) ids[i] = (int32_t)(i * i % (rows / 2 + 1));
    tern_embed_rows(in->a, ids, rows, cols, out);
    tern_embed_backward(ids, in->b, rows, cols, out_at(out, 1));
    free(ids);
}

static void rope_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    const size_t dim = cols / 2 * 2, period = rows / 2 + 1;
    if (dim == 0) return;
    float *co = out_at(out, 2), *si = out_at(out, 3);
    tern_rope_table(period + 3, dim, 10000.0, NULL, co, si);
    tern_rope_rows(in->a, rows, 1, dim, 3, period, co, si, 1, 0, out);
    tern_rope_rows(in->b, rows, 1, dim, 3, period, co, si, -1, 1, out);
}

static void optim_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    const size_t n = rows * cols;
    const tern_adamw_args a = {.lr = 1e-2f,
                               .beta1 = 0.9f,
                               .beta2 = 0.95f,
                               .eps = 1e-8f,
                               .weight_decay = 0.1f,
                               .grad_scale = 0.5f,
                               .correction1 = 0.1,
                               .correction2 = 0.05};
    tern_adamw_update(&a, in->a, n, out, out_at(out, 1), out_at(out, 2));
    tern_sgd_update(0.1f, 0.9f, 1, 0.01f, 0.5f, in->b, n, out, out_at(out, 1));
    tern_sgd_update(0.1f, 0.9f, 0, 0.01f, 0.5f, in->b, n, out, out_at(out, 1));
    tern_sgd_update(0.1f, 0.0f, 0, 0.0f, 1.0f, in->b, n, out, NULL);
    const double s = tern_sum_squares(in->d, n);
    memcpy(out_at(out, 3), &s, sizeof s);
}

static void matmul_case(size_t rows, size_t cols, const inputs *in, float *out)
{
    /* w takes 13 rows of the inputs at most: small tables, every block remainder. */
    const size_t n = rows < 13 ? rows : 13, m = rows;
    uint16_t *half = calloc(n * cols, sizeof *half);
    for (size_t i = 0; i < n * cols; i++) half[i] = tern_half_from_float(in->b[i]);
    tern_dot_matmul(in->a, m, cols, in->b, n, out, n);
    tern_dot_matmul_half(in->a, m, cols, half, n, out_at(out, 1), n);
    free(half);
}

static const struct named_case {
    const char *name;
    level_case run;
} cases[] = {
    {"norm", norm_case},       {"unary", unary_case},      {"glu", glu_case},
    {"element", element_case}, {"softmax", softmax_case},  {"loss", loss_case},
    {"embed", embed_case},     {"rope", rope_case},        {"optim", optim_case},
    {"matmul", matmul_case},   {"glu_norm", glu_norm_case}};

static inputs make_inputs(void)
{
    inputs in = {random_floats(1, SPAN), random_floats(2, SPAN), random_floats(3, SPAN),
                 random_floats(4, SPAN)};
    for (size_t i = 0; i < SPAN; i++) {
        in.d[i] *= 20.0f;
        if (i % 11 == 3) in.a[i] = 0.0f;
        if (i % 13 == 5) in.a[i] = -0.0f;
        if (i % 17 == 6) in.d[i] *= 1e-9f;
        if (i % 19 == 7) in.d[i] *= 6.0f;
    }
    return in;
}

static void compare(size_t rows, size_t cols)
{
    const inputs in = make_inputs();
    float *want = tern_calloc(MAX_OUT + GUARD, sizeof *want);
    float *got = tern_calloc(MAX_OUT + GUARD, sizeof *got);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        use_level(TERN_LEVEL_SCALAR);
        tern_threads_set(1);
        fill_floats(want, MAX_OUT + GUARD, 0.25f);
        cases[k].run(rows, cols, &in, want);
        for (int level = 0; level < TERN_LEVEL_COUNT; level++)
            for (int threads = 1; threads <= 3; threads++) {
                if (!use_level(level)) continue;
                tern_threads_set(threads);
                fill_floats(got, MAX_OUT + GUARD, 0.25f);
                cases[k].run(rows, cols, &in, got);
                const size_t at = first_difference(want, got, MAX_OUT + GUARD);
                cr_expect(eq(sz, at, MAX_OUT + GUARD),
                          "%s %zu x %zu, level %s, %d threads: [%zu] %a, scalar %a",
                          cases[k].name, rows, cols, tern_level_name((tern_level)level),
                          threads, at, (double)got[at % MAX_OUT],
                          (double)want[at % MAX_OUT]);
            }
    }
    tern_free(in.a), tern_free(in.b), tern_free(in.c), tern_free(in.d);
    tern_free(want), tern_free(got);
}

Test(float_levels, small_rows_have_the_same_bits)
{
    static const size_t cols[] = {1,  2,  7,  8,  9,  15, 16, 17,
                                  30, 31, 32, 33, 63, 64, 65};
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++) {
        compare(1, cols[i]);
        compare(7, cols[i]);
    }
}

Test(float_levels, large_rows_have_the_same_bits)
{
    compare(TERN_ROUNDS(300), 384); /* all functions in parallel */
    compare(3, TERN_ROUNDS(10007)); /* few long rows */
    /* Several blocks of rows, a partial group of columns. */
    compare(TERN_ROUNDS(1700), 76);
}

/* What is not a number must pass through, the same way, and never trap. */
Test(float_levels, infinities_and_nans_agree)
{
    enum { N = 67 };
    float x[N], out[6][N], want[6][N];
    for (size_t i = 0; i < N; i++) x[i] = tern_test_rand(9, i);
    x[3] = INFINITY, x[18] = -INFINITY, x[40] = NAN, x[66] = -NAN;
    for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        memset(out, 0, sizeof out);
        tern_unary_map(TERN_UNARY_SILU, x, N, out[0]);
        tern_unary_map(TERN_UNARY_RELU2, x, N, out[1]);
        tern_round_half(x, N, out[2]);
        tern_softmax_rows(x, 1, N, out[3]);
        tern_rmsnorm_rows(x, NULL, 1e-5f, 1, N, out[4], out[5]);
        if (level == TERN_LEVEL_SCALAR) memcpy(want, out, sizeof out);
        for (size_t f = 0; f < 6; f++)
            cr_expect(eq(sz, first_difference(want[f], out[f], N), N), "%zu", f);
        cr_expect(all(isnan(out[0][40]), isnan(out[1][40]), isnan(out[2][40])));
        cr_expect(all(isinf(out[0][3]), isinf(out[1][3]), isinf(out[2][3])));
        cr_expect(all(isnan(out[3][0]), isnan(out[4][0])));
        tern_softmax_rows(x + 4, 1, 14, out[3]); /* finite again */
        cr_expect(not(isnan(out[3][0])));
    }
}
