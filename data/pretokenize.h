/* pretokenize.h - cut text into pre-tokens, the pieces that no merge crosses.
 *
 * The two patterns are those of GPT-2 and Llama 3. PCRE2 (UTF, UCP, JIT) decides;
 * where all the bytes that matter are ASCII, a scanner written by hand gives the same
 * cuts without asking it (the tests hold the two together).
 *
 * Bytes that are not UTF-8: a byte that begins no valid character is a pre-token by
 * itself, and the valid text on either side is cut as if it stood alone.
 */
#ifndef TERN_DATA_PRETOKENIZE_H
#define TERN_DATA_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tokenizer.h"

typedef struct tern_pretokenizer
    tern_pretokenizer; /* immutable: threads may share it */

tern_status tern_pretokenizer_new(tern_pretok which, tern_pretokenizer **out);
void tern_pretokenizer_free(tern_pretokenizer *p);

/* The pattern as tokenizer.json spells it. */
const char *tern_pretok_pattern(tern_pretok which);

/* A walk along a text; one per thread. */
typedef struct tern_pretok_walk {
    const tern_pretokenizer *p;
    const char *at, *end; /* what is left to cut */
    const char *valid;    /* the text is known to be UTF-8 up to here */
    void *match;          /* PCRE2's scratch memory, made when first needed */
    bool pcre_only;       /* never the hand-written scanner (for tests) */
} tern_pretok_walk;

void tern_pretok_walk_init(tern_pretok_walk *w, const tern_pretokenizer *p);
void tern_pretok_walk_free(tern_pretok_walk *w);

/* Walk along text[0..bytes), borrowed; may be called again for another text. */
void tern_pretok_walk_text(tern_pretok_walk *w, const char *text, size_t bytes);

/* tern_pretok_next() - the next pre-token; *bytes = 0 at the end of the text.
 * TERN_EMEM if PCRE2 gives up. */
tern_status tern_pretok_next(tern_pretok_walk *w, const char **at, size_t *bytes);

/* Is this code point white space (Unicode White_Space, as the patterns mean it)? */
bool tern_is_space(uint32_t cp);

#endif /* TERN_DATA_PRETOKENIZE_H */
