/* safetensors_read.c - safetensors files, checked once and completely.
 *
 * The header is JSON, so its syntax is jansson's business (UTF-8, doubled keys, depth);
 * what it says is ours. A header is at most 100 MB, as in the reference reader, and
 * never longer than its file: memory stays a small multiple of the file's size,
 * whatever it says. Offsets are sorted and must follow each other without hole or
 * overlap, from the first byte of the data to the last. */
#define _DEFAULT_SOURCE /* madvise */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/half.h"
#include "formats/safetensors.h"

enum { MAX_HEADER = 100 * 1000 * 1000, MAX_INDEX = 1 << 28, MAX_SHARDS = 100000 };
enum { LENGTH_BYTES = 8, SHOWN = 96 };

static const char METADATA[] = "__metadata__";

typedef struct shard {
    char *path;
    const char *name; /* the last part of path */
    tern_map map;     /* of an open file; empty for a parsed buffer */
    json_t *metadata; /* object, or NULL */
} shard;

struct tern_safetensors {
    char *path;
    shard *shards;
    size_t shard_count;
    tern_st_tensor *tensors;
    size_t count, capacity;
    tern_st_tensor **by_name; /* sorted */
};

/* --- types --- */

static const struct {
    const char *name;
    size_t bytes;
} types[TERN_ST_TYPES] = {
    [TERN_ST_BOOL] = {"BOOL", 1}, [TERN_ST_U8] = {"U8", 1},
    [TERN_ST_I8] = {"I8", 1},     [TERN_ST_F8_E5M2] = {"F8_E5M2", 1},
    [TERN_ST_I16] = {"I16", 2},   [TERN_ST_F8_E4M3] = {"F8_E4M3", 1},
    [TERN_ST_U16] = {"U16", 2},   [TERN_ST_F16] = {"F16", 2},
    [TERN_ST_BF16] = {"BF16", 2}, [TERN_ST_I32] = {"I32", 4},
    [TERN_ST_U32] = {"U32", 4},   [TERN_ST_F32] = {"F32", 4},
    [TERN_ST_C64] = {"C64", 8},   [TERN_ST_F64] = {"F64", 8},
    [TERN_ST_I64] = {"I64", 8},   [TERN_ST_U64] = {"U64", 8},
};

const char *tern_st_type_name(tern_st_type t)
{
    return types[t].name;
}

size_t tern_st_type_bytes(tern_st_type t)
{
    return types[t].bytes;
}

int tern_st_type_find(const char *name)
{
    for (int t = 0; t < TERN_ST_TYPES; t++)
        if (strcasecmp(name, types[t].name) == 0) return t;
    return -1;
}

bool tern_st_type_is_float(tern_st_type t)
{
    return t == TERN_ST_F32 || t == TERN_ST_F16 || t == TERN_ST_BF16;
}

/* --- texts --- */

/* A name from a file as a message may show it: short, and without control bytes. */
static const char *shown(const char *name, char out[SHOWN])
{
    size_t n = strlen(name);
    const bool cut = n > SHOWN - 4;
    if (cut) n = SHOWN - 4;
    for (size_t i = 0; i < n; i++) {
        const unsigned char b = (unsigned char)name[i];
        out[i] = (char)(b < 0x20 || b == 0x7f ? '?' : b);
    }
    strcpy(out + n, cut ? "..." : "");
    return out;
}

static char *copy_text(const char *s)
{
    char *copy = malloc(strlen(s) + 1);
    return copy ? strcpy(copy, s) : NULL;
}

/* --- one entry of the header --- */

static tern_status bad_entry(const shard *f, const char *name, const char *what)
{
    char part[SHOWN];
    return tern_fail(TERN_EFORMAT, "%s: tensor \"%s\": %s", f->path, shown(name, part),
                     what);
}

static tern_status take_type(const shard *f, const json_t *entry, tern_st_tensor *t)
{
    char part[SHOWN], other[SHOWN];
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    if (!text) return bad_entry(f, t->name, "\"dtype\" must be a text");
    for (int i = 0; i < TERN_ST_TYPES; i++) {
        if (strcmp(text, types[i].name) != 0) continue;
        t->type = (tern_st_type)i;
        return TERN_OK;
    }
    return tern_fail(TERN_EFORMAT,
                     "%s: tensor \"%s\": dtype \"%s\" is not one tern knows", f->path,
                     shown(t->name, part), shown(text, other));
}

