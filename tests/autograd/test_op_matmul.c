/* Oracle: three loops. */
#include "tests/autograd/gradcheck.h"

typedef struct sizes {
    int n, k, m;
} sizes;

ParameterizedTestParameters(op_matmul, matches_oracle)
{
    static sizes s[] = {{1, 1, 1}, {2, 3, 4}, {1, 33, 5}, {7, 1, 9}, {5, 16, 31}};
    return cr_make_param_array(sizes, s, sizeof s / sizeof *s);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    (void)p;
    (void)user;
    return tern_op_matmul(t, v[0], v[1]);
}

static tern_var *build_square(tern_tape *t, tern_var *const *v, tern_param *const *p,
                              const void *user)
{
    (void)p;
    (void)user;
    return tern_op_matmul(t, v[0], v[0]);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const sizes *s = user;
    (void)at;
    for (int i = 0; i < s->n; i++)
        for (int j = 0; j < s->m; j++) {
            out[i * s->m + j] = 0.0;
            for (int l = 0; l < s->k; l++)
                out[i * s->m + j] += in[0][i * s->k + l] * in[1][l * s->m + j];
        }
}

static void oracle_square(const double *const *in, const double *const *at, double *out,
                          const void *user)
{
    const double *twice[] = {in[0], in[0]};
    oracle(twice, at, out, user);
}

ParameterizedTest(sizes *s, op_matmul, matches_oracle)
{
    gradcheck c = {.inputs = 2,
                   .in = {{.rows = s->n, .cols = s->k}, {.rows = s->k, .cols = s->m}},
                   .rows = s->n,
                   .cols = s->m,
                   .build = build,
                   .oracle = oracle,
                   .user = s};
    gradcheck_expect(&c, "matmul");
    c.in[0].constant = true;
    gradcheck_expect(&c, "matmul, first constant");
    c.in[0].constant = false;
    c.in[1].constant = true;
    gradcheck_expect(&c, "matmul, second constant");
}

Test(op_matmul, of_a_matrix_with_itself)
{
    const sizes s = {6, 6, 6};
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = 6, .cols = 6}},
                         .rows = 6,
                         .cols = 6,
                         .build = build_square,
                         .oracle = oracle_square,
                         .user = &s};
    gradcheck_expect(&c, "x x");
}

Test(op_matmul, refuses_what_does_not_fit)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *y = tern_op_matmul(t, tern_input(t, 2, 3, x), tern_input(t, 2, 3, x));
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "matmul", "(2, 3) and (2, 3)");
    tern_tape_free(t);
}
