/* tokenizer_encode.c - text to ids.
 *
 * Text is first cut at added tokens (only those that count), then the rest by kind. For
 * BPE most words have been seen a moment ago: a direct-mapped cache keeps the ids of
 * words up to 15 bytes that gave up to four. It lives for one call, so that threads
 * share nothing; it is small when the text is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/alphabet.h"
#include "data/bpe.h"
#include "data/spm.h"
#include "data/tokenizer_impl.h"
#include "data/utf8.h"

enum { KEY_BYTES = 15, LINE_IDS = 4, MIN_LINES = 64, MAX_LINES = 1 << 15 };

/* A cached word: its bytes, zeros, and its length in the last byte of the key; its ids,
 * then -1. An unused line has length 0, which no word has. */
typedef struct cache_line {
    uint64_t key[2];
    int32_t ids[LINE_IDS];
} cache_line;

typedef struct encoder {
    const tern_tokenizer *t;
    const char *text, *end; /* the whole text: for offsets and safe reading */
    tern_ids *out;
    tern_pretok_walk walk;
    tern_bpe_scratch scratch;
    cache_line *cache;
    unsigned shift; /* 64 - log2(lines) */
    char *alphabet; /* a word in the alphabet, for ignore_merges */
    size_t alphabet_cap;
    bool prefix; /* spm: a space goes before the next span */
} encoder;

static tern_status reserve(tern_ids *out, size_t more)
{
    if (out->capacity - out->count >= more) return TERN_OK;
    size_t cap = out->capacity + out->capacity / 2 + 64;
    if (cap - out->count < more) cap = out->count + more;
    int32_t *data = realloc(out->data, cap * sizeof *data);
    if (!data) return tern_fail(TERN_EMEM, "tokenizer: out of memory for %zu ids", cap);
    out->data = data;
    out->capacity = cap;
    return TERN_OK;
}

/* --- byte and char --- */

static tern_status encode_bytes(encoder *e, const char *s, const char *end)
{
    TERN_TRY(reserve(e->out, (size_t)(end - s)));
    int32_t *ids = e->out->data + e->out->count;
    while (s < end) *ids++ = (unsigned char)*s++;
    e->out->count = (size_t)(ids - e->out->data);
    return TERN_OK;
}

