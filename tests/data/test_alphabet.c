/* Oracle: the rule as GPT-2's encoder.py states it: visible bytes are themselves, the
 * others take U+0100, U+0101, ... in increasing order. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "data/alphabet.h"
#include "data/utf8.h"

static void oracle(uint32_t cp_of[256])
{
    uint32_t next = 256;
    for (int b = 0; b < 256; b++) {
        const bool visible = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) ||
                             (b >= 0xae && b <= 0xff);
        cp_of[b] = visible ? (uint32_t)b : next++;
    }
}

Test(alphabet, equals_the_rule)
{
    uint32_t cp_of[256];
    oracle(cp_of);
    int bytes = 0;
    for (int b = 0; b < 256; b++)
        cr_expect(eq(u32, tern_alphabet_char((unsigned char)b), cp_of[b]), "byte %d",
                  b);
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        const int b = tern_alphabet_byte(cp);
        bytes += b >= 0;
        if (b >= 0) cr_assert(eq(u32, cp_of[b], cp));
    }
    cr_expect(eq(int, bytes, 256));
    cr_expect(eq(u32, tern_alphabet_char(' '), 0x120));
    cr_expect(eq(u32, tern_alphabet_char('\n'), 0x10a));
}

Test(alphabet, order_is_that_of_the_code_points)
{
    uint32_t before = 0;
    for (int i = 0; i < 256; i++) {
        const uint32_t cp = tern_alphabet_char(tern_alphabet_order(i));
        cr_expect(gt(u32, cp, before), "rank %d", i);
        before = cp;
    }
}

Test(alphabet, text_and_bytes)
{
    char raw[256], text[512], back[512];
    for (int b = 0; b < 256; b++) raw[b] = (char)b;
    const size_t n = tern_alphabet_write(raw, 256, text);
    size_t got = 0;
    cr_assert(eq(int, tern_alphabet_read(text, n, back, &got), true));
    cr_assert(eq(sz, got, 256));
    cr_expect(eq(int, memcmp(raw, back, 256), 0));
    cr_expect(eq(int, tern_alphabet_read("a b", 3, back, &got), false));
    cr_expect(eq(int, tern_alphabet_read("\xe4\xb8\xad", 3, back, &got), false));
}
