/* tales.h - the built-in corpus: small stories from a grammar, with their entropy.
 *
 * Each story has a hero, friends, things and places that stay what they are to its end:
 * what is lost is found where it was left, whoever keeps bees gives honey, six plums
 * less two are four. So a model must use everything it has read to be right, and
 * because the stories come from choices of known probability, the best loss any model
 * could reach is known exactly (tales_grammar.h).
 *
 * Format of the file: ASCII; a story is one paragraph or a few lines, and an empty line
 * ends it. No special texts, so every kind of tokenizer reads it and writes it cleanly.
 */
#ifndef TERN_DATA_TALES_H
#define TERN_DATA_TALES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { TERN_TALE_BYTES = 4096 }; /* no story is longer */

typedef struct tern_tales_stats {
    int64_t bytes, stories;
    double nats; /* information in all of them: nats / bytes is the entropy */
} tern_tales_stats;

/* tern_tales_story() - one story of a seed into out, ending in an empty line,
 * without a NUL; returns its length, and in *nats (may be NULL) its exact information,
 * - ln of its probability. A pure function of (seed, number); number below 2^32. */
size_t tern_tales_story(uint64_t seed, uint64_t number, char out[TERN_TALE_BYTES],
                        double *nats);

/* tern_tales_write() - whole stories until at least `bytes` are written, atomically,
 * and beside it the note with the entropy (corpus.h). progress and stats may be NULL.
 */
tern_status tern_tales_write(const char *path, int64_t bytes, uint64_t seed,
                             void (*progress)(double fraction, void *user), void *user,
                             tern_tales_stats *stats);

/* tern_tales_check() - could this be a story, told to its end and true to itself? For
 * text that a model wrote. On TERN_OK *nats (may be NULL) is its information; otherwise
 * TERN_EFORMAT, and *reached (may be NULL) is how many bytes still made sense. Empty
 * lines and spaces around the story are ignored. Takes some milliseconds. */
tern_status tern_tales_check(const char *text, size_t bytes, double *nats,
                             size_t *reached);

#endif /* TERN_DATA_TALES_H */
