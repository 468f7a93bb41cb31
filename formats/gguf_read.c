/* gguf_read.c - a GGUF file, checked once and completely; lookups after that trust it.
 *
 * The order of the checks is the order of the bytes. A cursor that knows where the file
 * ends hands them out; before a table is allocated its count is compared with the bytes
 * left, so memory never exceeds a small multiple of the file's size, whatever it says.
 * Two hash tables find keys and tensors by name (a vocabulary file has few keys, a
 * model of 1,000 layers 10,000 tensors), and find duplicates while they are filled.
 *
 * Stricter than the reference reader in one point: a count of elements that overflows
 * is refused also where it wraps around to something harmless. */
#define _DEFAULT_SOURCE /* madvise */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/half.h"
#include "base/rng.h"
#include "formats/blocks.h"
#include "formats/gguf.h"

/* The reference reader's limits. */
static const uint64_t MAX_LENGTH = (uint64_t)1 << 30;
enum { DEFAULT_ALIGNMENT = 32, SHOWN = 80 };
/* Fewest bytes of a key and of a tensor's entry in the file. */
enum { MIN_KEY = 8 + 1 + 4 + 1, MIN_TENSOR = 8 + 4 + 4 + 8 };

typedef struct value {
    tern_gguf_type type; /* of the value, or of an array's elements */
    bool is_array;
    uint64_t count;         /* 1 for a scalar */
    const uint8_t *data;    /* first element, as it stands in the file */
    const uint8_t **starts; /* array of strings: where each begins; else NULL */
} value;

typedef struct key {
    tern_gguf_string name;
    value value;
} key;

/* Open addressing: slot 0 is free, else index + 1. */
typedef struct name_table {
    uint32_t *slots;
    size_t mask;
} name_table;

struct tern_gguf {
    char *path;
    tern_map map; /* of an open file; empty for a parsed buffer */
    size_t bytes;
    key *keys;
    size_t key_count;
    tern_gguf_tensor *tensors;
    size_t tensor_count;
    name_table by_key, by_tensor;
};

typedef struct cursor {
    const char *path;
    const uint8_t *start, *at, *end;
} cursor;

/* --- bytes --- */

static uint64_t little_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = n; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static size_t left(const cursor *c)
{
    return (size_t)(c->end - c->at);
}

static tern_status truncated(const cursor *c, const char *what)
{
    return tern_fail(TERN_ECORRUPT, "%s: the file ends inside %s (at byte %zu)",
                     c->path, what, (size_t)(c->at - c->start));
}

static tern_status take(cursor *c, size_t bytes, const char *what, const uint8_t **out)
{
    if (bytes > left(c)) return truncated(c, what);
    *out = c->at;
    c->at += bytes;
    return TERN_OK;
}

static tern_status take_int(cursor *c, size_t bytes, const char *what, uint64_t *out)
{
    const uint8_t *p = NULL;
    TERN_TRY(take(c, bytes, what, &p));
    *out = little_endian(p, bytes);
    return TERN_OK;
}

static tern_status take_string(cursor *c, const char *what, tern_gguf_string *out)
{
    uint64_t length = 0;
    const uint8_t *p = NULL;
    TERN_TRY(take_int(c, 8, what, &length));
    if (length > MAX_LENGTH || length > left(c))
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s: a text of %" PRIu64 " bytes, but %zu are left",
                         c->path, what, length, left(c));
    TERN_TRY(take(c, (size_t)length, what, &p));
    *out = (tern_gguf_string){.data = (const char *)p, .bytes = (size_t)length};
    return TERN_OK;
}

/* A name from a file as a message may show it: short, and without control bytes. */
static const char *shown(tern_gguf_string s, char out[SHOWN])
{
    size_t n = s.bytes < SHOWN - 4 ? s.bytes : SHOWN - 4;
    for (size_t i = 0; i < n; i++) {
        const unsigned char b = (unsigned char)s.data[i];
        out[i] = (char)(b == '\n' || b == '\t' || b == '\r' ? ' '
                        : b < 0x20 || b == 0x7f             ? '?'
                                                            : b);
    }
    strcpy(out + n, n < s.bytes ? "..." : "");
    return out;
}

