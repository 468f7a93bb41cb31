/* Oracle: PCRE2 with the patterns as they were published (written out again here), one
 * match after the other over the whole text. U+180E is left out of the random text:
 * PCRE2's \s takes it, Unicode's White_Space does not; it has a test of its own. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pcre2.h>
#include <stdio.h>

#include "base/file.h"
#include "data/pretokenize.h"
#include "tests/data/random_text.h"
#include "tests/support/scratch.h"

static const char *const patterns[] = {
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| "
    "?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};

typedef struct oracle {
    pcre2_code *re;
    pcre2_match_data *match;
} oracle;

static oracle oracle_new(tern_pretok which)
{
    int code;
    PCRE2_SIZE where;
    oracle o = {.re = pcre2_compile((PCRE2_SPTR)patterns[which], PCRE2_ZERO_TERMINATED,
                                    PCRE2_UTF | PCRE2_UCP, &code, &where, NULL)};
    cr_assert(ne(ptr, o.re, NULL));
    pcre2_jit_compile(o.re, PCRE2_JIT_COMPLETE);
    o.match = pcre2_match_data_create(1, NULL);
    return o;
}

static void oracle_free(oracle *o)
{
    pcre2_match_data_free(o->match);
    pcre2_code_free(o->re);
}

static void expect_same_cuts(const oracle *o, const tern_pretokenizer *p,
                             bool pcre_only, const char *text, size_t bytes)
{
    tern_pretok_walk w;
    tern_pretok_walk_init(&w, p);
    w.pcre_only = pcre_only;
    tern_pretok_walk_text(&w, text, bytes);
    size_t at = 0;
    for (;;) {
        const char *word;
        size_t n;
        cr_assert(eq(int, tern_pretok_next(&w, &word, &n), TERN_OK));
        if (at == bytes) {
            cr_assert(eq(sz, n, 0));
            break;
        }
        const int rc = pcre2_match(o->re, (PCRE2_SPTR)text, bytes, at,
                                   PCRE2_NO_UTF_CHECK, o->match, NULL);
        cr_assert(gt(int, rc, 0));
        const size_t *range = pcre2_get_ovector_pointer(o->match);
        cr_assert(word == text + at && range[0] == at && range[1] == at + n,
                  "at byte %zu the pattern cuts %zu bytes, we %zu: %.*s", at,
                  range[1] - range[0], n, (int)(range[1] - range[0] + 20), text + at);
        at += n;
    }
    tern_pretok_walk_free(&w);
}

static void random_text_of(tern_pretok which, bool pcre_only, size_t bytes, int texts)
{
    oracle o = oracle_new(which);
    tern_pretokenizer *p;
    cr_assert(eq(int, tern_pretokenizer_new(which, &p), TERN_OK));
    random_text r = {.seed = 11};
    char *text = malloc(bytes);
    for (int i = 0; i < texts; i++) {
        size_t n = random_fill(&r, text, bytes, 0);
        for (char *s = text; (s = memchr(s, '\xe1', (size_t)(text + n - s))); s++)
            if (memcmp(s, "\xe1\xa0\x8e", 3) == 0) s[2] = '\x8f';
        expect_same_cuts(&o, p, pcre_only, text, n);
    }
    free(text);
    tern_pretokenizer_free(p);
    oracle_free(&o);
}

Test(pretokenize, random_unicode_gpt2)
{
    random_text_of(TERN_PRETOK_GPT2, false, 1 << 16, 8);
    random_text_of(TERN_PRETOK_GPT2, false, 24, 20000);
}

Test(pretokenize, random_unicode_llama3)
{
    random_text_of(TERN_PRETOK_LLAMA3, false, 1 << 16, 8);
    random_text_of(TERN_PRETOK_LLAMA3, false, 24, 20000);
}

Test(pretokenize, pcre_path_gives_the_same)
{
    random_text_of(TERN_PRETOK_GPT2, true, 24, 5000);
    random_text_of(TERN_PRETOK_LLAMA3, true, 24, 5000);
}

/* All short texts over what the patterns distinguish: every branch, every lookahead. */
Test(pretokenize, every_short_ascii_text)
{
    static const char letters[] = "'sLe1 \n!\t";
    enum { N = sizeof letters - 1, LENGTH = 5 };
    for (int which = 0; which < 2; which++) {
        oracle o = oracle_new((tern_pretok)which);
        tern_pretokenizer *p;
        cr_assert(eq(int, tern_pretokenizer_new((tern_pretok)which, &p), TERN_OK));
        for (int n = 1, all = N; n <= LENGTH; n++, all *= N)
            for (int code = 0; code < all; code++) {
                char text[LENGTH];
                for (int i = 0, c = code; i < n; i++, c /= N) text[i] = letters[c % N];
                expect_same_cuts(&o, p, false, text, (size_t)n);
            }
        tern_pretokenizer_free(p);
        oracle_free(&o);
    }
}