/* Dimensions, their product, and bytes, none of them overflowing. */
static tern_status take_shape(const shard *f, const json_t *entry, tern_st_tensor *t)
{
    const json_t *shape = json_object_get(entry, "shape");
    const size_t rank = json_array_size(shape);
    if (!json_is_array(shape)) return bad_entry(f, t->name, "\"shape\" must be a list");
    if (rank > TERN_ST_RANK) return bad_entry(f, t->name, "has more than 8 dimensions");
    t->rank = (int)rank;
    t->elements = 1;
    for (size_t i = 0; i < rank; i++) {
        const json_t *d = json_array_get(shape, i);
        const int64_t n = json_is_integer(d) ? json_integer_value(d) : -1;
        if (n < 0)
            return bad_entry(f, t->name,
                             "a dimension must be a whole number, 0 or more");
        if (n && t->elements > INT64_MAX / n)
            return bad_entry(f, t->name, "has more than 2^63 elements");
        t->dims[i] = n;
        t->elements *= n;
    }
    const size_t each = types[t->type].bytes;
    if ((uint64_t)t->elements > SIZE_MAX / each)
        return bad_entry(f, t->name, "has more than 2^64 bytes");
    t->bytes = (size_t)t->elements * each;
    return TERN_OK;
}

/* data_offsets: inside the data, and as long as type and shape say. */
static tern_status take_offsets(const shard *f, const json_t *entry, size_t data_bytes,
                                tern_st_tensor *t, uint64_t *begin)
{
    char part[SHOWN];
    const json_t *pair = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(pair, 0), *to = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return bad_entry(f, t->name, "\"data_offsets\" must be two whole numbers");
    const int64_t b = json_integer_value(from), e = json_integer_value(to);
    if (b < 0 || e < b)
        return bad_entry(f, t->name, "\"data_offsets\" end before they begin");
    if ((uint64_t)e > data_bytes)
        return tern_fail(TERN_ECORRUPT,
                         "%s: tensor \"%s\" ends at byte %" PRId64
                         " of %zu bytes of data; truncated?",
                         f->path, shown(t->name, part), e, data_bytes);
    if ((uint64_t)(e - b) != t->bytes)
        return tern_fail(TERN_ECORRUPT,
                         "%s: tensor \"%s\" has %" PRId64
                         " bytes, but its type and shape need %zu",
                         f->path, shown(t->name, part), e - b, t->bytes);
    *begin = (uint64_t)b;
    return TERN_OK;
}

static tern_status take_entry(const shard *f, const json_t *entry, const uint8_t *data,
                              size_t data_bytes, tern_st_tensor *t)
{
    uint64_t begin = 0;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return bad_entry(f, t->name,
                         "must have \"dtype\", \"shape\" and \"data_offsets\", and "
                         "nothing else");
    TERN_TRY(take_type(f, entry, t));
    TERN_TRY(take_shape(f, entry, t));
    TERN_TRY(take_offsets(f, entry, data_bytes, t, &begin));
    t->data = data + begin;
    return TERN_OK;
}

/* --- the header --- */

static tern_status take_metadata(shard *f, json_t *o)
{
    const char *key;
    json_t *value;
    if (!json_is_object(o))
        return tern_fail(TERN_EFORMAT, "%s: \"%s\" must be an object", f->path,
                         METADATA);
    json_object_foreach(o, key, value) if (!json_is_string(value))
    {
        char part[SHOWN];
        return tern_fail(TERN_EFORMAT, "%s: \"%s\": the value of \"%s\" must be a text",
                         f->path, METADATA, shown(key, part));
    }
    f->metadata = json_incref(o);
    return TERN_OK;
}

