/* BitLinear is a drop-in for Linear: the same struct and call, and each computes what
 * its formula says. Oracles in double, from the paper (arXiv:2402.17764, eq. 1-3). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "layers/layers.h"
#include "tests/support/numeric.h"

enum { N = 5, IN = 37, OUT = 19 };

typedef struct fixture {
    tern_params list;
    tern_linear l;
    tern_tape *t;
    float x[N * IN], residual[N * OUT];
} fixture;

static void open(fixture *f, tern_quant quant)
{
    f->list = (tern_params){0};
    cr_assert(tern_linear_init(&f->l, &f->list, "w", IN, OUT, quant));
    for (size_t i = 0; i < OUT * IN; i++)
        f->l.weight->val[i] = 0.1f * tern_test_rand(1, i);
    for (size_t i = 0; i < N * IN; i++) f->x[i] = tern_test_rand(2, i);
    for (size_t i = 0; i < N * OUT; i++) f->residual[i] = tern_test_rand(3, i);
    cr_assert(eq(int, tern_params_refresh(&f->list), TERN_OK));
    f->t = tern_tape_new(0);
}

static void close(fixture *f)
{
    tern_tape_free(f->t);
    tern_params_free(&f->list);
}

/* Weight as BitLinear sees it; gamma to 11 bits, as fp16 keeps. */
static double ternary_weight(const float *w, size_t i)
{
    double mean = 0.0;
    for (size_t j = 0; j < OUT * IN; j++) mean += fabs((double)w[j]) / (OUT * IN);
    int exponent;
    const double m = frexp(mean, &exponent);
    const double gamma = ldexp(nearbyint(ldexp(m, 11)), exponent - 11);
    return gamma * fmax(-1.0, fmin(1.0, nearbyint((double)w[i] / gamma)));
}

static double quantised_input(const float *row, size_t k)
{
    double most = 0.0;
    for (size_t j = 0; j < IN; j++) most = fmax(most, fabs((double)row[j]));
    return nearbyint((double)row[k] * 127.0 / most) * most / 127.0;
}

static void oracle(const fixture *f, double *y)
{
    const bool ternary = f->l.quant == TERN_QUANT_TERNARY;
    const float *w = f->l.weight->val;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < OUT; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < IN; k++)
                sum +=
                    (ternary ? quantised_input(f->x + i * IN, k)
                             : (double)f->x[i * IN + k]) *
                    (ternary ? ternary_weight(w, j * IN + k) : (double)w[j * IN + k]);
            y[i * OUT + j] = sum + (double)f->residual[i * OUT + j];
        }
}

static void expect_formula(tern_quant quant)
{
    fixture f;
    double want[N * OUT];
    open(&f, quant);
    oracle(&f, want);
    tern_var *x = tern_input(f.t, N, IN, f.x);
    tern_var *y =
        tern_linear_forward(f.t, &f.l, x, tern_input(f.t, N, OUT, f.residual));
    cr_assert(eq(int, tern_tape_status(f.t), TERN_OK), "%s", tern_tape_message(f.t));
    cr_expect(lt(dbl, tern_test_tensor_err(y->val, want, N * OUT), 1e-6));
    close(&f);
}

Test(linear, float_is_the_matrix_product)
{
    expect_formula(TERN_QUANT_NONE);
}

Test(linear, ternary_is_the_papers_formula)
{
    expect_formula(TERN_QUANT_TERNARY);
}

Test(linear, ternary_takes_float_or_codes)
{
    fixture f;
    open(&f, TERN_QUANT_TERNARY);
    tern_var *x = tern_input(f.t, N, IN, f.x);
    tern_var *from_float = tern_linear_forward(f.t, &f.l, x, NULL);
    tern_var *from_codes =
        tern_linear_forward(f.t, &f.l, tern_op_quantize(f.t, x), NULL);
    cr_assert(eq(int, tern_tape_status(f.t), TERN_OK), "%s", tern_tape_message(f.t));
    cr_expect(eq(int, memcmp(from_float->val, from_codes->val, N * OUT * 4), 0));
    close(&f);
}

/* In evaluation dropout is the identity: a branch has the bits of a plain forward. */
Test(linear, branch_adds_the_residual)
{
    for (int q = 0; q < 2; q++) {
        fixture f;
        open(&f, q ? TERN_QUANT_TERNARY : TERN_QUANT_NONE);
        tern_tape_set_random(f.t, 1, 1, false);
        tern_var *x = tern_input(f.t, N, IN, f.x);
        tern_var *r = tern_input(f.t, N, OUT, f.residual);
        tern_var *plain = tern_linear_branch(f.t, &f.l, x, r, 0.0f);
        tern_var *dropped = tern_linear_branch(f.t, &f.l, x, r, 0.5f);
        cr_assert(eq(int, tern_tape_status(f.t), TERN_OK), "%s",
                  tern_tape_message(f.t));
        cr_expect(eq(int, memcmp(plain->val, dropped->val, N * OUT * 4), 0));

        tern_tape_set_random(f.t, 1, 1, true);
        tern_var *random = tern_linear_branch(f.t, &f.l, x, r, 0.5f);
        size_t kept = 0, zero = 0;
        for (size_t i = 0; i < N * OUT; i++) {
            const float y = random->val[i], z = plain->val[i] - f.residual[i];
            zero += fabsf(y - f.residual[i]) < 1e-6f;
            kept += fabsf(y - f.residual[i] - 2.0f * z) < 1e-5f;
        }
        cr_expect(ge(sz, zero + kept, (size_t)(N * OUT)));
        cr_expect(gt(sz, zero, (size_t)(N * OUT / 4)));
        cr_expect(gt(sz, kept, (size_t)(N * OUT / 4)));
        close(&f);
    }
}

Test(linear, wrong_width_is_a_sticky_error)
{
    for (int q = 0; q < 2; q++) {
        fixture f;
        open(&f, q ? TERN_QUANT_TERNARY : TERN_QUANT_NONE);
        tern_var *y =
            tern_linear_forward(f.t, &f.l, tern_input(f.t, N, IN - 1, f.x), NULL);
        cr_expect(eq(ptr, y, NULL));
        cr_expect(eq(int, tern_tape_status(f.t), TERN_ESHAPE));
        cr_expect(eq(ptr, tern_linear_forward(f.t, &f.l, y, NULL), NULL));
        close(&f);
    }
}

Test(linear, float_layer_refuses_codes)
{
    fixture f;
    open(&f, TERN_QUANT_NONE);
    tern_var *xq = tern_op_quantize(f.t, tern_input(f.t, N, IN, f.x));
    cr_expect(eq(ptr, tern_linear_forward(f.t, &f.l, xq, NULL), NULL));
    cr_expect(ne(int, tern_tape_status(f.t), TERN_OK));
    close(&f);
}
