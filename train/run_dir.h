/* run_dir.h - the files of a run directory. Internal to train/; layout: checkpoint.h.
 */
#ifndef TERN_TRAIN_RUN_DIR_H
#define TERN_TRAIN_RUN_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/* dir/checkpoints/step-00001000.h5 */
tern_status tern_run_step_path(const char *dir, int64_t step, char out[TERN_PATH_MAX]);
tern_status tern_run_best_path(const char *dir, char out[TERN_PATH_MAX]);
tern_status tern_run_stopped_path(const char *dir, char out[TERN_PATH_MAX]);

/* The steps that have a checkpoint file, sound or not, newest first. Heap array for
 * free(), NULL if there is none. A directory that does not exist has none. */
tern_status tern_run_steps(const char *dir, int64_t **steps, size_t *count);

/* Checkpoints newer than `step` get the name *.damaged: they could not be read, and
 * must not count as the newest when others are pruned. */
tern_status tern_run_set_aside(const char *dir, int64_t step);

#endif /* TERN_TRAIN_RUN_DIR_H */
