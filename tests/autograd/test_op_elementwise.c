/* Oracles: a + b, a b, c x. */
#include "tests/autograd/gradcheck.h"

typedef struct shape {
    int rows, cols;
} shape;

ParameterizedTestParameters(op_elementwise, match_oracles)
{
    static shape shapes[] = {{1, 1}, {3, 1}, {1, 31}, {2, 16}, {3, 33}, {5, 65}};
    return cr_make_param_array(shape, shapes, sizeof shapes / sizeof *shapes);
}

static tern_var *build_add(tern_tape *t, tern_var *const *v, tern_param *const *p,
                           const void *user)
{
    (void)p;
    (void)user;
    return tern_op_add(t, v[0], v[1]);
}

static tern_var *build_mul(tern_tape *t, tern_var *const *v, tern_param *const *p,
                           const void *user)
{
    (void)p;
    (void)user;
    return tern_op_mul(t, v[0], v[1]);
}

static tern_var *build_scale(tern_tape *t, tern_var *const *v, tern_param *const *p,
                             const void *user)
{
    (void)p;
    (void)user;
    return tern_op_scale(t, v[0], -1.75f);
}

static void oracle_add(const double *const *in, const double *const *at, double *out,
                       const void *user)
{
    const shape *s = user;
    (void)at;
    for (int i = 0; i < s->rows * s->cols; i++) out[i] = in[0][i] + in[1][i];
}

static void oracle_mul(const double *const *in, const double *const *at, double *out,
                       const void *user)
{
    const shape *s = user;
    (void)at;
    for (int i = 0; i < s->rows * s->cols; i++) out[i] = in[0][i] * in[1][i];
}

static void oracle_scale(const double *const *in, const double *const *at, double *out,
                         const void *user)
{
    const shape *s = user;
    (void)at;
    for (int i = 0; i < s->rows * s->cols; i++) out[i] = -1.75 * in[0][i];
}

ParameterizedTest(shape *s, op_elementwise, match_oracles)
{
    gradcheck c = {
        .inputs = 2,
        .in = {{.rows = s->rows, .cols = s->cols}, {.rows = s->rows, .cols = s->cols}},
        .rows = s->rows,
        .cols = s->cols,
        .build = build_add,
        .oracle = oracle_add,
        .user = s};
    gradcheck_expect(&c, "add");
    c.build = build_mul;
    c.oracle = oracle_mul;
    gradcheck_expect(&c, "mul");
    c.in[1].constant = true;
    gradcheck_expect(&c, "mul by data");
    c.build = build_scale;
    c.oracle = oracle_scale;
    c.inputs = 1;
    gradcheck_expect(&c, "scale");
}

Test(op_elementwise, refuses_what_does_not_fit)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *y = tern_op_add(t, tern_input(t, 2, 3, x), tern_input(t, 3, 2, x));
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "add", "(2, 3) and (3, 2)");
    y = tern_op_mul(t, tern_input(t, 2, 3, x), tern_input(t, 1, 3, x));
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "mul", "(2, 3) and (1, 3)");
    y = tern_op_add(t, NULL, tern_input(t, 1, 3, x));
    gradcheck_expect_failure(t, y, TERN_EARG, "add", "NULL");
    y = tern_op_scale(t, tern_op_quantize(t, tern_input(t, 2, 3, x)), 2.0f);
    gradcheck_expect_failure(t, y, TERN_EARG, "scale", "(2, 3) is quantised");
    tern_tape_free(t);
}
