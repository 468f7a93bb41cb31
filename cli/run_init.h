/* run_init.h - a new run from the weights of another (inside cli/). */
#ifndef TERN_CLI_RUN_INIT_H
#define TERN_CLI_RUN_INIT_H

#include "train/checkpoint.h"

/* For `tern train --init RUN`: the checkpoint, and the config of the new run: of the
 * file `config`, or of the checkpoint if that is NULL, with `sets` on top. Everything
 * may differ from the checkpoint's but the shapes; TERN_EARG names the key. */
tern_status tern_run_init_open(const char *run, const char *config,
                               const char *const *sets, size_t count, tern_config *out,
                               tern_checkpoint **checkpoint);

#endif /* TERN_CLI_RUN_INIT_H */
