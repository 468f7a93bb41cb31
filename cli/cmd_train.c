/* cmd_train.c - `tern train`: start a run, or resume one. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/run_data.h"
#include "cli/run_init.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "kernels/cpu.h"
#include "train/chat_template.h"
#include "train/trainer.h"

typedef struct options {
    tern_common common;
    const char *config, *data, *out, *resume, *init;
    const char **sets;
    size_t set_count;
    long stop_at;
} options;

enum { KEY_STOP_AT = 0x2000 };

static const struct argp_option table[] = {
    {"data", 'd', "FILE", 0,
     "A dataset of `tern data`, or a text (then the config's tokenizer is learned from "
     "it and the dataset is kept in the run)",
     0},
    {"out", 'o', "DIR", 0, "The run's directory: checkpoints, metrics, config", 0},
    {"resume", 'r', "DIR", 0, "Go on with this run from its newest sound checkpoint",
     0},
    {"init", 'i', "RUN", 0,
     "Start from the weights of this run or checkpoint instead of random ones; without "
     "CONFIG, with its config",
     0},
    {"set", 's', "KEY=VALUE", 0, "Change one value of the config, optim.lr=1e-3", 0},
    {"stop-at", KEY_STOP_AT, "STEP", 0,
     "Stop after this step as Ctrl-C would, to go on later", 0},
    {"help-config", 'H', 0, 0, "List every key of a config with range and default", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'd':
        o->data = tern_arg_name(state, "--data", arg);
        return 0;
    case 'o':
        o->out = tern_arg_name(state, "--out", arg);
        return 0;
    case 'r':
        o->resume = tern_arg_name(state, "--resume", arg);
        return 0;
    case 'i':
        o->init = tern_arg_name(state, "--init", arg);
        return 0;
    case 's':
        o->sets[o->set_count++] = tern_arg_set(state, arg);
        return 0;
    case KEY_STOP_AT:
        o->stop_at = tern_arg_int(state, "--stop-at", arg, 1, LONG_MAX);
        return 0;
    case 'H':
        tern_config_print_help(stdout);
        exit(TERN_EXIT_DONE);
    case ARGP_KEY_ARG:
        if (o->config) argp_error(state, "one config only, not \"%s\" as well", arg);
        o->config = tern_arg_name(state, "CONFIG", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->resume && (o->config || o->out))
            argp_error(state,
                       "--resume takes the config from the run; leave out CONFIG "
                       "and --out, use --set to change a value");
        if (o->resume && o->init)
            argp_error(state, "--resume goes on with a run, --init starts another one "
                              "from its weights: give one of them");
        if (o->resume) return 0;
        if (!o->config && !o->init)
            argp_error(state, "which config? for instance configs/tales.yaml");
        if (!o->data) argp_error(state, "on which text? give --data FILE");
        if (!o->out) argp_error(state, "where to? give --out DIR");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- what is shown --- */

typedef struct display {
    double entropy;
    int64_t last_line; /* step of the last plain line */
    long stop_at;
    volatile sig_atomic_t *stop;
} display;

static void show_live(const tern_train_event *e)
{
    char left[16], val[48] = "";
    tern_human_time(e->seconds_left, left);
    if (!isnan(e->best_val)) snprintf(val, sizeof val, "  best val %.4f", e->best_val);
    tern_terminal_line(
        "step %" PRId64 "/%" PRId64 "  loss %.4f%s  lr %.2e  %.0f tok/s  %s left",
        e->step, e->steps, e->loss, val, e->lr, e->tokens_per_second, left);
}

/* Elsewhere than on a terminal: about twenty lines a run. */
static void show_plain(display *d, const tern_train_event *e)
{
    char left[16];
    const int64_t every = e->steps / 20 > 0 ? e->steps / 20 : 1;
    if (e->step != 1 && e->step != e->steps && e->step < d->last_line + every) return;
    d->last_line = e->step - e->step % every;
    fprintf(stderr,
            "step %" PRId64 "/%" PRId64 "  loss %.4f  lr %.2e  %.0f tok/s  %s left\n",
            e->step, e->steps, e->loss, e->lr, e->tokens_per_second,
            tern_human_time(e->seconds_left, left));
}

