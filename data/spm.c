/* spm.c - see spm.h. */
#include "data/spm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/utf8.h"

/* Where a token is longer, finding its merges would take the square of its length. */
enum { LONGEST = 512, MARK_BYTES = 3 };

static const char MARK[] = "\xe2\x96\x81"; /* U+2581 */

static tern_status no_memory(void)
{
    return tern_fail(TERN_EMEM, "tokenizer: out of memory");
}

/* --- the draft --- */

tern_status tern_spm_draft(tern_tokenizer **out)
{
    tern_tokenizer *t;
    TERN_TRY(tern_tokenizer_draft(&t));
    t->kind = TERN_TOK_SPM;
    t->spm.prefix = true;
    *out = t;
    return TERN_OK;
}

tern_status tern_spm_add(tern_tokenizer *t, const char *text, size_t bytes,
                         tern_role role, double score)
{
    const size_t id = t->texts.count;
    if (!(fabs(score) < 1e30))
        return tern_fail(TERN_EFORMAT, "token %zu has the score %g", id, score);
    if (role == TERN_ROLE_NORMAL && bytes > LONGEST)
        return tern_fail(TERN_EFORMAT, "token %zu has %zu bytes, at most %d are taken",
                         id, bytes, (int)LONGEST);
    TERN_TRY(tern_tokenizer_add(t, text, bytes, role));
    if (id == t->spm.score_cap) {
        const size_t cap = id ? 2 * id : 512;
        float *bigger = realloc(t->spm.score, cap * sizeof *bigger);
        if (!bigger) return no_memory();
        t->spm.score = bigger;
        t->spm.score_cap = cap;
    }
    t->spm.score[id] = (float)score;
    return TERN_OK;
}

/* --- merges from scores --- */

/* A normal token of this text; -1. */
static int32_t normal(const tern_tokenizer *t, const char *text, size_t bytes)
{
    const int64_t id = tern_words_find(&t->texts, text, bytes);
    return id >= 0 && t->role[id] == TERN_ROLE_NORMAL ? (int32_t)id : -1;
}

typedef struct merge_list {
    tern_merge *items;
    size_t count, cap;
} merge_list;

static bool push(merge_list *l, tern_merge m)
{
    if (l->count == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 1024;
        tern_merge *bigger = realloc(l->items, cap * sizeof *bigger);
        if (!bigger) return false;
        l->items = bigger;
        l->cap = cap;
    }
    l->items[l->count++] = m;
    return true;
}

/* All the ways to make token `id` of two others. */
static bool push_splits(const tern_tokenizer *t, int32_t id, int32_t rank,
                        merge_list *l)
{
    size_t bytes;
    const char *text = tern_words_get(&t->texts, (size_t)id, &bytes);
    for (size_t at = 1; at < bytes; at++) {
        if (((unsigned char)text[at] & 0xc0) == 0x80) continue;
        const int32_t left = normal(t, text, at);
        const int32_t right = left < 0 ? -1 : normal(t, text + at, bytes - at);
        if (right >= 0 && !push(l, (tern_merge){left, right, id, rank})) return false;
    }
    return true;
}

typedef struct scored {
    float score;
    int32_t id;
} scored;

static int higher_first(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score > y->score || x->score < y->score) return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

tern_status tern_spm_merges(tern_tokenizer *t)
{
    const size_t n = t->texts.count;
    scored *order = malloc((n + 1) * sizeof *order);
    if (!order) return no_memory();
    size_t count = 0;
    for (size_t id = 0; id < n; id++)
        if (t->role[id] == TERN_ROLE_NORMAL)
            order[count++] = (scored){t->spm.score[id], (int32_t)id};
    qsort(order, count, sizeof *order, higher_first);
    merge_list l = {0};
    int32_t rank = 0;
    bool room = true;
    for (size_t i = 0; i < count && room; i++) {
        if (i > 0 && order[i].score < order[i - 1].score) rank++;
        room = push_splits(t, order[i].id, rank, &l);
    }
    free(order);
    t->merges = l.items;
    t->merge_count = l.count;
    return room ? TERN_OK : no_memory();
}

/* --- finish --- */

static size_t unescape(const char *text, size_t bytes, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes;) {
        const bool mark =
            bytes - i >= MARK_BYTES && memcmp(text + i, MARK, MARK_BYTES) == 0;
        out[used++] = mark ? ' ' : text[i];
        i += mark ? MARK_BYTES : 1;
    }
    return used;
}