static int by_place(const void *a, const void *b)
{
    const tern_st_tensor *x = *(const tern_st_tensor *const *)a;
    const tern_st_tensor *y = *(const tern_st_tensor *const *)b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The tensors of a file, one after the other, fill its data exactly. */
static tern_status check_places(const shard *f, tern_st_tensor *first, size_t count,
                                const uint8_t *data, size_t bytes)
{
    char part[SHOWN];
    tern_st_tensor **order = malloc((count ? count : 1) * sizeof *order);
    if (!order) return tern_fail(TERN_EMEM, "%s: out of memory", f->path);
    for (size_t i = 0; i < count; i++) order[i] = &first[i];
    qsort(order, count, sizeof *order, by_place);
    const uint8_t *at = data;
    tern_status s = TERN_OK;
    for (size_t i = 0; i < count && s == TERN_OK; i++) {
        if (order[i]->data != at)
            s = tern_fail(TERN_ECORRUPT,
                          "%s: tensor \"%s\" begins at byte %zu of the data, not %zu "
                          "where the one before it ends",
                          f->path, shown(order[i]->name, part),
                          (size_t)(order[i]->data - data), (size_t)(at - data));
        at = order[i]->data + order[i]->bytes;
    }
    free(order);
    if (s == TERN_OK && at != data + bytes)
        return tern_fail(TERN_ECORRUPT, "%s: %zu bytes behind the last tensor", f->path,
                         (size_t)(data + bytes - at));
    return s;
}

static tern_status reserve(tern_safetensors *s, size_t more)
{
    if (more <= s->capacity - s->count) return TERN_OK;
    const size_t capacity = s->count + more;
    tern_st_tensor *larger = realloc(s->tensors, capacity * sizeof *larger);
    if (!larger) return tern_fail(TERN_EMEM, "%s: out of memory", s->path);
    s->tensors = larger;
    s->capacity = capacity;
    return TERN_OK;
}

static tern_status take_header(tern_safetensors *s, shard *f, const json_t *root,
                               const uint8_t *data, size_t bytes)
{
    const size_t first = s->count;
    const char *name;
    json_t *entry;
    TERN_TRY(reserve(s, json_object_size(root)));
    json_object_foreach((json_t *)(uintptr_t)root, name, entry)
    {
        if (strcmp(name, METADATA) == 0) {
            TERN_TRY(take_metadata(f, entry));
            continue;
        }
        tern_st_tensor *t = &s->tensors[s->count];
        *t = (tern_st_tensor){.name = copy_text(name), .file = (size_t)(f - s->shards)};
        if (!t->name) return tern_fail(TERN_EMEM, "%s: out of memory", f->path);
        s->count++;
        TERN_TRY(take_entry(f, entry, data, bytes, t));
    }
    if (!s->tensors) return check_places(f, NULL, 0, data, bytes);
    return check_places(f, s->tensors + first, s->count - first, data, bytes);
}

static uint64_t little_endian(const uint8_t *p)
{
    uint64_t v = 0;
    for (size_t i = LENGTH_BYTES; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static tern_status take_file(tern_safetensors *s, shard *f, const uint8_t *file,
                             size_t bytes)
{
    if (bytes < LENGTH_BYTES)
        return tern_fail(TERN_EFORMAT, "%s: %zu bytes, so no safetensors file", f->path,
                         bytes);
    const uint64_t length = little_endian(file);
    const uint8_t *header = file + LENGTH_BYTES;
    const size_t left = bytes - LENGTH_BYTES;
    if (length > MAX_HEADER)
        return tern_fail(TERN_EFORMAT,
                         "%s: not a safetensors file (its header would have %" PRIu64
                         " bytes)",
                         f->path, length);
    if (length > left)
        return tern_fail(TERN_ECORRUPT,
                         "%s: a header of %" PRIu64 " bytes, but %zu are left; "
                         "truncated?",
                         f->path, length, left);
    if (length == 0 || header[0] != '{')
        return tern_fail(TERN_EFORMAT,
                         "%s: not a safetensors file: its header does not "
                         "begin with {",
                         f->path);
    json_error_t e;
    json_t *root =
        json_loadb((const char *)header, (size_t)length, JSON_REJECT_DUPLICATES, &e);
    if (!root)
        return tern_fail(TERN_EFORMAT, "%s: header: column %d: %s", f->path, e.position,
                         e.text);
    const tern_status status =
        take_header(s, f, root, header + length, left - (size_t)length);
    json_decref(root);
    return status;
}

/* --- one file or many --- */

static int by_name(const void *a, const void *b)
{
    const tern_st_tensor *x = *(const tern_st_tensor *const *)a;
    const tern_st_tensor *y = *(const tern_st_tensor *const *)b;
    return strcmp(x->name, y->name);
}

/* Also finds a name that two shards have. */
static tern_status sort_names(tern_safetensors *s)
{
    char part[SHOWN];
    s->by_name = malloc((s->count ? s->count : 1) * sizeof(tern_st_tensor *));
    if (!s->by_name) return tern_fail(TERN_EMEM, "%s: out of memory", s->path);
    for (size_t i = 0; i < s->count; i++) s->by_name[i] = &s->tensors[i];
    qsort(s->by_name, s->count, sizeof(tern_st_tensor *), by_name);
    for (size_t i = 1; i < s->count; i++)
        if (strcmp(s->by_name[i]->name, s->by_name[i - 1]->name) == 0)
            return tern_fail(TERN_ECORRUPT, "%s: two files have a tensor \"%s\"",
                             s->path, shown(s->by_name[i]->name, part));
    return TERN_OK;
}

static tern_status make(const char *path, size_t shards, tern_safetensors **out)
{
    tern_safetensors *s = calloc(1, sizeof *s);
    if (s) {
        s->path = copy_text(path);
        s->shards = calloc(shards ? shards : 1, sizeof *s->shards);
        if (s->path && s->shards) {
            *out = s;
            return TERN_OK;
        }
    }
    tern_safetensors_close(s);
    return tern_fail(TERN_EMEM, "%s: out of memory", path);
}

/* The next shard, which must be there: `file` borrowed, or NULL to map the path. */
static tern_status add_shard(tern_safetensors *s, const char *path, const uint8_t *file,
                             size_t bytes)
{
    shard *f = &s->shards[s->shard_count++];
    f->path = copy_text(path);
    if (!f->path) return tern_fail(TERN_EMEM, "%s: out of memory", path);
    const char *slash = strrchr(f->path, '/');
    f->name = slash ? slash + 1 : f->path;
    if (!file) {
        TERN_TRY(tern_map_open(path, &f->map));
        file = f->map.data;
        bytes = f->map.bytes;
    }
    return take_file(s, f, file, bytes);
}

static tern_status hand_out(tern_safetensors *s, tern_status status,
                            tern_safetensors **out)
{
    if (status == TERN_OK) status = sort_names(s);
    if (status == TERN_OK)
        *out = s;
    else
        tern_safetensors_close(s);
    return status;
}

tern_status tern_safetensors_parse(const uint8_t *data, size_t bytes, const char *name,
                                   tern_safetensors **out)
{
    static const uint8_t nothing[1]; /* an empty file has no data pointer */
    tern_safetensors *s = NULL;
    TERN_TRY(make(name, 1, &s));
    return hand_out(s, add_shard(s, name, bytes ? data : nothing, bytes), out);
}

tern_status tern_safetensors_open(const char *path, tern_safetensors **out)
{
    tern_safetensors *s = NULL;
    TERN_TRY(make(path, 1, &s));
    return hand_out(s, add_shard(s, path, NULL, 0), out);
}

/* --- the index --- */

static bool plain_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static bool has_shard(const tern_safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->shard_count; i++)
        if (strcmp(s->shards[i].name, name) == 0) return true;
    return false;
}

/* How many entries of the map name a file that no entry before it named is not worth
 * counting: there are at most as many files as entries. */
static tern_status open_shards(tern_safetensors *s, const char *dir, const json_t *map)
{
    char path[TERN_PATH_MAX], part[SHOWN];
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        const char *file = json_string_value(value);
        if (!file || !plain_name(file))
            return tern_fail(TERN_EFORMAT,
                             "%s: weight_map: \"%s\" must be the name of a file in the "
                             "same directory",
                             s->path, shown(name, part));
        if (has_shard(s, file)) continue;
        if (s->shard_count == MAX_SHARDS)
            return tern_fail(TERN_EFORMAT, "%s: more than %d files", s->path,
                             MAX_SHARDS);
        TERN_TRY(tern_path_join(path, dir, file));
        TERN_TRY(add_shard(s, path, NULL, 0));
    }
    return TERN_OK;
}

/* The map and the files name the same tensors. */
static tern_status check_map(const tern_safetensors *s, const json_t *map)
{
    char part[SHOWN];
    const char *name;
    json_t *value;
    for (size_t i = 0; i < s->count; i++) {
        const tern_st_tensor *t = &s->tensors[i];
        const char *file = json_string_value(json_object_get(map, t->name));
        if (!file || strcmp(file, s->shards[t->file].name) != 0)
            return tern_fail(TERN_ECORRUPT, "%s: tensor \"%s\" is in %s, not in %s",
                             s->path, shown(t->name, part), s->shards[t->file].path,
                             file ? file : "the index");
    }
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        if (!tern_safetensors_find(s, name))
            return tern_fail(TERN_ECORRUPT, "%s: tensor \"%s\" is not in %s", s->path,
                             shown(name, part), json_string_value(value));
    }
    return TERN_OK;
}

