/* dataset_build.c - from text files to tokens, in one pass and bounded memory.
 *
 * A piece of text is encoded, its ids are packed as 16 or 32 bits and go to the end of
 * their split: in the file, or in memory. Which split a token belongs to follows from
 * the lengths of the tokens before it, and those must add up to the size of the file.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "data/corpus.h"
#include "data/dataset_parts.h"

typedef struct builder {
    const tern_dataset_recipe *r;
    tern_h5 *file;     /* or */
    tern_dataset *out; /* in memory; its counts are used in both cases */
    size_t capacity[2];
    XXH3_state_t *hash[2];
    int32_t before; /* the last id of the file so far; -1 */
    void *packed;   /* room for `packable` ids on their way */
    size_t packable;
    int64_t total, done; /* bytes of all sources */
} builder;

static tern_status no_memory(void)
{
    return tern_fail(TERN_EMEM, "dataset: out of memory");
}

/* --- one run of ids to the end of a split --- */

static tern_status append_memory(builder *b, tern_split s, const void *ids, size_t n)
{
    const size_t size = tern_h5_type_size(b->out->type);
    const size_t have = (size_t)b->out->part[s].tokens;
    if (have + n > b->capacity[s]) {
        const size_t room = have + n + have / 2;
        void *bigger = realloc(b->out->part[s].ids, room * size);
        if (!bigger) return no_memory();
        b->out->part[s].ids = bigger;
        b->capacity[s] = room;
    }
    memcpy((char *)b->out->part[s].ids + have * size, ids, n * size);
    return TERN_OK;
}

static tern_status append(builder *b, tern_split s, const int32_t *ids, size_t n,
                          int64_t bytes)
{
    const tern_h5_type type = b->out->type;
    if (n == 0) return TERN_OK;
    for (size_t i = 0; i < n; i++)
        if (type == TERN_H5_U16)
            ((uint16_t *)b->packed)[i] = (uint16_t)ids[i];
        else
            ((uint32_t *)b->packed)[i] = (uint32_t)ids[i];
    XXH3_64bits_update(b->hash[s], b->packed, n * tern_h5_type_size(type));
    TERN_TRY(b->file ? tern_h5_append(b->file, tern_split_array(s), type, b->packed,
                                      (int64_t)n)
                     : append_memory(b, s, b->packed, n));
    b->out->part[s].tokens += (int64_t)n;
    b->out->part[s].bytes += bytes;
    return TERN_OK;
}

/* The bytes of a file that an id stands for. */
static int64_t length(const builder *b, int32_t before, int32_t id)
{
    size_t bytes;
    (void)tern_tokenizer_piece_after(b->r->tokenizer, before, id, &bytes);
    return (int64_t)bytes;
}

/* Ids of a piece that starts at byte *at of its file: those that end after `border` are
 * for validation. */
static tern_status append_piece(builder *b, const tern_ids *ids, int64_t border,
                                int64_t *at)
{
    size_t split = 0;
    int64_t end = *at;
    if (b->packable < ids->count) {
        free(b->packed);
        b->packed = malloc(ids->count * sizeof(uint32_t));
        if (!b->packed) return no_memory();
        b->packable = ids->count;
    }
    for (; split < ids->count; split++) {
        const int64_t next = end + length(b, b->before, ids->data[split]);
        if (next > border) break;
        end = next;
        b->before = ids->data[split];
    }
    TERN_TRY(append(b, TERN_TRAIN, ids->data, split, end - *at));
    const int64_t middle = end;
    for (size_t i = split; i < ids->count; i++) {
        end += length(b, b->before, ids->data[i]);
        b->before = ids->data[i];
    }
    TERN_TRY(append(b, TERN_VAL, ids->data + split, ids->count - split, end - middle));
    *at = end;
    return TERN_OK;
}

/* --- one file --- */

static tern_status encode(const builder *b, const tern_corpus *c, const char *path,
                          const char *text, size_t bytes, tern_ids *ids)
{
    ids->count = 0;
    const tern_tokenizer *t = b->r->tokenizer;
    const tern_status s = tern_corpus_offset(c) == 0
                              ? tern_tokenizer_encode(t, text, bytes, true, ids)
                              : tern_tokenizer_encode_more(t, text, bytes, true, ids);
    if (s == TERN_OK) return s;
    if (tern_corpus_offset(c) == 0) return tern_fail_in(s, path);
    return tern_fail(s, "%s: in the text from byte %" PRId64 " on: %s", path,
                     tern_corpus_offset(c), tern_error_message());
}

