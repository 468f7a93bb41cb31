/* Oracles: mean of ln sum exp(x) - x[target] over the rows that have a target; mean. */
#include "tests/autograd/gradcheck.h"

enum { MAX_ROWS = 8 };

typedef struct loss_case {
    int rows, cols;
    int32_t targets[MAX_ROWS];
} loss_case;

ParameterizedTestParameters(op_loss, cross_entropy_matches_oracle)
{
    static loss_case cases[] = {{1, 2, {1}},
                                {3, 31, {0, 30, 7}},
                                {4, 32, {-1, 31, 5, 5}},
                                {5, 65, {64, -1, -1, 0, 33}},
                                {2, 1, {0, 0}}};
    return cr_make_param_array(loss_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build_entropy(tern_tape *t, tern_var *const *v, tern_param *const *p,
                               const void *user)
{
    (void)p;
    return tern_op_cross_entropy(t, v[0], ((const loss_case *)user)->targets);
}

static void oracle_entropy(const double *const *in, const double *const *at,
                           double *out, const void *user)
{
    const loss_case *c = user;
    double loss = 0.0;
    int counted = 0;
    (void)at;
    for (int i = 0; i < c->rows; i++) {
        const double *x = in[0] + i * c->cols;
        double sum = 0.0;
        if (c->targets[i] < 0) continue;
        for (int j = 0; j < c->cols; j++) sum += exp(x[j]);
        loss += log(sum) - x[c->targets[i]];
        counted++;
    }
    out[0] = loss / counted;
}

ParameterizedTest(loss_case *l, op_loss, cross_entropy_matches_oracle)
{
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = l->rows, .cols = l->cols}},
                         .rows = 1,
                         .cols = 1,
                         .dy = 100.0f,
                         .build = build_entropy,
                         .oracle = oracle_entropy,
                         .user = l};
    if (l->cols > 1) {
        gradcheck_expect(&c, "cross_entropy");
        return;
    }
    /* One class: the loss and all gradients are exactly 0. */
    const float x[2] = {3.0f, -4.0f};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *in = tern_input_grad(t, 2, 1, x);
    tern_var *y = tern_op_cross_entropy(t, in, l->targets);
    cr_expect(eq(flt, y->val[0], 0.0f));
    cr_expect(eq(int, tern_tape_backward(t, y), TERN_OK));
    cr_expect(in->grad[0] == 0.0f && in->grad[1] == 0.0f);
    tern_tape_free(t);
}

Test(op_loss, cross_entropy_refuses_impossible_targets)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *y = tern_op_cross_entropy(t, tern_input(t, 2, 3, x), (int32_t[]){0, 3});
    gradcheck_expect_failure(t, y, TERN_EARG, "cross_entropy", "target 3 of row 1");
    y = tern_op_cross_entropy(t, tern_input(t, 2, 3, x), (int32_t[]){-2, 0});
    gradcheck_expect_failure(t, y, TERN_EARG, "cross_entropy", "target -2 of row 0");
    y = tern_op_cross_entropy(t, tern_input(t, 2, 3, x), (int32_t[]){-1, -1});
    gradcheck_expect_failure(t, y, TERN_EARG, "cross_entropy", "no row");
    y = tern_op_cross_entropy(t, tern_input(t, 2, 3, x), NULL);
    gradcheck_expect_failure(t, y, TERN_EARG, "cross_entropy", "NULL");
    tern_tape_free(t);
}

static tern_var *build_mean(tern_tape *t, tern_var *const *v, tern_param *const *p,
                            const void *user)
{
    (void)p;
    (void)user;
    return tern_op_mean(t, v[0]);
}

static void oracle_mean(const double *const *in, const double *const *at, double *out,
                        const void *user)
{
    (void)at;
    (void)user;
    out[0] = 0.0;
    for (int i = 0; i < 3 * 17; i++) out[0] += in[0][i] / (3.0 * 17.0);
}

Test(op_loss, mean_matches_oracle)
{
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = 3, .cols = 17, .shift = 0.5f}},
                         .rows = 1,
                         .cols = 1,
                         .dy = 100.0f,
                         .build = build_mean,
                         .oracle = oracle_mean};
    gradcheck_expect(&c, "mean");
}
