/* utf8.c - see utf8.h. */
#include "data/utf8.h"

#include <string.h>

size_t tern_utf8_decode(const char *s, const char *end, uint32_t *cp)
{
    const unsigned char *u = (const unsigned char *)s;
    const size_t left = (size_t)(end - s);
    const uint32_t a = u[0];
    if (a < 0x80) {
        *cp = a;
        return 1;
    }
    if (a < 0xc2 || a > 0xf4) return 0;
    const size_t need = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (left < need) return 0;
    /* Only the second byte's range depends on the first. */
    const uint32_t low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    const uint32_t high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (u[1] < low || u[1] > high) return 0;
    uint32_t c = a & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((u[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (u[i] & 0x3fu);
    }
    *cp = c;
    return need;
}

size_t tern_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    const size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xf0u) | cp);
    return n;
}

const char *tern_utf8_valid(const char *s, const char *end)
{
    while (s < end) {
        uint64_t eight;
        if (end - s >= 8 &&
            (memcpy(&eight, s, 8), (eight & 0x8080808080808080u) == 0)) {
            s += 8;
            continue;
        }
        uint32_t cp;
        const size_t n = tern_utf8_decode(s, end, &cp);
        if (n == 0) break;
        s += n;
    }
    return s;
}

size_t tern_utf8_partial(const char *s, const char *end)
{
    for (size_t back = 1; back <= 3 && back <= (size_t)(end - s); back++) {
        const unsigned char c = (unsigned char)end[-(ptrdiff_t)back];
        if ((c & 0xc0) == 0x80) continue;
        const size_t need = c > 0xf4    ? 1
                            : c >= 0xf0 ? 4
                            : c >= 0xe0 ? 3
                            : c >= 0xc2 ? 2
                                        : 1;
        return need > back ? back : 0;
    }
    return 0;
}
