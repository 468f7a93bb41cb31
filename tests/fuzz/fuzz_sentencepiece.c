/* fuzz_sentencepiece.c - libFuzzer: no bytes whatever may make the reader of
 * tokenizer.model misbehave, nor the tokenizer that it makes. */
#include <stddef.h>
#include <stdint.h>

#include "data/sentencepiece.h"
#include "tests/fuzz/walk_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char usual[] =
        " the  <s>river<tool> ab\xc3\xa9\xff</s> x1\xe2\x96\x81";
    tern_tokenizer *t;
    if (tern_sentencepiece_parse((const char *)data, bytes, "fuzz", &t) != TERN_OK)
        return 0;
    walk_tokenizer(t, usual, sizeof usual - 1);
    walk_tokenizer(t, (const char *)data, bytes < 300 ? bytes : 300);
    tern_tokenizer_free(t);
    return 0;
}
