#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "layers/layers.h"
#include "tests/support/numeric.h"

enum { ROWS = 3, WIDTH = 33 };

Test(norm, is_the_papers_formula_with_its_gain)
{
    tern_params list = {0};
    tern_norm n;
    float x[ROWS * WIDTH];
    double want[ROWS * WIDTH];
    cr_assert(tern_norm_init(&n, &list, "norm", WIDTH, 1e-5f));
    cr_expect(not(n.gain->decay));
    for (size_t j = 0; j < WIDTH; j++) {
        cr_expect(eq(flt, n.gain->val[j], 1.0f));
        n.gain->val[j] = 1.0f + 0.5f * tern_test_rand(1, j);
    }
    for (size_t i = 0; i < ROWS * WIDTH; i++) x[i] = 3.0f * tern_test_rand(2, i);
    for (size_t i = 0; i < ROWS; i++) {
        double ms = 0.0;
        for (size_t j = 0; j < WIDTH; j++)
            ms += (double)x[i * WIDTH + j] * (double)x[i * WIDTH + j] / WIDTH;
        for (size_t j = 0; j < WIDTH; j++)
            want[i * WIDTH + j] =
                (double)x[i * WIDTH + j] / sqrt(ms + 1e-5) * (double)n.gain->val[j];
    }
    tern_tape *t = tern_tape_new(0);
    tern_var *y = tern_norm_forward(t, &n, tern_input(t, ROWS, WIDTH, x));
    cr_assert(ne(ptr, y, NULL), "%s", tern_tape_message(t));
    cr_expect(lt(dbl, tern_test_tensor_err(y->val, want, ROWS * WIDTH), 1e-6));
    tern_tape_free(t);
    tern_params_free(&list);
}

Test(norm, feeds_each_kind_of_linear_layer)
{
    tern_params list = {0};
    tern_norm n;
    float x[ROWS * WIDTH];
    cr_assert(tern_norm_init(&n, &list, "norm", WIDTH, 1e-5f));
    for (size_t i = 0; i < ROWS * WIDTH; i++) x[i] = tern_test_rand(2, i);
    tern_tape *t = tern_tape_new(0);
    tern_var *in = tern_input(t, ROWS, WIDTH, x);
    tern_var *y = tern_norm_for(t, &n, in, TERN_QUANT_NONE);
    tern_var *q = tern_norm_for(t, &n, in, TERN_QUANT_TERNARY);
    tern_var *two_ops = tern_op_quantize(t, tern_norm_forward(t, &n, in));
    cr_assert(eq(int, tern_tape_status(t), TERN_OK), "%s", tern_tape_message(t));
    cr_expect(ne(ptr, y->val, NULL));
    cr_expect(ne(ptr, (void *)q->codes, NULL));
    for (size_t i = 0; i < ROWS; i++) {
        cr_expect(eq(flt, q->codes->scale[i], two_ops->codes->scale[i]));
        cr_expect(eq(int,
                     memcmp(q->codes->codes + i * q->codes->stride,
                            two_ops->codes->codes + i * q->codes->stride, WIDTH),
                     0));
    }
    tern_tape_free(t);
    tern_params_free(&list);
}
