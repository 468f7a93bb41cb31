/* config.h - what a run is: one struct, one table, one YAML file.
 *
 * Every option is a row of one table (option_table.c): YAML key, type, smallest and
 * largest value, default, help. The table yields the libcyaml schema, the range checks,
 * the
 * --help text, the --set overrides, and the resolved YAML that every checkpoint and
 * exported file carries. Unknown keys, wrong types, trailing junk and values out of
 * range are errors that name file, line and key.
 *
 * Sections and keys (configs explained: docs/configs.md):
 *   model.  arch quant activation embed tied vocab width layers heads kv_heads head_dim
 *           ffn context rope_theta rope_scaling rope_factor rope_low rope_high
 *           rope_original norm_eps dropout init_std
 *   data.   tokenizer val order
 *   train.  steps batch accumulate micro_batch seed backward quant_warmup recompute
 *           eval_every eval_tokens eval_stride checkpoint_every keep log_every
 *   optim.  kind lr min_lr lr2 schedule warmup decay weight_decay beta1 beta2 eps
 *           momentum nesterov clip
 */
#ifndef TERN_TRAIN_CONFIG_H
#define TERN_TRAIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "autograd/tape.h"
#include "base/spec.h"
#include "base/status.h"
#include "data/loader.h"
#include "optim/optim.h"

enum { TERN_TOKENIZER_MAX = 256 };

typedef struct tern_config {
    tern_spec model; /* vocab 0: the dataset's; head_dim 0: width / heads; kv_heads 0:
                        heads; filled in by tern_config_resolve */
    float dropout, init_std;

    char tokenizer[TERN_TOKENIZER_MAX]; /* byte | char | bpe:N | a tokenizer.json */
    double val;                         /* fraction of the corpus held out */
    tern_order order;

    int64_t steps, batch, accumulate; /* batch: sequences */
    int64_t micro_batch;              /* sequences of a pass; 0: see gradients.h */
    uint64_t seed;
    tern_backward backward;
    int64_t quant_warmup; /* steps from floats to ternary; 0: ternary from the first */
    bool recompute;
    int64_t eval_every;       /* steps; 0: only at the end */
    int64_t eval_tokens;      /* of the val split, from its start; 0: all */
    int64_t eval_stride;      /* from one window to the next; 0: context */
    int64_t checkpoint_every; /* steps; 0: only at the end */
    int64_t keep;             /* newest checkpoints kept, besides the best */
    int64_t log_every;        /* steps between lines of metrics.jsonl */

    tern_optim_config optim;
    tern_schedule schedule; /* steps, lr, weight decay ... */
    float clip;
} tern_config;

void tern_config_defaults(tern_config *c);

/* tern_config_load() - a YAML file, then `sets` ("optim.lr=3e-4") on top. Every range
 * is checked; what depends on the dataset is not yet (tern_config_resolve). TERN_EARG
 * names file, line and key, and what would be right; TERN_EFORMAT: not YAML. */
tern_status tern_config_load(const char *path, const char *const *sets, size_t count,
                             tern_config *out);
/* The same from YAML text; `where` starts messages. */
tern_status tern_config_parse(const char *yaml, size_t bytes, const char *where,
                              const char *const *sets, size_t count, tern_config *out);
/* Overrides on a config that exists (resume). Only keys that may change after the start
 * of a run are accepted: train.steps, train.*_every, train.keep, ...; the message lists
 * them otherwise. */
tern_status tern_config_override(tern_config *c, const char *const *sets, size_t count);
/* May a run that began as `old` go on as `c`? TERN_EARG names the key that is not among
 * those and differs. */
tern_status tern_config_continues(const tern_config *old, const tern_config *c,
                                  const char *where);

/* Fill in what follows from other values and from the vocabulary of the data, and check
 * the whole: the model (tern_spec_check), vocab against tokenizer (it may be larger, as
 * padded embeddings are), schedule. vocab 0:
 * there is no data, and model.vocab must have been given. */
tern_status tern_config_resolve(tern_config *c, int64_t vocab, const char *where);

/* The resolved config as YAML (round-trips to the same struct, floats exactly). Heap
 * string, free(). */
tern_status tern_config_yaml(const tern_config *c, char **out);

/* All options with type, range, default and help, for --help and docs. */
void tern_config_print_help(FILE *f);

#endif /* TERN_TRAIN_CONFIG_H */
