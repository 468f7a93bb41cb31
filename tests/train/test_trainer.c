/* The promises of the loop: a resumed run is the run that was never interrupted, bit
 * for bit, however it was interrupted; nothing that is not finite gets into the weights
 * or into a checkpoint. The uninterrupted run is the oracle. */
#define _GNU_SOURCE
#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/train/small_run.h"
#include "train/run_dir.h"

TestSuite(trainer, .init = setup, .fini = teardown);

/* --- stop and resume --- */

typedef struct stopper {
    volatile sig_atomic_t stop;
    int64_t at;
    int stopped;
} stopper;

static void stop_at(void *user, const tern_train_event *e)
{
    stopper *s = user;
    if (e->kind == TERN_EVENT_STEP && e->step == s->at) s->stop = 1;
    if (e->kind == TERN_EVENT_STOPPED) {
        s->stopped++;
        cr_expect(ne(ptr, (void *)e->path, NULL));
        cr_expect(eq(i64, e->step, s->at));
    }
}

static void stop_and_resume(const tern_config *c, int64_t at, const char *run)
{
    stopper s = {.at = at};
    tern_trainer *t;
    OK(tern_trainer_new(c, data, run, &t));
    FAILS(tern_trainer_run(t, &s.stop, stop_at, &s), TERN_ESTOP, "--resume");
    cr_expect(eq(int, s.stopped, 1));
    tern_trainer_free(t);
    OK(tern_trainer_resume(run, data, NULL, 0, &t));
    cr_expect(eq(i64, tern_trainer_step_count(t), at));
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    tern_trainer_free(t);
}

Test(trainer, resume_equals_uninterrupted)
{
    const tern_config c = small_config();
    train(&c, in_dir("whole"));
    for (int64_t at = 1; at < c.steps; at += 5) {
        char name[32];
        snprintf(name, sizeof name, "stop-%d", (int)at);
        stop_and_resume(&c, at, in_dir(name));
        same_runs(in_dir("whole"), in_dir(name), name);
    }
}

Test(trainer, resume_equals_uninterrupted_for_the_float_twin_with_sgd)
{
    tern_config c = small_config();
    c.model.quant = TERN_QUANT_NONE;
    c.model.arch = TERN_ARCH_LLAMA;
    c.model.tied = false;
    c.optim.kind = TERN_SGD;
    c.order = TERN_ORDER_RANDOM;
    c.schedule.kind = TERN_SCHEDULE_TWO_STAGE;
    train(&c, in_dir("whole"));
    stop_and_resume(&c, 13, in_dir("cut"));
    same_runs(in_dir("whole"), in_dir("cut"), "float");
}

static double first_loss;

static void note_first_loss(void *user, const tern_train_event *e)
{
    (void)user;
    if (e->kind == TERN_EVENT_STEP && e->step == 1) first_loss = e->loss;
}

/* The first step is the float model's, the last the ternary one's, and the best is
 * never one of half-way. */
Test(trainer, quant_warmup_begins_at_floats_and_ends_at_codes)
{
    tern_config c = small_config();
    double loss[3];
    tern_trainer *t;
    c.quant_warmup = 8;
    c.eval_every = 4;
    train(&c, in_dir("whole"));
    stop_and_resume(&c, 5, in_dir("cut"));
    same_runs(in_dir("whole"), in_dir("cut"), "quant_warmup");
    for (int i = 0; i < 3; i++) { /* with it; ternary; floats */
        if (i == 1) c.quant_warmup = 0;
        if (i == 2) c.model.quant = TERN_QUANT_NONE;
        static const char *const names[] = {"again", "ternary", "float"};
        OK(tern_trainer_new(&c, data, in_dir(names[i]), &t));
        OK(tern_trainer_run(t, NULL, note_first_loss, NULL));
        tern_trainer_free(t);
        loss[i] = first_loss;
    }
    /* The twin reads floats where this model reads 8 bits. */
    cr_expect(lt(dbl, fabs(loss[0] - loss[2]), 0.5 * fabs(loss[1] - loss[2])),
              "%g; ternary %g, float %g", loss[0], loss[1], loss[2]);
    tern_checkpoint *best;
    char path[TERN_PATH_MAX];
    OK(tern_run_best_path(in_dir("whole"), path));
    OK(tern_checkpoint_open(path, &best));
    cr_expect(ge(i64, tern_checkpoint_state(best)->step, 8));
    tern_checkpoint_close(best);
}

