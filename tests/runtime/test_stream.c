/* Oracle: all of the text at once. The end is the first place where a stop string is
 * complete, before the longest one that is complete there; found by trying every place.
 * Every way of cutting short texts must show the same, and never a byte too early. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "runtime/runtime.h"

enum { MOST = 64 };

typedef struct example {
    const char *text;
    const char *stops[4];
} example;

static const example EXAMPLES[] = {
    {"no stop string at all", {NULL}},
    {"One two. The end of it", {"The end", NULL}},
    {"aaaab", {"aab", NULL}},          /* the match begins inside a failed one */
    {"ababac", {"abac", NULL}},        /* likewise */
    {"xabcabd", {"abd", "bca", NULL}}, /* the second one comes first */
    {"say <|end|> now", {"<|end|>", "<|", NULL}}, /* the shorter is complete first */
    {"stop", {"op", "stop", "top", NULL}},        /* all at once: the longest */
    {"stop", {"stop", NULL}},                     /* nothing is left */
    {"nearly a sto", {"stop", NULL}},             /* held back, given at the end */
    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80!", {"\x98\x80!", NULL}},
    {"caf\xc3\xa9\nUser:", {"\nUser:", "\n\n", NULL}},
    {"bad \xff\xc3 \xe2\x82 bytes \xf0\x9f", {"bytes!", NULL}},
    {"ends in \xe2\x82", {NULL}},
};

static size_t stop_count(const example *e)
{
    size_t n = 0;
    while (n < 4 && e->stops[n]) n++;
    return n;
}

/* Bytes of text before the end, and whether a stop string made it. */
static size_t oracle(const example *e, bool *stopped)
{
    const size_t n = strlen(e->text);
    for (size_t end = 1; end <= n; end++) {
        size_t most = 0;
        for (size_t i = 0; i < stop_count(e); i++) {
            const size_t b = strlen(e->stops[i]);
            if (b <= end && !strncmp(e->text + end - b, e->stops[i], b) && b > most)
                most = b;
        }
        if (most == 0) continue;
        *stopped = true;
        return end - most;
    }
    *stopped = false;
    return n;
}

/* Whether the characters of s[0..n) are whole, so far as they can be: it does not end
 * in the beginning of a valid one. */
static bool whole(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char c = (unsigned char)s[n - back];
        if (c >= 0xc2 && c <= 0xf4) return back >= (c < 0xe0 ? 2u : c < 0xf0 ? 3u : 4u);
        if (c < 0x80 || c >= 0xc0) return true;
    }
    return true;
}

/* Push the text in pieces that end where `cuts` has a 1; compare with the oracle. */
static void check_cuts(const example *e, uint64_t cuts)
{
    char shown[MOST] = "";
    size_t count = 0, n = strlen(e->text), ready_bytes;
    const char *ready;
    bool stopped;
    const size_t want = oracle(e, &stopped);
    tern_stream *s = NULL;
    cr_assert(tern_stream_new(e->stops, stop_count(e), &s) == TERN_OK);
    for (size_t from = 0, to = 1; to <= n; to++) {
        if (to < n && !(cuts >> to & 1)) continue;
        char *piece = malloc(to - from); /* its own block: no byte beyond is read */
        memcpy(piece, e->text + from, to - from);
        cr_assert(tern_stream_push(s, piece, to - from, &ready, &ready_bytes) ==
                  TERN_OK);
        free(piece);
        memcpy(shown + count, ready, ready_bytes);
        count += ready_bytes;
        from = to;
        cr_assert(le(sz, count, want), "\"%s\", cuts %llx: too much", e->text,
                  (unsigned long long)cuts);
        if (!tern_stream_stopped(s))
            cr_assert(whole(shown, count), "\"%s\": half a character", e->text);
    }
    ready = tern_stream_finish(s, &ready_bytes);
    memcpy(shown + count, ready, ready_bytes);
    count += ready_bytes;
    cr_assert(tern_stream_stopped(s) == stopped);
    cr_assert(count == want && memcmp(shown, e->text, want) == 0,
              "\"%s\", cuts %llx: %zu bytes, not %zu", e->text,
              (unsigned long long)cuts, count, want);
    const char *all = tern_stream_text(s, &ready_bytes);
    cr_assert(ready_bytes == want && memcmp(all, e->text, want) == 0);
    tern_stream_free(s);
}

