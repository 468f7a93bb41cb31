/* Oracle: exponentials over their sum, in double. */
#include "tests/autograd/gradcheck.h"

typedef struct shape {
    int rows, cols;
} shape;

ParameterizedTestParameters(op_softmax, matches_oracle)
{
    static shape shapes[] = {{2, 2}, {1, 15}, {3, 31}, {3, 32}, {2, 33}, {4, 65}};
    return cr_make_param_array(shape, shapes, sizeof shapes / sizeof *shapes);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    (void)p;
    (void)user;
    return tern_op_softmax(t, v[0]);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const shape *s = user;
    (void)at;
    for (int i = 0; i < s->rows; i++) {
        double sum = 0.0;
        for (int j = 0; j < s->cols; j++) sum += exp(in[0][i * s->cols + j]);
        for (int j = 0; j < s->cols; j++)
            out[i * s->cols + j] = exp(in[0][i * s->cols + j]) / sum;
    }
}

ParameterizedTest(shape *s, op_softmax, matches_oracle)
{
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = s->rows, .cols = s->cols}},
                         .rows = s->rows,
                         .cols = s->cols,
                         .build = build,
                         .oracle = oracle,
                         .user = s};
    gradcheck_expect(&c, "softmax");
}

Test(op_softmax, survives_large_numbers)
{
    const float x[4] = {1000.0f, 999.0f, -1000.0f, 1000.0f};
    tern_tape *t = tern_tape_new(1 << 12);
    const tern_var *y = tern_op_softmax(t, tern_input(t, 1, 4, x));
    const double e = exp(-1.0), sum = 2.0 + e;
    const double want[4] = {1.0 / sum, e / sum, 0.0, 1.0 / sum};
    cr_expect(lt(dbl, tern_test_tensor_err(y->val, want, 4), 1e-6));
    tern_tape_free(t);
}
