/* Oracle: y_ij = sum_l x_il w_jl + b_j; for HALF form w is rounded to fp16 first, by an
 * integer-free method of its own (frexp), and the gradient goes straight through. */
#include "tests/autograd/gradcheck.h"

typedef struct linear_case {
    int n, k, m;
    tern_form form;
    bool head, bias;
} linear_case;

ParameterizedTestParameters(op_linear, matches_oracle)
{
    static linear_case cases[] = {{1, 1, 1, TERN_FORM_FLOAT, false, false},
                                  {3, 33, 5, TERN_FORM_FLOAT, false, true},
                                  {5, 16, 31, TERN_FORM_HALF, false, true},
                                  {2, 65, 3, TERN_FORM_HALF, false, false},
                                  {1, 1, 1, TERN_FORM_FLOAT, true, false},
                                  {4, 65, 7, TERN_FORM_FLOAT, true, false},
                                  {3, 31, 9, TERN_FORM_HALF, true, false},
                                  {2, 64, 17, TERN_FORM_HALF, true, false}};
    return cr_make_param_array(linear_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    const linear_case *c = user;
    if (c->head) return tern_op_head(t, v[0], p[1]);
    return tern_op_linear(t, v[0], p[1], c->bias ? p[2] : NULL);
}

/* To 11 significant bits, half to even; normal range only. */
static double to_half(double x)
{
    int exponent;
    const double mantissa = frexp(x, &exponent);
    if (exponent < -13) return nearbyint(x * 0x1p24) * 0x1p-24;
    return ldexp(nearbyint(mantissa * 2048.0) / 2048.0, exponent);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const linear_case *c = user;
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->m; j++) {
            double y = c->bias ? in[2][j] : 0.0;
            for (int l = 0; l < c->k; l++) {
                const double w0 = at[1][j * c->k + l];
                const double forward = c->form == TERN_FORM_HALF ? to_half(w0) : w0;
                y += in[0][i * c->k + l] * (in[1][j * c->k + l] + (forward - w0));
            }
            out[i * c->m + j] = y;
        }
}

ParameterizedTest(linear_case *l, op_linear, matches_oracle)
{
    gradcheck c = {
        .inputs = l->bias ? 3 : 2,
        .in = {{.rows = l->n, .cols = l->k},
               {.rows = l->m, .cols = l->k, .is_param = true, .form = l->form},
               {.rows = 1, .cols = l->m, .is_param = true, .form = TERN_FORM_FLOAT}},
        .rows = l->n,
        .cols = l->m,
        .build = build,
        .oracle = oracle,
        .user = l};
    gradcheck_expect(&c, l->head ? "head" : "linear");
    c.in[0].constant = true;
    gradcheck_expect(&c, "on data");
}

Test(op_linear, refuses_what_does_not_fit)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_param *w = tern_param_new("proj", 4, 5, TERN_FORM_FLOAT);
    tern_param *b = tern_param_new("bias", 1, 5, TERN_FORM_FLOAT);
    tern_param *tri = tern_param_new("tri", 4, 3, TERN_FORM_TERNARY);
    tern_var *y = tern_op_linear(t, tern_input(t, 2, 3, x), w, NULL);
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "linear", "(2, 3) and \"proj\" (4, 5)");
    y = tern_op_linear(t, tern_input(t, 1, 5, x), w, b);
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "linear", "\"bias\" (1, 5)");
    y = tern_op_linear(t, tern_input(t, 2, 3, x), tri, NULL);
    gradcheck_expect_failure(t, y, TERN_EARG, "linear",
                             "\"tri\" (4, 3) is in ternary form");
    y = tern_op_linear(t, tern_input(t, 2, 3, x), NULL, NULL);
    gradcheck_expect_failure(t, y, TERN_EARG, "linear", "NULL");
    y = tern_op_head(t, tern_input(t, 2, 3, x), w);
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "head", "(2, 3) and \"proj\" (4, 5)");
    tern_param_free(w);
    tern_param_free(b);
    tern_param_free(tri);
    tern_tape_free(t);
}
