/* gguf_write.c - the writer collects keys as the bytes they will be, and tensors as
 * promises; the file is then written in one pass, one tensor in memory at a time.
 *
 * What a reader would refuse is refused here, when it is put in and not when somebody
 * opens the file. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "formats/blocks.h"
#include "formats/gguf.h"

enum { ALIGNMENT = 32, VERSION = 3, MESSAGE = 512 };

typedef struct buffer {
    uint8_t *data;
    size_t bytes, capacity;
} buffer;

typedef struct promise {
    char name[64];
    uint32_t type;
    int64_t cols, rows; /* rows 0: a vector */
    size_t bytes;
    tern_gguf_fill fill;
    void *user;
} promise;

struct tern_gguf_writer {
    buffer keys;
    size_t *key_at; /* where each key's name (with its length) begins in `keys` */
    size_t key_count, key_capacity;
    promise *tensors;
    size_t tensor_count, tensor_capacity;
    tern_status status; /* the first error, and what it said */
    char message[MESSAGE];
};

tern_gguf_writer *tern_gguf_writer_new(void)
{
    return calloc(1, sizeof(tern_gguf_writer));
}

void tern_gguf_writer_free(tern_gguf_writer *w)
{
    if (!w) return;
    free(w->keys.data);
    free(w->key_at);
    free(w->tensors);
    free(w);
}

__attribute__((format(printf, 3, 4))) static void
fail(tern_gguf_writer *w, tern_status status, const char *fmt, ...)
{
    if (w->status != TERN_OK) return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(w->message, sizeof w->message, fmt, args);
    va_end(args);
    w->status = status;
}

/* --- bytes in memory --- */