/* --- names to indices --- */

static uint64_t hash_name(tern_gguf_string s)
{
    uint64_t h = s.bytes;
    for (size_t i = 0; i < s.bytes; i++) h = h * 0x100000001b3u ^ (uint8_t)s.data[i];
    return tern_mix64(h);
}

static tern_gguf_string text(const char *s)
{
    return (tern_gguf_string){.data = s, .bytes = strlen(s)};
}

static bool same(tern_gguf_string a, tern_gguf_string b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || !memcmp(a.data, b.data, a.bytes));
}

static tern_status table_init(name_table *t, size_t count, const char *path)
{
    if (count >= UINT32_MAX)
        return tern_fail(TERN_EFORMAT, "%s: more than 2^32 names", path);
    size_t slots = 8;
    while (slots < 2 * count) slots *= 2;
    t->slots = calloc(slots, sizeof *t->slots);
    t->mask = slots - 1;
    return t->slots ? TERN_OK : tern_fail(TERN_EMEM, "%s: out of memory", path);
}

static tern_gguf_string name_of(const tern_gguf *g, const name_table *t, size_t i)
{
    return t == &g->by_key ? g->keys[i].name : text(g->tensors[i].name);
}

/* The slot of `name`: the one that holds it, or the free one where it belongs. */
static uint32_t *find_slot(const tern_gguf *g, const name_table *t,
                           tern_gguf_string name)
{
    size_t at = (size_t)hash_name(name) & t->mask;
    while (t->slots[at] && !same(name_of(g, t, t->slots[at] - 1), name))
        at = (at + 1) & t->mask;
    return &t->slots[at];
}

/* --- keys --- */

static const char *const type_names[] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                         "i32", "f32", "bool", "string", "array",
                                         "u64", "i64", "f64"};
static const uint8_t type_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
enum { TYPE_COUNT = sizeof type_bytes };

/* Walk over the strings of an array, noting where each begins. */
static tern_status take_strings(cursor *c, value *v, const char *what)
{
    v->starts = malloc((size_t)(v->count ? v->count : 1) * sizeof *v->starts);
    if (!v->starts) return tern_fail(TERN_EMEM, "%s: out of memory", c->path);
    for (uint64_t i = 0; i < v->count; i++) {
        tern_gguf_string s;
        v->starts[i] = c->at;
        TERN_TRY(take_string(c, what, &s));
    }
    return TERN_OK;
}

static tern_status take_array_head(cursor *c, value *v, const char *what)
{
    uint64_t type = 0;
    v->is_array = true;
    TERN_TRY(take_int(c, 4, what, &type));
    TERN_TRY(take_int(c, 8, what, &v->count));
    if (type >= TYPE_COUNT || type == TERN_GGUF_ARRAY)
        return tern_fail(TERN_EFORMAT, "%s: %s: array of type %" PRIu64, c->path, what,
                         type);
    v->type = (tern_gguf_type)type;
    const size_t each = v->type == TERN_GGUF_STRING ? 8 : type_bytes[type];
    if (v->count > MAX_LENGTH || v->count > left(c) / each)
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s: an array of %" PRIu64 " elements, but %zu bytes left",
                         c->path, what, v->count, left(c));
    return TERN_OK;
}

static tern_status take_value(cursor *c, value *v, const char *what)
{
    uint64_t type = 0;
    const uint8_t *p = NULL;
    TERN_TRY(take_int(c, 4, what, &type));
    if (type >= TYPE_COUNT)
        return tern_fail(TERN_EFORMAT, "%s: %s: value of unknown type %" PRIu64,
                         c->path, what, type);
    v->type = (tern_gguf_type)type;
    v->count = 1;
    if (v->type == TERN_GGUF_ARRAY) TERN_TRY(take_array_head(c, v, what));
    v->data = c->at;
    if (v->type != TERN_GGUF_STRING)
        return take(c, (size_t)v->count * type_bytes[v->type], what, &p);
    if (v->is_array) return take_strings(c, v, what);
    tern_gguf_string s;
    return take_string(c, what, &s);
}

