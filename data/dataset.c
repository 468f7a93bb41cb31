/* dataset.c - opening and reading datasets; dataset_build.c makes them. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset_parts.h"
#include "data/h5file.h"
#include "data/text_check.h"

static const int64_t IN_MEMORY = INT64_C(2) << 30;

static tern_status read_tokenizer(tern_dataset *d)
{
    char *json;
    TERN_TRY(tern_h5_get_text(d->file, "/", "tokenizer", &json));
    const tern_status s =
        tern_tokenizer_parse(json, strlen(json), d->name, &d->tokenizer);
    free(json);
    return s;
}

static tern_status read_fingerprint(tern_dataset *d)
{
    char *hex, *end;
    TERN_TRY(tern_h5_get_text(d->file, "/", "fingerprint", &hex));
    d->fingerprint = strtoull(hex, &end, 16);
    const bool good = end != hex && *end == '\0';
    free(hex);
    return good ? TERN_OK
                : tern_fail(TERN_EFORMAT, "%s: \"fingerprint\" is not a number",
                            d->name);
}

static tern_status read_shape(tern_dataset *d, tern_split s)
{
    const tern_h5_type want = tern_dataset_type(d->tokenizer);
    tern_h5_shape shape;
    TERN_TRY(tern_h5_info(d->file, tern_split_array(s), &shape));
    if (shape.rank != 1 || shape.type != want)
        return tern_fail(TERN_EFORMAT, "%s: \"%s\" is not one row of %s", d->name,
                         tern_split_array(s), tern_h5_type_name(want));
    d->part[s].tokens = shape.dims[0];
    return tern_h5_get_int(d->file, "/", s == TERN_TRAIN ? "train_bytes" : "val_bytes",
                           &d->part[s].bytes);
}

static tern_status read_tokens(tern_dataset *d, tern_split s)
{
    const int64_t n = d->part[s].tokens;
    if (n == 0) return TERN_OK;
    void *ids = malloc((size_t)n * tern_h5_type_size(d->type));
    if (!ids)
        return tern_fail(TERN_EMEM, "%s: no memory for %" PRId64 " tokens", d->name, n);
    d->part[s].ids = ids;
    return tern_h5_read_range(d->file, tern_split_array(s), d->type, 0, n, ids);
}

static tern_status fill(tern_dataset *d, int64_t limit)
{
    TERN_TRY(read_tokenizer(d));
    d->type = tern_dataset_type(d->tokenizer);
    TERN_TRY(read_fingerprint(d));
    TERN_TRY(read_shape(d, TERN_TRAIN));
    TERN_TRY(read_shape(d, TERN_VAL));
    if (tern_h5_has_attr(d->file, "/", "sources"))
        TERN_TRY(tern_h5_get_text(d->file, "/", "sources", &d->sources));
    if (tern_h5_has_attr(d->file, "/", "entropy"))
        TERN_TRY(tern_h5_get_real(d->file, "/", "entropy", &d->entropy));
    const int64_t fit = limit / (int64_t)tern_h5_type_size(d->type);
    if (d->part[TERN_VAL].tokens > fit - d->part[TERN_TRAIN].tokens) return TERN_OK;
    TERN_TRY(read_tokens(d, TERN_TRAIN));
    TERN_TRY(read_tokens(d, TERN_VAL));
    tern_h5_close(d->file);
    d->file = NULL;
    return TERN_OK;
}

tern_status tern_dataset_open_within(const char *path, int64_t limit,
                                     tern_dataset **out)
{
    tern_h5 *file;
    const tern_status opened =
        tern_h5_open(path, TERN_DATASET_KIND, TERN_DATASET_VERSION, &file);
    if (opened == TERN_ECORRUPT)
        return tern_fail(opened, "%s; build it again with `tern data`",
                         tern_error_message());
    if (opened == TERN_EFORMAT)
        return tern_fail(opened, "%s; `tern data` makes datasets",
                         tern_error_message());
    TERN_TRY(opened);
    tern_dataset *d = calloc(1, sizeof *d);
    tern_status s = TERN_OK;
    if (!d || !(d->name = strdup(path)))
        s = tern_fail(TERN_EMEM, "%s: out of memory", path);
    if (d)
        d->file = file;
    else
        tern_h5_close(file);
    if (s == TERN_OK) s = fill(d, limit);
    if (s == TERN_OK)
        *out = d;
    else
        tern_dataset_free(d);
    return s;
}

tern_status tern_dataset_open(const char *path, tern_dataset **out)
{
    return tern_dataset_open_within(path, IN_MEMORY, out);
}

void tern_dataset_free(tern_dataset *d)
{
    if (!d) return;
    tern_h5_close(d->file);
    tern_tokenizer_free(d->tokenizer);
    free(d->part[TERN_TRAIN].ids);
    free(d->part[TERN_VAL].ids);
    free(d->sources);
    free(d->name);
    free(d);
}

int64_t tern_dataset_tokens(const tern_dataset *d, tern_split s)
{
    return d->part[s].tokens;
}

int64_t tern_dataset_bytes(const tern_dataset *d, tern_split s)
{
    return d->part[s].bytes;
}

double tern_dataset_entropy(const tern_dataset *d)
{
    return d->entropy;
}

const tern_tokenizer *tern_dataset_tokenizer(const tern_dataset *d)
{
    return d->tokenizer;
}

uint64_t tern_dataset_fingerprint(const tern_dataset *d)
{
    return d->fingerprint;
}

const char *tern_dataset_sources(const tern_dataset *d)
{
    return d->sources ? d->sources : "";
}

const char *tern_dataset_name(const tern_dataset *d)
{
    return d->name;
}

bool tern_is_dataset(const char *path)
{
    tern_h5_seal seal;
    return tern_h5_peek(path, &seal) == TERN_OK &&
           strcmp(seal.kind, TERN_DATASET_KIND) == 0;
}

tern_status tern_dataset_probe(const char *path, bool *is_dataset)
{
    tern_h5_seal seal;
    const tern_status s = tern_h5_peek(path, &seal);
    if (s == TERN_ECORRUPT)
        return tern_fail(s, "%s; build it again with `tern data`",
                         tern_error_message());
    if (s == TERN_OK && strcmp(seal.kind, TERN_DATASET_KIND) != 0)
        return tern_fail(TERN_EFORMAT,
                         "%s: is a %s of tern, and a text or a dataset is needed", path,
                         seal.kind);
    if (s != TERN_OK) TERN_TRY(tern_text_check(path));
    *is_dataset = s == TERN_OK;
    return TERN_OK;
}

/* --- tokens --- */

