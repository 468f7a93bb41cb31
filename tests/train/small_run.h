/* small_run.h - a run small enough to be done a hundred times: a corpus, a config, and
 * what is left of a run to compare it with another. */
#ifndef TERN_TESTS_TRAIN_SMALL_RUN_H
#define TERN_TESTS_TRAIN_SMALL_RUN_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "kernels/cpu.h"
#include "tests/support/scratch.h"
#include "train/trainer.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

/* The call fails with this status, and its message contains this text. */
#define FAILS(expr, status, text)                                                      \
    do {                                                                               \
        cr_expect(eq(int, (expr), (status)), "%s", tern_error_message());              \
        cr_expect(ne(ptr, strstr(tern_error_message(), (text)), NULL), "%s",           \
                  tern_error_message());                                               \
    } while (0)

static char dir[TERN_TEST_PATH]; /* scratch */
static char warnings[8192];      /* all that tern_warn said, line by line */
static tern_dataset *data;

static inline void keep_warnings(tern_log_level level, const char *line, void *user)
{
    (void)user;
    if (level != TERN_LOG_WARN) return;
    const size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", line);
}

/* A name in the scratch directory; the last eight stay valid. */
static inline char *in_dir(const char *name)
{
    static char paths[8][TERN_TEST_PATH + 64];
    static int next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

/* Words in random order: something to learn, and not by heart in a few steps. */
static inline void write_corpus(const char *path, int words)
{
    static const char *const list[] = {"the ", "cat ", "sat ", "on a ", "mat, ",
                                       "and ", "so ",  "we ",  "sang. "};
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    for (int i = 0; i < words; i++)
        fputs(list[tern_rand_below(1, TERN_STREAM_TEST, (uint64_t)i, 9)], f);
    fclose(f);
}

/* Characters of `path`; val: part held out. */
static inline tern_dataset *make_data(const char *path, double val)
{
    const tern_tokenizer_training how = {.kind = TERN_TOK_CHAR};
    tern_tokenizer *tokenizer;
    tern_dataset *d;
    OK(tern_tokenizer_train(&path, 1, &how, &tokenizer));
    const tern_dataset_recipe recipe = {
        .paths = &path, .count = 1, .tokenizer = tokenizer, .val_fraction = val};
    OK(tern_dataset_build_memory(&recipe, &d));
    tern_tokenizer_free(tokenizer);
    return d;
}

static inline void setup(void)
{
    cr_assert(tern_scratch_new(dir));
    OK(tern_kernels_init());
    tern_threads_set(1); /* two that wait for each other are slow on a busy machine */
    tern_log_set_sink(keep_warnings, NULL);
    write_corpus(in_dir("corpus.txt"), 600);
    data = make_data(in_dir("corpus.txt"), 0.1);
}

static inline void teardown(void)
{
    tern_dataset_free(data);
    tern_scratch_remove(dir);
}

static inline tern_config small_config(void)
{
    tern_config c;
    tern_config_defaults(&c);
    c.model.width = 32;
    c.model.layers = 2;
    c.model.heads = 2;
    c.model.ffn = 64;
    c.model.context = 16;
    c.dropout = 0.1f; /* its draws must be the same after a resume */
    c.steps = 24;
    c.batch = 4;
    c.accumulate = 2;
    c.eval_every = 5;
    c.checkpoint_every = 4;
    c.log_every = 3;
    c.keep = 2;
    c.schedule.warmup = 4;
    c.schedule.lr = 1e-2;
    c.schedule.min_lr = 1e-3;
    return c;
}

static inline char *slurp(const char *path)
{
    char *text;
    OK(tern_file_read(path, 1 << 28, &text, NULL));
    return text;
}

/* Cut every line at its first field that the clock decides. */
static inline void drop_clock(char *text)
{
    char *to = text;
    for (char *line = text; *line;) {
        const size_t length = strcspn(line, "\n");
        const char *clock = strstr(line, ",\"tokens_per_second\":");
        if (!clock || clock > line + length) clock = strstr(line, ",\"seconds\":");
        const size_t keep =
            clock && clock < line + length ? (size_t)(clock - line) : length;
        const size_t whole = length + (line[length] == '\n');
        memmove(to, line, keep);
        to += keep;
        *to++ = '\n';
        line += whole;
    }
    *to = '\0';
}

/* metrics.jsonl without clock; free(). */
static inline char *metrics_of(const char *run)
{
    char path[TERN_PATH_MAX];
    OK(tern_path_join(path, run, "metrics.jsonl"));
    char *text = slurp(path);
    drop_clock(text);
    return text;
}

/* Both runs have ended with the same weights, optimizer state and metrics. */
static inline void same_runs(const char *a, const char *b, const char *why)
{
    char path[2][TERN_PATH_MAX];
    tern_checkpoint *c[2];
    tern_model *m[2];
    tern_optim *o[2];
    const char *runs[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        OK(tern_run_find(runs[i], false, path[i]));
        OK(tern_checkpoint_open(path[i], &c[i]));
        OK(tern_model_new(&tern_checkpoint_config(c[i])->model, &m[i]));
        tern_params *list = tern_model_params(m[i]);
        OK(tern_optim_new(&tern_checkpoint_config(c[i])->optim, list->items,
                          list->count, &o[i]));
        OK(tern_checkpoint_read(c[i], m[i], o[i]));
    }
    cr_expect(
        eq(i64, tern_checkpoint_state(c[0])->step, tern_checkpoint_state(c[1])->step),
        "%s", why);
    for (size_t i = 0; i < tern_model_params(m[0])->count; i++) {
        const tern_param *p = tern_model_params(m[0])->items[i];
        const tern_param *q = tern_model_params(m[1])->items[i];
        const size_t bytes = (size_t)(p->rows * p->cols) * sizeof(float);
        cr_expect(memcmp(p->val, q->val, bytes) == 0, "%s: %s", why, p->name);
        for (size_t s = 0; s < tern_optim_slots(o[0]); s++)
            cr_expect(memcmp(tern_optim_slot(o[0], s, i), tern_optim_slot(o[1], s, i),
                             bytes) == 0,
                      "%s: %s of %s", why, tern_optim_slot_name(o[0], s), p->name);
    }
    for (int i = 0; i < 2; i++) {
        tern_optim_free(o[i]);
        tern_model_free(m[i]);
        tern_checkpoint_close(c[i]);
    }
    char *x = metrics_of(a), *y = metrics_of(b);
    cr_expect(eq(str, x, y), "%s", why);
    free(x);
    free(y);
}

/* A whole run in `run`. */
static inline void train(const tern_config *c, const char *run)
{
    tern_trainer *t;
    OK(tern_trainer_new(c, data, run, &t));
    OK(tern_trainer_run(t, NULL, NULL, NULL));
    tern_trainer_free(t);
}

#endif /* TERN_TESTS_TRAIN_SMALL_RUN_H */
