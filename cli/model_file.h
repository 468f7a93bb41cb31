/* model_file.h - an exported model that reads and writes text (inside cli/). */
#ifndef TERN_CLI_MODEL_FILE_H
#define TERN_CLI_MODEL_FILE_H

#include <argp.h>

#include "runtime/runtime.h"

/* Open a GGUF file, and the tokenizer in it. A run directory or checkpoint gets a
 * message that says to export. tern_runtime_free(). */
tern_status tern_model_file_open(const char *path, tern_runtime **out);

/* Option --activations of a command that runs an exported model. */
#define TERN_HELP_ACTIVATIONS                                                          \
    "To what the inputs of the matrices are rounded: per-token (8 bits, as in "        \
    "training; the default), q8_k or q8_0 (8 bits in blocks of 256 or 32, as "         \
    "llama.cpp does), none. All but the default are slow"
tern_activations tern_arg_activations(struct argp_state *state, const char *arg);

/* Option --cache: in what keys and values are kept. */
#define TERN_HELP_CACHE                                                                \
    "Of keys and values: f32 (as in training; the default), f16 (half of the memory, " \
    "and faster in a long text) or int8 (about a quarter, and faster still)"
tern_cache_type tern_arg_cache(struct argp_state *state, const char *arg);

#endif /* TERN_CLI_MODEL_FILE_H */
