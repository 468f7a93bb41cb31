/* Oracle: f(gate) up with f = silu or relu2 in double. */
#include "tests/autograd/gradcheck.h"

typedef struct glu_case {
    tern_activation f;
    int rows, cols;
} glu_case;

ParameterizedTestParameters(op_glu, matches_oracle)
{
    static glu_case cases[] = {{TERN_SILU, 1, 1},   {TERN_SILU, 3, 31},
                               {TERN_SILU, 2, 65},  {TERN_RELU2, 1, 1},
                               {TERN_RELU2, 3, 31}, {TERN_RELU2, 2, 65}};
    return cr_make_param_array(glu_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    (void)p;
    return tern_op_glu(t, ((const glu_case *)user)->f, v[0], v[1]);
}

static tern_var *build_same(tern_tape *t, tern_var *const *v, tern_param *const *p,
                            const void *user)
{
    (void)p;
    return tern_op_glu(t, ((const glu_case *)user)->f, v[0], v[0]);
}

static double activation(tern_activation f, double x)
{
    if (f == TERN_SILU) return x / (1.0 + exp(-x));
    return x > 0.0 ? x * x : 0.0;
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const glu_case *c = user;
    (void)at;
    for (int i = 0; i < c->rows * c->cols; i++)
        out[i] = activation(c->f, in[0][i]) * in[1][i];
}

static void oracle_same(const double *const *in, const double *const *at, double *out,
                        const void *user)
{
    const double *twice[] = {in[0], in[0]};
    oracle(twice, at, out, user);
}

ParameterizedTest(glu_case *g, op_glu, matches_oracle)
{
    gradcheck c = {
        .inputs = 2,
        .in = {{.rows = g->rows, .cols = g->cols}, {.rows = g->rows, .cols = g->cols}},
        .rows = g->rows,
        .cols = g->cols,
        .build = build,
        .oracle = oracle,
        .user = g};
    gradcheck_expect(&c, "glu");
    c.in[0].constant = true;
    gradcheck_expect(&c, "glu, gate constant");
    c.in[0].constant = false;
    c.in[1].constant = true;
    gradcheck_expect(&c, "glu, up constant");
    c.inputs = 1;
    c.build = build_same;
    c.oracle = oracle_same;
    gradcheck_expect(&c, "glu of one var");
}

Test(op_glu, refuses_what_does_not_fit)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *y =
        tern_op_glu(t, TERN_SILU, tern_input(t, 2, 3, x), tern_input(t, 3, 2, x));
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "glu", "(2, 3) and (3, 2)");
    tern_tape_free(t);
}
