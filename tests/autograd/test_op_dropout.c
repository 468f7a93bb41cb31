/* Dropout: what is kept is divided by 1 - p, draws depend on (seed, step, place on the
 * tape, element) and nothing else, and the gradient has the very same mask. */
#include "tests/autograd/gradcheck.h"

enum { N = 20000 };
static const float P = 0.3f;

static float ones[N], first[N], second[N];

static const float *draw(tern_tape *t, uint64_t seed, uint64_t step, int ops_before,
                         float *out)
{
    tern_tape_reset(t);
    tern_tape_set_random(t, seed, step, true);
    for (int i = 0; i < N; i++) ones[i] = 1.0f;
    tern_var *x = tern_input_grad(t, 1, N, ones);
    for (int i = 0; i < ops_before; i++) x = tern_op_scale(t, x, 1.0f);
    tern_var *y = tern_op_dropout(t, x, P);
    cr_assert(ne(ptr, y, NULL), "%s", tern_tape_message(t));
    return memcpy(out, y->val, sizeof first);
}

static size_t differing(const float *a, const float *b)
{
    size_t count = 0;
    for (int i = 0; i < N; i++) count += a[i] != b[i];
    return count;
}

Test(op_dropout, keeps_the_mean)
{
    tern_tape *t = tern_tape_new(1 << 16);
    size_t kept = 0;
    draw(t, 1, 0, 0, first);
    for (int i = 0; i < N; i++) {
        cr_assert(first[i] == 0.0f || first[i] == 1.0f / (1.0f - P), "%d: %g", i,
                  (double)first[i]);
        kept += first[i] != 0.0f;
    }
    /* Binomial: 14000 expected, standard deviation 65. */
    cr_expect(kept > 14000 - 400 && kept < 14000 + 400, "%zu kept", kept);
    tern_tape_free(t);
}

Test(op_dropout, draws_are_a_function_of_seed_step_and_place)
{
    tern_tape *t = tern_tape_new(1 << 16);
    draw(t, 1, 7, 0, first);
    cr_expect(eq(sz, differing(first, draw(t, 1, 7, 0, second)), 0));
    /* Independent masks differ in 2 p (1 - p) = 42 % of the places, sd 70. */
    cr_expect(gt(sz, differing(first, draw(t, 2, 7, 0, second)), 8000));
    cr_expect(gt(sz, differing(first, draw(t, 1, 8, 0, second)), 8000));
    cr_expect(gt(sz, differing(first, draw(t, 1, 7, 1, second)), 8000));
    tern_tape_free(t);
}

Test(op_dropout, gradient_has_the_same_mask)
{
    tern_tape *t = tern_tape_new(1 << 16);
    float dy[64];
    tern_tape_set_random(t, 3, 4, true);
    for (int i = 0; i < 64; i++) dy[i] = tern_test_rand(2, (size_t)i);
    tern_var *x = tern_input_grad(t, 4, 16, dy);
    float *dx = tern_tape_grad(t, x);
    for (int i = 0; i < 64; i++) dx[i] = 1.0f; /* the op must add to it */
    tern_var *y = tern_op_dropout(t, x, 0.5f);
    cr_assert(eq(int, tern_tape_backward_from(t, y, dy), TERN_OK));
    /* x = dy, so dx - 1 must be y. */
    for (int i = 0; i < 64; i++)
        cr_expect(lt(dbl, fabs((double)(x->grad[i] - 1.0f - y->val[i])), 3e-7));
    tern_tape_free(t);
}

Test(op_dropout, is_the_identity_when_not_training)
{
    const float x[4] = {1, 2, 3, 4};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *in = tern_input(t, 2, 2, x);
    cr_expect(eq(ptr, tern_op_dropout(t, in, 0.5f), in)); /* nobody said training */
    tern_tape_set_random(t, 1, 1, false);
    cr_expect(eq(ptr, tern_op_dropout(t, in, 0.5f), in));
    tern_tape_set_random(t, 1, 1, true);
    cr_expect(eq(ptr, tern_op_dropout(t, in, 0.0f), in));
    cr_expect(ne(ptr, tern_op_dropout(t, in, 0.5f), in));
    tern_tape_set_inference(t, true);
    cr_expect(eq(ptr, tern_op_dropout(t, in, 0.5f), in));
    tern_tape_free(t);
}

Test(op_dropout, refuses_impossible_probabilities)
{
    const float x[4] = {1, 2, 3, 4}, bad[] = {1.0f, -0.1f, NAN};
    tern_tape *t = tern_tape_new(1 << 12);
    for (int i = 0; i < 3; i++)
        gradcheck_expect_failure(t, tern_op_dropout(t, tern_input(t, 2, 2, x), bad[i]),
                                 TERN_EARG, "dropout", "probability");
    tern_tape_free(t);
}