static void show_eval(const display *d, const tern_train_event *e)
{
    char ternary[80] = "";
    if (!isnan(e->zero_fraction))
        snprintf(ternary, sizeof ternary, ", %.1f %% zeros, %" PRId64 " codes flipped",
                 100.0 * e->zero_fraction, e->flips);
    char source[80] = "";
    if (d->entropy > 0.0 && e->eval.bytes > 0) {
        const double per_byte =
            e->eval.loss * (double)e->eval.tokens / (double)e->eval.bytes;
        snprintf(source, sizeof source, ", %.1f %% above the source's entropy",
                 100.0 * (per_byte / d->entropy - 1.0));
    }
    tern_terminal_clear_line();
    fprintf(stderr,
            "step %" PRId64
            ": val loss %.4f nats/token, perplexity %.2f, %.4f bits/byte%s%s%s\n",
            e->step, e->eval.loss, e->eval.perplexity, e->eval.bits_per_byte, source,
            ternary, e->best ? " (best)" : "");
}

static void on_event(void *user, const tern_train_event *e)
{
    display *d = user;
    d->entropy = e->entropy;
    switch (e->kind) {
    case TERN_EVENT_STEP:
        if (d->stop_at && e->step >= d->stop_at) *d->stop = 1;
        if (tern_terminal())
            show_live(e);
        else
            show_plain(d, e);
        return;
    case TERN_EVENT_EVAL_BEGIN:
        tern_terminal_line("step %" PRId64 "/%" PRId64 "  evaluating %.0f %%", e->step,
                           e->steps, 100.0 * e->fraction);
        return;
    case TERN_EVENT_EVAL:
        show_eval(d, e);
        return;
    case TERN_EVENT_CHECKPOINT:
        return;
    case TERN_EVENT_STOPPED:
        tern_terminal_clear_line();
        fprintf(stderr, "stopped at step %" PRId64 " of %" PRId64 ", saved %s\n",
                e->step, e->steps, e->path);
        return;
    }
}

static void print_start(const tern_trainer *t, const tern_dataset *data,
                        const char *dir)
{
    const tern_config *c = tern_trainer_config(t);
    const tern_spec *s = &c->model;
    char params[16], ternary[16], tokens[16], tokenizer[64];
    tern_tokenizer_describe(tern_dataset_tokenizer(data), tokenizer);
    fprintf(stderr,
            "model: %s, %s parameters (%s ternary), %" PRId64 " layers, width %" PRId64
            ", context %" PRId64 "\n",
            tern_arch_name(s->arch), tern_human_count(tern_spec_params(s), params),
            tern_human_count(tern_spec_ternary_params(s), ternary), s->layers, s->width,
            s->context);
    fprintf(stderr, "data:  %s tokens, tokenizer %s\n",
            tern_human_count(tern_dataset_tokens(data, TERN_TRAIN), tokens), tokenizer);
    fprintf(stderr,
            "run:   %s, steps %" PRId64 " to %" PRId64 ", %" PRId64
            " tokens a step, %d threads, %s\n",
            dir, tern_trainer_step_count(t), c->steps,
            c->batch * c->accumulate * s->context, tern_threads(),
            tern_level_name(tern_kernels_level()));
    if (c->schedule.warmup >= c->steps)
        fprintf(stderr,
                "warning: optim.warmup is as long as the run; the learning rate "
                "never reaches optim.lr\n");
}

/* --- the command --- */

/* The chat template comes along; weights are weights without one. */
static tern_status take_chat_template(const char *from, tern_run_start *to)
{
    char *chat;
    if (tern_chat_template_of_run(from, &chat) != TERN_OK) {
        tern_warn("%s; %s gets no chat template", tern_error_message(), to->dir);
        return TERN_OK;
    }
    const tern_status s = tern_chat_template_keep(to->dir, chat, to->template);
    free(chat);
    return s;
}

static tern_status start_run(const options *o, tern_dataset **data, tern_trainer **t)
{
    tern_config config;
    tern_run_start start;
    tern_checkpoint *init = NULL;
    const char *where = o->config ? o->config : o->init;
    if (o->init)
        TERN_TRY(tern_run_init_open(o->init, o->config, o->sets, o->set_count, &config,
                                    &init));
    else
        TERN_TRY(tern_config_load(o->config, o->sets, o->set_count, &config));
    tern_status s =
        tern_run_start_begin(&start, o->out, o->data, where, init, &config, data);
    if (s == TERN_OK && init) s = take_chat_template(o->init, &start);
    if (s == TERN_OK)
        s = tern_trainer_new_locked(&config, *data, o->out, dup(start.lock), init, t);
    tern_run_start_end(&start, s == TERN_OK);
    tern_checkpoint_close(init);
    return s;
}

