/* The whole model against PyTorch: same weights and batch, in double precision there
 * (tests/golden/make_reference.py). Logits, loss and every gradient tensor, float and
 * ternary, both archs, grouped queries, both activations, tied and not. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include "tests/golden/golden_model.h"

static const double LOSS_TOL = 1e-6, TENSOR_TOL = 1e-5;
static const double INT16_TOL = 1e-4; /* of the 16-bit backward; measured: 5.8e-5 */
static const double INT8_TOL = 3e-2;  /* the inputs' half in 8 bits; 1.7e-2 */

ParameterizedTestParameters(reference, model_equals_pytorch)
{
    return cr_make_param_array(const char[GOLDEN_NAME], golden_models,
                               sizeof golden_models / sizeof *golden_models);
}

static void expect_gradients(const golden *g, const tern_params *list, double most)
{
    double worst = 0.0;
    for (size_t i = 0; i < list->count; i++) {
        const tern_param *p = list->items[i];
        const size_t n = (size_t)(p->rows * p->cols);
        const double err =
            golden_distance(p->grad, golden_tensor(g, "g", p->name, n), n);
        cr_expect(lt(dbl, err, most), "%s: gradient of %s", g->path, p->name);
        if (!(err <= worst)) worst = err;
    }
    cr_log_info("%s: worst gradient tensor off by %.2e", g->path, worst);
}

static void expect_pytorch(golden g, tern_backward backward, double tolerance)
{
    tern_model *m = golden_model(&g);
    tern_tape *t = tern_tape_new(0);
    tern_tape_set_backward(t, backward);
    const int64_t batch = golden_integer(&g, "batch");
    const int64_t time = golden_integer(&g, "context");
    const size_t rows = (size_t)(batch * time);
    const int32_t *x = golden_array(&g, "x", "i32", NULL);
    const int32_t *y = golden_array(&g, "y", "i32", NULL);

    tern_var *logits = tern_model_logits(t, m, x, batch, time, 0.0f);
    tern_var *loss = tern_op_cross_entropy(t, logits, y);
    cr_assert(eq(int, tern_tape_status(t), TERN_OK), "%s", tern_tape_message(t));

    size_t count;
    const float *want = golden_array(&g, "logits", "f32", &count);
    cr_assert(eq(sz, count, rows * (size_t)golden_integer(&g, "vocab")));
    const double logits_err = golden_distance(logits->val, want, count);
    const double loss_err = fabs((double)loss->val[0] - golden_number(&g, "loss"));
    cr_log_info("%s: loss off by %.2e, logits by %.2e", g.path, loss_err, logits_err);
    cr_expect(lt(dbl, loss_err, LOSS_TOL), "%s", g.path);
    cr_expect(lt(dbl, logits_err, TENSOR_TOL), "%s", g.path);

    cr_assert(eq(int, tern_tape_backward(t, loss), TERN_OK), "%s",
              tern_tape_message(t));
    expect_gradients(&g, tern_model_params(m), tolerance);

    tern_tape_free(t);
    tern_model_free(m);
}

ParameterizedTest(const char (*name)[GOLDEN_NAME], reference, model_equals_pytorch)
{
    golden g;
    if (!golden_open(&g, *name)) cr_skip_test("%s is absent", g.path);
    expect_pytorch(g, TERN_BACKWARD_FLOAT32, TENSOR_TOL);
    expect_pytorch(g, TERN_BACKWARD_INT16, INT16_TOL);
    expect_pytorch(g, TERN_BACKWARD_INT8, INT8_TOL);
    golden_close(&g);
}

/* tern_model_loss() is the same loss, and a second pass adds to the gradients. */
Test(reference, gradients_accumulate)
{
    golden g;
    if (!golden_open(&g, "bitnet_ternary")) cr_skip_test("%s is absent", g.path);
    tern_model *m = golden_model(&g);
    tern_tape *t = tern_tape_new(0);
    const int32_t *x = golden_array(&g, "x", "i32", NULL);
    const int32_t *y = golden_array(&g, "y", "i32", NULL);

    for (int pass = 0; pass < 2; pass++) {
        tern_var *loss = tern_model_loss(t, m, x, y, golden_integer(&g, "batch"),
                                         golden_integer(&g, "context"), 0.0f);
        cr_assert(eq(int, tern_tape_backward_scaled(t, loss, 0.5f), TERN_OK), "%s",
                  tern_tape_message(t));
        tern_tape_reset(t);
    }
    expect_gradients(&g, tern_model_params(m), TENSOR_TOL);

    tern_tape_free(t);
    tern_model_free(m);
    golden_close(&g);
}