static tern_status take_key(cursor *c, tern_gguf *g)
{
    char name[SHOWN], what[SHOWN + 8];
    key *k = &g->keys[g->key_count];
    snprintf(what, sizeof what, "key %zu", g->key_count);
    TERN_TRY(take_string(c, what, &k->name));
    if (k->name.bytes == 0)
        return tern_fail(TERN_ECORRUPT, "%s: %s has no name", c->path, what);
    snprintf(what, sizeof what, "key \"%s\"", shown(k->name, name));
    uint32_t *slot = find_slot(g, &g->by_key, k->name);
    if (*slot) return tern_fail(TERN_ECORRUPT, "%s: %s stands twice", c->path, what);
    *slot = (uint32_t)++g->key_count; /* counted now, so that close frees its value */
    return take_value(c, &k->value, what);
}

static tern_status take_keys(cursor *c, tern_gguf *g, uint64_t count)
{
    if (count > left(c) / MIN_KEY)
        return tern_fail(TERN_ECORRUPT, "%s: %" PRIu64 " keys, but %zu bytes left",
                         c->path, count, left(c));
    TERN_TRY(table_init(&g->by_key, (size_t)count, c->path));
    g->keys = calloc((size_t)count + 1, sizeof *g->keys);
    if (!g->keys) return tern_fail(TERN_EMEM, "%s: out of memory", c->path);
    while (g->key_count < count) TERN_TRY(take_key(c, g));
    return TERN_OK;
}

static const value *find_value(const tern_gguf *g, const char *name)
{
    const uint32_t i = *find_slot(g, &g->by_key, text(name));
    return i ? &g->keys[i - 1].value : NULL;
}

static tern_status get_alignment(const tern_gguf *g, uint64_t *out)
{
    const value *v = find_value(g, "general.alignment");
    *out = DEFAULT_ALIGNMENT;
    if (!v) return TERN_OK;
    if (v->is_array || v->type != TERN_GGUF_U32)
        return tern_fail(TERN_EFORMAT, "%s: key \"general.alignment\" is %s%s, not u32",
                         g->path, v->is_array ? "an array of " : "",
                         type_names[v->type]);
    const uint64_t a = little_endian(v->data, 4);
    if (a == 0 || (a & (a - 1)))
        return tern_fail(TERN_EFORMAT,
                         "%s: key \"general.alignment\" is %" PRIu64
                         ", not a power of two",
                         g->path, a);
    *out = a;
    return TERN_OK;
}

/* --- tensors --- */

static tern_status take_tensor_name(cursor *c, tern_gguf *g, tern_gguf_tensor *t)
{
    char name[SHOWN], what[32];
    tern_gguf_string s;
    snprintf(what, sizeof what, "tensor %zu", g->tensor_count);
    TERN_TRY(take_string(c, what, &s));
    if (s.bytes >= sizeof t->name)
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s: the name \"%s\" has %zu bytes, at most %zu may be",
                         c->path, what, shown(s, name), s.bytes, sizeof t->name - 1);
    if (memchr(s.data, '\0', s.bytes))
        return tern_fail(TERN_ECORRUPT, "%s: %s: a zero byte in the name", c->path,
                         what);
    uint32_t *slot = find_slot(g, &g->by_tensor, s);
    if (*slot)
        return tern_fail(TERN_ECORRUPT, "%s: tensor \"%s\" stands twice", c->path,
                         shown(s, name));
    memcpy(t->name, s.data, s.bytes);
    *slot = (uint32_t)++g->tensor_count;
    return TERN_OK;
}

