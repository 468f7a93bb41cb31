/* Oracle: scores, softmax over j <= i, weighted sum; a loop for each. */
#include "tests/autograd/gradcheck.h"

enum { MAX_TIME = 33 };

typedef struct attention_case {
    int batch, time, heads, kv_heads, head_dim;
} attention_case;

ParameterizedTestParameters(op_attention, matches_oracle)
{
    static attention_case cases[] = {{1, 1, 1, 1, 2},  {2, 3, 2, 2, 4},
                                     {1, 5, 4, 2, 8},  {2, 4, 3, 1, 6},
                                     {1, 33, 1, 1, 4}, {1, 7, 2, 1, 33}};
    return cr_make_param_array(attention_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    const attention_case *c = user;
    (void)p;
    return tern_op_attention(t, v[0], v[1], v[2], c->time, c->heads, c->kv_heads);
}

static tern_var *build_same(tern_tape *t, tern_var *const *v, tern_param *const *p,
                            const void *user)
{
    tern_var *same[] = {v[0], v[0], v[0]};
    return build(t, same, p, user);
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const attention_case *c = user;
    const int d = c->head_dim, wide = c->heads * d, narrow = c->kv_heads * d;
    (void)at;
    for (int b = 0; b < c->batch; b++)
        for (int h = 0; h < c->heads; h++)
            for (int i = 0; i < c->time; i++) {
                const int shared = h / (c->heads / c->kv_heads) * d;
                const double *q = in[0] + (b * c->time + i) * wide + h * d;
                const double *k = in[1] + b * c->time * narrow + shared;
                const double *v = in[2] + b * c->time * narrow + shared;
                double *o = out + (b * c->time + i) * wide + h * d;
                double p[MAX_TIME], sum = 0.0;
                for (int j = 0; j <= i; j++) {
                    p[j] = exp(dot(q, k + j * narrow, d) / sqrt(d));
                    sum += p[j];
                }
                for (int l = 0; l < d; l++) {
                    o[l] = 0.0;
                    for (int j = 0; j <= i; j++) o[l] += p[j] / sum * v[j * narrow + l];
                }
            }
}

static void oracle_same(const double *const *in, const double *const *at, double *out,
                        const void *user)
{
    const double *same[] = {in[0], in[0], in[0]};
    oracle(same, at, out, user);
}

static gradcheck describe(const attention_case *a)
{
    const int rows = a->batch * a->time, narrow = a->kv_heads * a->head_dim;
    return (gradcheck){.inputs = 3,
                       .in = {{.rows = rows, .cols = a->heads * a->head_dim},
                              {.rows = rows, .cols = narrow},
                              {.rows = rows, .cols = narrow}},
                       .rows = rows,
                       .cols = a->heads * a->head_dim,
                       .build = build,
                       .oracle = oracle,
                       .user = a};
}

ParameterizedTest(attention_case *a, op_attention, matches_oracle)
{
    gradcheck c = describe(a);
    if (a->time == 1) { /* one key: o = v, and the gradients of q and k are 0 */
        c.in[0].constant = c.in[1].constant = true;
    }
    gradcheck_expect(&c, "attention");
    c.in[0].constant = c.in[1].constant = true;
    gradcheck_expect(&c, "attention, only v varies");
}

Test(op_attention, of_one_var_with_itself)
{
    const attention_case a = {2, 5, 2, 2, 4};
    gradcheck c = describe(&a);
    c.inputs = 1;
    c.build = build_same;
    c.oracle = oracle_same;
    gradcheck_expect(&c, "attention of x, x, x");
}

Test(op_attention, refuses_what_does_not_fit)
{
    const float x[48] = {0};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *q = tern_input(t, 6, 8, x), *k = tern_input(t, 6, 4, x);
    gradcheck_expect_failure(t, tern_op_attention(t, q, k, k, 3, 3, 2), TERN_ESHAPE,
                             "attention", "3 heads must be a multiple of 2");
    q = tern_input(t, 6, 8, x), k = tern_input(t, 6, 4, x);
    gradcheck_expect_failure(t, tern_op_attention(t, q, k, k, 3, 3, 1), TERN_ESHAPE,
                             "attention", "3 heads must divide the 8 columns");
    q = tern_input(t, 6, 8, x), k = tern_input(t, 6, 4, x);
    gradcheck_expect_failure(t, tern_op_attention(t, q, k, k, 4, 4, 2), TERN_ESHAPE,
                             "attention", "time 4 must divide the 6 rows");
    q = tern_input(t, 6, 8, x), k = tern_input(t, 6, 4, x);
    gradcheck_expect_failure(t, tern_op_attention(t, q, k, k, 3, 4, 4), TERN_ESHAPE,
                             "attention", "(6, 8) and (6, 4)");
    q = tern_input(t, 6, 8, x), k = tern_input(t, 6, 4, x);
    gradcheck_expect_failure(t, tern_op_attention(t, q, k, q, 3, 4, 2), TERN_ESHAPE,
                             "attention", "(6, 4) and (6, 8)");
    tern_tape_free(t);
}