static void put_bytes(tern_gguf_writer *w, buffer *b, const void *data, size_t bytes)
{
    if (w->status != TERN_OK || bytes == 0) return;
    if (bytes > b->capacity - b->bytes) {
        if (bytes > SIZE_MAX / 2 - b->bytes) {
            fail(w, TERN_EMEM, "out of memory");
            return;
        }
        const size_t capacity = 2 * (b->bytes + bytes);
        uint8_t *larger = realloc(b->data, capacity);
        if (!larger) {
            fail(w, TERN_EMEM, "out of memory");
            return;
        }
        b->data = larger;
        b->capacity = capacity;
    }
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

static void put_int(tern_gguf_writer *w, buffer *b, uint64_t v, size_t bytes)
{
    uint8_t le[8];
    for (size_t i = 0; i < bytes; i++) le[i] = (uint8_t)(v >> 8 * i);
    put_bytes(w, b, le, bytes);
}

static void put_text(tern_gguf_writer *w, buffer *b, const char *s)
{
    const size_t bytes = strlen(s);
    put_int(w, b, bytes, 8);
    put_bytes(w, b, s, bytes);
}

/* --- keys --- */

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (size_t i = 8; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static bool has_key(const tern_gguf_writer *w, const char *name)
{
    const size_t bytes = strlen(name);
    for (size_t i = 0; i < w->key_count; i++) {
        const uint8_t *p = w->keys.data + w->key_at[i];
        if (le64(p) == bytes && memcmp(p + 8, name, bytes) == 0) return true;
    }
    return false;
}

/* Name and type; false if the key must not be written. */
static bool begin_key(tern_gguf_writer *w, const char *name, tern_gguf_type type)
{
    if (w->status != TERN_OK) return false;
    if (!*name)
        fail(w, TERN_EARG, "a key without a name");
    else if (has_key(w, name))
        fail(w, TERN_EARG, "key \"%.80s\" is put twice", name);
    else if (strcmp(name, "general.alignment") == 0)
        fail(w, TERN_EARG, "key \"%s\": the writer always aligns to %d", name,
             ALIGNMENT);
    if (w->status != TERN_OK) return false;
    if (w->key_count == w->key_capacity) {
        const size_t capacity = w->key_capacity ? 2 * w->key_capacity : 64;
        size_t *larger = realloc(w->key_at, capacity * sizeof *larger);
        if (!larger) {
            fail(w, TERN_EMEM, "out of memory");
            return false;
        }
        w->key_at = larger;
        w->key_capacity = capacity;
    }
    w->key_at[w->key_count++] = w->keys.bytes;
    put_text(w, &w->keys, name);
    put_int(w, &w->keys, type, 4);
    return true;
}

static void begin_array(tern_gguf_writer *w, tern_gguf_type type, size_t count)
{
    put_int(w, &w->keys, type, 4);
    put_int(w, &w->keys, count, 8);
}

void tern_gguf_put_u32(tern_gguf_writer *w, const char *key, uint32_t v)
{
    if (begin_key(w, key, TERN_GGUF_U32)) put_int(w, &w->keys, v, 4);
}

void tern_gguf_put_f32(tern_gguf_writer *w, const char *key, float v)
{
    if (begin_key(w, key, TERN_GGUF_F32)) put_int(w, &w->keys, tern_float_bits(v), 4);
}

void tern_gguf_put_bool(tern_gguf_writer *w, const char *key, bool v)
{
    if (begin_key(w, key, TERN_GGUF_BOOL)) put_int(w, &w->keys, v, 1);
}

void tern_gguf_put_string(tern_gguf_writer *w, const char *key, const char *v)
{
    if (begin_key(w, key, TERN_GGUF_STRING)) put_text(w, &w->keys, v);
}

void tern_gguf_put_strings(tern_gguf_writer *w, const char *key, const char *const *v,
                           size_t count)
{
    if (!begin_key(w, key, TERN_GGUF_ARRAY)) return;
    begin_array(w, TERN_GGUF_STRING, count);
    for (size_t i = 0; i < count; i++) put_text(w, &w->keys, v[i]);
}

void tern_gguf_put_i32s(tern_gguf_writer *w, const char *key, const int32_t *v,
                        size_t count)
{
    if (!begin_key(w, key, TERN_GGUF_ARRAY)) return;
    begin_array(w, TERN_GGUF_I32, count);
    for (size_t i = 0; i < count; i++) put_int(w, &w->keys, (uint32_t)v[i], 4);
}

void tern_gguf_put_f32s(tern_gguf_writer *w, const char *key, const float *v,
                        size_t count)
{
    if (!begin_key(w, key, TERN_GGUF_ARRAY)) return;
    begin_array(w, TERN_GGUF_F32, count);
    for (size_t i = 0; i < count; i++) put_int(w, &w->keys, tern_float_bits(v[i]), 4);
}

/* --- tensors --- */

static void check_tensor(tern_gguf_writer *w, const promise *t, size_t name_bytes)
{
    const size_t block = tern_ggml_block(t->type);
    if (name_bytes == 0 || name_bytes >= sizeof t->name)
        fail(w, TERN_EARG, "tensor \"%.80s\": a name has 1 to %zu bytes, not %zu",
             t->name, sizeof t->name - 1, name_bytes);
    else if (block == 0)
        fail(w, TERN_EARG, "tensor \"%s\": type %u is none that GGUF has", t->name,
             (unsigned)t->type);
    else if (t->cols <= 0 || t->rows < 0 || t->cols > INT64_MAX / 8 / (t->rows + 1))
        fail(w, TERN_ESHAPE, "tensor \"%s\": impossible shape %" PRId64 " x %" PRId64,
             t->name, t->rows, t->cols);
    else if ((uint64_t)t->cols % block)
        fail(w, TERN_ESHAPE,
             "tensor \"%s\": rows of %" PRId64 " are no multiple of %s's block of %zu; "
             "choose another type (Q2_0 has blocks of 64, F16 none)",
             t->name, t->cols, tern_ggml_name(t->type), block);
    for (size_t i = 0; i < w->tensor_count; i++)
        if (strcmp(w->tensors[i].name, t->name) == 0)
            fail(w, TERN_EARG, "tensor \"%s\" is put twice", t->name);
}

void tern_gguf_put_tensor(tern_gguf_writer *w, const char *name, tern_ggml_type type,
                          int64_t cols, int64_t rows, tern_gguf_fill fill_tensor,
                          void *user)
{
    promise t = {.type = (uint32_t)type,
                 .cols = cols,
                 .rows = rows,
                 .fill = fill_tensor,
                 .user = user};
    if (w->status != TERN_OK) return;
    (void)snprintf(t.name, sizeof t.name, "%s", name);
    check_tensor(w, &t, strlen(name));
    if (w->status != TERN_OK) return;
    t.bytes = tern_ggml_bytes(t.type, (size_t)cols * (size_t)(rows ? rows : 1));
    if (w->tensor_count == w->tensor_capacity) {
        const size_t capacity = w->tensor_capacity ? 2 * w->tensor_capacity : 64;
        promise *larger = realloc(w->tensors, capacity * sizeof *larger);
        if (!larger) {
            fail(w, TERN_EMEM, "out of memory");
            return;
        }
        w->tensors = larger;
        w->tensor_capacity = capacity;
    }
    w->tensors[w->tensor_count++] = t;
}

/* --- the file --- */

static size_t padding(size_t bytes)
{
    return (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT;
}

static void put_padding(tern_gguf_writer *w, buffer *b)
{
    static const uint8_t zeros[ALIGNMENT];
    put_bytes(w, b, zeros, padding(b->bytes));
}

/* Everything before the data. */
static void make_head(tern_gguf_writer *w, buffer *b)
{
    uint64_t offset = 0;
    put_bytes(w, b, "GGUF", 4);
    put_int(w, b, VERSION, 4);
    put_int(w, b, w->tensor_count, 8);
    put_int(w, b, w->key_count, 8);
    put_bytes(w, b, w->keys.data, w->keys.bytes);
    for (size_t i = 0; i < w->tensor_count; i++) {
        const promise *t = &w->tensors[i];
        put_text(w, b, t->name);
        put_int(w, b, t->rows ? 2 : 1, 4);
        put_int(w, b, (uint64_t)t->cols, 8);
        if (t->rows) put_int(w, b, (uint64_t)t->rows, 8);
        put_int(w, b, t->type, 4);
        put_int(w, b, offset, 8);
        offset += t->bytes + padding(t->bytes);
    }
    put_padding(w, b);
}

static tern_status write_all(FILE *f, const void *data, size_t bytes)
{
    if (bytes == 0 || fwrite(data, 1, bytes, f) == bytes) return TERN_OK;
    return tern_fail(TERN_EIO, "cannot write: %s", strerror(errno));
}

static tern_status write_tensors(const tern_gguf_writer *w, FILE *f)
{
    size_t largest = ALIGNMENT;
    for (size_t i = 0; i < w->tensor_count; i++)
        if (w->tensors[i].bytes > largest) largest = w->tensors[i].bytes;
    uint8_t *data = malloc(largest + ALIGNMENT);
    if (!data) return tern_fail(TERN_EMEM, "out of memory");
    tern_status s = TERN_OK;
    for (size_t i = 0; i < w->tensor_count && s == TERN_OK; i++) {
        const promise *t = &w->tensors[i];
        const size_t pad = padding(t->bytes);
        memset(data + t->bytes, 0, pad);
        s = t->fill(t->user, data, t->bytes);
        if (s == TERN_OK) s = write_all(f, data, t->bytes + pad);
    }
    free(data);
    return s;
}

static tern_status write_to(const tern_gguf_writer *w, const buffer *head,
                            const char *temp)
{
    FILE *f = fopen(temp, "wb");
    if (!f) return tern_fail(TERN_EIO, "cannot write: %s", strerror(errno));
    tern_status s = write_all(f, head->data, head->bytes);
    if (s == TERN_OK) s = write_tensors(w, f);
    if (fclose(f) != 0 && s == TERN_OK)
        s = tern_fail(TERN_EIO, "cannot write: %s", strerror(errno));
    return s;
}

tern_status tern_gguf_write(tern_gguf_writer *w, const char *path)
{
    return tern_gguf_write_checked(w, path, NULL, NULL);
}

tern_status tern_gguf_write_checked(tern_gguf_writer *w, const char *path,
                                    tern_gguf_check check, void *user)
{
    tern_atomic file;
    buffer head = {0};
    make_head(w, &head);
    tern_status s = w->status;
    if (s != TERN_OK) {
        free(head.data);
        return tern_fail(s, "%s: %s", path, w->message);
    }
    s = tern_atomic_begin(&file, path);
    if (s == TERN_OK) {
        s = write_to(w, &head, file.temp);
        if (s != TERN_OK) s = tern_fail_in(s, path);
        if (s == TERN_OK && check) s = check(user, file.temp);
        if (s == TERN_OK)
            s = tern_atomic_commit(&file);
        else
            tern_atomic_abort(&file);
    }
    free(head.data);
    return s;
}
