/* corpus.h - from the words on a command line to a dataset (inside cli/). */
#ifndef TERN_CLI_CORPUS_H
#define TERN_CLI_CORPUS_H

#include <stddef.h>

#include "data/dataset.h"
#include "data/tokenizer.h"

/* Is this a tokenizer's name, or a file? TERN_EARG says what the choices are. */
tern_status tern_check_tokenizer(const char *choice);

/* byte | char | bpe:N | path of a tokenizer.json: made, learned from the files, or
 * loaded. Shows progress. */
tern_status tern_choose_tokenizer(const char *choice, tern_pretok pretok,
                                  const char *const *paths, size_t count,
                                  tern_tokenizer **out);

/* Learn (or load) the tokenizer and write the dataset to `path`, showing progress. */
tern_status tern_make_dataset(const char *choice, tern_pretok pretok, double val,
                              const char *const *paths, size_t count, const char *path);

/* The same with a tokenizer that is there already. */
tern_status tern_encode_dataset(const tern_tokenizer *t, double val,
                                const char *const *paths, size_t count,
                                const char *path);

#endif /* TERN_CLI_CORPUS_H */
