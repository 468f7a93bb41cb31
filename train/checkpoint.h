/* checkpoint.h - the whole state of a run in one HDF5 file.
 *
 *     /params/<name>        float32 (rows, cols), masters; dots of names become groups
 *     /optim/<slot>/<name>  float32, e.g. /optim/m/layers/0/attn/wq
 *     attributes of /       format "tern-checkpoint", version, step, tokens seen,
 * config (resolved YAML), tokenizer (JSON), tokenizer_name, dataset_fingerprint,
 * entropy, best_val, val, tern_version, seed
 *
 * Random state and data position are functions of (seed, step) in tern, so step is all
 * there is to save of them. The file starts with a 512-byte HDF5 user block with a
 * checksum of the rest (data/h5file.h); h5py and h5dump read it as it is. Writing is
 * atomic: a checkpoint exists whole or not at all.
 *
 * A run directory:
 *
 *     runs/a/config.yaml             the resolved config
 *     runs/a/chat_template.jinja     of an imported model (chat_template.h)
 *     runs/a/metrics.jsonl           one line per logged step, evaluation, event
 *     runs/a/checkpoints/step-00001000.h5   the newest `keep`
 *     runs/a/checkpoints/best.h5     lowest validation loss
 *     runs/a/checkpoints/stopped.h5  where a number that is not finite stopped it: to
 *                                    look at, never taken up again by itself
 */
#ifndef TERN_TRAIN_CHECKPOINT_H
#define TERN_TRAIN_CHECKPOINT_H

#include "data/tokenizer.h"
#include "layers/model.h"
#include "optim/optim.h"
#include "train/config.h"

/* Everything that is not a tensor. */
typedef struct tern_progress_state {
    int64_t step;    /* steps done */
    int64_t tokens;  /* tokens seen */
    double val;      /* last validation loss, nats/token; NaN if none yet */
    double best_val; /* lowest so far; NaN if none yet */
    double entropy;  /* of the corpus, nats/byte, 0 if unknown */
    uint64_t dataset_fingerprint;
} tern_progress_state;

/* tern_checkpoint_save() - atomically; optim may be NULL (an untrained or stripped
 * checkpoint), tokenizer may be NULL (tern init without data). */
tern_status tern_checkpoint_save(const char *path, const tern_config *config,
                                 const tern_tokenizer *tokenizer, tern_model *model,
                                 tern_optim *optim, const tern_progress_state *state);

/* A checkpoint opened: its metadata read, checksum verified, tensors still in the file.
 */
typedef struct tern_checkpoint tern_checkpoint;
tern_status tern_checkpoint_open(const char *path, tern_checkpoint **out);
void tern_checkpoint_close(tern_checkpoint *c);
const tern_config *tern_checkpoint_config(const tern_checkpoint *c);
const tern_progress_state *tern_checkpoint_state(const tern_checkpoint *c);
const tern_tokenizer *tern_checkpoint_tokenizer(const tern_checkpoint *c); /* or NULL */
const char *tern_checkpoint_path(const tern_checkpoint *c);
const char *tern_checkpoint_version(const tern_checkpoint *c); /* tern that wrote it */
/* Read tensors into a model of the same spec (refreshes forward images), and optimizer
 * state if `optim` is not NULL. TERN_ECORRUPT / TERN_ESHAPE name the tensor. */
tern_status tern_checkpoint_read(tern_checkpoint *c, tern_model *model,
                                 tern_optim *optim);
/* The model alone, made and filled: for eval, export, inspect. */
tern_status tern_checkpoint_model(tern_checkpoint *c, tern_model **out);

/* tern_run_find() - `path` is a run directory or a checkpoint file: the file to open,
 * into out (TERN_PATH_MAX). For a directory the newest checkpoint whose checksum holds,
 * step-*.h5 or best.h5; a damaged newer one is reported (tern_warn) and passed over.
 * best: prefer best.h5. */
tern_status tern_run_find(const char *path, bool best, char *out);

/* tern_run_of() - the run that `path` is, or stands in as one of its checkpoints, into
 * out (TERN_PATH_MAX); else `path` itself. */
void tern_run_of(const char *path, char *out);

/* Remove all but the newest `keep` step checkpoints of a run (never best.h5). */
tern_status tern_run_prune(const char *dir, int64_t keep);

bool tern_is_checkpoint(const char *path);

#endif /* TERN_TRAIN_CHECKPOINT_H */
