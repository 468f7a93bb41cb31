/* schedule.c - learning rate and weight decay as functions of the step.
 *
 * With w = warmup, T = steps and r = (step - w) / (T - w), the position after warm-up:
 *
 *     warm-up    lr step / w                          for step < w (all but two_stage)
 *     linear     lr + (min_lr - lr) r
 *     cosine     min_lr + (lr - min_lr) (1 + cos(pi r)) / 2
 *     wsd        lr, then linear to min_lr over the last decay T steps
 *     two_stage  lr (1 - step / T) in the first half, lr2 (1 - step / T) in the second
 *
 * two_stage is figure 1 of "Training Tips, Code and FAQ" for b1.58: both lines aim at 0
 * at T and the rate jumps down at T / 2. Its warm-up multiplies the line by step / w,
 * so that the line is met without a jump. */
#include <math.h>

#include "optim/optim.h"

static double clamp01(double x)
{
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* How far `step` is from `first` to `last`, 0..1; also where the two are the same. */
static double position(double step, double first, double last)
{
    return clamp01((step - first) / fmax(1.0, last - first));
}

static double mix(double from, double to, double r)
{
    return from + (to - from) * r;
}

static int second_stage(const tern_schedule *s, int64_t step)
{
    return 2 * step >= s->steps;
}

static double two_stage(const tern_schedule *s, int64_t step)
{
    const double lr2 = s->lr2 > 0.0 ? s->lr2 : s->lr * 2.0 / 3.0;
    const double peak = second_stage(s, step) ? lr2 : s->lr;
    const double line = peak * (1.0 - position((double)step, 0.0, (double)s->steps));
    return step < s->warmup ? line * (double)step / (double)s->warmup : line;
}

double tern_schedule_lr(const tern_schedule *s, int64_t step)
{
    const double now = (double)step, warmup = (double)s->warmup;
    const double steps = (double)s->steps;
    const double r = position(now, warmup, steps);

    if (s->kind == TERN_SCHEDULE_TWO_STAGE) return two_stage(s, step);
    if (step < s->warmup) return s->lr * now / warmup;
    switch (s->kind) {
    case TERN_SCHEDULE_LINEAR:
        return mix(s->lr, s->min_lr, r);
    case TERN_SCHEDULE_COSINE:
        return mix(s->min_lr, s->lr, 0.5 * (1.0 + cos(3.14159265358979323846 * r)));
    case TERN_SCHEDULE_WSD:
        return mix(s->lr, s->min_lr, position(now, steps * (1.0 - s->decay), steps));
    default:
        return s->lr;
    }
}

double tern_schedule_weight_decay(const tern_schedule *s, int64_t step)
{
    const int off = s->kind == TERN_SCHEDULE_TWO_STAGE && second_stage(s, step);
    return off ? 0.0 : s->weight_decay;
}