static tern_status open_index(const char *dir, const char *path, const json_t *root,
                              tern_safetensors **out)
{
    const json_t *map = json_object_get(root, "weight_map");
    tern_safetensors *s = NULL;
    if (!json_is_object(map))
        return tern_fail(TERN_EFORMAT, "%s: has no \"weight_map\"", path);
    TERN_TRY(make(path, json_object_size(map), &s));
    TERN_TRY(hand_out(s, open_shards(s, dir, map), &s));
    const tern_status status = check_map(s, map);
    if (status == TERN_OK)
        *out = s;
    else
        tern_safetensors_close(s);
    return status;
}

tern_status tern_safetensors_open_dir(const char *dir, tern_safetensors **out)
{
    char path[TERN_PATH_MAX], *text;
    size_t bytes;
    json_error_t e;
    TERN_TRY(tern_path_join(path, dir, "model.safetensors"));
    if (tern_file_exists(path)) return tern_safetensors_open(path, out);
    TERN_TRY(tern_path_join(path, dir, "model.safetensors.index.json"));
    if (!tern_file_exists(path))
        return tern_fail(TERN_EIO,
                         "%s: neither model.safetensors nor "
                         "model.safetensors.index.json is in it",
                         dir);
    TERN_TRY(tern_file_read(path, MAX_INDEX, &text, &bytes));
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &e);
    free(text);
    if (!root)
        return tern_fail(TERN_EFORMAT, "%s: line %d, column %d: %s", path, e.line,
                         e.column, e.text);
    const tern_status s = open_index(dir, path, root, out);
    json_decref(root);
    return s;
}

