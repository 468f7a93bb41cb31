/* tokenizer_build.c - from tokens and merges to a tokenizer that can work.
 *
 * The kind is not stored anywhere: it is what the tokens and merges say. 256 tokens
 * that are the bytes in order, without merges, are the byte kind; tokens that are one
 * character each, in increasing order, with just the merges that build them from their
 * bytes, are the char kind; anything else is BPE. So a tokenizer keeps its kind through
 * every format that can hold tokens and merges. Only the spm kind is known from the
 * beginning, and finished elsewhere. */
#include "data/tokenizer_impl.h"

#include <stdlib.h>
#include <string.h>

#include "data/alphabet.h"
#include "data/spm.h"
#include "data/utf8.h"

static tern_status no_memory(void)
{
    return tern_fail(TERN_EMEM, "tokenizer: out of memory");
}

tern_status tern_tokenizer_draft(tern_tokenizer **out)
{
    tern_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return no_memory();
    t->kind = TERN_TOK_BPE; /* to be looked at by finish */
    t->bos = t->eos = t->spm.unknown = -1;
    *out = t;
    return TERN_OK;
}

void tern_tokenizer_free(tern_tokenizer *t)
{
    if (!t) return;
    tern_words_free(&t->texts);
    tern_words_free(&t->merge_texts);
    tern_pretokenizer_free(t->pre);
    free(t->role);
    free(t->pieces);
    free(t->piece_at);
    free(t->chars);
    free(t->added);
    free(t->merges);
    free(t->slots);
    free(t->spm.score);
    free(t);
}

/* --- the draft --- */

tern_status tern_tokenizer_add(tern_tokenizer *t, const char *text, size_t bytes,
                               tern_role role)
{
    const size_t id = t->texts.count;
    if (bytes == 0) return tern_fail(TERN_EFORMAT, "token %zu is empty", id);
    if (memchr(text, '\0', bytes))
        return tern_fail(TERN_EFORMAT, "token %zu holds a NUL character", id);
    if (tern_utf8_valid(text, text + bytes) != text + bytes)
        return tern_fail(TERN_EFORMAT, "token %zu is not valid UTF-8", id);
    if (id == t->role_cap) {
        const size_t cap = t->role_cap ? 2 * t->role_cap : 512;
        unsigned char *bigger = realloc(t->role, cap);
        if (!bigger) return no_memory();
        t->role = bigger;
        t->role_cap = cap;
    }
    const int64_t got = tern_words_add(&t->texts, text, bytes);
    if (got < 0) return no_memory();
    if ((size_t)got != id)
        return tern_fail(TERN_EFORMAT,
                         "token \"%.64s\" appears twice, as id %d and %zu",
                         tern_words_get(&t->texts, (size_t)got, NULL), (int)got, id);
    t->role[id] = (unsigned char)role;
    return TERN_OK;
}

tern_status tern_tokenizer_add_merge(tern_tokenizer *t, const char *text, size_t bytes)
{
    const size_t rank = t->merge_texts.count;
    const char *blank = memchr(text, ' ', bytes), *end = text + bytes;
    if (!blank || blank == text || blank + 1 == end || memchr(text, '\0', bytes) ||
        memchr(blank + 1, ' ', (size_t)(end - blank) - 1))
        return tern_fail(TERN_EFORMAT, "merge %zu, \"%.*s\", is not \"left right\"",
                         rank, bytes < 64 ? (int)bytes : 64, text);
    const int64_t got = tern_words_add(&t->merge_texts, text, bytes);
    if (got < 0) return no_memory();
    if ((size_t)got != rank)
        return tern_fail(TERN_EFORMAT, "merge %zu repeats merge %d, \"%.64s\"", rank,
                         (int)got, tern_words_get(&t->merge_texts, (size_t)got, NULL));
    return TERN_OK;
}

tern_status tern_tokenizer_add_byte(tern_tokenizer *t, unsigned char byte)
{
    char text[4];
    const char raw = (char)byte;
    return tern_tokenizer_add(t, text, tern_alphabet_write(&raw, 1, text),
                              TERN_ROLE_NORMAL);
}

/* The merges that build a character from its bytes, first to last; those that an
 * earlier character has added already are shared. */
static tern_status add_char_merges(tern_tokenizer *t, uint32_t cp)
{
    char raw[4], merge[12];
    const size_t n = tern_utf8_encode(cp, raw);
    for (size_t k = 1; k < n; k++) {
        size_t bytes = tern_alphabet_write(raw, k, merge);
        merge[bytes++] = ' ';
        bytes += tern_alphabet_write(raw + k, 1, merge + bytes);
        if (tern_words_find(&t->merge_texts, merge, bytes) < 0)
            TERN_TRY(tern_tokenizer_add_merge(t, merge, bytes));
    }
    return TERN_OK;
}

