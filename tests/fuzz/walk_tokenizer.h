/* walk_tokenizer.h - use a tokenizer that somebody else's bytes have made, as any
 * caller might. */
#ifndef TERN_TESTS_FUZZ_WALK_TOKENIZER_H
#define TERN_TESTS_FUZZ_WALK_TOKENIZER_H

#include <stdlib.h>
#include <string.h>

#include "data/tokenizer.h"

/* Encodes `text`, whole and cut in two, and back; writes the tokenizer as JSON, which
 * must be read again. Ends the process where the two ways differ. */
static inline void walk_tokenizer(const tern_tokenizer *t, const char *text,
                                  size_t bytes)
{
    tern_ids whole = {0}, parts = {0};
    char *back = NULL, *json = NULL;
    tern_tokenizer *again = NULL;
    if (tern_tokenizer_encode(t, text, bytes, true, &whole) == TERN_OK) {
        const size_t cut = bytes ? tern_tokenizer_cut(t, text, bytes / 2, true) : 0;
        tern_status s = tern_tokenizer_encode(t, text, cut, true, &parts);
        if (s == TERN_OK)
            s = (cut ? tern_tokenizer_encode_more
                     : tern_tokenizer_encode)(t, text + cut, bytes - cut, true, &parts);
        if (s != TERN_OK || parts.count != whole.count) abort();
        if (whole.count &&
            memcmp(whole.data, parts.data, whole.count * sizeof *whole.data) != 0)
            abort();
        (void)tern_tokenizer_decode(t, whole.data, whole.count, true, &back, NULL);
    }
    if (tern_tokenizer_json(t, &json) == TERN_OK &&
        tern_tokenizer_parse(json, strlen(json), "again", &again) == TERN_OK &&
        tern_tokenizer_vocab(again) != tern_tokenizer_vocab(t))
        abort();
    tern_tokenizer_free(again);
    free(whole.data);
    free(parts.data);
    free(back);
    free(json);
}

#endif /* TERN_TESTS_FUZZ_WALK_TOKENIZER_H */
