/* mlp_classifier.c - a model of one's own, out of autograd/ops.h, layers/ and optim/.
 *
 * An MLP tells the three arms of a spiral apart: once with float weights, once with
 * ternary ones, by the same code. Its first and last layer stay in float, as in b1.58.
 * Prints the accuracy on points that it has not seen. */
#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "kernels/cpu.h"
#include "layers/layers.h"
#include "optim/optim.h"

enum { ARMS = 3, POINTS = 600, FEATURES = 3, WIDTH = 64, HIDDEN = 2, STEPS = 200 };

static float points[2 * POINTS * FEATURES]; /* half to train, half to test */
static int32_t arm[2 * POINTS];             /* which one a point belongs to */
static const tern_norm norm = {.gain = NULL, .eps = 1e-5f};

typedef struct mlp {
    tern_params params;
    tern_linear in, hidden[HIDDEN], out;
} mlp;

static void make_points(void)
{
    float *p = points;
    for (uint64_t i = 0; i < 2 * POINTS; i++) {
        const float r = 0.2f + tern_rand_uniform(1, TERN_STREAM_TEST, i);
        const float noise = 0.4f * tern_rand_normal(2, TERN_STREAM_TEST, i);
        const float angle = 5.0f * r + 2.0944f * (float)(i % ARMS) + noise;
        arm[i] = (int32_t)(i % ARMS);
        *p++ = r * cosf(angle);
        *p++ = r * sinf(angle);
        *p++ = 1.0f; /* serves as bias */
    }
}

static bool mlp_init(mlp *m, tern_quant quant)
{
    tern_params *all = &m->params;
    bool ok = tern_linear_init(&m->in, all, "in", FEATURES, WIDTH, TERN_QUANT_NONE) &&
              tern_linear_init(&m->out, all, "out", WIDTH, ARMS, TERN_QUANT_NONE);
    for (int i = 0; i < HIDDEN && ok; i++)
        ok = tern_linear_init(&m->hidden[i], all, "hidden", WIDTH, WIDTH, quant);
    for (uint64_t i = 0; i < all->count && ok; i++)
        for (int64_t j = 0; j < all->items[i]->rows * all->items[i]->cols; j++)
            all->items[i]->val[j] = 0.2f * tern_rand_normal(i, 1, (uint64_t)j);
    return ok && tern_params_refresh(all) == TERN_OK;
}

static tern_var *mlp_logits(tern_tape *t, const mlp *m, const float *x)
{
    tern_var *h = tern_input(t, POINTS, FEATURES, x);
    h = tern_op_silu(t, tern_linear_forward(t, &m->in, h, NULL));
    for (int i = 0; i < HIDDEN; i++) {
        tern_var *n = tern_norm_for(t, &norm, h, m->hidden[i].quant);
        h = tern_op_silu(t, tern_linear_forward(t, &m->hidden[i], n, NULL));
    }
    return tern_linear_forward(t, &m->out, h, NULL);
}

/* Train on one half; the accuracy on the other, or 0 if something failed. */
static double run(tern_quant quant)
{
    const tern_optim_config adamw = {TERN_ADAMW, 0.9f, 0.99f, 1e-8f, 0.0f, 0};
    mlp m = {0};
    tern_optim *o = NULL;
    tern_tape *t = tern_tape_new(1 << 20);
    bool ok = t && mlp_init(&m, quant) &&
              tern_optim_new(&adamw, m.params.items, m.params.count, &o) == TERN_OK;
    for (int64_t step = 1; step <= STEPS && ok; step++) {
        tern_params_zero_grad(&m.params);
        tern_var *loss = tern_op_cross_entropy(t, mlp_logits(t, &m, points), arm);
        ok = tern_tape_backward(t, loss) == TERN_OK &&
             tern_optim_step(o, step, 0.01f, 0.0f, 1.0f) == TERN_OK;
        tern_tape_reset(t);
    }
    const tern_var *y = ok ? mlp_logits(t, &m, points + POINTS * FEATURES) : NULL;
    if (!y) fprintf(stderr, "mlp_classifier: %s\n", tern_error_message());
    int right = 0;
    for (int i = 0; i < POINTS && y; i++) {
        const float *score = y->val + (ptrdiff_t)i * ARMS;
        right += score[arm[POINTS + i]] == fmaxf(fmaxf(score[0], score[1]), score[2]);
    }
    tern_optim_free(o);
    tern_tape_free(t);
    tern_params_free(&m.params);
    return (double)right / POINTS;
}

int main(void)
{
    make_points();
    if (tern_kernels_init() != TERN_OK) return 1;
    const double whole = run(TERN_QUANT_NONE), ternary = run(TERN_QUANT_TERNARY);
    printf("accuracy: float %.3f, ternary %.3f (chance: 0.333)\n", whole, ternary);
    return whole > 0.95 && ternary > 0.95 ? 0 : 1;
}
