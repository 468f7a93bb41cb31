/* corpus.h - text files of any size, in pieces that can be tokenised one by one.
 *
 * A piece ends where no token can reach across, so tokenising the pieces gives exactly
 * the ids of the whole file, whatever the size of the pieces:
 *
 *     byte            anywhere
 *     char            between two characters
 *     bpe, gpt-2      between a character that is not a space and one that is
 *     bpe, llama-3    after a newline, before a character that is not a space;
 *                     or between an ASCII letter or digit and a space
 *     spm             between a character that is not a space and one that is, if no
 *                     token continues over a space
 *
 * and never inside a special or added text of the tokenizer. Only a run of 16 MiB
 * without such a place (no text that people write) is cut regardless.
 */
#ifndef TERN_DATA_CORPUS_H
#define TERN_DATA_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tokenizer.h"

enum { TERN_CORPUS_PIECE = 4 << 20, TERN_CORPUS_RUN = 16 << 20 };

typedef struct tern_corpus tern_corpus;

/* tern_corpus_open() - start to read `path` for tokenizer `t` (borrowed) in pieces of
 * about `piece` bytes (0: TERN_CORPUS_PIECE). An empty file is TERN_EFORMAT. */
tern_status tern_corpus_open(const char *path, const tern_tokenizer *t, size_t piece,
                             tern_corpus **out);

/* The next piece, valid until the next call; *bytes is 0 after the last. */
tern_status tern_corpus_next(tern_corpus *c, const char **text, size_t *bytes);

int64_t tern_corpus_size(const tern_corpus *c);   /* bytes in the file */
int64_t tern_corpus_offset(const tern_corpus *c); /* where the current piece starts */
void tern_corpus_close(tern_corpus *c);           /* NULL is fine */

/* What is known about a text file, in path.json beside it; `tern tales` writes it:
 *     {"bytes": 8388641, "stories": 13021, "entropy_nats_per_byte": 0.5671} */
typedef struct tern_corpus_note {
    int64_t bytes, stories;
    double entropy; /* nats per byte that the best possible model needs */
} tern_corpus_note;

tern_status tern_corpus_note_write(const char *path, const tern_corpus_note *note);

/* The entropy of a text file from its note; 0 if there is none, or one that is damaged
 * or was written for a file of another size. */
double tern_corpus_entropy(const char *path);

#endif /* TERN_DATA_CORPUS_H */
