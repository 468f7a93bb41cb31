/* Oracle: the definition of UTF-8 (RFC 3629), and well-known bad sequences. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "data/utf8.h"

Test(utf8, every_code_point_round_trips)
{
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char text[4];
        uint32_t back = 0;
        const size_t n = tern_utf8_encode(cp, text);
        const size_t want = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        const size_t got = tern_utf8_decode(text, text + n, &back);
        if (cp >= 0xd800 && cp < 0xe000) {
            cr_assert(eq(sz, got, 0), "surrogate U+%04X was accepted", cp);
            continue;
        }
        cr_assert(n == want && got == n && back == cp, "U+%04X", cp);
        for (size_t cut = 1; cut < n; cut++) {
            cr_assert(eq(sz, tern_utf8_decode(text, text + cut, &back), 0));
            cr_assert(eq(sz, tern_utf8_partial(text, text + cut), cut));
        }
        cr_assert(eq(sz, tern_utf8_partial(text, text + n), 0));
    }
}

/* Bytes with which nothing begins need not be waited for. */
Test(utf8, no_partial_character_begins_with_them)
{
    static const char *const bad[] = {"\x80", "\xbf\xbf", "\xc0",
                                      "\xc1", "\xf5",     "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(eq(sz, tern_utf8_partial(bad[i], bad[i] + strlen(bad[i])), 0));
}

Test(utf8, bad_sequences_are_refused)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xe0\x80\xaf",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xc3x",
        "\xf0\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80",
        "\xff",
        "\xfe",
        "\xe4\xb8x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t cp;
        const char *end = bad[i] + strlen(bad[i]);
        cr_expect(eq(sz, tern_utf8_decode(bad[i], end, &cp), 0), "case %zu", i);
        cr_expect(eq(ptr, (void *)tern_utf8_valid(bad[i], end), (void *)bad[i]));
    }
}

Test(utf8, valid_prefix_is_found_at_every_offset)
{
    char text[64];
    for (size_t at = 0; at < 40; at++) {
        memset(text, 'x', sizeof text);
        memcpy(text + at, "\xe4\xb8\xad", 3);
        cr_expect(eq(ptr, (void *)tern_utf8_valid(text, text + 64), text + 64));
        text[at + 3] = '\x80';
        cr_expect(eq(ptr, (void *)tern_utf8_valid(text, text + 64), text + at + 3));
        cr_expect(eq(ptr, (void *)tern_utf8_valid(text, text + at + 2), text + at));
    }
}