tern_status tern_tokenizer_add_char(tern_tokenizer *t, uint32_t cp)
{
    char raw[4], text[8];
    const size_t n = tern_utf8_encode(cp, raw);
    TERN_TRY(tern_tokenizer_add(t, text, tern_alphabet_write(raw, n, text),
                                TERN_ROLE_NORMAL));
    return add_char_merges(t, cp);
}

/* --- finish: pieces --- */

/* The bytes of every id. A text with a character outside the alphabet is taken as it
 * is, as HF's ByteLevel decoder does. */
static tern_status make_pieces(tern_tokenizer *t)
{
    const size_t n = t->texts.count;
    t->piece_at = malloc((n + 1) * sizeof *t->piece_at);
    t->pieces = malloc(t->texts.used + 1);
    if (!t->piece_at || !t->pieces) return no_memory();
    size_t used = 0;
    for (size_t id = 0; id < n; id++) {
        size_t bytes, got;
        const char *text = tern_words_get(&t->texts, id, &bytes);
        t->piece_at[id] = used;
        if (t->role[id] != TERN_ROLE_NORMAL ||
            !tern_alphabet_read(text, bytes, t->pieces + used, &got)) {
            memcpy(t->pieces + used, text, bytes);
            got = bytes;
        }
        used += got;
    }
    t->piece_at[n] = used;
    return TERN_OK;
}

static void find_bytes(tern_tokenizer *t)
{
    t->all_bytes = true;
    for (int b = 0; b < 256; b++) {
        char text[4];
        const char raw = (char)b;
        const size_t n = tern_alphabet_write(&raw, 1, text);
        const int64_t id = tern_words_find(&t->texts, text, n);
        const bool known = id >= 0 && t->role[id] == TERN_ROLE_NORMAL;
        t->byte_id[b] = known ? (int32_t)id : -1;
        t->all_bytes = t->all_bytes && known;
    }
}

/* --- finish: the kind --- */

/* Tokens that are neither special nor added, if they come first; else 0. */
static size_t leading_normals(const tern_tokenizer *t)
{
    size_t n = 0;
    while (n < t->texts.count && t->role[n] == TERN_ROLE_NORMAL) n++;
    for (size_t id = n; id < t->texts.count; id++)
        if (t->role[id] == TERN_ROLE_NORMAL) return 0;
    return n;
}

static bool is_byte_kind(const tern_tokenizer *t)
{
    if (leading_normals(t) != 256 || t->merge_texts.count != 0) return false;
    for (int b = 0; b < 256; b++)
        if (t->byte_id[b] != b) return false;
    return true;
}

static bool same_words(const tern_words *a, const tern_words *b)
{
    return a->count == b->count &&
           (a->used == 0 ||
            (a->used == b->used && memcmp(a->bytes, b->bytes, a->used) == 0));
}

/* Are these the merges that tern_tokenizer_add_char() makes? */
static tern_status merges_build_chars(const tern_tokenizer *t, bool *yes)
{
    tern_tokenizer want = {0};
    tern_status s = TERN_OK;
    for (size_t i = 0; i < t->char_count && s == TERN_OK; i++)
        s = add_char_merges(&want, t->chars[i]);
    *yes = s == TERN_OK && same_words(&want.merge_texts, &t->merge_texts);
    tern_words_free(&want.merge_texts);
    return s;
}

static tern_status is_char_kind(tern_tokenizer *t, bool *yes)
{
    *yes = false;
    const size_t n = leading_normals(t);
    if (n == 0) return TERN_OK;
    t->chars = malloc(n * sizeof *t->chars);
    if (!t->chars) return no_memory();
    for (size_t id = 0; id < n; id++) {
        const char *s = t->pieces + t->piece_at[id],
                   *e = t->pieces + t->piece_at[id + 1];
        uint32_t cp;
        if (tern_utf8_decode(s, e, &cp) != (size_t)(e - s)) return TERN_OK;
        if (id > 0 && cp <= t->chars[id - 1]) return TERN_OK;
        t->chars[id] = cp;
    }
    t->char_count = n;
    return merges_build_chars(t, yes);
}

/* --- finish: merges --- */