void tern_safetensors_close(tern_safetensors *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->count; i++) free((char *)(uintptr_t)s->tensors[i].name);
    for (size_t i = 0; i < s->shard_count; i++) {
        json_decref(s->shards[i].metadata);
        tern_map_close(&s->shards[i].map);
        free(s->shards[i].path);
    }
    free(s->shards);
    free(s->tensors);
    free(s->by_name);
    free(s->path);
    free(s);
}

/* --- lookups --- */

const char *tern_safetensors_path(const tern_safetensors *s)
{
    return s->path;
}

const char *tern_safetensors_file(const tern_safetensors *s, const tern_st_tensor *t)
{
    return s->shards[t->file].path;
}

size_t tern_safetensors_count(const tern_safetensors *s)
{
    return s->count;
}

const tern_st_tensor *tern_safetensors_at(const tern_safetensors *s, size_t i)
{
    assert(i < s->count);
    return &s->tensors[i];
}

const tern_st_tensor *tern_safetensors_find(const tern_safetensors *s, const char *name)
{
    const tern_st_tensor key = {.name = name}, *wanted = &key;
    tern_st_tensor **found = s->count ? bsearch(&wanted, s->by_name, s->count,
                                                sizeof(tern_st_tensor *), by_name)
                                      : NULL;
    return found ? *found : NULL;
}

const char *tern_safetensors_metadata(const tern_safetensors *s, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; i < s->shard_count && !value; i++)
        value = json_string_value(json_object_get(s->shards[i].metadata, key));
    return value;
}

void tern_safetensors_release(const tern_safetensors *s, const tern_st_tensor *t)
{
    if (!s->shards[t->file].map.data) return; /* somebody else's memory */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)t->data + page - 1) / page * page;
    const uintptr_t last = ((uintptr_t)t->data + t->bytes) / page * page;
    if (first < last) (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

static uint32_t word(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

void tern_st_get_floats(const tern_st_tensor *t, size_t first, size_t count, float *out)
{
    assert(tern_st_type_is_float(t->type));
    assert(first <= (size_t)t->elements && count <= (size_t)t->elements - first);
    const size_t each = types[t->type].bytes;
    const uint8_t *p = t->data + first * each;
    for (size_t i = 0; i < count; i++, p += each) {
        const uint16_t half = (uint16_t)(p[0] | p[1] << 8);
        out[i] = t->type == TERN_ST_F32   ? tern_float_from_bits(word(p))
                 : t->type == TERN_ST_F16 ? tern_float_from_half(half)
                                          : tern_float_from_bf16(half);
    }
}
