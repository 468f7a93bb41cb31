/* run_data.c - see run_data.h. */
#define _GNU_SOURCE
#include "cli/run_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/corpus.h"
#include "cli/heldout.h"
#include "train/trainer.h"

/* --- a new run --- */

static tern_status refuse_existing(const char *dir)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "config.yaml"));
    if (!tern_file_exists(path)) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s already holds a run; go on with `tern train --resume %s`, or "
                     "choose another --out",
                     dir, dir);
}

/* Whatever is wrong with any vocabulary, before a long text is tokenised. */
static tern_status check_config(const tern_config *config, const char *where)
{
    tern_config trial = *config;
    const int64_t vocab = trial.model.vocab ? trial.model.vocab : 256;
    return tern_config_resolve(&trial, vocab, where);
}

/* The directory, and the lock that keeps other starts out of it. */
static tern_status enter(tern_run_start *r)
{
    const bool there = tern_is_dir(r->dir);
    TERN_TRY(tern_make_dirs(r->dir));
    r->made_dir = !there;
    TERN_TRY(tern_run_lock(r->dir, &r->lock));
    return refuse_existing(r->dir); /* one that was begun since we looked */
}

/* With the tokenizer of the checkpoint, or the one that the config asks for. */
static tern_status write_dataset(const tern_checkpoint *init, const tern_config *config,
                                 const char *data, const char *path)
{
    if (init)
        return tern_encode_dataset(tern_checkpoint_tokenizer(init), config->val, &data,
                                   1, path);
    return tern_make_dataset(config->tokenizer, TERN_PRETOK_LLAMA3, config->val, &data,
                             1, path);
}

static tern_status make_from_text(tern_run_start *r, const char *data,
                                  const tern_checkpoint *init,
                                  const tern_config *config, tern_dataset **out)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(enter(r));
    TERN_TRY(tern_path_join(path, r->dir, "data.path"));
    (void)unlink(path); /* of an earlier start that came to nothing */
    TERN_TRY(tern_path_join(path, r->dir, "data.h5"));
    TERN_TRY(write_dataset(init, config, data, path));
    strcpy(r->made, path);
    return tern_dataset_open(path, out);
}

/* dir/data.path gets the absolute path of `data`. */
static tern_status write_data_path(const char *dir, const char *data)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "data.path"));
    char *absolute = realpath(data, NULL);
    if (!absolute) return tern_fail(TERN_EIO, "%s: %s", data, strerror(errno));
    const tern_status s = tern_file_write(path, absolute, strlen(absolute));
    free(absolute);
    return s;
}

static int64_t vocab_of(const tern_dataset *d)
{
    return tern_tokenizer_vocab(tern_dataset_tokenizer(d));
}

static tern_status check_can_encode(const tern_checkpoint *init,
                                    const tern_config *config, const char *data)
{
    if (!init) return tern_check_tokenizer(config->tokenizer);
    if (tern_checkpoint_tokenizer(init)) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s: has no tokenizer, so %s must be a dataset, not a text",
                     tern_checkpoint_path(init), data);
}

tern_status tern_run_start_begin(tern_run_start *r, const char *dir, const char *data,
                                 const char *where, const tern_checkpoint *init,
                                 tern_config *config, tern_dataset **out)
{
    bool is_dataset;
    *r = (tern_run_start){.dir = dir, .lock = -1};
    TERN_TRY(refuse_existing(dir));
    TERN_TRY(check_config(config, where));
    TERN_TRY(tern_dataset_probe(data, &is_dataset));
    if (!is_dataset) {
        if (!tern_file_exists(data))
            return tern_fail(TERN_EIO, "%s: %s", data, strerror(errno));
        TERN_TRY(check_can_encode(init, config, data));
        TERN_TRY(make_from_text(r, data, init, config, out));
        return tern_config_resolve(config, vocab_of(*out), where);
    }
    TERN_TRY(tern_dataset_open(data, out));
    if (init) TERN_TRY(tern_run_data_suits(init, *out));
    TERN_TRY(tern_config_resolve(config, vocab_of(*out), where));
    TERN_TRY(enter(r));
    TERN_TRY(write_data_path(dir, data));
    return tern_path_join(r->made, dir, "data.path");
}

void tern_run_start_end(tern_run_start *r, bool there_is_a_run)
{
    char path[TERN_PATH_MAX];
    /* A run that failed right after its beginning is a run, and can be resumed. */
    there_is_a_run |= tern_path_join(path, r->dir, "config.yaml") != TERN_OK ||
                      tern_file_exists(path);
    if (!there_is_a_run && r->lock >= 0) {
        if (*r->made) (void)unlink(r->made);
        if (*r->template) (void)unlink(r->template);
        if (tern_path_join(path, r->dir, "checkpoints") == TERN_OK) (void)rmdir(path);
    }
    if (!there_is_a_run && r->made_dir) (void)rmdir(r->dir); /* if it is empty */
    if (r->lock >= 0) close(r->lock);
    r->lock = -1;
}

/* --- an existing one --- */

tern_status tern_run_data_open(const char *dir, const char *data, tern_dataset **out)
{
    char path[TERN_PATH_MAX], *remembered = NULL;
    if (data) return tern_dataset_open(data, out);
    TERN_TRY(tern_path_join(path, dir, "data.path"));
    if (!tern_file_exists(path)) {
        TERN_TRY(tern_path_join(path, dir, "data.h5"));
        if (tern_file_exists(path)) return tern_dataset_open(path, out);
        return tern_fail(
            TERN_EIO,
            "%s: not a run that knows its dataset (no data.path, no data.h5); "
            "give --data FILE",
            dir);
    }
    TERN_TRY(tern_file_read(path, TERN_PATH_MAX, &remembered, NULL));
    const tern_status s = tern_dataset_open(remembered, out);
    free(remembered);
    if (s != TERN_OK)
        return tern_fail(s,
                         "%s (the run's dataset; if it has moved, give "
                         "--data FILE)",
                         tern_error_message());
    return TERN_OK;
}

tern_status tern_run_data_moved(const char *dir, const char *data)
{
    char own[TERN_PATH_MAX], path[TERN_PATH_MAX], *remembered = NULL;
    TERN_TRY(tern_path_join(own, dir, "data.h5"));
    TERN_TRY(tern_path_join(path, dir, "data.path"));
    if (tern_same_file(own, data)) { /* it moves with the run */
        (void)unlink(path);
        return TERN_OK;
    }
    if (tern_file_exists(path))
        TERN_TRY(tern_file_read(path, TERN_PATH_MAX, &remembered, NULL));
    const bool known = remembered && tern_same_file(remembered, data);
    free(remembered);
    return known ? TERN_OK : write_data_path(dir, data);
}

tern_status tern_run_data_suits(const tern_checkpoint *c, const tern_dataset *d)
{
    const tern_tokenizer *ours = tern_checkpoint_tokenizer(c);
    const tern_tokenizer *theirs = tern_dataset_tokenizer(d);
    const int64_t vocab = tern_checkpoint_config(c)->model.vocab;
    if (ours)
        return tern_same_tokenizer(tern_dataset_name(d), theirs,
                                   tern_checkpoint_path(c), ours);
    if (tern_tokenizer_vocab(theirs) <= vocab) return TERN_OK;
    return tern_fail(TERN_EARG, "%s: its tokenizer has more ids than %s knows (%lld)",
                     tern_dataset_name(d), tern_checkpoint_path(c), (long long)vocab);
}