Test(pretokenize, wikitext)
{
    char path[TERN_TEST_PATH];
    if (!tern_test_data("wikitext2/valid.txt", path)) cr_skip_test("no %s", path);
    tern_map m;
    cr_assert(eq(int, tern_map_open(path, &m), TERN_OK));
    for (int which = 0; which < 2; which++) {
        oracle o = oracle_new((tern_pretok)which);
        tern_pretokenizer *p;
        cr_assert(eq(int, tern_pretokenizer_new((tern_pretok)which, &p), TERN_OK));
        expect_same_cuts(&o, p, false, (const char *)m.data, m.bytes);
        tern_pretokenizer_free(p);
        oracle_free(&o);
    }
    tern_map_close(&m);
}

static void expect_words(tern_pretok which, const char *text, size_t bytes,
                         const char *const *want)
{
    tern_pretokenizer *p;
    cr_assert(eq(int, tern_pretokenizer_new(which, &p), TERN_OK));
    tern_pretok_walk w;
    tern_pretok_walk_init(&w, p);
    tern_pretok_walk_text(&w, text, bytes);
    const char *word;
    size_t n;
    for (size_t i = 0; want[i]; i++) {
        cr_assert(eq(int, tern_pretok_next(&w, &word, &n), TERN_OK));
        cr_expect(n == strlen(want[i]) && memcmp(word, want[i], n) == 0,
                  "word %zu of \"%s\" is \"%.*s\"", i, text, (int)n, word);
    }
    cr_assert(eq(int, tern_pretok_next(&w, &word, &n), TERN_OK));
    cr_expect(eq(sz, n, 0));
    tern_pretok_walk_free(&w);
    tern_pretokenizer_free(p);
}

Test(pretokenize, by_hand)
{
    const char *a = "It's  3x,\n\nok?\n I'LL go";
    const char *const gpt2[] = {"It", "'s", " ",  " 3", "x", ",",  "\n",  "\n",
                                "ok", "?",  "\n", " I", "'", "LL", " go", NULL};
    const char *const llama3[] = {"It", "'s",  " ",  " ",   "3",   "x", ",\n\n",
                                  "ok", "?\n", " I", "'LL", " go", NULL};
    expect_words(TERN_PRETOK_GPT2, a, strlen(a), gpt2);
    expect_words(TERN_PRETOK_LLAMA3, a, strlen(a), llama3);
}

Test(pretokenize, mongolian_vowel_separator_is_no_space)
{
    const char *a = "a \xe1\xa0\x8e!";
    const char *const want[] = {"a", " \xe1\xa0\x8e!", NULL};
    expect_words(TERN_PRETOK_GPT2, a, strlen(a), want);
    cr_expect(eq(int, tern_is_space(0x180e), false));
}

Test(pretokenize, invalid_bytes_stand_alone)
{
    const char *a = "ab\xff\xfe"
                    "c  \xe4\xb8 d\xc3\xa9\xc3";
    const char *const want[] = {"ab",   "\xff", "\xfe",       "c",    "  ",
                                "\xe4", "\xb8", " d\xc3\xa9", "\xc3", NULL};
    expect_words(TERN_PRETOK_GPT2, a, strlen(a), want);
}

Test(pretokenize, white_space_is_the_list_of_unicode)
{
    /* PropList.txt, White_Space; 25 code points. */
    int spaces = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) spaces += tern_is_space(cp);
    cr_expect(eq(int, spaces, 25));
    static const uint32_t some[] = {9,      10,     11,     12,     13,     32,
                                    0x85,   0xa0,   0x1680, 0x2000, 0x200a, 0x2028,
                                    0x2029, 0x202f, 0x205f, 0x3000};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        cr_expect(eq(int, tern_is_space(some[i]), true), "U+%04X", some[i]);
}
