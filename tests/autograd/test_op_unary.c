/* Oracles: the textbook formulas, silu by exp and gelu by erf of the C library. */
#include "tests/autograd/gradcheck.h"

typedef enum which { SILU, RELU2, GELU } which;

typedef struct unary_case {
    which f;
    int n;
    float shift; /* around 0, and in both tails */
} unary_case;

ParameterizedTestParameters(op_unary, match_oracles)
{
    static unary_case cases[] = {
        {SILU, 1, 0},  {SILU, 31, 0},  {SILU, 65, 0},  {SILU, 33, 8}, {SILU, 33, -8},
        {RELU2, 1, 0}, {RELU2, 33, 0}, {RELU2, 65, 2}, {GELU, 1, 0},  {GELU, 31, 0},
        {GELU, 65, 0}, {GELU, 33, 3},  {GELU, 33, -2}};
    return cr_make_param_array(unary_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    const unary_case *c = user;
    (void)p;
    if (c->f == SILU) return tern_op_silu(t, v[0]);
    return c->f == RELU2 ? tern_op_relu2(t, v[0]) : tern_op_gelu(t, v[0]);
}

static double formula(which f, double x)
{
    if (f == SILU) return x / (1.0 + exp(-x));
    if (f == RELU2) return x > 0.0 ? x * x : 0.0;
    return x * 0.5 * (1.0 + erf(x / sqrt(2.0)));
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const unary_case *c = user;
    (void)at;
    for (int i = 0; i < c->n; i++) out[i] = formula(c->f, in[0][i]);
}

ParameterizedTest(unary_case *u, op_unary, match_oracles)
{
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = 1, .cols = u->n, .shift = u->shift}},
                         .rows = 1,
                         .cols = u->n,
                         .dy = 100.0f,
                         .build = build,
                         .oracle = oracle,
                         .user = u};
    gradcheck_expect(&c, u->f == SILU ? "silu" : u->f == RELU2 ? "relu2" : "gelu");
}

Test(op_unary, refuses_codes)
{
    const float x[4] = {1, 2, 3, 4};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *(*const ops[])(tern_tape *, tern_var *) = {tern_op_silu, tern_op_relu2,
                                                         tern_op_gelu};
    const char *names[] = {"silu", "relu2", "gelu"};
    for (int i = 0; i < 3; i++) {
        tern_var *q = tern_op_quantize(t, tern_input(t, 2, 2, x));
        gradcheck_expect_failure(t, ops[i](t, q), TERN_EARG, names[i], "(2, 2)");
    }
    tern_tape_free(t);
}
