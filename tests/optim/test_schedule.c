/* Schedules against the numbers that their authors publish. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "optim/optim.h"

static void expect_lr(const tern_schedule *s, int64_t step, double want)
{
    const double got = tern_schedule_lr(s, step);
    cr_expect(lt(dbl, fabs(got - want), 1e-15 + 1e-12 * want),
              "step %d: %.15g, not %.15g", (int)step, got, want);
}

/* nanoGPT's CPU setting: 2000 steps, warm-up 100, 1e-3 to 1e-4 (train.py, get_lr). */
Test(schedule, cosine_is_nanogpts)
{
    const tern_schedule s = {.kind = TERN_SCHEDULE_COSINE,
                             .steps = 2000,
                             .warmup = 100,
                             .lr = 1e-3,
                             .min_lr = 1e-4,
                             .weight_decay = 0.1};
    expect_lr(&s, 0, 0.0);
    expect_lr(&s, 50, 5e-4);
    expect_lr(&s, 100, 1e-3);
    expect_lr(&s, 575, 1e-4 + 0.5 * (1.0 + sqrt(0.5)) * 9e-4); /* a quarter: cos 45 */
    expect_lr(&s, 1050, 5.5e-4);                               /* half way */
    expect_lr(&s, 1525, 1e-4 + 0.5 * (1.0 - sqrt(0.5)) * 9e-4);
    expect_lr(&s, 2000, 1e-4);
    expect_lr(&s, 3000, 1e-4);
    cr_expect(eq(dbl, tern_schedule_weight_decay(&s, 1999), 0.1));
}

/* b1.58 "Training Tips", figure 1 (c, d), 700M: the line 1.5e-3 (1 - t / T) drops to
 * 1e-3 (1 - t / T) at half time, from 7.5e-4 to 5e-4; weight decay 0.1, then 0. */
Test(schedule, two_stage_is_the_papers)
{
    tern_schedule s = {.kind = TERN_SCHEDULE_TWO_STAGE,
                       .steps = 100000,
                       .lr = 1.5e-3,
                       .lr2 = 1e-3,
                       .weight_decay = 0.1};
    expect_lr(&s, 0, 1.5e-3);
    expect_lr(&s, 25000, 1.125e-3);
    expect_lr(&s, 49999, 1.5e-3 * 0.50001);
    expect_lr(&s, 50000, 5e-4);
    expect_lr(&s, 75000, 2.5e-4);
    expect_lr(&s, 100000, 0.0);
    cr_expect(eq(dbl, tern_schedule_weight_decay(&s, 49999), 0.1));
    cr_expect(eq(dbl, tern_schedule_weight_decay(&s, 50000), 0.0));

    s.lr2 = 0.0; /* two thirds, as 1.5e-3 and 1e-3, or 1.2e-3 and 8e-4 */
    expect_lr(&s, 50000, 5e-4);
    s.warmup = 375;
    expect_lr(&s, 0, 0.0);
    expect_lr(&s, 75, 0.2 * 1.5e-3 * (1.0 - 75e-5));
    expect_lr(&s, 375, 1.5e-3 * (1.0 - 375e-5));
}

Test(schedule, odd_number_of_steps_changes_stage_once)
{
    const tern_schedule s = {
        .kind = TERN_SCHEDULE_TWO_STAGE, .steps = 7, .lr = 7.0, .weight_decay = 1.0};
    expect_lr(&s, 3, 4.0); /* 3 < 3.5 */
    expect_lr(&s, 4, 2.0); /* 7 * 2/3 * 3/7 */
    cr_expect(eq(dbl, tern_schedule_weight_decay(&s, 3), 1.0));
    cr_expect(eq(dbl, tern_schedule_weight_decay(&s, 4), 0.0));
}

Test(schedule, linear_wsd_and_constant)
{
    tern_schedule s = {.kind = TERN_SCHEDULE_LINEAR,
                       .steps = 110,
                       .warmup = 10,
                       .lr = 1.0,
                       .min_lr = 0.1,
                       .decay = 0.2};
    expect_lr(&s, 5, 0.5);
    expect_lr(&s, 10, 1.0);
    expect_lr(&s, 60, 0.55);
    expect_lr(&s, 110, 0.1);

    s.kind = TERN_SCHEDULE_WSD;
    s.steps = 100;
    expect_lr(&s, 5, 0.5);
    expect_lr(&s, 80, 1.0);
    expect_lr(&s, 90, 0.55);
    expect_lr(&s, 100, 0.1);
    s.decay = 0.0;
    expect_lr(&s, 99, 1.0);
    s.decay = 1.0; /* decays from the start, once warm */
    expect_lr(&s, 50, 0.55);

    s.kind = TERN_SCHEDULE_CONSTANT;
    expect_lr(&s, 5, 0.5);
    expect_lr(&s, 99, 1.0);
}

Test(schedule, no_warmup_and_only_warmup)
{
    tern_schedule s = {.kind = TERN_SCHEDULE_COSINE, .steps = 10, .lr = 1.0};
    expect_lr(&s, 0, 1.0);
    s.warmup = 20;
    expect_lr(&s, 9, 0.45);
}
