/* walk_gguf.h - use everything that a GGUF reader offers, as any caller might. */
#ifndef TERN_TESTS_FUZZ_WALK_GGUF_H
#define TERN_TESTS_FUZZ_WALK_GGUF_H

#include <stdlib.h>
#include <string.h>

#include "formats/blocks.h"
#include "formats/gguf.h"

/* The key as a C string; NULL if it holds a zero byte, and then nobody can ask for it.
 */
static inline char *walk_name(tern_gguf_string s)
{
    if (s.bytes && memchr(s.data, '\0', s.bytes)) return NULL;
    char *name = malloc(s.bytes + 1);
    if (!name) return NULL;
    if (s.bytes) memcpy(name, s.data, s.bytes);
    name[s.bytes] = '\0';
    return name;
}

static inline unsigned walk_key(const tern_gguf *g, const char *name)
{
    unsigned sum = 0;
    int64_t i;
    double d;
    bool b;
    tern_gguf_string s;
    tern_gguf_type type;
    size_t count;
    if (tern_gguf_get_int(g, name, &i) == TERN_OK) sum += (unsigned)i;
    if (tern_gguf_get_float(g, name, &d) == TERN_OK) sum += d > 0.0;
    if (tern_gguf_get_bool(g, name, &b) == TERN_OK) sum += b;
    if (tern_gguf_get_string(g, name, &s) == TERN_OK)
        for (size_t k = 0; k < s.bytes; k++) sum += (unsigned char)s.data[k];
    if (tern_gguf_get_array(g, name, &type, &count) != TERN_OK) return sum;
    for (size_t k = 0; k < count; k++) {
        if (type == TERN_GGUF_STRING)
            sum += (unsigned)tern_gguf_array_string(g, name, k).bytes;
        else if (type <= TERN_GGUF_I32 || type == TERN_GGUF_U64 ||
                 type == TERN_GGUF_I64)
            sum += (unsigned)tern_gguf_array_int(g, name, k);
    }
    return sum;
}

static inline unsigned walk_tensor(const tern_gguf *g, const tern_gguf_tensor *t)
{
    unsigned sum = tern_gguf_find_tensor(g, t->name) == t;
    for (size_t k = 0; k < t->bytes; k++) sum += t->data[k];
    const size_t block = tern_ggml_block(t->type);
    if (t->bytes == 0 || !tern_ggml_decodes(t->type)) return sum;
    float x[256];
    int8_t trits[256];
    float scale;
    tern_decode_floats(t->type, t->data, block, x);
    if (tern_ggml_is_ternary(t->type) &&
        tern_decode_trits(t->type, t->data, block, trits, &scale) == TERN_OK)
        sum += (unsigned)(trits[0] + 1);
    return sum + (x[0] > 0.0f);
}

/* A sum over everything, so that no compiler leaves a read out. */
static inline unsigned walk_gguf(const tern_gguf *g)
{
    unsigned sum = 0;
    char line[200];
    for (size_t i = 0; i < tern_gguf_key_count(g); i++) {
        tern_gguf_key_print(g, i, line, sizeof line);
        sum += (unsigned)strlen(line);
        char *name = walk_name(tern_gguf_key_name(g, i));
        if (name) sum += walk_key(g, name) + tern_gguf_has(g, name);
        free(name);
    }
    for (size_t i = 0; i < tern_gguf_tensor_count(g); i++)
        sum += walk_tensor(g, tern_gguf_tensor_at(g, i));
    return sum;
}

#endif /* TERN_TESTS_FUZZ_WALK_GGUF_H */
