/* safetensors_write.c - the writer collects tensors as promises, deals them out to
 * files, and writes each file in one pass, one tensor in memory at a time.
 *
 * Files are filled in the order in which tensors were put, so that the layers of a
 * shard are neighbours. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "formats/safetensors.h"

enum { ALIGNMENT = 8, MESSAGE = 512, FILE_NAME = 64 };

typedef struct promise {
    char *name;
    tern_st_type type;
    int rank;
    int64_t dims[TERN_ST_RANK];
    size_t bytes;
    tern_st_fill fill;
    void *user;
    size_t shard;
} promise;

struct tern_st_writer {
    promise *tensors;
    size_t count, capacity;
    tern_status status; /* the first error, and what it said */
    char message[MESSAGE];
};

tern_st_writer *tern_st_writer_new(void)
{
    return calloc(1, sizeof(tern_st_writer));
}

void tern_st_writer_free(tern_st_writer *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->count; i++) free(w->tensors[i].name);
    free(w->tensors);
    free(w);
}

__attribute__((format(printf, 3, 4))) static void
fail(tern_st_writer *w, tern_status status, const char *fmt, ...)
{
    if (w->status != TERN_OK) return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(w->message, sizeof w->message, fmt, args);
    va_end(args);
    w->status = status;
}

/* --- tensors --- */

static void check_name(tern_st_writer *w, const char *name)
{
    if (!*name || strcmp(name, "__metadata__") == 0)
        fail(w, TERN_EARG, "\"%s\" cannot be the name of a tensor", name);
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->tensors[i].name, name) == 0)
            fail(w, TERN_EARG, "tensor \"%.80s\" is put twice", name);
}

/* Fills in dims and bytes. */
static void check_shape(tern_st_writer *w, const char *name, const int64_t *dims,
                        promise *t)
{
    int64_t n = 1;
    if (t->rank < 0 || t->rank > TERN_ST_RANK)
        fail(w, TERN_ESHAPE, "tensor \"%.80s\": %d dimensions", name, t->rank);
    for (int i = 0; w->status == TERN_OK && i < t->rank; i++) {
        if (dims[i] < 0 || (dims[i] && n > INT64_MAX / 8 / dims[i]))
            fail(w, TERN_ESHAPE, "tensor \"%.80s\": impossible dimension %" PRId64,
                 name, dims[i]);
        else
            n *= t->dims[i] = dims[i];
    }
    t->bytes = (size_t)n * tern_st_type_bytes(t->type);
}

static bool make_room(tern_st_writer *w)
{
    if (w->count < w->capacity) return true;
    const size_t capacity = w->capacity ? 2 * w->capacity : 64;
    promise *larger = realloc(w->tensors, capacity * sizeof *larger);
    if (!larger) return false;
    w->tensors = larger;
    w->capacity = capacity;
    return true;
}

void tern_st_put_tensor(tern_st_writer *w, const char *name, tern_st_type type,
                        int rank, const int64_t *dims, tern_st_fill fill_tensor,
                        void *user)
{
    promise t = {.type = type, .rank = rank, .fill = fill_tensor, .user = user};
    if (w->status != TERN_OK) return;
    check_name(w, name);
    check_shape(w, name, dims, &t);
    if (w->status != TERN_OK) return;
    t.name = malloc(strlen(name) + 1);
    if (!t.name || !make_room(w)) {
        free(t.name);
        fail(w, TERN_EMEM, "out of memory");
        return;
    }
    strcpy(t.name, name);
    w->tensors[w->count++] = t;
}

/* --- files --- */

/* Which tensor goes into which file; the number of files. */
static size_t deal_out(tern_st_writer *w, uint64_t most)
{
    size_t shard = 0;
    uint64_t used = 0;
    for (size_t i = 0; i < w->count; i++) {
        promise *t = &w->tensors[i];
        if (used && (used > most || t->bytes > most - used)) {
            shard++;
            used = 0;
        }
        used += t->bytes;
        t->shard = shard;
    }
    return shard + 1;
}

static void file_name(char out[FILE_NAME], size_t shard, size_t shards)
{
    if (shards == 1)
        snprintf(out, FILE_NAME, "model.safetensors");
    else
        snprintf(out, FILE_NAME, "model-%05zu-of-%05zu.safetensors", shard + 1, shards);
}