/* Dimensions; the number of elements, which fits an int64, goes to *elements. */
static tern_status take_shape(cursor *c, tern_gguf_tensor *t, const char *what,
                              uint64_t *elements)
{
    uint64_t count = 0, n = 1;
    bool overflow = false, empty = false;
    TERN_TRY(take_int(c, 4, what, &count));
    if (count > 4)
        return tern_fail(TERN_ECORRUPT, "%s: %s has %" PRIu64 " dimensions, at most 4",
                         c->path, what, count);
    t->dims_count = (uint32_t)count;
    for (size_t j = 0; j < 4; j++) {
        uint64_t dim = 1;
        if (j < count) TERN_TRY(take_int(c, 8, what, &dim));
        if (dim > INT64_MAX)
            return tern_fail(TERN_ECORRUPT, "%s: %s: dimension %zu is negative",
                             c->path, what, j);
        t->dims[j] = (int64_t)dim;
        empty |= dim == 0;
        overflow |= dim && n > INT64_MAX / dim;
        n *= dim;
    }
    if (overflow && !empty)
        return tern_fail(TERN_ECORRUPT, "%s: %s has more than 2^63 elements", c->path,
                         what);
    *elements = empty ? 0 : n;
    t->elements = (int64_t)*elements;
    return TERN_OK;
}

static tern_status take_tensor_type(cursor *c, tern_gguf_tensor *t, const char *what,
                                    uint64_t elements)
{
    uint64_t type = 0;
    TERN_TRY(take_int(c, 4, what, &type));
    t->type = (uint32_t)type;
    const size_t block = tern_ggml_block(t->type);
    if (block == 0)
        return tern_fail(
            TERN_EFORMAT, "%s: %s has type %" PRIu64 ", which %s", c->path, what, type,
            type == 37 || type == 38 ? "only bitnet.cpp's own files use (TL1, TL2)"
                                     : "GGUF does not have");
    if (t->type == TERN_GGML_I2_S && elements % 128)
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s: %" PRIu64 " elements, no multiple of I2_S's 128",
                         c->path, what, elements);
    if ((uint64_t)t->dims[0] % block)
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s: rows of %" PRId64
                         " elements, no multiple of %s's block of %zu",
                         c->path, what, t->dims[0], tern_ggml_name(t->type), block);
    t->bytes = tern_ggml_bytes(t->type, (size_t)elements);
    if (t->bytes == 0 && elements)
        return tern_fail(TERN_ECORRUPT, "%s: %s has more than 2^64 bytes", c->path,
                         what);
    return TERN_OK;
}

/* One entry of the table. *expected is where its data must begin; moved to the next. */
static tern_status take_tensor(cursor *c, tern_gguf *g, uint64_t alignment,
                               uint64_t *expected)
{
    char what[SHOWN + 16];
    uint64_t elements = 0, offset = 0;
    tern_gguf_tensor *t = &g->tensors[g->tensor_count];
    TERN_TRY(take_tensor_name(c, g, t));
    snprintf(what, sizeof what, "tensor \"%s\"", t->name);
    TERN_TRY(take_shape(c, t, what, &elements));
    TERN_TRY(take_tensor_type(c, t, what, elements));
    TERN_TRY(take_int(c, 8, what, &offset));
    if (offset != *expected)
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s begins at offset %" PRIu64 " of the data, not %" PRIu64
                         " where the one before it ends",
                         c->path, what, offset, *expected);
    const uint64_t total = (uint64_t)(c->end - c->start);
    if (t->bytes > total - *expected) /* *expected <= total, see the next line */
        return tern_fail(TERN_ECORRUPT,
                         "%s: %s has %zu bytes, more than the file; truncated?",
                         c->path, what, t->bytes);
    const uint64_t next = *expected + t->bytes;
    const uint64_t padded = (next + alignment - 1) / alignment * alignment;
    *expected = padded <= total ? padded : total + 1;
    if (padded > total)
        return tern_fail(TERN_ECORRUPT, "%s: %s ends after the file; truncated?",
                         c->path, what);
    t->data = c->start + offset; /* the data's start is added once it is known */
    return TERN_OK;
}

