/* fuzz_tokenizer_json.c - libFuzzer: no text whatever may make the tokenizer.json
 * reader misbehave, nor the tokenizer that it makes. What follows a zero byte is the
 * text to encode. */
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/walk_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char usual[] = " the <s>river ab\xc3\xa9\xff</s> x1";
    const char *text = (const char *)data;
    const char *zero = bytes ? memchr(text, '\0', bytes) : NULL;
    const size_t json = zero ? (size_t)(zero - text) : bytes;
    tern_tokenizer *t;
    if (tern_tokenizer_parse(text, json, "fuzz", &t) != TERN_OK) return 0;
    walk_tokenizer(t, usual, sizeof usual - 1);
    if (zero) walk_tokenizer(t, zero + 1, bytes - json - 1);
    tern_tokenizer_free(t);
    return 0;
}
