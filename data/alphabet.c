/* alphabet.c - the map in three ranges and a gap list, without tables.
 *
 * The bytes that are not themselves: 0x00-0x20, 0x7F-0xA0 and 0xAD, 33 + 34 + 1. */
#include "data/alphabet.h"

#include "data/utf8.h"

enum { FIRST = 0x100, LOW = 0x21, MIDDLE = 0x22, GAPS = LOW + MIDDLE + 1 };

static bool visible(uint32_t b)
{
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xff && b != 0xad);
}

uint32_t tern_alphabet_char(unsigned char byte)
{
    if (visible(byte)) return byte;
    if (byte < LOW) return FIRST + (uint32_t)byte;
    if (byte < 0xa1) return FIRST + LOW + (uint32_t)(byte - 0x7f);
    return FIRST + LOW + MIDDLE;
}

int tern_alphabet_byte(uint32_t cp)
{
    if (cp < FIRST) return visible(cp) ? (int)cp : -1;
    const int gap = cp < FIRST + GAPS ? (int)(cp - FIRST) : GAPS;
    if (gap < LOW) return gap;
    if (gap < LOW + MIDDLE) return gap - LOW + 0x7f;
    return gap < GAPS ? 0xad : -1;
}

size_t tern_alphabet_write(const char *s, size_t bytes, char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += tern_utf8_encode(tern_alphabet_char((unsigned char)s[i]), text + n);
    return n;
}

bool tern_alphabet_read(const char *text, size_t bytes, char *out, size_t *n)
{
    const char *end = text + bytes;
    size_t count = 0;
    while (text < end) {
        uint32_t cp;
        const size_t step = tern_utf8_decode(text, end, &cp);
        const int byte = step ? tern_alphabet_byte(cp) : -1;
        if (byte < 0) return false;
        out[count++] = (char)byte;
        text += step;
    }
    *n = count;
    return true;
}

unsigned char tern_alphabet_order(int rank)
{
    const int visible_bytes = 256 - GAPS;
    if (rank >= visible_bytes)
        return (unsigned char)tern_alphabet_byte(FIRST +
                                                 (uint32_t)(rank - visible_bytes));
    if (rank < 0x7f - 0x21) return (unsigned char)(0x21 + rank);
    const int high = 0xa1 + rank - (0x7f - 0x21);
    return (unsigned char)(high < 0xad ? high : high + 1);
}