static tern_status take_tensors(cursor *c, tern_gguf *g, uint64_t count)
{
    uint64_t alignment = 0, data_bytes = 0;
    TERN_TRY(get_alignment(g, &alignment));
    if (count > left(c) / MIN_TENSOR)
        return tern_fail(TERN_ECORRUPT, "%s: %" PRIu64 " tensors, but %zu bytes left",
                         c->path, count, left(c));
    TERN_TRY(table_init(&g->by_tensor, (size_t)count, c->path));
    g->tensors = calloc((size_t)count + 1, sizeof *g->tensors);
    if (!g->tensors) return tern_fail(TERN_EMEM, "%s: out of memory", c->path);
    while (g->tensor_count < count) TERN_TRY(take_tensor(c, g, alignment, &data_bytes));
    if (count == 0) return TERN_OK;

    const uint64_t at = (uint64_t)(c->at - c->start);
    const uint64_t begin = (at + alignment - 1) / alignment * alignment;
    const uint64_t total = (uint64_t)(c->end - c->start);
    if (begin > total || data_bytes > total - begin)
        return tern_fail(TERN_ECORRUPT,
                         "%s: %" PRIu64 " bytes of tensors from byte %" PRIu64
                         ", but the file has %" PRIu64 "; truncated?",
                         c->path, data_bytes, begin, total);
    for (size_t i = 0; i < g->tensor_count; i++) g->tensors[i].data += begin;
    return TERN_OK;
}

/* --- the file --- */

static tern_status take_version(cursor *c)
{
    const uint8_t *magic = NULL;
    uint64_t version = 0;
    if (left(c) < 4 || memcmp(c->at, "GGUF", 4) != 0)
        return tern_fail(TERN_EFORMAT, "%s: not a GGUF file", c->path);
    TERN_TRY(take(c, 4, "the header", &magic));
    TERN_TRY(take_int(c, 4, "the header", &version));
    if (version == 2 || version == 3) return TERN_OK;
    if ((version & 0xffff) == 0 && version)
        return tern_fail(TERN_EFORMAT,
                         "%s: a big-endian GGUF file; tern reads "
                         "little-endian ones",
                         c->path);
    return tern_fail(TERN_EFORMAT, "%s: GGUF version %" PRIu64 ", tern reads 2 and 3",
                     c->path, version);
}

static tern_status parse(cursor *c, tern_gguf *g)
{
    uint64_t tensors = 0, keys = 0;
    TERN_TRY(take_version(c));
    TERN_TRY(take_int(c, 8, "the header", &tensors));
    TERN_TRY(take_int(c, 8, "the header", &keys));
    TERN_TRY(take_keys(c, g, keys));
    return take_tensors(c, g, tensors);
}

tern_status tern_gguf_parse(const uint8_t *data, size_t bytes, const char *name,
                            tern_gguf **out)
{
    tern_gguf *g = calloc(1, sizeof *g);
    if (g) g->path = malloc(strlen(name) + 1);
    if (!g || !g->path) {
        free(g);
        return tern_fail(TERN_EMEM, "%s: out of memory", name);
    }
    strcpy(g->path, name);
    g->bytes = bytes;
    static const uint8_t nothing[1]; /* an empty file has no data pointer */
    if (bytes == 0) data = nothing;
    cursor c = {.path = g->path, .start = data, .at = data, .end = data + bytes};
    const tern_status s = parse(&c, g);
    if (s != TERN_OK) {
        tern_gguf_close(g);
        return s;
    }
    *out = g;
    return TERN_OK;
}

tern_status tern_gguf_open(const char *path, tern_gguf **out)
{
    tern_map map = {0};
    tern_gguf *g = NULL;
    TERN_TRY(tern_map_open_to_read(path, &map));
    const tern_status s = tern_gguf_parse(map.data, map.bytes, path, &g);
    if (s != TERN_OK) {
        tern_map_close(&map);
        return s;
    }
    g->map = map;
    for (size_t i = 0; i < g->tensor_count; i++) g->tensors[i].file = g;
    *out = g;
    return TERN_OK;
}

void tern_gguf_close(tern_gguf *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->key_count; i++) free(g->keys[i].value.starts);
    free(g->keys);
    free(g->tensors);
    free(g->by_key.slots);
    free(g->by_tensor.slots);
    tern_map_close(&g->map);
    free(g->path);
    free(g);
}

bool tern_is_gguf(const char *path)
{
    char magic[4];
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    const bool full = fread(magic, 1, sizeof magic, f) == sizeof magic;
    fclose(f);
    return full && memcmp(magic, "GGUF", 4) == 0;
}

const char *tern_gguf_path(const tern_gguf *g)
{
    return g->path;
}

