/* tokenizer_help.h - small tokenizers to test with. */
#ifndef TERN_TESTS_DATA_TOKENIZER_HELP_H
#define TERN_TESTS_DATA_TOKENIZER_HELP_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/tokenizer.h"
#include "tests/support/scratch.h"

#define MUST(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

/* Learn from a text by way of a file. */
static inline tern_tokenizer *learn(const char *text, size_t bytes,
                                    const tern_tokenizer_training *how)
{
    char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/corpus.txt", dir);
    MUST(tern_file_write(path, text, bytes));
    const char *paths[] = {path};
    tern_tokenizer *t = NULL;
    MUST(tern_tokenizer_train(paths, 1, how, &t));
    tern_scratch_remove(dir);
    return t;
}

/* A bpe tokenizer with two specials, from a few sentences. */
static inline tern_tokenizer *small_bpe(tern_pretok pretok)
{
    static const char text[] =
        "the river the other river then there they never the then over\n\n"
        "it's there, isn't it? we're here; we'll never go over the river again!\n"
        "aaaa aaa aa a aaaaaaa bb bbb ab abab\n    deep\n        deeper 1234 12 123\n"
        "\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87 caf\xc3\xa9 "
        "\xc3\xa9t\xc3\xa9 "
        "\xd0\xbb\xd0\xb8\xd1\x81\xd0\xb0 \xd0\xbb\xd0\xb8\xd1\x81\n";
    static const char *const special[] = {"<|endoftext|>", "<|end|>"};
    const tern_tokenizer_training how = {.kind = TERN_TOK_BPE,
                                         .vocab = 330,
                                         .pretok = pretok,
                                         .special = special,
                                         .specials = 2};
    return learn(text, sizeof text - 1, &how);
}

static inline void expect_ids(const tern_tokenizer *t, const char *text, size_t bytes,
                              bool parse_special, const int32_t *want, size_t count)
{
    tern_ids ids = {0};
    MUST(tern_tokenizer_encode(t, text, bytes, parse_special, &ids));
    bool same = ids.count == count;
    for (size_t i = 0; same && i < count; i++) same = ids.data[i] == want[i];
    cr_expect(same, "\"%.*s\": %zu ids, want %zu", (int)bytes, text, ids.count, count);
    free(ids.data);
}

/* Does the text come back from its ids? */
static inline void expect_round_trip(const tern_tokenizer *t, const char *text,
                                     size_t bytes)
{
    tern_ids ids = {0};
    char *back;
    size_t n;
    MUST(tern_tokenizer_encode(t, text, bytes, false, &ids));
    MUST(tern_tokenizer_decode(t, ids.data, ids.count, false, &back, &n));
    cr_expect(n == bytes && memcmp(back, text, n) == 0, "%zu bytes came back as %zu",
              bytes, n);
    cr_expect(back[n] == '\0');
    free(back);
    free(ids.data);
}

#endif /* TERN_TESTS_DATA_TOKENIZER_HELP_H */