/* train.backward reaches the gradients, and is a matter of digits: few steps, because
 * any difference grows from step to step until two runs are strangers. */
Test(trainer, backward_kinds_differ_a_little)
{
    tern_config c = small_config();
    c.steps = 8;
    static const char *const names[] = {"float32", "int16", "int8"};
    double loss[3];
    for (int kind = 0; kind < 3; kind++) {
        c.backward = (tern_backward)kind;
        const char *run = in_dir(names[kind]);
        train(&c, run);
        char path[TERN_PATH_MAX];
        tern_checkpoint *saved;
        OK(tern_run_find(run, false, path));
        OK(tern_checkpoint_open(path, &saved));
        loss[kind] = tern_checkpoint_state(saved)->val;
        tern_checkpoint_close(saved);
    }
    cr_expect(loss[0] != loss[1] && loss[0] != loss[2] && loss[1] != loss[2]);
    cr_expect(lt(dbl, fabs(loss[0] - loss[1]), 0.02));
    cr_expect(lt(dbl, fabs(loss[0] - loss[2]), 0.03));
    cr_log_info("float32 %.6f, int16 %.6f, int8 %.6f", loss[0], loss[1], loss[2]);
}

/* One thread and the best kernels, then two threads and plain C: still the same. */
Test(trainer, resume_with_other_threads_and_kernels_is_the_same)
{
    const tern_config c = small_config();
    train(&c, in_dir("whole"));
    stopper s = {.at = 9};
    tern_trainer *t;
    OK(tern_trainer_new(&c, data, in_dir("run"), &t));
    FAILS(tern_trainer_run(t, &s.stop, stop_at, &s), TERN_ESTOP, "step 9");
    tern_trainer_free(t);
    tern_threads_set(2);
    OK(tern_kernels_force(TERN_LEVEL_SCALAR));
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t));
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    tern_trainer_free(t);
    same_runs(in_dir("whole"), in_dir("run"), "threads and kernels");
}

/* --- kill -9 --- */

/* Train in a process of its own; it is killed after so many seconds, 0: never. True if
 * it came to the end. The parent starts no threads, since a fork would lose them. */
static bool train_in_child(const tern_config *c, const char *run, double seconds)
{
    const pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        tern_trainer *t = NULL;
        char config[TERN_PATH_MAX];
        tern_status s = tern_path_join(config, run, "config.yaml");
        if (s == TERN_OK && tern_file_exists(config))
            s = tern_trainer_resume(run, data, NULL, 0, &t);
        else if (s == TERN_OK)
            s = tern_trainer_new(c, data, run, &t);
        if (s == TERN_OK) s = tern_trainer_run(t, NULL, NULL, NULL);
        if (s != TERN_OK) fprintf(stderr, "%s\n", tern_error_message());
        _exit(s == TERN_OK ? 0 : 1);
    }
    int status;
    if (seconds > 0.0) {
        usleep((useconds_t)(1e6 * seconds));
        kill(child, SIGKILL);
    }
    cr_assert(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) return false;
    const bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    cr_assert(ended, "the resumed run failed");
    return true;
}

Test(trainer, killed_at_any_moment_it_ends_the_same, .timeout = 200)
{
    enum { RUNS = 4 };
    tern_config c = small_config();
    c.checkpoint_every = 2; /* so that many kills fall into the writing of one */
    const double began = tern_seconds();
    train_in_child(&c, in_dir("whole"), 0.0);
    const double whole = tern_seconds() - began;
    uint64_t kills = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        char name[32];
        snprintf(name, sizeof name, "killed-%d", (int)run);
        double seconds;
        do {
            /* Longer and longer: the machine may be slower now than it was. */
            const double most = (0.7 + 0.02 * (double)kills) * whole;
            seconds = most * (double)tern_rand_uniform(7, TERN_STREAM_TEST, kills++);
        } while (!train_in_child(&c, in_dir(name), seconds + 1e-4) && kills < 200);
    }
    cr_expect(kills > RUNS && kills < 200, "%d kills", (int)kills);
    for (int run = 0; run < RUNS; run++) {
        char name[32];
        snprintf(name, sizeof name, "killed-%d", run);
        same_runs(in_dir("whole"), in_dir(name), name);
    }
}