static tern_status resolve_merge(const tern_tokenizer *t, size_t rank, tern_merge *m)
{
    size_t bytes;
    const char *text = tern_words_get(&t->merge_texts, rank, &bytes);
    const char *blank = memchr(text, ' ', bytes);
    const size_t a = (size_t)(blank - text), b = bytes - a - 1;
    char small[128], *joined = bytes < sizeof small ? small : malloc(bytes);
    if (!joined) return no_memory();
    memcpy(joined, text, a);
    memcpy(joined + a, blank + 1, b);
    const int64_t ids[3] = {tern_words_find(&t->texts, text, a),
                            tern_words_find(&t->texts, blank + 1, b),
                            tern_words_find(&t->texts, joined, a + b)};
    if (joined != small) free(joined);
    for (int i = 0; i < 3; i++)
        if (ids[i] < 0 || t->role[ids[i]] == TERN_ROLE_SPECIAL)
            return tern_fail(TERN_EFORMAT, "merge %zu, \"%.64s\": %s is not a token",
                             rank, text,
                             i == 0   ? "the left part"
                             : i == 1 ? "the right part"
                                      : "the result");
    *m = (tern_merge){(int32_t)ids[0], (int32_t)ids[1], (int32_t)ids[2], (int32_t)rank};
    return TERN_OK;
}

static tern_status make_merges(tern_tokenizer *t)
{
    const size_t n = t->merge_texts.count;
    t->merges = malloc((n + 1) * sizeof *t->merges);
    if (!t->merges) return no_memory();
    t->merge_count = n;
    for (size_t rank = 0; rank < n; rank++)
        TERN_TRY(resolve_merge(t, rank, &t->merges[rank]));
    return tern_tokenizer_index_merges(t);
}

tern_status tern_tokenizer_index_merges(tern_tokenizer *t)
{
    t->slot_count = 16;
    while (t->slot_count < 2 * t->merge_count) t->slot_count *= 2;
    t->slots = malloc(t->slot_count * sizeof *t->slots);
    if (!t->slots) return no_memory();
    for (size_t i = 0; i < t->slot_count; i++) t->slots[i].rank = -1;
    for (size_t i = 0; i < t->merge_count; i++) {
        const tern_merge *m = &t->merges[i];
        const size_t slot = (size_t)(tern_merge_find(t, m->left, m->right) - t->slots);
        if (t->slots[slot].rank >= 0)
            return tern_fail(TERN_EFORMAT, "merge %zu repeats an earlier one", i);
        t->slots[slot] = (tern_merge_slot){m->left, m->right, m->rank, m->result};
    }
    return TERN_OK;
}

/* --- finish: added tokens --- */

typedef struct added_text {
    size_t bytes;
    int32_t id;
} added_text;

static int longer_first(const void *a, const void *b)
{
    const added_text *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

static bool is_added(const tern_tokenizer *t, size_t id)
{
    return t->role[id] == TERN_ROLE_ADDED || t->role[id] == TERN_ROLE_SPECIAL;
}

static tern_status list_added(tern_tokenizer *t)
{
    size_t n = 0;
    for (size_t id = 0; id < t->texts.count; id++) n += is_added(t, id);
    added_text *list = malloc((n + 1) * sizeof *list);
    t->added = malloc((n + 1) * sizeof *t->added);
    if (!list || !t->added) {
        free(list);
        return no_memory();
    }
    for (size_t id = 0; id < t->texts.count; id++) {
        if (!is_added(t, id)) continue;
        added_text *a = &list[t->added_count++];
        a->id = (int32_t)id;
        const char *text = tern_tokenizer_piece(t, a->id, &a->bytes);
        t->added_first[(unsigned char)*text] = true;
        t->always_added = t->always_added || t->role[id] == TERN_ROLE_ADDED;
    }
    qsort(list, n, sizeof *list, longer_first);
    for (size_t i = 0; i < n; i++) t->added[i] = list[i].id;
    free(list);
    return TERN_OK;
}

tern_status tern_tokenizer_finish(tern_tokenizer *t)
{
    if (t->texts.count == 0) return tern_fail(TERN_EFORMAT, "the vocabulary is empty");
    if (t->kind == TERN_TOK_SPM) {
        TERN_TRY(tern_spm_finish(t));
        return list_added(t);
    }
    TERN_TRY(make_pieces(t));
    TERN_TRY(list_added(t));
    find_bytes(t);
    bool is_char = false;
    if (!is_byte_kind(t)) TERN_TRY(is_char_kind(t, &is_char));
    t->kind = is_char ? TERN_TOK_CHAR : is_byte_kind(t) ? TERN_TOK_BYTE : TERN_TOK_BPE;
    if (t->kind != TERN_TOK_BPE) {
        t->pretok = TERN_PRETOK_GPT2;
        t->ignore_merges = false;
        return TERN_OK;
    }
    TERN_TRY(make_merges(t));
    return tern_pretokenizer_new(t->pretok, &t->pre);
}
