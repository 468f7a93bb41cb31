/* gguf.h - GGUF v3: reader and writer of the container, side by side.
 *
 * Layout (all little-endian): "GGUF", u32 version, u64 tensor count, u64 key count, the
 * keys, the tensor table, zeros to the alignment (32), the data, each tensor padded to
 * the alignment. The reader maps the file and believes nothing: every length, count,
 * offset, type and shape is checked against the file's size before it is used; what the
 * reference reader refuses, this one refuses.
 *
 * A GGUF dimension list starts with the contiguous one: our (rows, cols) matrix has
 * dims {cols, rows}.
 */
#ifndef TERN_FORMATS_GGUF_H
#define TERN_FORMATS_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Tensor types tern reads; the numbers are ggml's. */
typedef enum tern_ggml_type {
    TERN_GGML_F32 = 0,
    TERN_GGML_F16 = 1,
    TERN_GGML_Q4_0 = 2,
    TERN_GGML_Q8_0 = 8,
    TERN_GGML_Q4_K = 12,
    TERN_GGML_Q6_K = 14,
    TERN_GGML_BF16 = 30,
    TERN_GGML_TQ1_0 = 34,
    TERN_GGML_TQ2_0 = 35,
    TERN_GGML_I2_S = 36, /* bitnet.cpp's; ggml has removed the number */
    TERN_GGML_Q2_0 = 42
} tern_ggml_type;

/* Value types of keys. */
typedef enum tern_gguf_type {
    TERN_GGUF_U8,
    TERN_GGUF_I8,
    TERN_GGUF_U16,
    TERN_GGUF_I16,
    TERN_GGUF_U32,
    TERN_GGUF_I32,
    TERN_GGUF_F32,
    TERN_GGUF_BOOL,
    TERN_GGUF_STRING,
    TERN_GGUF_ARRAY,
    TERN_GGUF_U64,
    TERN_GGUF_I64,
    TERN_GGUF_F64
} tern_gguf_type;

/* A string inside the mapped file: not NUL-terminated. */
typedef struct tern_gguf_string {
    const char *data;
    size_t bytes;
} tern_gguf_string;

typedef struct tern_gguf_tensor {
    char name[64];
    uint32_t type; /* tern_ggml_type, or one tern does not know */
    uint32_t dims_count;
    int64_t dims[4];  /* dims[0] contiguous; unused ones are 1 */
    int64_t elements; /* their product */
    const uint8_t *data;
    size_t bytes;
    const struct tern_gguf *file; /* that is mapped; NULL: bytes in memory */
} tern_gguf_tensor;

typedef struct tern_gguf tern_gguf;

/* --- reading --- */

/* Map and check a file. TERN_EIO, TERN_EFORMAT, TERN_ECORRUPT; the message starts with
 * the path and names key or tensor. Free with tern_gguf_close (NULL is fine). What the
 * file's length promises is checked; do not shorten a file while it is open. */
tern_status tern_gguf_open(const char *path, tern_gguf **out);
/* The same over bytes in memory, borrowed until close; `name` starts messages. */
tern_status tern_gguf_parse(const uint8_t *data, size_t bytes, const char *name,
                            tern_gguf **out);
void tern_gguf_close(tern_gguf *g);
const char *tern_gguf_path(const tern_gguf *g);
size_t tern_gguf_bytes(const tern_gguf *g); /* size of the file */
bool tern_is_gguf(const char *path);        /* by its first four bytes */

size_t tern_gguf_tensor_count(const tern_gguf *g);
const tern_gguf_tensor *tern_gguf_tensor_at(const tern_gguf *g, size_t i);
const tern_gguf_tensor *tern_gguf_find_tensor(const tern_gguf *g, const char *name);
/* `bytes` of a tensor from byte `from` on, for one look: of a file in `buffer`, if they
 * have `room` there, without its pages being mapped (see tern_map_read()); else where
 * they are. */
const uint8_t *tern_gguf_read(const tern_gguf_tensor *t, size_t from, size_t bytes,
                              void *buffer, size_t room);
/* A hint: what has been read of the file so far will not be read again soon. It leaves
 * memory, and comes back from the file if it is read all the same. */
void tern_gguf_release(const tern_gguf *g);

