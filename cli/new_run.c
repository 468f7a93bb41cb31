/* new_run.c - see new_run.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/new_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

tern_status tern_new_run_check(const char *dir)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "config.yaml"));
    if (!tern_file_exists(path)) return TERN_OK;
    return tern_fail(TERN_EARG, "%s already holds a run; choose another directory",
                     dir);
}

static tern_status write_config(const char *dir, const tern_config *config)
{
    char path[TERN_PATH_MAX], *yaml;
    TERN_TRY(tern_path_join(path, dir, "config.yaml"));
    TERN_TRY(tern_config_yaml(config, &yaml));
    const tern_status s = tern_file_write(path, yaml, strlen(yaml));
    free(yaml);
    return s;
}

/* Folders that hold nothing, after a failure. */
static void tidy(const char *dir)
{
    char path[TERN_PATH_MAX];
    if (tern_path_join(path, dir, "checkpoints") == TERN_OK) (void)rmdir(path);
    (void)rmdir(dir);
}

tern_status tern_new_run_save(const char *dir, const tern_config *config,
                              const tern_tokenizer *tokenizer, tern_model *model,
                              char path[TERN_PATH_MAX])
{
    const tern_progress_state state = {.val = (double)NAN, .best_val = (double)NAN};
    TERN_TRY(tern_path_join(path, dir, "checkpoints"));
    TERN_TRY(tern_make_dirs(path));
    tern_status s = tern_path_join(path, dir, "checkpoints/step-00000000.h5");
    if (s == TERN_OK) {
        tern_phase(tern_spec_params(tern_model_spec(model)), "writing %s", path);
        s = tern_checkpoint_save(path, config, tokenizer, model, NULL, &state);
    }
    if (s == TERN_OK) s = write_config(dir, config); /* which makes it a run */
    tern_phase_end();
    if (s != TERN_OK) tidy(dir);
    return s;
}
