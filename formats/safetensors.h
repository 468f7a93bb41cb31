/* safetensors.h - Hugging Face's tensor files: reader and writer, side by side.
 *
 * Layout (little-endian): u64 length N of the header, N bytes of JSON, the data:
 *
 *     {"__metadata__": {"format": "pt"},
 *      "model.norm.weight": {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]},
 *      ...}
 *
 * Shapes are row-major (the last dimension is contiguous), offsets count from the end
 * of the header. A large model is several such files and an index that says which
 * tensor is where:
 *
 *     model-00001-of-00002.safetensors
 *     model-00002-of-00002.safetensors
 *     model.safetensors.index.json     {"metadata": {"total_size": n},
 *                                       "weight_map": {tensor: file, ...}}
 *
 * The reader maps the files and believes nothing: length, JSON, types, shapes and
 * offsets are checked before anything is used, and what the reference reader refuses
 * (holes, overlaps, bytes behind the last tensor) this one refuses.
 */
#ifndef TERN_FORMATS_SAFETENSORS_H
#define TERN_FORMATS_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum tern_st_type {
    TERN_ST_BOOL,
    TERN_ST_U8,
    TERN_ST_I8,
    TERN_ST_F8_E5M2,
    TERN_ST_F8_E4M3,
    TERN_ST_I16,
    TERN_ST_U16,
    TERN_ST_F16,
    TERN_ST_BF16,
    TERN_ST_I32,
    TERN_ST_U32,
    TERN_ST_F32,
    TERN_ST_C64,
    TERN_ST_F64,
    TERN_ST_I64,
    TERN_ST_U64,
    TERN_ST_TYPES
} tern_st_type;

const char *tern_st_type_name(tern_st_type t); /* "BF16" */
size_t tern_st_type_bytes(tern_st_type t);     /* of one element */
int tern_st_type_find(const char *name);       /* "bf16", "BF16"; -1: none such */
bool tern_st_type_is_float(tern_st_type t);    /* F32, F16, BF16: those tern decodes */

enum { TERN_ST_RANK = 8 }; /* most dimensions */

typedef struct tern_st_tensor {
    const char *name; /* as long as the file is open */
    tern_st_type type;
    int rank;
    int64_t dims[TERN_ST_RANK];
    int64_t elements;    /* their product */
    const uint8_t *data; /* aligned to nothing */
    size_t bytes;
    size_t file; /* which of the files it stands in */
} tern_st_tensor;

typedef struct tern_safetensors tern_safetensors;

/* --- reading --- */

/* Map and check one file. TERN_EIO, TERN_EFORMAT, TERN_ECORRUPT; the message starts
 * with the path and names the tensor. Free with tern_safetensors_close (NULL is fine).
 * Do not shorten a file while it is open. */
tern_status tern_safetensors_open(const char *path, tern_safetensors **out);
/* The model in a directory: model.safetensors, or else the files that
 * model.safetensors.index.json lists, as if they were one. */
tern_status tern_safetensors_open_dir(const char *dir, tern_safetensors **out);
/* One file in memory, borrowed until close; `name` starts messages. */
tern_status tern_safetensors_parse(const uint8_t *data, size_t bytes, const char *name,
                                   tern_safetensors **out);
void tern_safetensors_close(tern_safetensors *s);

const char *tern_safetensors_path(const tern_safetensors *s); /* as it was opened */
/* The file that holds t. */
const char *tern_safetensors_file(const tern_safetensors *s, const tern_st_tensor *t);
size_t tern_safetensors_count(const tern_safetensors *s);
const tern_st_tensor *tern_safetensors_at(const tern_safetensors *s, size_t i);
const tern_st_tensor *tern_safetensors_find(const tern_safetensors *s,
                                            const char *name); /* or NULL */
/* A value of __metadata__ (of the first file that has it), or NULL. */
const char *tern_safetensors_metadata(const tern_safetensors *s, const char *key);
/* A hint: the bytes of this tensor will not be read again soon. */
void tern_safetensors_release(const tern_safetensors *s, const tern_st_tensor *t);

/* Elements first .. first + count of a float tensor, exactly, as float. */
void tern_st_get_floats(const tern_st_tensor *t, size_t first, size_t count,
                        float *out);

/* --- writing --- */

typedef struct tern_st_writer tern_st_writer;

tern_st_writer *tern_st_writer_new(void); /* NULL if out of memory */
void tern_st_writer_free(tern_st_writer *w);

/* Errors (memory, names put twice, impossible shapes) are sticky until _write. Every
 * file gets {"format": "pt"}, without which older readers refuse it. */

/* Declare a tensor. Its bytes are asked for while writing, so that a model larger than
 * memory can be written: fill() puts the whole tensor into out. */
typedef tern_status (*tern_st_fill)(void *user, uint8_t *out, size_t bytes);
void tern_st_put_tensor(tern_st_writer *w, const char *name, tern_st_type type,
                        int rank, const int64_t *dims, tern_st_fill fill, void *user);

/* tern_st_write_dir() - dir/model.safetensors or, where the tensors have more than
 * `most` bytes, as many shards as it takes (a tensor larger than that is alone in
 * one) and the index, which is written last. Each file appears whole or not at all;
 * inside a file the tensors are ordered by the width of their type, then by name, so
 * that each is aligned. */
tern_status tern_st_write_dir(tern_st_writer *w, const char *dir, uint64_t most);

/* count floats as F32, F16 or BF16, rounded to nearest even. */
void tern_st_put_floats(tern_st_type t, const float *x, size_t count, uint8_t *out);

#endif /* TERN_FORMATS_SAFETENSORS_H */
