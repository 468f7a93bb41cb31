/* bpe.h - one pre-token into ids: merge the pair of lowest rank until none is left. */
#ifndef TERN_DATA_BPE_H
#define TERN_DATA_BPE_H

#include "data/tokenizer_impl.h"

/* Memory of one thread, kept from word to word. */
typedef struct tern_bpe_scratch {
    int32_t *ids;          /* the result */
    uint32_t *prev, *next; /* neighbours that are still there */
    uint64_t *heap;        /* rank << 32 | position */
    size_t cap, heap_cap, heap_count;
} tern_bpe_scratch; /* zero-initialise */

/* tern_bpe_word() - ids of word[0..bytes), bytes > 0, into scratch->ids; *count of
 * them. Every byte must have a token. O(n log n) in the length of the word.
 * TERN_EMEM; TERN_EARG for a word of 4 GiB. */
tern_status tern_bpe_word(const tern_tokenizer *t, const char *word, size_t bytes,
                          tern_bpe_scratch *scratch, size_t *count);
/* The two halves of it, for symbols that are not bytes: room for `count` of them in
 * scratch->ids, and their merges. TERN_EMEM; TERN_EARG for
 * 2^32 symbols. */
tern_status tern_bpe_reserve(tern_bpe_scratch *scratch, size_t count);
tern_status tern_bpe_merge(const tern_tokenizer *t, tern_bpe_scratch *scratch,
                           size_t *count);
void tern_bpe_scratch_free(tern_bpe_scratch *scratch);

#endif /* TERN_DATA_BPE_H */
