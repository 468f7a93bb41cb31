/* new_run.h - a run that has weights but no training yet (inside cli/). */
#ifndef TERN_CLI_NEW_RUN_H
#define TERN_CLI_NEW_RUN_H

#include "base/file.h"
#include "train/checkpoint.h"

/* TERN_EARG if `dir` holds a run already. */
tern_status tern_new_run_check(const char *dir);

/* Write dir/config.yaml and, into `path`, dir/checkpoints/step-00000000.h5: a
 * checkpoint of step 0 without optimizer state. tokenizer may be NULL. */
tern_status tern_new_run_save(const char *dir, const tern_config *config,
                              const tern_tokenizer *tokenizer, tern_model *model,
                              char path[TERN_PATH_MAX]);

#endif /* TERN_CLI_NEW_RUN_H */