static tern_status add_pieces(builder *b, tern_corpus *c, const char *path,
                              tern_ids *ids)
{
    const int64_t size = tern_corpus_size(c);
    const int64_t border =
        (int64_t)((double)size * (1.0 - b->r->val_fraction)); /* as nanoGPT cuts */
    const char *text;
    size_t bytes;
    int64_t at = 0;
    b->before = -1;
    for (;;) {
        TERN_TRY(tern_corpus_next(c, &text, &bytes));
        if (bytes == 0) break;
        TERN_TRY(encode(b, c, path, text, bytes, ids));
        TERN_TRY(append_piece(b, ids, border, &at));
        b->done += (int64_t)bytes;
        if (b->r->progress)
            b->r->progress((double)b->done / (double)b->total, b->r->user);
    }
    if (at != size)
        return tern_fail(TERN_EFORMAT,
                         "%s: %" PRId64 " bytes became tokens that spell %" PRId64
                         ": the tokenizer does not keep this text",
                         path, size, at);
    return TERN_OK;
}

static tern_status add_file(builder *b, const char *path)
{
    tern_corpus *c;
    tern_ids ids = {0};
    TERN_TRY(tern_corpus_open(path, b->r->tokenizer, b->r->piece, &c));
    const tern_status s = add_pieces(b, c, path, &ids);
    tern_corpus_close(c);
    free(ids.data);
    return s;
}

/* --- the whole --- */

/* Before the work: are all files there? Also their entropy, if all of them know it. */
static tern_status survey(builder *b)
{
    const tern_dataset_recipe *r = b->r;
    if (!(r->val_fraction >= 0.0 && r->val_fraction < 1.0))
        return tern_fail(TERN_EARG,
                         "validation fraction %g: must be at least 0, below 1",
                         r->val_fraction);
    if (r->count == 0) return tern_fail(TERN_EARG, "dataset: no text file given");
    double nats = 0.0;
    bool known = true;
    for (size_t i = 0; i < r->count; i++) {
        tern_corpus *c;
        TERN_TRY(tern_corpus_open(r->paths[i], r->tokenizer, 1, &c));
        const int64_t size = tern_corpus_size(c);
        tern_corpus_close(c);
        const double entropy =
            r->entropy > 0.0 ? r->entropy : tern_corpus_entropy(r->paths[i]);
        known = known && entropy > 0.0;
        nats += entropy * (double)size;
        b->total += size;
    }
    b->out->entropy = known ? nats / (double)b->total : 0.0;
    return TERN_OK;
}

static tern_status check_splits(const builder *b)
{
    const int64_t train = b->out->part[TERN_TRAIN].tokens;
    const int64_t val = b->out->part[TERN_VAL].tokens;
    if (train > 0 && (val > 0 || b->r->val_fraction <= 0.0)) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s: a validation fraction of %g leaves %" PRId64
                     " tokens to train on and %" PRId64
                     " to validate: give more text, or another fraction",
                     b->r->paths[0], b->r->val_fraction, train, val);
}

static uint64_t fingerprint(const builder *b, const char *json)
{
    const uint64_t parts[3] = {XXH3_64bits_digest(b->hash[TERN_TRAIN]),
                               XXH3_64bits_digest(b->hash[TERN_VAL]),
                               XXH3_64bits(json, strlen(json))};
    return XXH3_64bits(parts, sizeof parts);
}

static tern_status add_all(builder *b)
{
    b->out->type = tern_dataset_type(b->r->tokenizer);
    for (int s = 0; s < 2; s++) {
        b->hash[s] = XXH3_createState();
        if (!b->hash[s]) return no_memory();
        XXH3_64bits_reset(b->hash[s]);
    }
    TERN_TRY(survey(b));
    for (size_t i = 0; i < b->r->count; i++) TERN_TRY(add_file(b, b->r->paths[i]));
    return check_splits(b);
}