/* An init never wrote metrics, nor did its weights see a dataset. */
static tern_status refuse_init(const char *dir)
{
    char path[TERN_PATH_MAX];
    tern_checkpoint *c;
    TERN_TRY(tern_path_join(path, dir, "metrics.jsonl"));
    if (tern_file_exists(path) || tern_run_find(dir, false, path) != TERN_OK ||
        tern_checkpoint_open(path, &c) != TERN_OK)
        return TERN_OK; /* others say what is wrong with it, if anything is */
    const tern_progress_state state = *tern_checkpoint_state(c);
    tern_checkpoint_close(c);
    if (state.step > 0 || state.dataset_fingerprint != 0) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s: was made by tern init or tern import and never trained, so "
                     "there is nothing to resume; start a run from its weights with "
                     "`tern train --init %s --data FILE --out DIR`",
                     dir, dir);
}

static tern_status open_run(const options *o, tern_dataset **data, tern_trainer **t)
{
    if (o->resume) {
        TERN_TRY(refuse_init(o->resume));
        TERN_TRY(tern_run_data_open(o->resume, o->data, data));
        TERN_TRY(tern_trainer_resume(o->resume, *data, o->sets, o->set_count, t));
        return o->data ? tern_run_data_moved(o->resume, o->data) : TERN_OK;
    }
    return start_run(o, data, t);
}

/* Of the checkpoint that the run ended or stopped with. */
static tern_status print_json_end(const tern_trainer *t, const char *dir,
                                  const char *path)
{
    tern_checkpoint *c;
    TERN_TRY(tern_checkpoint_open(path, &c));
    const tern_progress_state state = *tern_checkpoint_state(c);
    tern_checkpoint_close(c);
    tern_print_json(json_pack(
        "{s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "run", tern_json_text(dir), "checkpoint",
        tern_json_text(path), "step", (json_int_t)tern_trainer_step_count(t), "steps",
        (json_int_t)tern_trainer_config(t)->steps, "tokens", (json_int_t)state.tokens,
        "val_loss", tern_json_number(state.val), "best_val_loss",
        tern_json_number(state.best_val)));
    return TERN_OK;
}

static tern_status print_end(const options *o, const tern_trainer *t, const char *dir,
                             bool done)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_run_find(dir, false, path));
    if (o->common.json) TERN_TRY(print_json_end(t, dir, path));
    if (!done)
        fprintf(stderr, "go on with: tern train --resume %s\n", dir);
    else if (!o->common.json)
        fprintf(stderr, "done: %s\nnext: tern export %s -o model.gguf\n", path, dir);
    return TERN_OK;
}

/* Exit status of a run that ended with s; a stop that was asked for by step is what was
 * wanted. */
static int finish(const options *o, const tern_trainer *t, const char *dir,
                  tern_status s)
{
    const bool stopped = s == TERN_ESTOP;
    if (s == TERN_OK || stopped) s = print_end(o, t, dir, !stopped);
    if (s != TERN_OK) return tern_report_failure();
    return stopped && !o->stop_at ? TERN_EXIT_FAILED : TERN_EXIT_DONE;
}

int tern_cmd_train(int argc, char **argv)
{
    static const struct argp_child children[] = {{&tern_argp_threads_json, 0, 0, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "CONFIG --data FILE --out DIR\n--init RUN --data FILE --out "
                    "DIR\n--resume DIR",
        .children = children,
        .doc =
            "Train a model as a config says, or resume a run."
            "\vCtrl-C finishes the step, saves, and says how to go on. A run that was "
            "killed loses at most the steps since its last checkpoint, and resumed it "
            "ends with the same weights, bit for bit.\n\nExamples:\n"
            "  tern train configs/tales.yaml --data tales.txt --out runs/tales\n"
            "  tern train --resume runs/tales --set train.steps=4000\n"
            "  tern train --init runs/tales --data more.txt --out runs/more --set "
            "optim.lr=1e-4",
    };
    options o = {0};
    o.sets = calloc((size_t)argc, sizeof *o.sets);
    if (!o.sets) return TERN_EXIT_FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &o);

    const char *dir = o.resume ? o.resume : o.out;
    tern_dataset *data = NULL;
    tern_trainer *t = NULL;
    display d = {.stop_at = o.stop_at};
    tern_status s = tern_common_apply(&o.common);
    if (s == TERN_OK) s = open_run(&o, &data, &t);
    if (s == TERN_OK) {
        d.stop = tern_signals_catch();
        print_start(t, data, dir);
        s = tern_trainer_run(t, d.stop, on_event, &d);
        tern_terminal_clear_line();
    }
    const int status = finish(&o, t, dir, s);
    tern_trainer_free(t);
    tern_dataset_free(data);
    free(o.sets);
    return status;
}
