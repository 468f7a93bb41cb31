/* Oracle: y_i = table[ids[i]], rounded to fp16 in HALF form with a straight-through
 * gradient; ids repeat, so rows must gather. */
#include "base/half.h"
#include "tests/autograd/gradcheck.h"

enum { IDS = 7 };
static const int32_t ids[IDS] = {3, 0, 3, 4, 3, 1, 0}; /* 2 is never used */

typedef struct embedding_case {
    int vocab, cols;
    tern_form form;
} embedding_case;

ParameterizedTestParameters(op_embedding, matches_oracle)
{
    static embedding_case cases[] = {
        {5, 1, TERN_FORM_FLOAT}, {5, 31, TERN_FORM_FLOAT}, {9, 33, TERN_FORM_HALF}};
    return cr_make_param_array(embedding_case, cases, sizeof cases / sizeof *cases);
}

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    (void)v;
    (void)user;
    return tern_op_embedding(t, p[0], ids, IDS);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const embedding_case *c = user;
    for (int i = 0; i < IDS; i++)
        for (int j = 0; j < c->cols; j++) {
            const int from = ids[i] * c->cols + j;
            const double x0 = at[0][from];
            const double seen =
                c->form == TERN_FORM_HALF ? (double)tern_round_to_half((float)x0) : x0;
            out[i * c->cols + j] = in[0][from] + (seen - x0);
        }
}

ParameterizedTest(embedding_case *e, op_embedding, matches_oracle)
{
    const gradcheck c = {
        .inputs = 1,
        .in = {{.rows = e->vocab, .cols = e->cols, .is_param = true, .form = e->form}},
        .rows = IDS,
        .cols = e->cols,
        .build = build,
        .oracle = oracle,
        .user = e};
    gradcheck_expect(&c, "embedding");
}

Test(op_embedding, refuses_impossible_ids)
{
    tern_tape *t = tern_tape_new(1 << 12);
    tern_param *p = tern_param_new("embed", 4, 2, TERN_FORM_FLOAT);
    tern_param *tri = tern_param_new("tri", 4, 3, TERN_FORM_TERNARY);
    gradcheck_expect_failure(t, tern_op_embedding(t, p, (int32_t[]){0, 4}, 2),
                             TERN_EARG, "embedding",
                             "id 4 at position 1 is not in 0 .. 3");
    gradcheck_expect_failure(t, tern_op_embedding(t, p, (int32_t[]){-1}, 1), TERN_EARG,
                             "embedding", "id -1 at position 0");
    gradcheck_expect_failure(t, tern_op_embedding(t, p, NULL, 1), TERN_EARG,
                             "embedding", "no ids");
    gradcheck_expect_failure(t, tern_op_embedding(t, tri, (int32_t[]){0}, 1), TERN_EARG,
                             "embedding", "\"tri\"");
    tern_param_free(p);
    tern_param_free(tri);
    tern_tape_free(t);
}

/* Where the table has a gradient for what is looked up, only that grows. */
Test(op_embedding, a_lookup_of_its_own)
{
    enum { VOCAB = 5, COLS = 3 };
    float dy[IDS * COLS], want[VOCAB * COLS] = {0};
    tern_param *p = tern_param_new("embed", VOCAB, COLS, TERN_FORM_FLOAT);
    tern_tape *t = tern_tape_new(0);
    for (int i = 0; i < IDS * COLS; i++) {
        dy[i] = (float)(i + 1);
        want[ids[i / COLS] * COLS + i % COLS] += dy[i];
    }
    cr_assert(eq(int, tern_param_split_lookup(p), TERN_OK));
    tern_var *y = tern_op_embedding(t, p, ids, IDS);
    cr_assert(eq(int, tern_tape_backward_from(t, y, dy), TERN_OK));
    for (int i = 0; i < VOCAB * COLS; i++)
        cr_expect(p->grad[i] == 0.0f && p->lookup[i] == want[i]);
    for (int again = 0; again < 2; again++) tern_param_join_lookup(p);
    for (int i = 0; i < VOCAB * COLS; i++)
        cr_expect(p->grad[i] == want[i] && p->lookup[i] == 0.0f);
    tern_tape_free(t);
    tern_param_free(p);
}