static int by_alignment(const void *a, const void *b)
{
    const promise *x = *(const promise *const *)a, *y = *(const promise *const *)b;
    const size_t i = tern_st_type_bytes(x->type), j = tern_st_type_bytes(y->type);
    if (i != j) return i > j ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors of a shard in the order of its file, heap; their number. */
static const promise **shard_order(const tern_st_writer *w, size_t shard, size_t *count)
{
    const promise **order = malloc((w->count ? w->count : 1) * sizeof(promise *));
    *count = 0;
    for (size_t i = 0; order && i < w->count; i++)
        if (w->tensors[i].shard == shard) order[(*count)++] = &w->tensors[i];
    if (order) qsort(order, *count, sizeof(promise *), by_alignment);
    return order;
}

static json_t *pack_entry(const promise *t, uint64_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++)
        if (json_array_append_new(shape, json_integer(t->dims[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tern_st_type_name(t->type),
                     "shape", shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + t->bytes));
}

/* The header, padded with spaces so that the data behind it is aligned; heap. */
static char *make_header(const promise *const *order, size_t count, size_t *bytes)
{
    json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t begin = 0;
    for (size_t i = 0; root && i < count; begin += order[i++]->bytes)
        if (json_object_set_new(root, order[i]->name, pack_entry(order[i], begin)) !=
            0) {
            json_decref(root);
            root = NULL;
        }
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    const size_t length = text ? strlen(text) : 0;
    *bytes = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *padded = text ? malloc(*bytes + 1) : NULL;
    if (padded) {
        memcpy(padded, text, length);
        memset(padded + length, ' ', *bytes - length);
    }
    free(text);
    return padded;
}

static tern_status write_all(FILE *f, const void *data, size_t bytes)
{
    if (bytes == 0 || fwrite(data, 1, bytes, f) == bytes) return TERN_OK;
    return tern_fail(TERN_EIO, "cannot write: %s", strerror(errno));
}

static tern_status write_head(FILE *f, const promise *const *order, size_t count)
{
    size_t bytes = 0;
    uint8_t length[8];
    char *header = make_header(order, count, &bytes);
    if (!header) return tern_fail(TERN_EMEM, "no memory for the header");
    for (size_t i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)bytes >> 8 * i);
    tern_status s = write_all(f, length, sizeof length);
    if (s == TERN_OK) s = write_all(f, header, bytes);
    free(header);
    return s;
}

static tern_status write_tensors(FILE *f, const promise *const *order, size_t count)
{
    size_t largest = 1;
    for (size_t i = 0; i < count; i++)
        if (order[i]->bytes > largest) largest = order[i]->bytes;
    uint8_t *data = malloc(largest);
    tern_status s = data ? TERN_OK : tern_fail(TERN_EMEM, "out of memory");
    for (size_t i = 0; i < count && s == TERN_OK; i++) {
        s = order[i]->fill(order[i]->user, data, order[i]->bytes);
        if (s == TERN_OK) s = write_all(f, data, order[i]->bytes);
    }
    free(data);
    return s;
}

static tern_status write_to(const tern_st_writer *w, size_t shard, const char *temp)
{
    size_t count = 0;
    const promise **order = shard_order(w, shard, &count);
    FILE *f = order ? fopen(temp, "wb") : NULL;
    tern_status s = f       ? TERN_OK
                    : order ? tern_fail(TERN_EIO, "cannot write: %s", strerror(errno))
                            : tern_fail(TERN_EMEM, "out of memory");
    if (s == TERN_OK) s = write_head(f, order, count);
    if (s == TERN_OK) s = write_tensors(f, order, count);
    if (f && fclose(f) != 0 && s == TERN_OK)
        s = tern_fail(TERN_EIO, "cannot write: %s", strerror(errno));
    free(order);
    return s;
}

static tern_status write_shard(const tern_st_writer *w, const char *dir, size_t shard,
                               size_t shards)
{
    char name[FILE_NAME], path[TERN_PATH_MAX];
    tern_atomic file;
    file_name(name, shard, shards);
    TERN_TRY(tern_path_join(path, dir, name));
    TERN_TRY(tern_atomic_begin(&file, path));
    const tern_status s = write_to(w, shard, file.temp);
    if (s == TERN_OK) return tern_atomic_commit(&file);
    tern_atomic_abort(&file);
    return tern_fail_in(s, path);
}

static json_t *pack_index(const tern_st_writer *w, size_t shards)
{
    json_int_t total = 0;
    json_t *map = json_object();
    for (size_t i = 0; map && i < w->count; i++) {
        char name[FILE_NAME];
        file_name(name, w->tensors[i].shard, shards);
        total += (json_int_t)w->tensors[i].bytes;
        if (json_object_set_new(map, w->tensors[i].name, json_string(name)) == 0)
            continue;
        json_decref(map);
        map = NULL;
    }
    return json_pack("{s:{s:I}, s:o}", "metadata", "total_size", total, "weight_map",
                     map);
}

static tern_status write_index(const tern_st_writer *w, const char *dir, size_t shards)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "model.safetensors.index.json"));
    json_t *root = pack_index(w, shards);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text) return tern_fail(TERN_EMEM, "%s: out of memory", path);
    const tern_status s = tern_file_write(path, text, strlen(text));
    free(text);
    return s;
}

tern_status tern_st_write_dir(tern_st_writer *w, const char *dir, uint64_t most)
{
    if (w->status != TERN_OK) return tern_fail(w->status, "%s: %s", dir, w->message);
    const size_t shards = deal_out(w, most);
    for (size_t i = 0; i < shards; i++) TERN_TRY(write_shard(w, dir, i, shards));
    return shards > 1 ? write_index(w, dir, shards) : TERN_OK;
}

/* --- values --- */

void tern_st_put_floats(tern_st_type type, const float *x, size_t count, uint8_t *out)
{
    const size_t each = tern_st_type_bytes(type);
    for (size_t i = 0; i < count; i++, out += each) {
        const uint32_t bits = type == TERN_ST_F32   ? tern_float_bits(x[i])
                              : type == TERN_ST_F16 ? tern_half_from_float(x[i])
                                                    : tern_bf16_from_float(x[i]);
        for (size_t b = 0; b < each; b++) out[b] = (uint8_t)(bits >> 8 * b);
    }
}
