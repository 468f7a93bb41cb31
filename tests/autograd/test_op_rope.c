/* Oracle: the pair (i, i + D/2) turned by p theta^(-2i/D), in double. */
#include "kernels/rows.h"
#include "tests/autograd/gradcheck.h"

enum { MAX_TIME = 9, MAX_HALF = 33 };
static const double THETA = 10000.0;

typedef struct rope_case {
    int batch, time, heads, head_dim;
} rope_case;

typedef struct rope_tables {
    const rope_case *c;
    float cos[MAX_TIME * MAX_HALF], sin[MAX_TIME * MAX_HALF];
} rope_tables;

ParameterizedTestParameters(op_rope, matches_oracle)
{
    static rope_case cases[] = {
        {1, 1, 1, 2}, {2, 3, 1, 8}, {1, 9, 2, 16}, {2, 5, 3, 34}, {1, 4, 1, 66}};
    return cr_make_param_array(rope_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    const rope_tables *r = user;
    (void)p;
    return tern_op_rope(t, v[0], r->c->time, r->c->head_dim, r->cos, r->sin);
}

/* The same on the way through another op, so that x has no gradient before: the
 * in-place path of backward. */
static tern_var *build_behind(tern_tape *t, tern_var *const *v, tern_param *const *p,
                              const void *user)
{
    tern_var *one[] = {tern_op_scale(t, v[0], 1.0f)};
    return build(t, one, p, user);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const rope_case *c = ((const rope_tables *)user)->c;
    const int half = c->head_dim / 2;
    (void)at;
    for (int row = 0; row < c->batch * c->time; row++)
        for (int head = 0; head < c->heads; head++) {
            const int first = (row * c->heads + head) * c->head_dim;
            for (int i = 0; i < half; i++) {
                const double angle =
                    (row % c->time) * pow(THETA, -2.0 * i / (double)c->head_dim);
                const double a = in[0][first + i], b = in[0][first + half + i];
                out[first + i] = a * cos(angle) - b * sin(angle);
                out[first + half + i] = a * sin(angle) + b * cos(angle);
            }
        }
}

ParameterizedTest(rope_case *r, op_rope, matches_oracle)
{
    rope_tables tables = {.c = r};
    tern_rope_table((size_t)r->time, (size_t)r->head_dim, THETA, NULL, tables.cos,
                    tables.sin);
    gradcheck c = {.inputs = 1,
                   .in = {{.rows = r->batch * r->time, .cols = r->heads * r->head_dim}},
                   .rows = r->batch * r->time,
                   .cols = r->heads * r->head_dim,
                   .build = build,
                   .oracle = oracle,
                   .user = &tables};
    gradcheck_expect(&c, "rope");
    c.build = build_behind;
    gradcheck_expect(&c, "rope in place");
}

Test(op_rope, refuses_what_does_not_fit)
{
    const float x[12] = {0};
    tern_tape *t = tern_tape_new(1 << 12);
    gradcheck_expect_failure(t, tern_op_rope(t, tern_input(t, 2, 6, x), 2, 3, x, x),
                             TERN_ESHAPE, "rope", "head_dim 3");
    gradcheck_expect_failure(t, tern_op_rope(t, tern_input(t, 2, 6, x), 2, 4, x, x),
                             TERN_ESHAPE, "rope", "6 columns");
    gradcheck_expect_failure(t, tern_op_rope(t, tern_input(t, 2, 6, x), 2, 0, x, x),
                             TERN_ESHAPE, "rope", "head_dim 0");
    gradcheck_expect_failure(t, tern_op_rope(t, tern_input(t, 3, 4, x), 2, 4, x, x),
                             TERN_ESHAPE, "rope", "time 2 must divide the 3 rows");
    tern_tape_free(t);
}
