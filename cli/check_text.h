/* check_text.h - the text on which an export is compared with its model (inside cli/).
 */
#ifndef TERN_CLI_CHECK_TEXT_H
#define TERN_CLI_CHECK_TEXT_H

#include "base/file.h"
#include "train/checkpoint.h"

typedef struct tern_check_text {
    int32_t *ids;
    int64_t count;
    const char *source;       /* "validation", "train" (split), "made-up" */
    char data[TERN_PATH_MAX]; /* the dataset; "" if made up */
} tern_check_text;

/* Up to `count` ids of `data` or, if it is NULL, of the dataset of the run that `run`
 * is or stands in: of what was held out or, if nothing was, of the train split. If the
 * run's dataset is missing, a warning and ids that go through the vocabulary. A dataset
 * that is damaged, or that has another tokenizer, is an error. */
tern_status tern_check_text_open(const tern_checkpoint *c, const char *run,
                                 const char *data, int64_t count, tern_check_text *out);
void tern_check_text_free(tern_check_text *t);

#endif /* TERN_CLI_CHECK_TEXT_H */