size_t tern_gguf_bytes(const tern_gguf *g)
{
    return g->bytes;
}

/* --- lookups --- */

size_t tern_gguf_tensor_count(const tern_gguf *g)
{
    return g->tensor_count;
}

const tern_gguf_tensor *tern_gguf_tensor_at(const tern_gguf *g, size_t i)
{
    assert(i < g->tensor_count);
    return &g->tensors[i];
}

const tern_gguf_tensor *tern_gguf_find_tensor(const tern_gguf *g, const char *name)
{
    const uint32_t i = *find_slot(g, &g->by_tensor, text(name));
    return i ? &g->tensors[i - 1] : NULL;
}

const uint8_t *tern_gguf_read(const tern_gguf_tensor *t, size_t from, size_t bytes,
                              void *buffer, size_t room)
{
    const uint8_t *at = t->data + from;
    return t->file ? tern_map_read(&t->file->map, at, bytes, buffer, room) : at;
}

void tern_gguf_release(const tern_gguf *g)
{
    /* A map begins with a page; what the system makes of its last one is its own. */
    if (g->map.data)
        (void)madvise((void *)(uintptr_t)g->map.data, g->map.bytes, MADV_DONTNEED);
}

size_t tern_gguf_key_count(const tern_gguf *g)
{
    return g->key_count;
}

tern_gguf_string tern_gguf_key_name(const tern_gguf *g, size_t i)
{
    assert(i < g->key_count);
    return g->keys[i].name;
}

bool tern_gguf_has(const tern_gguf *g, const char *name)
{
    return find_value(g, name) != NULL;
}

static bool is_integer(tern_gguf_type t)
{
    return t <= TERN_GGUF_I32 || t == TERN_GGUF_U64 || t == TERN_GGUF_I64;
}

static const uint8_t *element(const value *v, size_t i)
{
    return v->starts ? v->starts[i] : v->data + i * type_bytes[v->type];
}

/* Element i as an int64; a u64 above its range becomes negative. */
static int64_t int_at(const value *v, size_t i)
{
    const size_t bytes = type_bytes[v->type];
    const uint64_t u = little_endian(element(v, i), bytes);
    switch (v->type) {
    case TERN_GGUF_I8:
        return (int8_t)u;
    case TERN_GGUF_I16:
        return (int16_t)u;
    case TERN_GGUF_I32:
        return (int32_t)u;
    default:
        return (int64_t)u;
    }
}

static double float_at(const value *v, size_t i)
{
    const uint64_t u = little_endian(element(v, i), type_bytes[v->type]);
    if (v->type == TERN_GGUF_F32) return (double)tern_float_from_bits((uint32_t)u);
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

static tern_gguf_string string_at(const value *v, size_t i)
{
    const uint8_t *p = element(v, i);
    return (tern_gguf_string){.data = (const char *)p + 8,
                              .bytes = (size_t)little_endian(p, 8)};
}

/* The scalar `name`, if it is there and `good` says its type will do. */
static tern_status get_scalar(const tern_gguf *g, const char *name, const char *wanted,
                              bool (*good)(tern_gguf_type), const value **out)
{
    const value *v = find_value(g, name);
    if (!v) return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is missing", g->path, name);
    if (v->is_array || !good(v->type))
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is %s%s, not %s", g->path, name,
                         v->is_array ? "an array of " : "", type_names[v->type],
                         wanted);
    *out = v;
    return TERN_OK;
}

static bool is_float(tern_gguf_type t)
{
    return t == TERN_GGUF_F32 || t == TERN_GGUF_F64;
}

static bool is_bool(tern_gguf_type t)
{
    return t == TERN_GGUF_BOOL;
}

static bool is_string(tern_gguf_type t)
{
    return t == TERN_GGUF_STRING;
}

tern_status tern_gguf_get_int(const tern_gguf *g, const char *name, int64_t *out)
{
    const value *v = NULL;
    TERN_TRY(get_scalar(g, name, "an integer", is_integer, &v));
    const int64_t i = int_at(v, 0);
    if (v->type == TERN_GGUF_U64 && i < 0)
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is %" PRIu64 ", above 2^63",
                         g->path, name, (uint64_t)i);
    *out = i;
    return TERN_OK;
}