static void clear(builder *b)
{
    XXH3_freeState(b->hash[TERN_TRAIN]);
    XXH3_freeState(b->hash[TERN_VAL]);
    free(b->packed);
}

/* Names of the sources, one per line. */
static char *list_sources(const tern_dataset_recipe *r)
{
    size_t bytes = 1;
    for (size_t i = 0; i < r->count; i++) bytes += strlen(r->paths[i]) + 1;
    char *list = malloc(bytes), *end = list;
    if (!list) return NULL;
    for (size_t i = 0; i < r->count; i++)
        end += sprintf(end, "%s%s", i ? "\n" : "", r->paths[i]);
    return list;
}

static tern_status describe(const builder *b, tern_h5 *f, const char *json)
{
    char name[64], hex[17];
    tern_tokenizer_describe(b->r->tokenizer, name);
    snprintf(hex, sizeof hex, "%016" PRIx64, fingerprint(b, json));
    TERN_TRY(tern_h5_set_text(f, "/", "format", "tern-dataset"));
    TERN_TRY(tern_h5_set_int(f, "/", "version", TERN_DATASET_VERSION));
    TERN_TRY(tern_h5_set_text(f, "/", "tokenizer", json));
    TERN_TRY(tern_h5_set_text(f, "/", "tokenizer_name", name));
    TERN_TRY(tern_h5_set_int(f, "/", "vocab", tern_tokenizer_vocab(b->r->tokenizer)));
    TERN_TRY(tern_h5_set_text(f, "/", "fingerprint", hex));
    TERN_TRY(tern_h5_set_int(f, "/", "train_bytes", b->out->part[TERN_TRAIN].bytes));
    TERN_TRY(tern_h5_set_int(f, "/", "val_bytes", b->out->part[TERN_VAL].bytes));
    if (b->out->entropy > 0.0)
        TERN_TRY(tern_h5_set_real(f, "/", "entropy", b->out->entropy));
    char *sources = list_sources(b->r);
    if (!sources) return no_memory();
    const tern_status s = tern_h5_set_text(f, "/", "sources", sources);
    free(sources);
    return s;
}

static tern_status fill_file(builder *b)
{
    char *json;
    const tern_h5_type type = tern_dataset_type(b->r->tokenizer);
    TERN_TRY(tern_h5_append(b->file, "train/tokens", type, NULL, 0));
    TERN_TRY(tern_h5_append(b->file, "val/tokens", type, NULL, 0));
    TERN_TRY(add_all(b));
    TERN_TRY(tern_tokenizer_json(b->r->tokenizer, &json));
    const tern_status s = describe(b, b->file, json);
    free(json);
    return s;
}

tern_status tern_dataset_build(const tern_dataset_recipe *r, const char *path)
{
    tern_dataset counts = {0};
    builder b = {.r = r, .out = &counts};
    TERN_TRY(tern_h5_create(path, TERN_DATASET_KIND, TERN_DATASET_VERSION, &b.file));
    const tern_status s = fill_file(&b);
    clear(&b);
    if (s == TERN_OK) return tern_h5_commit(b.file);
    tern_h5_close(b.file);
    return s;
}

/* The dataset owns its tokenizer: a copy, by way of its text. */
static tern_status finish_memory(builder *b)
{
    char *json;
    TERN_TRY(tern_tokenizer_json(b->r->tokenizer, &json));
    b->out->fingerprint = fingerprint(b, json);
    const tern_status s =
        tern_tokenizer_parse(json, strlen(json), "memory", &b->out->tokenizer);
    free(json);
    return s;
}

tern_status tern_dataset_build_memory(const tern_dataset_recipe *r, tern_dataset **out)
{
    tern_dataset *d = calloc(1, sizeof *d);
    if (!d) return no_memory();
    builder b = {.r = r, .out = d};
    d->name = strdup(r->count == 1 ? r->paths[0] : "memory");
    tern_status s = d->name ? add_all(&b) : no_memory();
    if (s == TERN_OK) s = finish_memory(&b);
    clear(&b);
    if (s == TERN_OK)
        *out = d;
    else
        tern_dataset_free(d);
    return s;
}
