/* gradients.c - see gradients.h. */
#include "train/gradients.h"

#include "base/clock.h"

enum {
    PASS_TOKENS = 512,   /* measured: 1024 is alike, 4096 is slower */
    WHOLE_TOKENS = 1024, /* a batch that is not worth cutting */
};

/* Sequences of a pass, at most. */
static int64_t micro_batch(const tern_config *c)
{
    const int64_t context = c->model.context;
    if (c->micro_batch > 0) return c->micro_batch;
    if (c->batch * context <= WHOLE_TOKENS) return c->batch;
    return context < PASS_TOKENS ? PASS_TOKENS / context : 1;
}

int64_t tern_batch_passes(const tern_config *c)
{
    const int64_t n = micro_batch(c);
    return (c->batch + n - 1) / n;
}

tern_status tern_batch_gradients(tern_tape *t, tern_model *m, const tern_config *c,
                                 uint64_t index, const int32_t *inputs,
                                 const int32_t *targets, double *loss,
                                 tern_pass_seconds *seconds)
{
    const int64_t passes = tern_batch_passes(c), context = c->model.context;
    *loss = 0.0;
    for (int64_t i = 0; i < passes; i++) {
        const int64_t first = c->batch * i / passes;
        const int64_t count = c->batch * (i + 1) / passes - first;
        const double part = (double)count / (double)c->batch;
        const double began = tern_seconds();
        tern_tape_reset(t);
        tern_tape_set_random(t, c->seed, index * (uint64_t)passes + (uint64_t)i, true);
        tern_var *l =
            tern_model_loss(t, m, inputs + first * context, targets + first * context,
                            count, context, c->dropout);
        if (l) *loss += part * (double)l->val[0];
        const double turned = tern_seconds();
        TERN_TRY(
            tern_tape_backward_scaled(t, l, (float)(part / (double)c->accumulate)));
        if (!seconds) continue;
        seconds->forward += turned - began;
        seconds->backward += tern_seconds() - turned;
    }
    return TERN_OK;
}