/* --- extending, refusing --- */

Test(trainer, a_finished_run_goes_on_when_steps_are_raised)
{
    tern_config c = small_config();
    tern_trainer *t;
    const char *more[] = {"train.steps=30"}, *less[] = {"train.steps=10"};
    train(&c, in_dir("run"));
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t));
    OK(tern_trainer_run(t, NULL, NULL, NULL)); /* nothing to do */
    tern_trainer_free(t);
    FAILS(tern_trainer_resume(in_dir("run"), data, less, 1, &t), TERN_EARG,
          "24 steps are done");
    OK(tern_trainer_resume(in_dir("run"), data, more, 1, &t));
    tern_trainer_free(t); /* dies before its first step: the override stays */
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t));
    cr_expect(eq(i64, tern_trainer_config(t)->steps, 30));
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    cr_expect(eq(i64, tern_trainer_step_count(t), 30));
    tern_trainer_free(t);
}

Test(trainer, refuses_what_does_not_fit)
{
    tern_config c = small_config();
    tern_trainer *t;
    const char *width[] = {"model.width=64"};
    train(&c, in_dir("run"));
    FAILS(tern_trainer_new(&c, data, in_dir("run"), &t), TERN_EARG,
          "already holds a run");
    FAILS(tern_trainer_resume(in_dir("run"), data, width, 1, &t), TERN_EARG,
          "model.width is fixed when a run starts");
    FAILS(tern_trainer_resume(in_dir("nothing"), data, NULL, 0, &t), TERN_EIO,
          "nothing");

    write_corpus(in_dir("other.txt"), 601);
    tern_dataset *other = make_data(in_dir("other.txt"), 0.1);
    FAILS(tern_trainer_resume(in_dir("run"), other, NULL, 0, &t), TERN_EARG,
          "not the dataset");
    tern_dataset_free(other);

    c.model.context = 100000;
    FAILS(tern_trainer_new(&c, data, in_dir("long"), &t), TERN_EARG, "100000");
    c = small_config();
    c.model.vocab = 7;
    FAILS(tern_trainer_new(&c, data, in_dir("vocab"), &t), TERN_EARG,
          "model.vocab is 7");
    cr_expect(not(tern_file_exists(in_dir("long"))), "a refused run leaves nothing");
    cr_expect(not(tern_file_exists(in_dir("vocab"))));
}

Test(trainer, an_edited_config_may_change_only_what_may_change)
{
    const tern_config c = small_config();
    tern_trainer *t;
    train(&c, in_dir("run"));
    char *path = in_dir("run/config.yaml"), *yaml;
    tern_config edited;
    OK(tern_config_load(path, NULL, 0, &edited));
    edited.batch = 5;
    OK(tern_config_yaml(&edited, &yaml));
    OK(tern_file_write(path, yaml, strlen(yaml)));
    free(yaml);
    FAILS(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t), TERN_EARG,
          "train.batch is 5, but the run began with 4");
    cr_assert(unlink(path) == 0);
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t)); /* the checkpoint's */
    tern_trainer_free(t);
    cr_expect(tern_file_exists(path));
}

Test(trainer, one_process_at_a_time)
{
    const tern_config c = small_config();
    tern_trainer *t, *second;
    OK(tern_trainer_new(&c, data, in_dir("run"), &t));
    FAILS(tern_trainer_resume(in_dir("run"), data, NULL, 0, &second), TERN_EARG,
          "another process");
    tern_trainer_free(t);
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &second));
    tern_trainer_free(second);
}

/* --- numbers that are not finite --- */

typedef struct poison {
    tern_trainer *trainer;
    int64_t at;
    float value;
} poison;

static void poison_param(const poison *p, const tern_train_event *e, const char *name)
{
    if (e->kind != TERN_EVENT_STEP || e->step != p->at) return;
    tern_params_find(tern_model_params(tern_trainer_model(p->trainer)), name)->val[3] =
        p->value;
}

static void poison_gain(void *user, const tern_train_event *e)
{
    poison_param(user, e, "norm");
}

static void poison_embedding(void *user, const tern_train_event *e)
{
    poison_param(user, e, "embed.weight");
}