/* Ids as they are stored, widened; the largest of them. */
static uint32_t widen(const void *ids, tern_h5_type type, int64_t start, int64_t count,
                      int32_t *out)
{
    uint32_t largest = 0;
    if (type == TERN_H5_U16) {
        const uint16_t *in = (const uint16_t *)ids + start;
        for (int64_t i = 0; i < count; i++) {
            out[i] = in[i];
            largest = in[i] > largest ? in[i] : largest;
        }
    } else {
        const uint32_t *in = (const uint32_t *)ids + start;
        for (int64_t i = 0; i < count; i++) {
            largest = in[i] > largest ? in[i] : largest;
            out[i] = (int32_t)in[i];
        }
    }
    return largest;
}

/* From the file, through a buffer on the stack. */
static tern_status read_window(const tern_dataset *d, tern_split s, int64_t start,
                               int64_t count, int32_t *out, uint32_t *largest)
{
    uint32_t some[2048];
    const int64_t room = (int64_t)(sizeof some / tern_h5_type_size(d->type));
    *largest = 0;
    for (int64_t done = 0; done < count;) {
        const int64_t n = count - done < room ? count - done : room;
        TERN_TRY(tern_h5_read_range(d->file, tern_split_array(s), d->type, start + done,
                                    n, some));
        const uint32_t top = widen(some, d->type, 0, n, out + done);
        if (top > *largest) *largest = top;
        done += n;
    }
    return TERN_OK;
}

tern_status tern_dataset_read(const tern_dataset *d, tern_split s, int64_t start,
                              int64_t count, int32_t *out)
{
    const int64_t tokens = d->part[s].tokens;
    uint32_t largest = 0;
    if (start < 0 || count < 0 || start > tokens || count > tokens - start)
        return tern_fail(TERN_EARG,
                         "%s: tokens %" PRId64 " to %" PRId64
                         " of a %s split of %" PRId64,
                         d->name, start, start + count, tern_split_name(s), tokens);
    if (d->file)
        TERN_TRY(read_window(d, s, start, count, out, &largest));
    else if (count > 0)
        largest = widen(d->part[s].ids, d->type, start, count, out);
    if (count > 0 && (int64_t)largest >= tern_tokenizer_vocab(d->tokenizer))
        return tern_fail(TERN_ECORRUPT,
                         "%s: token id %" PRIu32 " is not among the %" PRId64
                         " of its tokenizer; build it again with `tern data`",
                         d->name, largest, tern_tokenizer_vocab(d->tokenizer));
    return TERN_OK;
}