tern_status tern_gguf_get_float(const tern_gguf *g, const char *name, double *out)
{
    const value *v = NULL;
    TERN_TRY(get_scalar(g, name, "a float", is_float, &v));
    *out = float_at(v, 0);
    return TERN_OK;
}

tern_status tern_gguf_get_bool(const tern_gguf *g, const char *name, bool *out)
{
    const value *v = NULL;
    TERN_TRY(get_scalar(g, name, "a bool", is_bool, &v));
    *out = v->data[0] != 0;
    return TERN_OK;
}

tern_status tern_gguf_get_string(const tern_gguf *g, const char *name,
                                 tern_gguf_string *out)
{
    const value *v = NULL;
    TERN_TRY(get_scalar(g, name, "a string", is_string, &v));
    *out = string_at(v, 0);
    return TERN_OK;
}

tern_status tern_gguf_get_array(const tern_gguf *g, const char *name,
                                tern_gguf_type *type, size_t *count)
{
    const value *v = find_value(g, name);
    if (!v) return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is missing", g->path, name);
    if (!v->is_array)
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is %s, not an array", g->path,
                         name, type_names[v->type]);
    *type = v->type;
    *count = (size_t)v->count;
    return TERN_OK;
}

tern_gguf_string tern_gguf_array_string(const tern_gguf *g, const char *name, size_t i)
{
    const value *v = find_value(g, name);
    assert(v && v->starts && i < v->count);
    return string_at(v, i);
}

int64_t tern_gguf_array_int(const tern_gguf *g, const char *name, size_t i)
{
    const value *v = find_value(g, name);
    assert(v && v->is_array && is_integer(v->type) && i < v->count);
    return int_at(v, i);
}

float tern_gguf_array_f32(const tern_gguf *g, const char *name, size_t i)
{
    const value *v = find_value(g, name);
    assert(v && v->is_array && v->type == TERN_GGUF_F32 && i < v->count);
    return (float)float_at(v, i);
}

tern_gguf_type tern_gguf_key_type(const tern_gguf *g, size_t i)
{
    assert(i < g->key_count);
    return g->keys[i].value.is_array ? TERN_GGUF_ARRAY : g->keys[i].value.type;
}

/* --- for people --- */

/* Append at *used, as far as there is room. */
__attribute__((format(printf, 4, 5))) static void
append(char *out, size_t size, size_t *used, const char *fmt, ...)
{
    if (*used + 1 >= size) return;
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(out + *used, size - *used, fmt, args);
    va_end(args);
    if (n > 0) *used += (size_t)n;
    if (*used >= size) *used = size - 1;
}

static void print_element(const value *v, size_t i, char *out, size_t size,
                          size_t *used)
{
    char part[SHOWN];
    if (v->type == TERN_GGUF_STRING)
        append(out, size, used, "%s", shown(string_at(v, i), part));
    else if (v->type == TERN_GGUF_BOOL)
        append(out, size, used, "%s", *element(v, i) ? "true" : "false");
    else if (v->type == TERN_GGUF_U64)
        append(out, size, used, "%" PRIu64, (uint64_t)int_at(v, i));
    else if (is_integer(v->type))
        append(out, size, used, "%" PRId64, int_at(v, i));
    else
        append(out, size, used, "%g", float_at(v, i));
}

void tern_gguf_key_print(const tern_gguf *g, size_t i, char *out, size_t size)
{
    enum { FIRST = 6 };
    assert(i < g->key_count && size > 0);
    const value *v = &g->keys[i].value;
    size_t used = 0;
    out[0] = '\0';
    if (!v->is_array) {
        print_element(v, 0, out, size, &used);
        return;
    }
    append(out, size, &used, "%" PRIu64 " x %s [", v->count, type_names[v->type]);
    for (size_t j = 0; j < v->count && j < FIRST; j++) {
        append(out, size, &used, "%s", j ? ", " : "");
        print_element(v, j, out, size, &used);
    }
    append(out, size, &used, "%s]", v->count > FIRST ? ", ..." : "");
}