Test(stream, every_way_of_cutting)
{
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        const size_t n = strlen(EXAMPLES[i].text);
        const uint64_t ways = n <= 12 ? 1ull << n : 4096;
        for (uint64_t way = 0; way < ways; way++)
            check_cuts(&EXAMPLES[i], n <= 12 ? way : tern_rand_u64(1, i, way));
        check_cuts(&EXAMPLES[i], 0);
        check_cuts(&EXAMPLES[i], UINT64_MAX);
    }
}

/* Texts over {a, b} with random stop strings meet every kind of overlap. */
Test(stream, random_texts)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        char text[21], stops[3][6];
        example e = {.text = text};
        for (uint64_t i = 0; i < 20; i++)
            text[i] = (char)('a' + tern_rand_below(seed, 1, i, 2));
        text[20] = '\0';
        for (uint64_t i = 0; i < 3; i++) {
            const uint64_t n = 2 + tern_rand_below(seed, 2, i, 4);
            for (uint64_t j = 0; j < n; j++)
                stops[i][j] = (char)('a' + tern_rand_below(seed, 3 + i, j, 2));
            stops[i][n] = '\0';
            e.stops[i] = stops[i];
        }
        for (uint64_t way = 0; way < 8; way++)
            check_cuts(&e, tern_rand_u64(seed, 9, way));
    }
}

/* Held back is only what must be: the byte that decides sets it free. */
Test(stream, shows_as_soon_as_it_can)
{
    static const char *const stops[] = {"stop"};
    static const struct {
        const char *piece, *ready;
    } steps[] = {{"a s", "a "}, {"t", ""},
                 {"a", "sta"},  {"st", ""},
                 {"st", "st"},  {"ore\xe2", "store"},
                 {"\x82", ""},  {"\xac", "\xe2\x82\xac"},
                 {"", ""},      {"\xff", "\xff"},
                 {" sto", " "}, {"p it", ""}};
    tern_stream *s = NULL;
    cr_assert(tern_stream_new(stops, 1, &s) == TERN_OK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const char *ready;
        size_t n;
        cr_assert(tern_stream_push(s, steps[i].piece, strlen(steps[i].piece), &ready,
                                   &n) == TERN_OK);
        cr_expect(n == strlen(steps[i].ready) && !memcmp(ready, steps[i].ready, n),
                  "step %zu: \"%.*s\"", i, (int)n, ready);
    }
    cr_expect(tern_stream_stopped(s));
    tern_stream_free(s);
}

Test(stream, ignores_what_comes_after_the_end)
{
    static const char *const stops[] = {"."};
    const char *ready;
    size_t n;
    tern_stream *s = NULL;
    cr_assert(tern_stream_new(stops, 1, &s) == TERN_OK);
    cr_assert(tern_stream_push(s, "one. two.", 9, &ready, &n) == TERN_OK);
    cr_expect(n == 3 && tern_stream_stopped(s));
    cr_assert(tern_stream_push(s, " three", 6, &ready, &n) == TERN_OK);
    cr_expect(eq(sz, n, 0));
    (void)tern_stream_finish(s, &n);
    cr_expect(eq(sz, n, 0));
    cr_expect(strncmp(tern_stream_text(s, &n), "one", 3) == 0 && n == 3);
    tern_stream_free(s);
}

Test(stream, empty)
{
    static const char *const stops[] = {"x", ""};
    size_t n;
    tern_stream *s = NULL;
    cr_expect(eq(int, tern_stream_new(stops, 2, &s), TERN_EARG));
    cr_expect(strstr(tern_error_message(), "empty") && s == NULL);
    cr_assert(tern_stream_new(NULL, 0, &s) == TERN_OK);
    cr_expect(tern_stream_finish(s, &n) != NULL && n == 0);
    cr_expect(tern_stream_text(s, &n) != NULL && n == 0);
    tern_stream_free(s);
    tern_stream_free(NULL);
}
