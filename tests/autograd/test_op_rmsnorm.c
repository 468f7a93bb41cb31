/* Oracle: Zhang & Sennrich 2019, eq. (4), times the gain, in plain double loops. */
#include "tests/autograd/gradcheck.h"

static const double EPS = 1e-5;

typedef struct norm_case {
    int rows, cols;
    bool gain;
} norm_case;

ParameterizedTestParameters(op_rmsnorm, matches_oracle)
{
    static norm_case cases[] = {{3, 1, true},   {3, 2, false}, {2, 31, true},
                                {3, 32, false}, {5, 33, true}, {3, 65, true}};
    return cr_make_param_array(norm_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    (void)user;
    return tern_op_rmsnorm(t, v[0], p[1], (float)EPS);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const norm_case *c = user;
    (void)at;
    for (int i = 0; i < c->rows; i++) {
        const double *x = in[0] + i * c->cols;
        double square = 0.0;
        for (int j = 0; j < c->cols; j++) square += x[j] * x[j];
        const double rms = sqrt(square / c->cols + (double)(float)EPS);
        for (int j = 0; j < c->cols; j++)
            out[i * c->cols + j] = x[j] / rms * (c->gain ? in[1][j] : 1.0);
    }
}

ParameterizedTest(norm_case *n, op_rmsnorm, matches_oracle)
{
    gradcheck c = {.inputs = n->gain ? 2 : 1,
                   .in = {{.rows = n->rows, .cols = n->cols},
                          {.rows = 1, .cols = n->cols, .is_param = true}},
                   .rows = n->rows,
                   .cols = n->cols,
                   .build = build,
                   .oracle = oracle,
                   .user = n};
    const gradcheck_error e = gradcheck_run(&c);
    cr_expect(lt(dbl, e.value, 1e-6));
    /* One column: y is the sign of x and its gradient nearly 0, all cancellation. */
    cr_expect(lt(dbl, e.gradient, n->cols == 1 ? 1e-2 : 1e-5));
    if (!n->gain) return;
    c.in[0].constant = true;
    gradcheck_expect(&c, "gain alone");
}

Test(op_rmsnorm, refuses_what_does_not_fit)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_param *g = tern_param_new("gain", 1, 4, TERN_FORM_FLOAT);
    tern_var *y = tern_op_rmsnorm(t, tern_input(t, 2, 3, x), NULL, 0.0f);
    gradcheck_expect_failure(t, y, TERN_EARG, "rmsnorm", "eps is 0");
    y = tern_op_rmsnorm(t, tern_input(t, 2, 3, x), NULL, NAN);
    gradcheck_expect_failure(t, y, TERN_EARG, "rmsnorm", "eps is nan");
    y = tern_op_rmsnorm(t, tern_input(t, 2, 3, x), g, 1e-5f);
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "rmsnorm", "\"gain\" is (1, 4)");
    y = tern_op_rmsnorm_quantize(t, tern_input(t, 2, 3, x), g, 1e-5f);
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "rmsnorm_quantize", "(1, 3)");
    tern_param_free(g);
    tern_tape_free(t);
}
