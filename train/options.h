/* options.h - the one table of options, and values as text. Internal to train/.
 *
 * A row says everything about an option; config.c and yaml.c only walk the table.
 * Values travel as text (from YAML, from --set, from the row's own default) through one
 * parser, so the same mistake gets the same message everywhere.
 */
#ifndef TERN_TRAIN_OPTIONS_H
#define TERN_TRAIN_OPTIONS_H

#include <stddef.h>

#include "train/config.h"

typedef enum tern_option_type {
    TERN_OPT_INT,    /* int64_t */
    TERN_OPT_SEED,   /* uint64_t */
    TERN_OPT_FLOAT,  /* float */
    TERN_OPT_REAL,   /* double */
    TERN_OPT_BOOL,   /* bool */
    TERN_OPT_FLAG,   /* int, 0 or 1 */
    TERN_OPT_CHOICE, /* an enum: the place of the word in `choices` */
    TERN_OPT_TEXT    /* char[max + 1] */
} tern_option_type;

enum {
    TERN_OPT_ABOVE = 1, /* min itself is too small */
    TERN_OPT_LIVE = 2   /* may change when a run is resumed */
};

typedef struct tern_option {
    const char *section, *key;
    tern_option_type type;
    size_t offset;   /* in tern_config */
    double min, max; /* numbers; text: bytes */
    unsigned flags;
    const char *choices; /* "bitnet llama" */
    const char *value;   /* the default */
    const char *help;    /* one sentence, no full stop */
} tern_option;

enum { TERN_OPTION_NAME = 64, TERN_OPTION_VALUE = 1024 };

size_t tern_option_count(void);
const tern_option *tern_option_at(size_t i); /* rows of a section are neighbours */
/* By "section.key", or NULL. */
const tern_option *tern_option_find(const char *name);
/* "section.key" of a row. */
void tern_option_name(const tern_option *o, char out[TERN_OPTION_NAME]);

/* Add a word to a list in a buffer of TERN_OPTION_VALUE, `link` before it unless it is
 * the first; what does not fit is left out. */
void tern_option_list(char list[TERN_OPTION_VALUE], const char *link, const char *word);

/* Text to value, with all checks. `where` ("a.yaml:3", "--set") starts the message,
 * which names the option, the text and what would be right. c is then unchanged. */
tern_status tern_option_parse(const tern_option *o, const char *text, const char *where,
                              tern_config *c);
/* Value to text, the shortest that reads back as the same value. */
void tern_option_text(const tern_option *o, const tern_config *c,
                      char out[TERN_OPTION_VALUE]);
/* "1 to 1024", "above 0 to 10", "bitnet or llama", "true or false". */
void tern_option_range(const tern_option *o, char out[TERN_OPTION_VALUE]);

/* Letters to insert, delete, change or swap to get from a to b; both are shorter than
 * TERN_OPTION_NAME. */
size_t tern_option_distance(const char *a, const char *b);

/* What the writer of an unknown name may have meant ("optim.lr" for "lr", "optim.rl"):
 * the nearest name, or NULL if none is near. */
const tern_option *tern_option_nearest(const char *name);

#endif /* TERN_TRAIN_OPTIONS_H */