/* The byte of "<0x41>"; -1 if the text is not of that form. */
static int byte_of(const char *text, size_t bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    if (bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    const char *high = memchr(digits, text[3], 16), *low = memchr(digits, text[4], 16);
    return high && low ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

/* A token that is found in the text before a space is put there could not begin with
 * that space, as it would in SentencePiece. */
static tern_status check_added(const tern_tokenizer *t, size_t id, const char *text,
                               size_t bytes)
{
    if (t->role[id] != TERN_ROLE_ADDED || !t->spm.prefix || bytes < MARK_BYTES ||
        memcmp(text, MARK, MARK_BYTES) != 0)
        return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "token %zu, \"%.64s\", is user-defined and begins with a space: "
                     "only where no space is put before a text is that possible",
                     id, text);
}

static tern_status make_pieces(tern_tokenizer *t)
{
    const size_t n = t->texts.count;
    t->piece_at = malloc((n + 1) * sizeof *t->piece_at);
    t->pieces = malloc(t->texts.used + 1);
    if (!t->piece_at || !t->pieces) return no_memory();
    size_t used = 0;
    for (size_t id = 0; id < n; id++) {
        size_t bytes;
        const char *text = tern_words_get(&t->texts, id, &bytes);
        t->piece_at[id] = used;
        TERN_TRY(check_added(t, id, text, bytes));
        if (t->role[id] == TERN_ROLE_BYTE) {
            const int byte = byte_of(text, bytes);
            if (byte < 0)
                return tern_fail(TERN_EFORMAT,
                                 "token %zu, \"%.64s\", is a byte but not written like "
                                 "\"<0x0A>\"",
                                 id, text);
            t->byte_id[byte] = (int32_t)id;
            t->pieces[used++] = (char)byte;
        } else {
            used += unescape(text, bytes, t->pieces + used);
        }
    }
    t->piece_at[n] = used;
    return TERN_OK;
}

/* Has this token a space behind another character? */
static bool crosses(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    while (end - text >= MARK_BYTES && memcmp(text, MARK, MARK_BYTES) == 0)
        text += MARK_BYTES;
    for (; end - text >= MARK_BYTES; text++)
        if (memcmp(text, MARK, MARK_BYTES) == 0) return true;
    return false;
}

static void look_at_words(tern_tokenizer *t)
{
    t->spm.words = true;
    for (size_t id = 0; id < t->texts.count && t->spm.words; id++) {
        size_t bytes;
        const char *text = tern_words_get(&t->texts, id, &bytes);
        t->spm.words = t->role[id] != TERN_ROLE_NORMAL || !crosses(text, bytes);
    }
}

static void find_characters(tern_tokenizer *t)
{
    for (int c = 0; c < 128; c++) {
        const char text = (char)c;
        t->spm.ascii[c] = c == ' ' ? normal(t, MARK, MARK_BYTES)
                          : c      ? normal(t, &text, 1)
                                   : -1;
    }
    t->all_bytes = true;
    for (int b = 0; b < 256; b++) t->all_bytes = t->all_bytes && t->byte_id[b] >= 0;
}

tern_status tern_spm_finish(tern_tokenizer *t)
{
    for (int b = 0; b < 256; b++) t->byte_id[b] = -1;
    TERN_TRY(make_pieces(t));
    look_at_words(t);
    find_characters(t);
    if (t->spm.score && !t->merges) TERN_TRY(tern_spm_merges(t));
    return t->slots ? TERN_OK : tern_tokenizer_index_merges(t);
}

/* --- text --- */

size_t tern_spm_escape(const char *text, size_t bytes, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == ' ') {
            memcpy(out + used, MARK, MARK_BYTES);
            used += MARK_BYTES;
        } else {
            out[used++] = text[i];
        }
    }
    return used;
}

/* Bytes of the space at s, 1 or 3; 0 if there is none. */
static size_t space_at(const char *s, const char *end)
{
    if (*s == ' ') return 1;
    return end - s >= MARK_BYTES && memcmp(s, MARK, MARK_BYTES) == 0 ? MARK_BYTES : 0;
}

const char *tern_spm_word_end(const tern_tokenizer *t, const char *s, const char *end)
{
    if (!t->spm.words) return end;
    for (size_t n; s < end && (n = space_at(s, end)) > 0;) s += n;
    while (s < end && space_at(s, end) == 0) s++;
    return s;
}

static tern_status refuse(const char *s, size_t bytes)
{
    char hex[32] = "";
    for (size_t i = 0; i < bytes; i++)
        snprintf(hex + 5 * i, sizeof hex - 5 * i, " 0x%02X",
                 (unsigned)(unsigned char)s[i]);
    return tern_fail(TERN_EFORMAT,
                     "the bytes%s of the text have no token in this vocabulary, which "
                     "has no unknown token either",
                     hex);
}

/* A character (or byte) without a token: its bytes, or one unknown token for a run. */
static tern_status spell(const tern_tokenizer *t, const char *s, size_t bytes,
                         int32_t *ids, size_t *count)
{
    size_t known = 0;
    while (known < bytes && t->byte_id[(unsigned char)s[known]] >= 0) known++;
    if (known == bytes) {
        for (size_t i = 0; i < bytes; i++)
            ids[(*count)++] = t->byte_id[(unsigned char)s[i]];
        return TERN_OK;
    }
    if (t->spm.unknown < 0) return refuse(s, bytes);
    if (*count == 0 || ids[*count - 1] != t->spm.unknown)
        ids[(*count)++] = t->spm.unknown;
    return TERN_OK;
}

/* The token of the character s[0..bytes), a space or any other; -1. */
static int32_t token_of(const tern_tokenizer *t, const char *s, size_t bytes)
{
    const unsigned char c = (unsigned char)*s;
    return c < 0x80 ? t->spm.ascii[c] : bytes ? normal(t, s, bytes) : -1;
}

tern_status tern_spm_symbols(const tern_tokenizer *t, const char *word, size_t bytes,
                             tern_bpe_scratch *scratch, size_t *count)
{
    /* A space that has no token is three bytes instead of one. */
    if (bytes > SIZE_MAX / (2 * MARK_BYTES)) return no_memory();
    TERN_TRY(tern_bpe_reserve(scratch, MARK_BYTES * bytes));
    *count = 0;
    for (const char *s = word, *end = word + bytes; s < end;) {
        uint32_t cp;
        const size_t n = tern_utf8_decode(s, end, &cp);
        const int32_t id = token_of(t, s, n);
        if (id >= 0)
            scratch->ids[(*count)++] = id;
        else if (*s == ' ')
            TERN_TRY(spell(t, MARK, MARK_BYTES, scratch->ids, count));
        else
            TERN_TRY(spell(t, s, n ? n : 1, scratch->ids, count));
        s += n ? n : 1;
    }
    return TERN_OK;
}