/* Finite, but what it multiplies is not. */
static void overflow_gain(void *user, const tern_train_event *e)
{
    const poison *p = user;
    if (e->kind != TERN_EVENT_STEP || e->step != p->at) return;
    tern_param *gain =
        tern_params_find(tern_model_params(tern_trainer_model(p->trainer)), "norm");
    for (int64_t i = 0; i < gain->cols; i++) gain->val[i] = p->value;
}

/* A run that must stop; its message is then the last one. */
static void poisoned(const tern_config *c, const char *run, int64_t at, float value,
                     tern_train_listener listener, const volatile sig_atomic_t *stop)
{
    poison p = {.at = at, .value = value};
    OK(tern_trainer_new(c, data, run, &p.trainer));
    cr_expect(eq(int, tern_trainer_run(p.trainer, stop, listener, &p), TERN_ENUMERIC));
    tern_trainer_free(p.trainer);
}

static void expect_said(const char *text, bool said)
{
    cr_expect(eq(int, strstr(tern_error_message(), text) != NULL, said), "%s: %s", text,
              tern_error_message());
}

/* Weights that go bad after step 8, where a checkpoint is due: what is on disk must
 * still be good, and lead to the same end. */
Test(trainer, a_number_that_is_not_finite_stops_and_loses_nothing)
{
    static const float bad[] = {NAN, INFINITY};
    tern_config c = small_config();
    c.eval_every = 0;
    train(&c, in_dir("whole"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char name[32], path[TERN_PATH_MAX];
        snprintf(name, sizeof name, "bad-%d", (int)i);
        poison p = {.at = 8, .value = bad[i]};
        OK(tern_trainer_new(&c, data, in_dir(name), &p.trainer));
        FAILS(tern_trainer_run(p.trainer, NULL, poison_gain, &p), TERN_ENUMERIC,
              "step 9: ");
        cr_expect(
            ne(ptr, strstr(tern_error_message(), "lower optim.lr (now 0.01)"), NULL));
        cr_expect(ne(ptr, strstr(tern_error_message(), "step-00000004.h5"), NULL), "%s",
                  tern_error_message());
        tern_trainer_free(p.trainer);
        OK(tern_run_find(in_dir(name), false, path));
        cr_expect(ne(ptr, strstr(path, "step-00000004.h5"), NULL), "%s", path);
        tern_trainer *t;
        OK(tern_trainer_resume(in_dir(name), data, NULL, 0, &t));
        OK(tern_trainer_run(t, NULL, NULL, NULL));
        tern_trainer_free(t);
        same_runs(in_dir("whole"), in_dir(name), name);
    }
}

Test(trainer, a_validation_loss_that_is_not_finite_stops_too)
{
    tern_config c = small_config();
    c.eval_every = 8;
    poison p = {.at = 8, .value = NAN};
    OK(tern_trainer_new(&c, data, in_dir("run"), &p.trainer));
    FAILS(tern_trainer_run(p.trainer, NULL, poison_gain, &p), TERN_ENUMERIC,
          "step 8: the validation loss is nan; the step was taken");
    cr_expect(not(tern_file_exists(in_dir("run/checkpoints/best.h5"))));
    tern_trainer_free(p.trainer);
}

/* Checkpoints "only at the end": what was trained is kept to look at, and the run goes
 * on from best.h5 as it would have gone.
 */
Test(trainer, a_stop_without_checkpoints_does_not_lose_the_run)
{
    char path[TERN_PATH_MAX];
    tern_config c = small_config();
    c.checkpoint_every = 0;
    c.eval_every = 2;
    c.steps = 12;
    train(&c, in_dir("whole"));
    poisoned(&c, in_dir("run"), 9, 3e38f, overflow_gain, NULL);
    expect_said("step 10: ", true);
    expect_said("the step was not taken", true);
    expect_said("stopped.h5", true);
    tern_checkpoint *kept;
    OK(tern_checkpoint_open(in_dir("run/checkpoints/stopped.h5"), &kept));
    cr_expect(eq(i64, tern_checkpoint_state(kept)->step, 9));
    tern_checkpoint_close(kept);
    OK(tern_run_find(in_dir("run"), false, path));
    cr_expect(ne(ptr, strstr(path, "best.h5"), NULL), "%s", path);
    tern_trainer *t;
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t));
    cr_expect(ge(i64, tern_trainer_step_count(t), 2));
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    tern_trainer_free(t);
    same_runs(in_dir("whole"), in_dir("run"), "from best.h5");
}

