/* random_text.h - hard text for tokenizers, the same on every machine. */
#ifndef TERN_TESTS_DATA_RANDOM_TEXT_H
#define TERN_TESTS_DATA_RANDOM_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "data/utf8.h"

typedef struct random_text {
    uint64_t seed, next;
} random_text;

static inline size_t random_below(random_text *r, size_t n)
{
    return (size_t)tern_rand_below(r->seed, TERN_STREAM_TEST, r->next++, n);
}

/* One scrap of text, at most 8 bytes: what the patterns treat specially is frequent. */
static inline size_t random_scrap(random_text *r, char out[8])
{
    static const char *const scraps[] = {
        " ",  " ",   " ",    "  ",       "\n",       "\r\n",         "\t",
        "'s", "'S",  "'re",  "'LL",      "'ll",      "'v",           "'",
        "'d", "1",   "234",  "5678",     "!",        "?!",           "--",
        "a",  "the", "word", "\xc3\xa9", "\xc5\xbf", "\xd0\xb0",     "\xe4\xb8\xad",
        "\f", "\v",  "'x",   "\xc2\xa0", "\xc2\x85", "\xe3\x80\x80", "\xe2\x80\xa8"};
    if (random_below(r, 8) > 0) {
        const char *s = scraps[random_below(r, sizeof scraps / sizeof *scraps)];
        memcpy(out, s, strlen(s));
        return strlen(s);
    }
    uint32_t cp = (uint32_t)random_below(r, random_below(r, 2) ? 0x110000 : 0x3000);
    if (cp >= 0xd800 && cp < 0xe000) cp = 0x4e00;
    return tern_utf8_encode(cp, out);
}

/* About `bytes` (at most that many) of scraps; one in `broken` (0: none) is a byte that
 * is not UTF-8. */
static inline size_t random_fill(random_text *r, char *out, size_t bytes, size_t broken)
{
    size_t n = 0;
    while (n + 8 <= bytes) {
        if (broken && random_below(r, broken) == 0)
            out[n++] = (char)(0x80 + random_below(r, 0x80));
        else
            n += random_scrap(r, out + n);
    }
    return n;
}

#endif /* TERN_TESTS_DATA_RANDOM_TEXT_H */
