/* corpus.c - reading ahead and finding the place to cut.
 *
 * Why these places are safe. Both regexes match from left to right without looking
 * back, so pre-tokens after a place depend on what is before it only through where the
 * last one ended: a place is safe if (1) one pre-token ends there in the whole text and
 * (2) the same one ends there when the text ends there.
 *
 * gpt-2: no alternative matches a space after something else, and only a run of spaces
 * looks ahead (\s+(?!\S)), so the end of any word or mark before a space is safe. After
 * a newline it is not: "\n\n" at the end of a text is one pre-token, before a letter
 * two. llama-3: marks swallow the newlines that follow ([^\s\p{L}\p{N}]+[\r\n]*), so
 * after marks a newline must not be cut off; letters and digits do not. A run of spaces
 * that ends in a newline is one pre-token (\s*[\r\n]+) before anything but a space.
 *
 * Where a run is cut regardless depends on where it began, not on the piece, so that
 * the result is the same for every size of piece even there. */
#define _POSIX_C_SOURCE 200809L
#include "data/corpus.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/file.h"
#include "base/log.h"
#include "data/pretokenize.h"
#include "data/utf8.h"

enum { NOT_A_CHARACTER = -1, NOTE_MAX = 4096 };

struct tern_corpus {
    FILE *file;
    char *path;
    const tern_tokenizer *tokenizer;
    int32_t *special; /* ids of the special and added texts */
    size_t specials;
    size_t ahead; /* bytes to see after a place before it can be judged */
    char *text;   /* the first `piece` bytes are given out, `have` are read */
    size_t capacity, piece, have;
    int64_t size, offset;
};

/* --- characters --- */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The character that starts at s[0], of at most n bytes. */
static int32_t decode(const char *s, size_t n)
{
    uint32_t c;
    return tern_utf8_decode(s, s + n, &c) ? (int32_t)c : NOT_A_CHARACTER;
}

/* The character that ends before s[0], with n bytes before it. */
static int32_t decode_before(const char *s, size_t n)
{
    uint32_t c;
    size_t back = 1;
    while (back < n && back < 4 && is_continuation(s[-(ptrdiff_t)back])) back++;
    return tern_utf8_decode(s - back, s, &c) == back ? (int32_t)c : NOT_A_CHARACTER;
}

static bool is_mark_or_word(int32_t c)
{
    return c != NOT_A_CHARACTER && !tern_is_space((uint32_t)c);
}

static bool is_ascii_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_ascii_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* --- where to cut --- */

/* Could a special text lie across place p? */
static bool splits_special(const tern_corpus *c, const char *s, size_t p, size_t n)
{
    for (size_t i = 0; i < c->specials; i++) {
        size_t len;
        const char *text = tern_tokenizer_piece(c->tokenizer, c->special[i], &len);
        for (size_t before = 1; before < len && before <= p; before++)
            if (p - before + len <= n && memcmp(s + p - before, text, len) == 0)
                return true;
    }
    return false;
}

/* Can s[0..n) be cut at p, 0 < p < n, so far as the regex is concerned? */
static bool splits_no_token(const tern_tokenizer *t, const char *s, size_t p, size_t n)
{
    const int32_t before = decode_before(s + p, p);
    switch (tern_tokenizer_kind(t)) {
    case TERN_TOK_BYTE:
        return true;
    case TERN_TOK_CHAR:
        return !is_continuation(s[p]);
    case TERN_TOK_SPM:
        return tern_tokenizer_parts_at(t, s, p);
    case TERN_TOK_BPE:
        break;
    }
    if (tern_tokenizer_pretok(t) == TERN_PRETOK_GPT2)
        return is_mark_or_word(before) && is_ascii_space(s[p]);
    if (is_ascii_alnum(s[p - 1]) && is_ascii_space(s[p])) return true;
    return before == '\n' && is_mark_or_word(decode(s + p, n - p));
}

/* The last safe place in (0, limit] of s[0..n); 0 if there is none. */
static size_t last_cut(const tern_corpus *c, const char *s, size_t limit, size_t n)
{
    for (size_t p = limit; p > 0; p--)
        if (splits_no_token(c->tokenizer, s, p, n) && !splits_special(c, s, p, n))
            return p;
    return 0;
}

/* --- reading --- */

static tern_status no_memory(const char *path)
{
    return tern_fail(TERN_EMEM, "%s: out of memory", path);
}

/* Is this id found in a text by its own text: special, or added? */
static bool is_found(const tern_tokenizer *t, int32_t id)
{
    return tern_tokenizer_special_id(t, tern_tokenizer_token_text(t, id)) == id;
}

/* Note the special texts, and how far ahead they make us look. */
static tern_status find_specials(tern_corpus *c)
{
    const int64_t vocab = tern_tokenizer_vocab(c->tokenizer);
    c->ahead = 4; /* one character of UTF-8 */
    for (int64_t id = 0; id < vocab; id++)
        c->specials += is_found(c->tokenizer, (int32_t)id);
    if (c->specials == 0) return TERN_OK;
    c->special = calloc(c->specials, sizeof *c->special);
    if (!c->special) return no_memory(c->path);
    size_t n = 0, bytes;
    for (int64_t id = 0; id < vocab && n < c->specials; id++) {
        if (!is_found(c->tokenizer, (int32_t)id)) continue;
        c->special[n++] = (int32_t)id;
        (void)tern_tokenizer_piece(c->tokenizer, (int32_t)id, &bytes);
        if (bytes > c->ahead) c->ahead = bytes;
    }
    return TERN_OK;
}