Test(trainer, advice_fits_the_config)
{
    tern_config c = small_config();
    c.eval_every = 0;
    poisoned(&c, in_dir("clip"), 2, NAN, poison_gain, NULL);
    expect_said("a smaller optim.clip (1)", true);
    expect_said("--set optim.lr=0.005.", true);
    expect_said("stopped.h5", false); /* a NaN is not worth keeping */
    c.clip = 0.0f;
    c.schedule.min_lr = 9e-3;
    poisoned(&c, in_dir("no-clip"), 2, NAN, poison_gain, NULL);
    expect_said("set optim.clip (off", true);
    expect_said("--set optim.lr=0.005 --set optim.min_lr=0.005.", true);
}

Test(trainer, a_weight_above_fp16_is_called_so)
{
    tern_config c = small_config();
    c.eval_every = 0;
    poisoned(&c, in_dir("run"), 5, 1e6f, poison_embedding, NULL);
    expect_said("step 6: ", true);
    expect_said("its limit is 65504", true);
    expect_said("nan", false);
    expect_said("not taken", false);
    expect_said("step-00000004.h5", true);
}

/* Nothing follows the last state, and yet it must be good: on a stop, and at the end.
 */
Test(trainer, the_last_state_is_checked_before_it_is_saved)
{
    static const volatile sig_atomic_t stop = 1;
    tern_config c = small_config();
    char path[TERN_PATH_MAX];
    write_corpus(in_dir("corpus.txt"), 600);
    tern_dataset_free(data);
    data = make_data(in_dir("corpus.txt"), 0.0);
    poisoned(&c, in_dir("end"), c.steps, NAN, poison_gain, NULL);
    expect_said("step 24: ", true);
    OK(tern_run_find(in_dir("end"), false, path));
    cr_expect(ne(ptr, strstr(path, "step-00000020.h5"), NULL), "%s", path);

    poison p = {.value = NAN};
    OK(tern_trainer_new(&c, data, in_dir("stop"), &p.trainer));
    const tern_train_event e = {.kind = TERN_EVENT_STEP};
    poison_gain(&p, &e);
    FAILS(tern_trainer_run(p.trainer, &stop, NULL, NULL), TERN_ENUMERIC,
          "goes on from its seed");
    tern_trainer_free(p.trainer);
}

/* --- gradient accumulation --- */

static double last_loss;

static void note_loss(void *user, const tern_train_event *e)
{
    (void)user;
    if (e->kind == TERN_EVENT_STEP) last_loss = e->loss;
}

static double loss_after(const tern_config *c, const char *run)
{
    tern_trainer *t;
    OK(tern_trainer_new(c, data, run, &t));
    OK(tern_trainer_run(t, NULL, note_loss, NULL));
    tern_trainer_free(t);
    return last_loss;
}

/* The same sequences in one batch of 8 or in 4 of 2: the same step, but for the order
 * of float sums. In the float twin, where no code can flip. */
Test(trainer, accumulated_batches_are_one_batch)
{
    tern_config one = small_config(), four;
    one.model.quant = TERN_QUANT_NONE;
    one.dropout = 0.0f;
    one.steps = 5;
    one.batch = 8;
    one.accumulate = 1;
    four = one;
    four.batch = 2;
    four.accumulate = 4;
    const double a = loss_after(&one, in_dir("one"));
    const double b = loss_after(&four, in_dir("four"));
    cr_expect(lt(dbl, fabs(a - b), 1e-4 * a), "%.9g %.9g", a, b);
}

/* --- learning, keeping --- */

