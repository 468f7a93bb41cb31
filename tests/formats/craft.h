/* craft.h - GGUF files made byte by byte, right or wrong, sharing nothing with the
 * writer under test. */
#ifndef TERN_TESTS_FORMATS_CRAFT_H
#define TERN_TESTS_FORMATS_CRAFT_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/gguf.h"

typedef struct craft {
    uint8_t data[1 << 14];
    size_t bytes;
} craft;

static inline void craft_raw(craft *c, const void *p, size_t n)
{
    cr_assert(n <= sizeof c->data - c->bytes);
    memcpy(c->data + c->bytes, p, n);
    c->bytes += n;
}

static inline void craft_int(craft *c, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t b = (uint8_t)(v >> 8 * i);
        craft_raw(c, &b, 1);
    }
}

static inline void craft_text(craft *c, const char *s)
{
    craft_int(c, strlen(s), 8);
    craft_raw(c, s, strlen(s));
}

static inline void craft_head(craft *c, uint32_t version, uint64_t tensors,
                              uint64_t keys)
{
    craft_raw(c, "GGUF", 4);
    craft_int(c, version, 4);
    craft_int(c, tensors, 8);
    craft_int(c, keys, 8);
}

/* A key with a value of n bytes of integer. */
static inline void craft_key(craft *c, const char *name, uint32_t type, uint64_t v,
                             size_t n)
{
    craft_text(c, name);
    craft_int(c, type, 4);
    craft_int(c, v, n);
}

static inline void craft_tensor(craft *c, const char *name, uint64_t cols,
                                uint64_t rows, uint32_t type, uint64_t offset)
{
    craft_text(c, name);
    craft_int(c, 2, 4);
    craft_int(c, cols, 8);
    craft_int(c, rows, 8);
    craft_int(c, type, 4);
    craft_int(c, offset, 8);
}

static inline void craft_pad(craft *c, size_t alignment)
{
    while (c->bytes % alignment) craft_int(c, 0, 1);
}

static inline void craft_zeros(craft *c, size_t n)
{
    for (size_t i = 0; i < n; i++) craft_int(c, 0, 1);
}

/* Parse a copy that ends where the heap block ends, so that a sanitiser sees a read
 * behind the end. Close with craft_close, which also frees the copy. */
static uint8_t *craft_copy;

static inline void craft_close(tern_gguf *g)
{
    tern_gguf_close(g);
    free(craft_copy);
    craft_copy = NULL;
}

static inline tern_status craft_parse(const craft *c, tern_gguf **out)
{
    craft_copy = malloc(c->bytes ? c->bytes : 1);
    cr_assert(craft_copy != NULL);
    memcpy(craft_copy, c->data, c->bytes);
    const tern_status s = tern_gguf_parse(craft_copy, c->bytes, "crafted", out);
    if (s != TERN_OK) craft_close(NULL);
    return s;
}

#endif /* TERN_TESTS_FORMATS_CRAFT_H */
