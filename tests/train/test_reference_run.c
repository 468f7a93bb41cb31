/* Training against PyTorch: one AdamW step, and the losses of a whole short run with
 * warm-up, cosine, clipping and weight decay (tests/golden/make_reference.py). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include "optim/optim.h"
#include "tests/golden/golden_model.h"

/* The first step of Adam is lr g / |g|, also where g is hardly above rounding: there
 * the sign of an element is open, and the tensor's error larger than that of the
 * gradient. */
static const double STEP_TOL = 1e-4, RUN_TOL = 1e-5;

ParameterizedTestParameters(reference_run, one_adamw_step)
{
    return cr_make_param_array(const char[GOLDEN_NAME], golden_models,
                               sizeof golden_models / sizeof *golden_models);
}

ParameterizedTestParameters(reference_run, losses_of_a_run)
{
    return cr_make_param_array(const char[GOLDEN_NAME], golden_models,
                               sizeof golden_models / sizeof *golden_models);
}

static tern_optim *new_adamw(const golden *g, const tern_params *list)
{
    const tern_optim_config config = {.kind = TERN_ADAMW,
                                      .beta1 = 0.9f,
                                      .beta2 = (float)golden_number(g, "beta2"),
                                      .eps = 1e-8f};
    tern_optim *o;
    cr_assert(eq(int, tern_optim_new(&config, list->items, list->count, &o), TERN_OK));
    return o;
}

/* Forward and backward of one batch from zeroed gradients; the loss. */
static double gradients(const golden *g, tern_tape *t, tern_model *m, const int32_t *x,
                        const int32_t *y)
{
    tern_tape_reset(t);
    tern_params_zero_grad(tern_model_params(m));
    tern_var *loss = tern_model_loss(t, m, x, y, golden_integer(g, "batch"),
                                     golden_integer(g, "context"), 0.0f);
    cr_assert(eq(int, tern_tape_backward(t, loss), TERN_OK), "%s",
              tern_tape_message(t));
    return (double)loss->val[0];
}

ParameterizedTest(const char (*name)[GOLDEN_NAME], reference_run, one_adamw_step)
{
    golden g;
    if (!golden_open(&g, *name)) cr_skip_test("%s is absent", g.path);
    tern_model *m = golden_model(&g);
    tern_params *list = tern_model_params(m);
    tern_tape *t = tern_tape_new(0);
    tern_optim *o = new_adamw(&g, list);

    gradients(&g, t, m, golden_array(&g, "x", "i32", NULL),
              golden_array(&g, "y", "i32", NULL));
    cr_assert(eq(int,
                 tern_optim_step(o, 1, (float)golden_number(&g, "lr"),
                                 (float)golden_number(&g, "wd"), 1.0f),
                 TERN_OK));
    for (size_t i = 0; i < list->count; i++) {
        const tern_param *p = list->items[i];
        const size_t n = (size_t)(p->rows * p->cols);
        const double err =
            golden_distance(p->val, golden_tensor(&g, "u", p->name, n), n);
        cr_expect(lt(dbl, err, STEP_TOL), "%s: %s", g.path, p->name);
    }
    tern_optim_free(o);
    tern_tape_free(t);
    tern_model_free(m);
    golden_close(&g);
}

ParameterizedTest(const char (*name)[GOLDEN_NAME], reference_run, losses_of_a_run)
{
    golden g;
    if (!golden_open(&g, *name)) cr_skip_test("%s is absent", g.path);
    tern_model *m = golden_model(&g);
    tern_params *list = tern_model_params(m);
    tern_tape *t = tern_tape_new(0);
    tern_optim *o = new_adamw(&g, list);
    const tern_schedule schedule = {.kind = TERN_SCHEDULE_COSINE,
                                    .steps = golden_integer(&g, "steps"),
                                    .warmup = golden_integer(&g, "warmup"),
                                    .lr = golden_number(&g, "lr"),
                                    .min_lr = golden_number(&g, "min_lr"),
                                    .weight_decay = golden_number(&g, "wd")};
    const int32_t *x = golden_array(&g, "run_x", "i32", NULL);
    const int32_t *y = golden_array(&g, "run_y", "i32", NULL);
    const double *want = golden_array(&g, "run_loss", "f64", NULL);
    const int64_t batch = golden_integer(&g, "batch") * golden_integer(&g, "context");

    double worst = 0.0;
    for (int64_t i = 0; i < schedule.steps; i++) {
        const double loss = gradients(&g, t, m, x + i * batch, y + i * batch);
        const double err = fabs(loss - want[i]);
        cr_expect(lt(dbl, err, RUN_TOL), "%s: step %d: loss %.6f, PyTorch %.6f", g.path,
                  (int)i, loss, want[i]);
        if (!(err <= worst)) worst = err;
        const float scale = tern_clip_scale(tern_grad_norm(list->items, list->count),
                                            (float)golden_number(&g, "clip"));
        cr_assert(
            eq(int,
               tern_optim_step(o, i + 1, (float)tern_schedule_lr(&schedule, i),
                               (float)tern_schedule_weight_decay(&schedule, i), scale),
               TERN_OK));
    }
    cr_log_info("%s: %d losses, worst off by %.2e", g.path, (int)schedule.steps, worst);
    tern_optim_free(o);
    tern_tape_free(t);
    tern_model_free(m);
    golden_close(&g);
}
