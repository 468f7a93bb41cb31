/* run_data.h - which dataset belongs to a run (inside cli/).
 *
 * A run started from a text keeps the dataset made of it (data.h5 in the run); one
 * started from a dataset remembers its absolute path (data.path). Either is there
 * before config.yaml makes the directory a run, so a run always knows its dataset. */
#ifndef TERN_CLI_RUN_DATA_H
#define TERN_CLI_RUN_DATA_H

#include <stdbool.h>

#include "base/file.h"
#include "data/dataset.h"
#include "train/checkpoint.h"

/* What a start has put into the directory of a run that does not exist yet. */
typedef struct tern_run_start {
    const char *dir; /* borrowed */
    int lock;        /* of the directory; -1: not taken */
    bool made_dir;
    char made[TERN_PATH_MAX];     /* data.h5 or data.path; "": neither */
    char template[TERN_PATH_MAX]; /* chat_template.jinja, if it was put there; or "" */
} tern_run_start;

/* For a new run: open `data`, or make a dataset in the run if it is a text; resolve
 * `config`, which came from the file `where`, against it. `init`: the checkpoint whose
 * weights the run starts from, or NULL; a text is then encoded with its tokenizer, and
 * a dataset must have been made with it. What can be refused is refused before anything
 * is written: a directory that holds a run or is locked, data that is neither, a config
 * that fits no dataset. */
tern_status tern_run_start_begin(tern_run_start *r, const char *dir, const char *data,
                                 const char *where, const tern_checkpoint *init,
                                 tern_config *config, tern_dataset **out);
/* Needed after every begin: unlock; if there is no run, remove what was made. */
void tern_run_start_end(tern_run_start *r, bool there_is_a_run);

/* For an existing run: `data` if given, else what the run remembers. */
tern_status tern_run_data_open(const char *dir, const char *data, tern_dataset **out);

/* TERN_EARG unless d was made with the tokenizer of c or, where c has none, knows no
 * more ids than its model. */
tern_status tern_run_data_suits(const tern_checkpoint *c, const tern_dataset *d);

/* After the run has accepted `data` as its dataset: remember where it is now, so that
 * one that has moved is found without --data. */
tern_status tern_run_data_moved(const char *dir, const char *data);

#endif /* TERN_CLI_RUN_DATA_H */