size_t tern_gguf_key_count(const tern_gguf *g);
tern_gguf_string tern_gguf_key_name(const tern_gguf *g, size_t i);
/* TERN_GGUF_ARRAY for all arrays; get_array knows of what. */
tern_gguf_type tern_gguf_key_type(const tern_gguf *g, size_t i);
/* A value as text for people (arrays shortened), at most `size` bytes with NUL. */
void tern_gguf_key_print(const tern_gguf *g, size_t i, char *out, size_t size);

/* Typed lookups. Integers accept any integer type that fits; TERN_EFORMAT names the key
 * when it is missing or of another type. */
bool tern_gguf_has(const tern_gguf *g, const char *key);
tern_status tern_gguf_get_int(const tern_gguf *g, const char *key, int64_t *out);
tern_status tern_gguf_get_float(const tern_gguf *g, const char *key, double *out);
tern_status tern_gguf_get_bool(const tern_gguf *g, const char *key, bool *out);
tern_status tern_gguf_get_string(const tern_gguf *g, const char *key,
                                 tern_gguf_string *out);
tern_status tern_gguf_get_array(const tern_gguf *g, const char *key,
                                tern_gguf_type *element, size_t *count);
/* Element i of an array of strings / integers (checked by get_array before). */
tern_gguf_string tern_gguf_array_string(const tern_gguf *g, const char *key, size_t i);
int64_t tern_gguf_array_int(const tern_gguf *g, const char *key, size_t i);
float tern_gguf_array_f32(const tern_gguf *g, const char *key, size_t i); /* of F32 */

/* --- writing: keys, then tensors in order, atomically --- */

typedef struct tern_gguf_writer tern_gguf_writer;

tern_gguf_writer *tern_gguf_writer_new(void); /* NULL if out of memory */
void tern_gguf_writer_free(tern_gguf_writer *w);

/* Values are copied. Errors (memory, duplicate key) are sticky until _write. */
void tern_gguf_put_u32(tern_gguf_writer *w, const char *key, uint32_t v);
void tern_gguf_put_f32(tern_gguf_writer *w, const char *key, float v);
void tern_gguf_put_bool(tern_gguf_writer *w, const char *key, bool v);
void tern_gguf_put_string(tern_gguf_writer *w, const char *key, const char *v);
void tern_gguf_put_strings(tern_gguf_writer *w, const char *key, const char *const *v,
                           size_t count);
void tern_gguf_put_i32s(tern_gguf_writer *w, const char *key, const int32_t *v,
                        size_t count);
void tern_gguf_put_f32s(tern_gguf_writer *w, const char *key, const float *v,
                        size_t count);

/* Declare a tensor (cols contiguous; rows = 0 for a vector of cols). Its bytes are
 * asked for while writing, so that a model larger than memory can be written: fill()
 * puts the whole encoded tensor (tern_ggml_bytes) into out. */
typedef tern_status (*tern_gguf_fill)(void *user, uint8_t *out, size_t bytes);
void tern_gguf_put_tensor(tern_gguf_writer *w, const char *name, tern_ggml_type type,
                          int64_t cols, int64_t rows, tern_gguf_fill fill, void *user);

/* tern_gguf_write() - the file at `path`, whole or not at all (base/file.h). */
tern_status tern_gguf_write(tern_gguf_writer *w, const char *path);
/* The same, but `check` sees the finished file under another name first: unless it
 * returns TERN_OK, `path` stays what it was. */
typedef tern_status (*tern_gguf_check)(void *user, const char *file);
tern_status tern_gguf_write_checked(tern_gguf_writer *w, const char *path,
                                    tern_gguf_check check, void *user);

/* --- rotary pairs --- */

/* llama.cpp's arch llama turns neighbours (2i, 2i + 1) of a head, tern (i, i + d / 2):
 * row r of the file's attn_q and attn_k is row tern_gguf_rotary_row() of tern's.
 * head_dim 0: of a matrix without rotary pairs, whose rows stay where they are. */
static inline size_t tern_gguf_rotary_row(size_t r, size_t head_dim)
{
    if (head_dim == 0) return r;
    const size_t in_head = r % head_dim;
    return r - in_head + in_head % 2 * (head_dim / 2) + in_head / 2;
}

#endif /* TERN_FORMATS_GGUF_H */
