/* tokenizer_train.c - from files to a tokenizer, in memory bounded by what is distinct
 * in them.
 *
 * A tokenizer of the specials and the 256 bytes, without merges, reads the files: it
 * knows where specials are and where a piece may end. The char kind marks the code
 * points it meets in a bit set; BPE counts words, then learns from the counts. */
#include "data/tokenizer_train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/alphabet.h"
#include "data/bpe_train.h"
#include "data/tokenizer_impl.h"
#include "data/utf8.h"

enum { PIECE = 1 << 20, CODE_POINTS = 0x110000 };
static const double READING = 0.7; /* the part of the time that reading takes, about */

typedef struct survey {
    const tern_tokenizer_training *how;
    tern_tokenizer *reader;
    const char *path; /* the file being read */
    int64_t offset;   /* of the current piece in it */
    double done, total;
    tern_pretok_walk walk;
    tern_words words;
    int64_t *counts;
    size_t counts_cap;
    uint64_t *seen; /* char kind: bit set of code points */
} survey;

static tern_status no_memory(void)
{
    return tern_fail(TERN_EMEM, "out of memory while learning a tokenizer");
}

/* --- what is in a piece --- */

static tern_status count_word(survey *v, const char *word, size_t bytes)
{
    const size_t before = v->words.count;
    const int64_t i = tern_words_add(&v->words, word, bytes);
    if (i < 0) return no_memory();
    if (v->words.count > v->counts_cap) {
        const size_t cap = 2 * v->counts_cap + 1024;
        int64_t *counts = realloc(v->counts, cap * sizeof *counts);
        if (!counts) return no_memory();
        v->counts = counts;
        v->counts_cap = cap;
    }
    if (v->words.count > before) v->counts[i] = 0;
    v->counts[i]++;
    return TERN_OK;
}

static tern_status count_words(survey *v, const char *s, const char *end)
{
    tern_pretok_walk_text(&v->walk, s, (size_t)(end - s));
    for (;;) {
        const char *word;
        size_t bytes;
        TERN_TRY(tern_pretok_next(&v->walk, &word, &bytes));
        if (bytes == 0) return TERN_OK;
        TERN_TRY(count_word(v, word, bytes));
    }
}

static tern_status mark_chars(survey *v, const char *piece, const char *s,
                              const char *end)
{
    while (s < end) {
        uint32_t cp;
        const size_t bytes = tern_utf8_decode(s, end, &cp);
        const long long at = (long long)(v->offset + (s - piece));
        if (bytes == 0)
            return tern_fail(TERN_EFORMAT,
                             "%s: byte %lld, 0x%02X, is not valid UTF-8: convert the "
                             "file, or use the byte or bpe tokenizer",
                             v->path, at, (unsigned)(unsigned char)*s);
        if (cp == 0)
            return tern_fail(
                TERN_EFORMAT,
                "%s: byte %lld is NUL, which a char tokenizer cannot hold: "
                "is this a text file?",
                v->path, at);
        v->seen[cp / 64] |= (uint64_t)1 << cp % 64;
        s += bytes;
    }
    return TERN_OK;
}

static tern_status survey_text(survey *v, const char *text, size_t bytes)
{
    for (const char *s = text, *end = text + bytes; s < end;) {
        int32_t id;
        size_t n;
        const char *hit = tern_added_find(v->reader, s, end, true, &id, &n);
        if (s < hit)
            TERN_TRY(v->seen ? mark_chars(v, text, s, hit) : count_words(v, s, hit));
        s = hit + n;
        if (id < 0) break;
    }
    return TERN_OK;
}

/* --- files --- */

typedef struct piece_buffer {
    char *text;
    size_t have, cap;
} piece_buffer;

/* Read on until the buffer is full or the file is at its end. */
static tern_status fill(FILE *f, const char *path, piece_buffer *b, bool *end)
{
    b->have += fread(b->text + b->have, 1, b->cap - b->have, f);
    *end = b->have < b->cap;
    if (ferror(f)) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    return TERN_OK;
}

static tern_status survey_stream(survey *v, FILE *f, piece_buffer *b)
{
    v->offset = 0;
    for (bool end = false; !end;) {
        TERN_TRY(fill(f, v->path, b, &end));
        const size_t cut =
            end ? b->have : tern_tokenizer_cut(v->reader, b->text, b->have, true);
        if (cut == 0 && !end) { /* one long word: more of it */
            char *bigger = realloc(b->text, 2 * b->cap);
            if (!bigger) return no_memory();
            b->text = bigger;
            b->cap *= 2;
            continue;
        }
        TERN_TRY(survey_text(v, b->text, cut));
        memmove(b->text, b->text + cut, b->have - cut);
        b->have -= cut;
        v->offset += (int64_t)cut;
        v->done += (double)cut;
        if (v->how->progress && v->total > 0 && v->done <= v->total)
            v->how->progress(READING * v->done / v->total, v->how->user);
    }
    return TERN_OK;
}

static tern_status survey_file(survey *v, const char *path, size_t piece)
{
    v->path = path;
    FILE *f = fopen(path, "rb");
    if (!f) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    piece_buffer b = {.text = malloc(piece), .cap = piece};
    const tern_status s = b.text ? survey_stream(v, f, &b) : no_memory();
    free(b.text);
    fclose(f);
    return s;
}

static tern_status survey_files(survey *v, const char *const *paths, size_t count,
                                size_t piece)
{
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        if (stat(paths[i], &st) == 0) v->total += (double)st.st_size;
    }
    for (size_t i = 0; i < count; i++) TERN_TRY(survey_file(v, paths[i], piece));
    return TERN_OK;
}