/* One sentence again and again can be known by heart, also where it was held out. */
Test(trainer, learns_a_sentence_by_heart)
{
    FILE *f = fopen(in_dir("sentence.txt"), "w");
    for (int i = 0; i < 200; i++) fputs("ternary weights are -1, 0 and 1. ", f);
    fclose(f);
    tern_dataset_free(data);
    data = make_data(in_dir("sentence.txt"), 0.1);
    tern_config c = small_config();
    c.dropout = 0.0f;
    c.steps = 150;
    c.eval_every = 0;
    c.checkpoint_every = 0;
    train(&c, in_dir("run"));
    char path[TERN_PATH_MAX];
    tern_checkpoint *k;
    OK(tern_run_find(in_dir("run"), true, path));
    cr_expect(ne(ptr, strstr(path, "best.h5"), NULL));
    OK(tern_checkpoint_open(path, &k));
    /* What is left is the first token of each window, which nothing precedes. */
    cr_expect(lt(dbl, tern_checkpoint_state(k)->val, 0.5), "%g",
              tern_checkpoint_state(k)->val);
    cr_expect(eq(i64, tern_checkpoint_state(k)->tokens, 150 * 4 * 2 * 16));
    tern_checkpoint_close(k);
}

Test(trainer, keeps_the_newest_checkpoints_and_the_best)
{
    const tern_config c = small_config();
    int64_t *steps;
    size_t count;
    train(&c, in_dir("run"));
    OK(tern_run_steps(in_dir("run"), &steps, &count));
    cr_assert(eq(sz, count, 2));
    cr_expect(eq(i64, steps[0], 24));
    cr_expect(eq(i64, steps[1], 20));
    free(steps);
    cr_expect(tern_file_exists(in_dir("run/checkpoints/best.h5")));
}

Test(trainer, best_is_the_lowest_evaluation)
{
    const tern_config c = small_config();
    train(&c, in_dir("run"));
    char *metrics = metrics_of(in_dir("run"));
    double best = (double)INFINITY;
    for (char *line = strtok(metrics, "\n"); line; line = strtok(NULL, "\n")) {
        const char *loss = strstr(line, "\"loss\":");
        if (strstr(line, "\"event\":\"eval\""))
            best = fmin(best, strtod(loss + strlen("\"loss\":"), NULL));
    }
    tern_checkpoint *k;
    OK(tern_checkpoint_open(in_dir("run/checkpoints/best.h5"), &k));
    cr_expect(eq(dbl, tern_checkpoint_state(k)->val, best));
    cr_expect(eq(dbl, tern_checkpoint_state(k)->best_val, best));
    tern_checkpoint_close(k);
    free(metrics);
}

/* No validation split: a run without evaluations. One token in it: an error. */
Test(trainer, val_split_of_nothing_or_of_one_token)
{
    tern_config c = small_config();
    tern_trainer *t;
    tern_dataset_free(data);
    data = make_data(in_dir("corpus.txt"), 0.0);
    train(&c, in_dir("no-val"));
    cr_expect(not(tern_file_exists(in_dir("no-val/checkpoints/best.h5"))));
    tern_dataset_free(data);
    data = make_data(in_dir("corpus.txt"), 1.0 / 3000.0);
    cr_assert(eq(i64, tern_dataset_tokens(data, TERN_VAL), 1));
    FAILS(tern_trainer_new(&c, data, in_dir("one"), &t), TERN_EARG,
          "the validation split has one token");
}

/* --- a disk that is full, a directory that is not ours --- */

static void no_room(void *user, const tern_train_event *e)
{
    (void)user;
    if (e->kind != TERN_EVENT_STEP || e->step != 9) return;
    const struct rlimit small = {.rlim_cur = 20000, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
}

Test(trainer, a_full_disk_leaves_what_was_there)
{
    const tern_config c = small_config();
    tern_trainer *t;
    const struct rlimit free_again = {.rlim_cur = RLIM_INFINITY,
                                      .rlim_max = RLIM_INFINITY};
    train(&c, in_dir("whole"));
    signal(SIGXFSZ, SIG_IGN);
    OK(tern_trainer_new(&c, data, in_dir("run"), &t));
    FAILS(tern_trainer_run(t, NULL, no_room, NULL), TERN_EIO, ".h5");
    setrlimit(RLIMIT_FSIZE, &free_again);
    tern_trainer_free(t);
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t));
    cr_expect(eq(i64, tern_trainer_step_count(t), 8));
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    tern_trainer_free(t);
    same_runs(in_dir("whole"), in_dir("run"), "after a full disk");
}

