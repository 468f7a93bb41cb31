/* Oracle: linear search. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "data/words.h"

Test(words, numbers_in_order_of_appearance)
{
    tern_words w = {0};
    cr_expect(eq(i64, tern_words_find(&w, "a", 1), -1));
    cr_expect(eq(i64, tern_words_add(&w, "a", 1), 0));
    cr_expect(eq(i64, tern_words_add(&w, "", 0), 1));
    cr_expect(eq(i64, tern_words_add(&w, "a\0b", 3), 2));
    cr_expect(eq(i64, tern_words_add(&w, "a\0c", 3), 3));
    cr_expect(eq(i64, tern_words_add(&w, "a", 1), 0));
    cr_expect(eq(i64, tern_words_find(&w, "a\0c", 3), 3));
    cr_expect(eq(i64, tern_words_find(&w, "a\0", 2), -1));
    cr_expect(eq(i64, tern_words_find(&w, "", 0), 1));
    size_t bytes;
    cr_expect(eq(int, memcmp(tern_words_get(&w, 2, &bytes), "a\0b\0", 4), 0));
    cr_expect(eq(sz, bytes, 3));
    tern_words_free(&w);
}

Test(words, twenty_thousand)
{
    enum { N = 20000 };
    tern_words w = {0};
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++) {
            char s[32];
            const int n = snprintf(s, sizeof s, "%d%*s", i * 7919 % N, i % 13, "");
            const int64_t id = tern_words_add(&w, s, (size_t)n);
            cr_assert(eq(i64, id, i));
        }
    cr_expect(eq(sz, w.count, N));
    for (size_t i = 0; i < N; i += 997) {
        size_t bytes;
        const char *s = tern_words_get(&w, i, &bytes);
        cr_expect(eq(i64, tern_words_find(&w, s, bytes), (int64_t)i));
        cr_expect(eq(sz, strlen(s), bytes));
    }
    tern_words_free(&w);
}