/* --- the tokenizer --- */

static tern_status add_specials(tern_tokenizer *t, const tern_tokenizer_training *how)
{
    for (size_t i = 0; i < how->specials; i++) {
        const tern_status s = tern_tokenizer_add(
            t, how->special[i], strlen(how->special[i]), TERN_ROLE_SPECIAL);
        if (s == TERN_EFORMAT) return tern_fail_in(TERN_EARG, "special tokens");
        TERN_TRY(s);
    }
    return TERN_OK;
}

/* Specials, then the bytes in the order of GPT-2's alphabet. */
static tern_status draft_bpe(const tern_tokenizer_training *how, tern_tokenizer **out)
{
    TERN_TRY(tern_tokenizer_draft(out));
    (*out)->pretok = how->pretok;
    (*out)->ignore_merges = how->pretok == TERN_PRETOK_LLAMA3;
    TERN_TRY(add_specials(*out, how));
    for (int i = 0; i < 256; i++) {
        const tern_status s = tern_tokenizer_add_byte(*out, tern_alphabet_order(i));
        if (s == TERN_EFORMAT) return tern_fail_in(TERN_EARG, "special tokens");
        TERN_TRY(s);
    }
    return TERN_OK;
}

static tern_status train_bpe(survey *v, tern_tokenizer **out)
{
    TERN_TRY(draft_bpe(v->how, out));
    TERN_TRY(tern_bpe_learn(&v->words, v->counts, (size_t)v->how->vocab, *out,
                            v->how->progress, v->how->user, READING));
    return tern_tokenizer_finish(*out);
}

static tern_status train_char(const survey *v, tern_tokenizer **out)
{
    TERN_TRY(tern_tokenizer_draft(out));
    for (uint32_t cp = 0; cp < CODE_POINTS; cp++)
        if (v->seen[cp / 64] >> cp % 64 & 1)
            TERN_TRY(tern_tokenizer_add_char(*out, cp));
    if ((*out)->texts.count == 0)
        return tern_fail(TERN_EARG, "the corpus is empty: no characters to learn");
    TERN_TRY(add_specials(*out, v->how));
    return tern_tokenizer_finish(*out);
}

static tern_status train_byte(const tern_tokenizer_training *how, tern_tokenizer **out)
{
    TERN_TRY(tern_tokenizer_draft(out));
    for (int b = 0; b < 256; b++)
        TERN_TRY(tern_tokenizer_add_byte(*out, (unsigned char)b));
    TERN_TRY(add_specials(*out, how));
    return tern_tokenizer_finish(*out);
}

static tern_status train(survey *v, const char *const *paths, size_t count,
                         size_t piece, tern_tokenizer **out)
{
    const tern_tokenizer_training *how = v->how;
    if (how->kind == TERN_TOK_BYTE) return train_byte(how, out);
    const int64_t least = 256 + (int64_t)how->specials;
    if (count == 0) return tern_fail(TERN_EARG, "no corpus to learn a tokenizer from");
    if (how->kind == TERN_TOK_BPE && (how->vocab < least || how->vocab > INT32_MAX))
        return tern_fail(
            TERN_EARG,
            "a bpe vocabulary of %lld: must be at least %lld (256 bytes and "
            "%zu special tokens) and below 2^31",
            (long long)how->vocab, (long long)least, how->specials);
    TERN_TRY(draft_bpe(how, &v->reader));
    TERN_TRY(tern_tokenizer_finish(v->reader));
    tern_pretok_walk_init(&v->walk, v->reader->pre);
    if (how->kind == TERN_TOK_CHAR) {
        v->seen = calloc(CODE_POINTS / 64, sizeof *v->seen);
        if (!v->seen) return no_memory();
    }
    TERN_TRY(survey_files(v, paths, count, piece));
    return how->kind == TERN_TOK_CHAR ? train_char(v, out) : train_bpe(v, out);
}

tern_status tern_tokenizer_train_pieces(const char *const *paths, size_t count,
                                        const tern_tokenizer_training *how,
                                        size_t piece, tern_tokenizer **out)
{
    survey v = {.how = how};
    tern_tokenizer *t = NULL;
    const tern_status s = train(&v, paths, count, piece, &t);
    tern_pretok_walk_free(&v.walk);
    tern_tokenizer_free(v.reader);
    tern_words_free(&v.words);
    free(v.counts);
    free(v.seen);
    if (s == TERN_OK)
        *out = t;
    else
        tern_tokenizer_free(t);
    return s;
}

tern_status tern_tokenizer_train(const char *const *paths, size_t count,
                                 const tern_tokenizer_training *how,
                                 tern_tokenizer **out)
{
    return tern_tokenizer_train_pieces(paths, count, how, PIECE, out);
}

tern_status tern_tokenizer_new_char(const char *text, size_t bytes,
                                    tern_tokenizer **out)
{
    const tern_tokenizer_training how = {.kind = TERN_TOK_CHAR};
    survey v = {.how = &how, .path = "text"};
    v.seen = calloc(CODE_POINTS / 64, sizeof *v.seen);
    tern_tokenizer *t = NULL;
    tern_status s = v.seen ? mark_chars(&v, text, text, text + bytes) : no_memory();
    if (s == TERN_OK) s = train_char(&v, &t);
    free(v.seen);
    if (s == TERN_OK)
        *out = t;
    else
        tern_tokenizer_free(t);
    return s;
}
