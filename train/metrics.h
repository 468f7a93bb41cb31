/* metrics.h - metrics.jsonl: what happened, one JSON object per line. Internal to
 * train/.
 *
 * Every line has "event" and "step". A line is one write() to the end of the file, so a
 * process that dies leaves at most one line unfinished, and opening the file to go on
 * from step S removes that and every line of a later step. Fields that depend on the
 * clock (tokens_per_second, seconds) come last; all others are a function of config,
 * data and number of threads, so a resumed run writes the lines an uninterrupted one
 * would have written.
 */
#ifndef TERN_TRAIN_METRICS_H
#define TERN_TRAIN_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

typedef struct tern_metrics {
    int fd;
    char path[TERN_PATH_MAX];
    char *line; /* being built; kept from line to line */
    size_t used, capacity;
    bool failed; /* out of memory while building */
} tern_metrics;

/* Open (or create) the file and cut it back to `step`; empty: no line is left. */
tern_status tern_metrics_open(tern_metrics *m, const char *path, int64_t step,
                              bool *empty);
void tern_metrics_close(tern_metrics *m); /* also of a zeroed struct */

/* begin, any fields, end: which writes. Numbers read back exactly; one that is not
 * finite becomes null. */
void tern_metrics_begin(tern_metrics *m, const char *event, int64_t step);
void tern_metrics_int(tern_metrics *m, const char *key, int64_t value);
void tern_metrics_real(tern_metrics *m, const char *key, double value);
void tern_metrics_bool(tern_metrics *m, const char *key, bool value);
void tern_metrics_text(tern_metrics *m, const char *key, const char *value);
/* {"wq":[0.02,0.021],...}: an object of lists, built list by list. An item has five
 * digits, which tell every fp16 number from the next. */
void tern_metrics_lists(tern_metrics *m, const char *key);
void tern_metrics_list(tern_metrics *m, const char *key);
void tern_metrics_item(tern_metrics *m, double value);
void tern_metrics_list_end(tern_metrics *m);
void tern_metrics_lists_end(tern_metrics *m);
tern_status tern_metrics_end(tern_metrics *m);

/* Down to the disk, before a checkpoint that relies on it. */
tern_status tern_metrics_flush(tern_metrics *m);

#endif /* TERN_TRAIN_METRICS_H */