static tern_status open_file(tern_corpus *c)
{
    struct stat st;
    c->file = fopen(c->path, "rb");
    if (!c->file) return tern_fail(TERN_EIO, "%s: %s", c->path, strerror(errno));
    if (fstat(fileno(c->file), &st) != 0 || !S_ISREG(st.st_mode))
        return tern_fail(TERN_EIO, "%s: not a regular file", c->path);
    c->size = (int64_t)st.st_size;
    if (c->size == 0)
        return tern_fail(TERN_EFORMAT,
                         "%s: the file is empty: give a text to learn from", c->path);
    return TERN_OK;
}

static tern_status prepare(tern_corpus *c, size_t piece)
{
    TERN_TRY(open_file(c));
    TERN_TRY(find_specials(c));
    if (piece == 0) piece = TERN_CORPUS_PIECE;
    if (piece > TERN_CORPUS_RUN) piece = TERN_CORPUS_RUN;
    c->capacity = piece + c->ahead;
    c->text = malloc(c->capacity);
    return c->text ? TERN_OK : no_memory(c->path);
}

tern_status tern_corpus_open(const char *path, const tern_tokenizer *t, size_t piece,
                             tern_corpus **out)
{
    tern_corpus *c = calloc(1, sizeof *c);
    if (!c) return no_memory(path);
    c->tokenizer = t;
    c->path = strdup(path);
    const tern_status s = c->path ? prepare(c, piece) : no_memory(path);
    if (s == TERN_OK)
        *out = c;
    else
        tern_corpus_close(c);
    return s;
}

void tern_corpus_close(tern_corpus *c)
{
    if (!c) return;
    if (c->file) fclose(c->file);
    free(c->special);
    free(c->text);
    free(c->path);
    free(c);
}

int64_t tern_corpus_size(const tern_corpus *c)
{
    return c->size;
}

int64_t tern_corpus_offset(const tern_corpus *c)
{
    return c->offset;
}

/* Fill the buffer; fewer bytes than fit means the end of the file. */
static tern_status fill(tern_corpus *c)
{
    c->have += fread(c->text + c->have, 1, c->capacity - c->have, c->file);
    if (ferror(c->file)) return tern_fail(TERN_EIO, "%s: %s", c->path, strerror(errno));
    return TERN_OK;
}

static tern_status grow(tern_corpus *c)
{
    size_t room = 2 * (c->capacity - c->ahead);
    if (room > TERN_CORPUS_RUN) room = TERN_CORPUS_RUN;
    char *bigger = realloc(c->text, room + c->ahead);
    if (!bigger) return no_memory(c->path);
    c->text = bigger;
    c->capacity = room + c->ahead;
    return fill(c);
}

tern_status tern_corpus_next(tern_corpus *c, const char **text, size_t *bytes)
{
    memmove(c->text, c->text + c->piece, c->have - c->piece);
    c->have -= c->piece;
    c->offset += (int64_t)c->piece;
    c->piece = 0;
    TERN_TRY(fill(c));
    while (c->have == c->capacity) {
        c->piece = last_cut(c, c->text, c->have - c->ahead, c->have);
        if (c->piece > 0) break;
        if (c->capacity >= TERN_CORPUS_RUN + c->ahead) {
            c->piece = TERN_CORPUS_RUN;
            while (is_continuation(c->text[c->piece]) && c->piece > TERN_CORPUS_RUN - 4)
                c->piece--;
            break;
        }
        TERN_TRY(grow(c));
    }
    if (c->have < c->capacity) c->piece = c->have;
    if (c->piece == 0 && c->offset != c->size)
        return tern_fail(TERN_EIO, "%s: its length changed while it was read", c->path);
    *text = c->text;
    *bytes = c->piece;
    return TERN_OK;
}

/* --- notes --- */

static tern_status note_path(char *out, const char *path)
{
    const int n = snprintf(out, TERN_PATH_MAX, "%s.json", path);
    if (n < 0 || n >= TERN_PATH_MAX)
        return tern_fail(TERN_EARG, "%.64s...: path too long", path);
    return TERN_OK;
}

tern_status tern_corpus_note_write(const char *path, const tern_corpus_note *note)
{
    char name[TERN_PATH_MAX], text[NOTE_MAX];
    TERN_TRY(note_path(name, path));
    const int n = snprintf(text, sizeof text,
                           "{\"bytes\": %" PRId64 ", \"stories\": %" PRId64
                           ", \"entropy_nats_per_byte\": %.9f}\n",
                           note->bytes, note->stories, note->entropy);
    return tern_file_write(name, text, (size_t)n);
}

double tern_corpus_entropy(const char *path)
{
    char name[TERN_PATH_MAX], *text;
    struct stat st;
    size_t bytes;
    if (note_path(name, path) != TERN_OK || !tern_file_exists(name)) return 0.0;
    if (tern_file_read(name, NOTE_MAX, &text, &bytes) != TERN_OK) return 0.0;
    json_t *json = json_loadb(text, bytes, 0, NULL);
    free(text);
    const json_t *size = json_object_get(json, "bytes");
    const double entropy =
        json_number_value(json_object_get(json, "entropy_nats_per_byte"));
    const bool fits = stat(path, &st) == 0 && json_is_integer(size) &&
                      json_integer_value(size) == (json_int_t)st.st_size;
    json_decref(json);
    if (fits && isfinite(entropy) && entropy > 0.0) return entropy;
    tern_warn("%s is not about the present %s: its entropy is not used", name, path);
    return 0.0;
}
