/* One batch, seen again and again: a model that learns must come to know it by heart,
 * ternary or float, with either optimizer. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include "base/rng.h"
#include "kernels/cpu.h"
#include "layers/model.h"
#include "optim/optim.h"

enum { BATCH = 2, TIME = 16, VOCAB = 31 };

typedef struct overfit_case {
    tern_arch arch;
    tern_quant quant;
    tern_optim_kind optim;
    double lr;
    int64_t steps;
} overfit_case;

ParameterizedTestParameters(overfit, loss_goes_to_zero)
{
    static overfit_case cases[] = {
        {TERN_ARCH_BITNET, TERN_QUANT_TERNARY, TERN_ADAMW, 1e-2, 300},
        {TERN_ARCH_BITNET, TERN_QUANT_NONE, TERN_ADAMW, 1e-2, 150},
        {TERN_ARCH_LLAMA, TERN_QUANT_TERNARY, TERN_ADAMW, 1e-2, 300},
        {TERN_ARCH_LLAMA, TERN_QUANT_NONE, TERN_SGD, 0.2, 400},
    };
    return cr_make_param_array(overfit_case, cases, sizeof cases / sizeof *cases);
}

static tern_model *new_model(const overfit_case *c)
{
    const tern_spec spec = {.arch = c->arch,
                            .quant = c->quant,
                            .activation = TERN_SILU,
                            .embed = TERN_EMBED_F16,
                            .tied = c->arch == TERN_ARCH_BITNET,
                            .vocab = VOCAB,
                            .width = 32,
                            .layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = 8,
                            .ffn = 64,
                            .context = TIME,
                            .rope_theta = 10000.0f,
                            .norm_eps = 1e-5f};
    tern_model *m;
    cr_assert(eq(int, tern_model_new(&spec, &m), TERN_OK), "%s", tern_error_message());
    cr_assert(eq(int, tern_model_init(m, 0.1f, 1), TERN_OK));
    return m;
}

/* Random tokens, so that nothing but memory helps. */
static void random_tokens(int32_t ids[BATCH * TIME], int32_t targets[BATCH * TIME])
{
    for (size_t b = 0; b < BATCH; b++)
        for (size_t i = 0; i <= TIME; i++) {
            const uint64_t at = b * (TIME + 1) + i;
            const int32_t id = (int32_t)tern_rand_below(9, TERN_STREAM_TEST, at, VOCAB);
            if (i < TIME) ids[b * TIME + i] = id;
            if (i > 0) targets[b * TIME + i - 1] = id;
        }
}

ParameterizedTest(overfit_case *c, overfit, loss_goes_to_zero)
{
    int32_t ids[BATCH * TIME], targets[BATCH * TIME];
    cr_assert(eq(int, tern_kernels_init(), TERN_OK));
    tern_threads_set(1); /* the model is too small for more */
    random_tokens(ids, targets);
    tern_model *m = new_model(c);
    tern_params *list = tern_model_params(m);
    const tern_optim_config config = {.kind = c->optim,
                                      .beta1 = 0.9f,
                                      .beta2 = 0.99f,
                                      .eps = 1e-8f,
                                      .momentum = 0.9f,
                                      .nesterov = 1};
    const tern_schedule schedule = {.kind = TERN_SCHEDULE_COSINE,
                                    .steps = c->steps,
                                    .warmup = 20,
                                    .lr = c->lr,
                                    .min_lr = 0.05 * c->lr};
    tern_optim *o;
    cr_assert(eq(int, tern_optim_new(&config, list->items, list->count, &o), TERN_OK));
    tern_tape *t = tern_tape_new(0);
    double first = 0.0, last = 0.0;

    for (int64_t i = 0; i < c->steps; i++) {
        tern_tape_reset(t);
        tern_params_zero_grad(list);
        tern_var *loss = tern_model_loss(t, m, ids, targets, BATCH, TIME, 0.0f);
        cr_assert(eq(int, tern_tape_backward(t, loss), TERN_OK), "%s",
                  tern_tape_message(t));
        last = (double)loss->val[0];
        if (i == 0) first = last;
        const double norm = tern_grad_norm(list->items, list->count);
        cr_assert(eq(int,
                     tern_optim_step(o, i + 1, (float)tern_schedule_lr(&schedule, i),
                                     0.0f, tern_clip_scale(norm, 1.0f)),
                     TERN_OK));
    }
    cr_log_info("arch %d quant %d optim %d: loss %.4f -> %.4f", c->arch, c->quant,
                c->optim, first, last);
    cr_expect(gt(dbl, first, 2.5)); /* ln 31 = 3.4 */
    cr_expect(lt(dbl, last, 0.05));
    tern_optim_free(o);
    tern_tape_free(t);
    tern_model_free(m);
}
