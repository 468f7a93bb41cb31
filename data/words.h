/* words.h - byte strings by number: each distinct string gets 0, 1, 2, ... in the order
 * of its first appearance. The vocabulary's texts, and the pre-tokens of a corpus, are
 * kept this way; what belongs to a string stands in an array of the caller's.
 *
 * Not thread-safe while strings are added; any number of threads may look up. */
#ifndef TERN_DATA_WORDS_H
#define TERN_DATA_WORDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct tern_words {
    char *bytes;  /* the strings, each with a NUL behind it */
    size_t *at;   /* string i is bytes[at[i] .. at[i + 1] - 1) */
    size_t count; /* strings held */
    size_t used, bytes_cap, at_cap;
    uint32_t *slots; /* open addressing: number + 1, 0 where free */
    size_t slot_count;
} tern_words; /* zero-initialise */

/* The number of this string, added if it is new; -1 if memory (or 2^31 numbers) ran
 * out. */
int64_t tern_words_add(tern_words *w, const char *s, size_t bytes);

/* The number of this string; -1 if it is not there. */
int64_t tern_words_find(const tern_words *w, const char *s, size_t bytes);

/* String i < count, NUL-terminated; valid until the next add. */
static inline const char *tern_words_get(const tern_words *w, size_t i, size_t *bytes)
{
    if (bytes) *bytes = w->at[i + 1] - w->at[i] - 1;
    return w->bytes + w->at[i];
}

void tern_words_free(tern_words *w);

#endif /* TERN_DATA_WORDS_H */
