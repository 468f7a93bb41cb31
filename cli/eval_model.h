/* eval_model.h - loss of an exported or a trained model (inside cli/). */
#ifndef TERN_CLI_EVAL_MODEL_H
#define TERN_CLI_EVAL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"
#include "runtime/runtime.h"

typedef struct tern_eval_figures {
    char model[TERN_PATH_MAX], data[TERN_PATH_MAX]; /* the files */
    const char *split; /* of the data: "validation", or "all" of a text */
    double loss, perplexity, bits_per_byte;
    double entropy; /* of the source, nats per byte; 0 if unknown */
    int64_t tokens, bytes;
} tern_eval_figures;

typedef void (*tern_eval_progress)(double fraction, void *user);

/* Which text, and how much of it at a time. */
typedef struct tern_eval_text {
    const char *data;   /* a dataset or a text; NULL: a run's own */
    int64_t max_tokens; /* 0: all */
    int64_t stride;     /* as train/eval.h has it; 0: the model's context */
    /* The rest is for exported models only. */
    int64_t chunk; /* not 0: windows of this many tokens, see score_chunks() */
    tern_activations activations;
    tern_cache_type cache; /* --cache */
} tern_eval_text;

/* A GGUF file, by the runtime. */
tern_status tern_eval_exported(const char *model, const tern_eval_text *text,
                               tern_eval_progress progress, void *user,
                               tern_eval_figures *out);

/* A run or checkpoint, by training's forward pass. In the runtime-only build an error
 * that says so. */
tern_status tern_eval_trained(const char *run, bool best, const tern_eval_text *text,
                              tern_eval_progress progress, void *user,
                              tern_eval_figures *out);

#endif /* TERN_CLI_EVAL_MODEL_H */