Test(trainer, a_directory_that_cannot_be_made_is_named)
{
    const tern_config c = small_config();
    tern_trainer *t;
    FAILS(tern_trainer_new(&c, data, in_dir("corpus.txt/run"), &t), TERN_EIO,
          "corpus.txt");
    FAILS(tern_trainer_new(&c, data, "/proc/tern", &t), TERN_EIO, "/proc/tern");
}

/* --- damage --- */

Test(trainer, a_damaged_newest_checkpoint_is_passed_over)
{
    tern_config c = small_config();
    tern_trainer *t;
    stopper s = {.at = 13};
    train(&c, in_dir("whole"));
    OK(tern_trainer_new(&c, data, in_dir("run"), &t));
    FAILS(tern_trainer_run(t, &s.stop, stop_at, &s), TERN_ESTOP, "13");
    tern_trainer_free(t);
    char *newest = in_dir("run/checkpoints/step-00000013.h5");
    cr_assert(truncate(newest, 3000) == 0);
    OK(tern_trainer_resume(in_dir("run"), data, NULL, 0, &t));
    cr_expect(eq(i64, tern_trainer_step_count(t), 12));
    cr_expect(ne(ptr, strstr(warnings, newest), NULL), "%s", warnings);
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    tern_trainer_free(t);
    same_runs(in_dir("whole"), in_dir("run"), "after damage");
    cr_expect(not(tern_file_exists(newest)));
    cr_expect(tern_file_exists(in_dir("run/checkpoints/step-00000013.h5.damaged")));
}

/* What a step needs it has after the first few: nothing is taken from the system later,
 * and nothing is lost. Not under the sanitizers, whose allocator does not tell. */
static size_t heap[25];

static void note_heap(void *user, const tern_train_event *e)
{
    (void)user;
    const struct mallinfo2 m = mallinfo2();
    if (e->kind == TERN_EVENT_STEP) heap[e->step] = m.uordblks + m.hblkhd;
}

Test(trainer, steps_take_no_more_memory)
{
    tern_config c = small_config();
    tern_trainer *t;
    c.eval_every = c.checkpoint_every = 0;
    OK(tern_trainer_new(&c, data, in_dir("run"), &t));
    OK(tern_trainer_run(t, NULL, note_heap, NULL));
    for (int step = 4; step <= 24; step++) /* the first line of metrics is at 3 */
        cr_expect(eq(sz, heap[step], heap[3]), "step %d", step);
    tern_trainer_free(t);
}

Test(trainer, metrics_are_what_they_say)
{
    const tern_config c = small_config();
    train(&c, in_dir("run"));
    char *text = slurp(in_dir("run/metrics.jsonl"));
    int steps = 0, evals = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_error_t error;
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        cr_assert(ne(ptr, o, NULL), "%s: %s", line, error.text);
        const char *event = json_string_value(json_object_get(o, "event"));
        const json_int_t step = json_integer_value(json_object_get(o, "step"));
        if (strcmp(event, "step") == 0) {
            const json_t *gamma = json_object_get(o, "gamma");
            steps++;
            cr_expect(eq(i64, (int64_t)step, 3 * steps));
            cr_expect(eq(i64, json_integer_value(json_object_get(o, "tokens")),
                         step * 4 * 2 * 16));
            cr_expect(eq(sz, json_object_size(gamma), 7));
            cr_expect(eq(sz, json_array_size(json_object_get(gamma, "down")), 2));
            const double zeros = json_real_value(json_object_get(o, "zero_fraction"));
            cr_expect(zeros > 0.1 && zeros < 0.6, "%g", zeros);
            cr_expect(eq(dbl, json_number_value(json_object_get(o, "lr")),
                         tern_schedule_lr(&(tern_schedule){.kind = TERN_SCHEDULE_COSINE,
                                                           .steps = 24,
                                                           .warmup = 4,
                                                           .lr = 1e-2,
                                                           .min_lr = 1e-3},
                                          step - 1)));
        }
        if (strcmp(event, "eval") == 0) {
            const double loss = json_real_value(json_object_get(o, "loss"));
            evals++;
            cr_expect(
                eq(dbl, exp(loss), json_real_value(json_object_get(o, "perplexity"))));
        }
        json_decref(o);
    }
    cr_expect(eq(int, steps, 8));
    cr_expect(eq(int, evals, 5)); /* 5, 10, 15, 20 and the end */
    free(text);
}