static int32_t char_id(const tern_tokenizer *t, uint32_t cp)
{
    size_t low = 0, high = t->char_count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (t->chars[mid] < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->char_count && t->chars[low] == cp ? (int32_t)low : -1;
}

static tern_status refuse_char(const encoder *e, const char *s, size_t bytes,
                               uint32_t cp)
{
    const size_t offset = (size_t)(s - e->text);
    if (bytes == 0)
        return tern_fail(TERN_EFORMAT,
                         "byte %zu of the text, 0x%02X, is not valid UTF-8", offset,
                         (unsigned)(unsigned char)*s);
    char shown[8] = "";
    if (cp >= 0x20 && cp != 0x7f)
        snprintf(shown, sizeof shown, "'%.*s' ", (int)bytes, s);
    return tern_fail(
        TERN_EFORMAT,
        "character %s(U+%04X) at byte %zu of the text is not among the %zu "
        "of this char tokenizer",
        shown, (unsigned)cp, offset, e->t->char_count);
}

static tern_status encode_chars(encoder *e, const char *s, const char *end)
{
    TERN_TRY(reserve(e->out, (size_t)(end - s)));
    int32_t *ids = e->out->data + e->out->count;
    while (s < end) {
        uint32_t cp = 0;
        const size_t bytes = tern_utf8_decode(s, end, &cp);
        const int32_t id = bytes ? char_id(e->t, cp) : -1;
        if (id < 0) return refuse_char(e, s, bytes, cp);
        *ids++ = id;
        s += bytes;
    }
    e->out->count = (size_t)(ids - e->out->data);
    return TERN_OK;
}

/* --- bpe --- */

static tern_status check_bytes(const encoder *e, const char *word, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (e->t->byte_id[(unsigned char)word[i]] < 0)
            return tern_fail(TERN_EFORMAT,
                             "byte 0x%02X at byte %zu of the text has no token in this "
                             "vocabulary",
                             (unsigned)(unsigned char)word[i],
                             (size_t)(word + i - e->text));
    return TERN_OK;
}

/* The id whose piece is this whole word; -1 if there is none. */
static tern_status whole_word(encoder *e, const char *word, size_t bytes, int32_t *id)
{
    if (2 * bytes > e->alphabet_cap) {
        free(e->alphabet);
        e->alphabet_cap = 4 * bytes + 64;
        e->alphabet = malloc(e->alphabet_cap);
        if (!e->alphabet) {
            e->alphabet_cap = 0;
            return tern_fail(TERN_EMEM, "tokenizer: out of memory");
        }
    }
    const size_t n = tern_alphabet_write(word, bytes, e->alphabet);
    const int64_t found = tern_words_find(&e->t->texts, e->alphabet, n);
    *id = found >= 0 && e->t->role[found] == TERN_ROLE_NORMAL ? (int32_t)found : -1;
    return TERN_OK;
}

/* The ids of a word that is not in the cache, into e->scratch.ids. */
static tern_status compute_word(encoder *e, const char *word, size_t bytes,
                                const int32_t **ids, size_t *count, int32_t *whole)
{
    *whole = -1;
    if (e->t->kind == TERN_TOK_SPM) {
        TERN_TRY(tern_spm_symbols(e->t, word, bytes, &e->scratch, count));
        TERN_TRY(tern_bpe_merge(e->t, &e->scratch, count));
        *ids = e->scratch.ids;
        return TERN_OK;
    }
    if (e->t->ignore_merges) TERN_TRY(whole_word(e, word, bytes, whole));
    *ids = whole;
    *count = 1;
    if (*whole >= 0) return TERN_OK;
    if (!e->t->all_bytes) TERN_TRY(check_bytes(e, word, bytes));
    TERN_TRY(tern_bpe_word(e->t, word, bytes, &e->scratch, count));
    *ids = e->scratch.ids;
    return TERN_OK;
}

/* The first 15 bytes of a word, and its length in the sixteenth. */
static void make_key(const encoder *e, const char *word, size_t bytes, uint64_t key[2])
{
    static const unsigned char mask[2 * KEY_BYTES + 2] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    unsigned char raw[16] = {0};
    uint64_t keep[2];
    if (e->end - word >= 16) {
        memcpy(key, word, 16);
        memcpy(keep, mask + KEY_BYTES - bytes, 16);
        key[0] &= keep[0];
        key[1] &= keep[1];
    } else {
        memcpy(raw, word, bytes);
        memcpy(key, raw, 16);
    }
    memset(raw, 0, 15);
    raw[15] = (unsigned char)bytes;
    memcpy(keep, raw, 16);
    key[1] |= keep[1];
}

static tern_status encode_word(encoder *e, const char *word, size_t bytes)
{
    cache_line *line = NULL;
    uint64_t key[2] = {0, 0};
    TERN_TRY(reserve(e->out, LINE_IDS));
    if (bytes <= KEY_BYTES) {
        make_key(e, word, bytes, key);
        const uint64_t mixed =
            (key[0] ^ key[1] * 0xbf58476d1ce4e5b9u) * 0x9e3779b97f4a7c15u;
        line = &e->cache[(mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15u >> e->shift];
        if (line->key[0] == key[0] && line->key[1] == key[1]) {
            int32_t *ids = e->out->data + e->out->count;
            memcpy(ids, line->ids, sizeof line->ids);
            e->out->count += 1 + (size_t)(ids[1] >= 0) + (size_t)(ids[2] >= 0) +
                             (size_t)(ids[3] >= 0);
            return TERN_OK;
        }
    }
    const int32_t *ids;
    int32_t whole;
    size_t count;
    TERN_TRY(compute_word(e, word, bytes, &ids, &count, &whole));
    TERN_TRY(reserve(e->out, count));
    memcpy(e->out->data + e->out->count, ids, count * sizeof *ids);
    e->out->count += count;
    if (line && count <= LINE_IDS) {
        *line = (cache_line){{key[0], key[1]}, {-1, -1, -1, -1}};
        memcpy(line->ids, ids, count * sizeof *ids);
    }
    return TERN_OK;
}

static tern_status encode_words(encoder *e, const char *s, const char *end)
{
    tern_pretok_walk_text(&e->walk, s, (size_t)(end - s));
    for (;;) {
        const char *word;
        size_t bytes;
        TERN_TRY(tern_pretok_next(&e->walk, &word, &bytes));
        if (bytes == 0) return TERN_OK;
        TERN_TRY(encode_word(e, word, bytes));
    }
}

/* --- spm --- */

/* The word, with a space before it. */
static tern_status encode_first(encoder *e, const char *word, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    if (!copy) return tern_fail(TERN_EMEM, "tokenizer: out of memory");
    copy[0] = ' ';
    memcpy(copy + 1, word, bytes);
    const char *end = e->end;
    e->end = copy + bytes + 1;
    const tern_status s = encode_word(e, copy, bytes + 1);
    e->end = end;
    free(copy);
    return s;
}

static tern_status encode_spm(encoder *e, const char *s, const char *end)
{
    if (e->prefix) {
        const char *first = tern_spm_word_end(e->t, s, end);
        TERN_TRY(encode_first(e, s, (size_t)(first - s)));
        s = first;
    }
    while (s < end) {
        const char *next = tern_spm_word_end(e->t, s, end);
        TERN_TRY(encode_word(e, s, (size_t)(next - s)));
        s = next;
    }
    return TERN_OK;
}

/* --- all kinds --- */

static tern_status encode_span(encoder *e, const char *s, const char *end)
{
    switch (e->t->kind) {
    case TERN_TOK_BYTE:
        return encode_bytes(e, s, end);
    case TERN_TOK_CHAR:
        return encode_chars(e, s, end);
    case TERN_TOK_SPM:
        return encode_spm(e, s, end);
    default:
        return encode_words(e, s, end);
    }
}

static tern_status encode_text(encoder *e, bool parse_special, bool begins)
{
    for (const char *s = e->text; s < e->end;) {
        int32_t id;
        size_t bytes;
        const char *hit = tern_added_find(e->t, s, e->end, parse_special, &id, &bytes);
        const bool special = id >= 0 && e->t->role[id] == TERN_ROLE_SPECIAL;
        e->prefix = begins && e->t->spm.prefix && (s < hit || !special);
        if (s < hit || e->prefix) TERN_TRY(encode_span(e, s, hit));
        if (id < 0) break;
        TERN_TRY(reserve(e->out, 1));
        e->out->data[e->out->count++] = id;
        begins = special && !e->t->spm.once;
        s = hit + bytes;
    }
    return TERN_OK;
}

static tern_status make_cache(encoder *e, size_t bytes)
{
    unsigned log2 = 0;
    while ((size_t)1 << log2 < MIN_LINES ||
           ((size_t)1 << log2 < MAX_LINES && (size_t)1 << log2 < bytes / 16))
        log2++;
    e->shift = 64 - log2;
    e->cache = calloc((size_t)1 << log2, sizeof *e->cache);
    return e->cache ? TERN_OK : tern_fail(TERN_EMEM, "tokenizer: out of memory");
}

static tern_status encode(const tern_tokenizer *t, const char *text, size_t bytes,
                          bool parse_special, bool begins, tern_ids *out)
{
    if (bytes == 0) return TERN_OK;
    encoder e = {.t = t, .text = text, .end = text + bytes, .out = out};
    const bool words = t->kind == TERN_TOK_BPE || t->kind == TERN_TOK_SPM;
    const size_t before = out->count;
    tern_pretok_walk_init(&e.walk, t->pre);
    tern_status s = words ? make_cache(&e, bytes) : TERN_OK;
    if (s == TERN_OK) s = encode_text(&e, parse_special, begins);
    if (s != TERN_OK) out->count = before;
    tern_pretok_walk_free(&e.walk);
    tern_bpe_scratch_free(&e.scratch);
    free(e.cache);
    free(e.alphabet);
    return s;
}

tern_status tern_tokenizer_encode(const tern_tokenizer *t, const char *text,
                                  size_t bytes, bool parse_special, tern_ids *out)
{
    return encode(t, text, bytes, parse_special, true, out);
}

tern_status tern_tokenizer_encode_more(const tern_tokenizer *t, const char *text,
                                       size_t bytes, bool parse_special, tern_ids *out)
{
    return encode(t, text, bytes, parse_special, false, out);
}

tern_status tern_tokenizer_begin_ids(const tern_tokenizer *t, tern_ids *out)
{
    const int32_t id = tern_tokenizer_begin(t);
    if (id < 0) return TERN_OK;
    TERN_TRY(reserve(out, 1));
    out->data[out->count++] = id;
    return TERN_OK;
}
