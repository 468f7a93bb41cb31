/* run_data.h - which dataset belongs to a run (inside cli/).
 *
 * A run started from a text keeps the dataset made of it (data.h5 in the run); one
 * started from a dataset remembers its absolute path (data.path). */
#ifndef TERN_CLI_RUN_DATA_H
#define TERN_CLI_RUN_DATA_H

#include "data/dataset.h"
#include "train/config.h"

/* For a new run: open `data`, or make a dataset in the run if it is a text. Refuses a
 * directory that already holds a run, before anything is written. */
tern_status tern_run_data_begin(const char *dir, const char *data,
                                const tern_config *config, tern_dataset **out);

/* After the run has been created: write data.path where it is needed. */
tern_status tern_run_data_remember(const char *dir, const char *data);

/* For an existing run: `data` if given, else what the run remembers. */
tern_status tern_run_data_open(const char *dir, const char *data, tern_dataset **out);

#endif /* TERN_CLI_RUN_DATA_H */
