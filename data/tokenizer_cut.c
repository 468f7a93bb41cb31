/* tokenizer_cut.c - added tokens in a text, and places where a text may be cut.
 *
 * A place is good if three things hold: it is a border between pre-tokens of the whole
 * text; the text before it, alone, still ends in the same pre-token; no added token
 * reaches across. What follows it is cut alike in any case, since the patterns do not
 * look back.
 *
 * Between an ASCII character that is not blank and a space both patterns always have
 * such a border: only blanks continue over a space. That is the common case, found
 * backwards from the end. Otherwise the text is cut into words from its start, and the
 * end of a word serves if the word does not end in a blank (blanks would be cut
 * differently with nothing behind them) and if no pattern could have looked past the
 * end of what we have: where a word ends depends on one character behind it, or on two
 * letters ('ll).
 *
 * The spm kind has no patterns. Its words part before a space, if no token continues
 * over one; but behind a special token a text begins, which must not be cut off. */
#include <string.h>

#include "data/tokenizer_impl.h"
#include "data/utf8.h"

static bool counts(const tern_tokenizer *t, int32_t id, bool parse_special)
{
    return parse_special || t->role[id] == TERN_ROLE_ADDED;
}

/* What an added token looks like in a text: for spm, with spaces instead of U+2581. */
static const char *looks(const tern_tokenizer *t, int32_t id, size_t *bytes)
{
    return tern_tokenizer_piece(t, id, bytes);
}

const char *tern_added_find(const tern_tokenizer *t, const char *s, const char *end,
                            bool parse_special, int32_t *id, size_t *bytes)
{
    *id = -1;
    *bytes = 0;
    if (!(parse_special ? t->added_count > 0 : t->always_added)) return end;
    for (; s < end; s++) {
        if (!t->added_first[(unsigned char)*s]) continue;
        for (size_t i = 0; i < t->added_count; i++) { /* the longest first */
            if (!counts(t, t->added[i], parse_special)) continue;
            const char *text = looks(t, t->added[i], bytes);
            if (*bytes > (size_t)(end - s) || memcmp(s, text, *bytes) != 0) continue;
            *id = t->added[i];
            return s;
        }
    }
    return end;
}

/* Does s[0..have) begin with an added token longer than `least`, or could it, if the
 * text goes on? */
static bool may_begin(const tern_tokenizer *t, const char *s, size_t have, size_t least,
                      bool parse_special)
{
    for (size_t i = 0; i < t->added_count; i++) {
        size_t n;
        const char *added = looks(t, t->added[i], &n);
        if (n <= least) return false; /* and so are the others */
        if (!counts(t, t->added[i], parse_special)) continue;
        if (memcmp(s, added, n < have ? n : have) == 0) return true;
    }
    return false;
}

bool tern_added_straddles(const tern_tokenizer *t, const char *text, size_t bytes,
                          size_t at, bool parse_special)
{
    if (t->added_count == 0) return false;
    size_t longest;
    (void)looks(t, t->added[0], &longest);
    for (size_t before = 1; before < longest && before <= at; before++) {
        const char *s = text + at - before;
        if (!t->added_first[(unsigned char)*s]) continue;
        if (may_begin(t, s, bytes - at + before, before, parse_special)) return true;
    }
    return false;
}

bool tern_special_ends(const tern_tokenizer *t, const char *text, size_t at)
{
    for (size_t i = 0; i < t->added_count; i++) {
        size_t n;
        const char *added = looks(t, t->added[i], &n);
        if (t->role[t->added[i]] == TERN_ROLE_SPECIAL && n <= at &&
            memcmp(text + at - n, added, n) == 0)
            return true;
    }
    return false;
}

/* --- places to cut --- */

bool tern_tokenizer_parts_at(const tern_tokenizer *t, const char *text, size_t at)
{
    if (!t->spm.words || text[at] != ' ' || text[at - 1] == ' ') return false;
    if (at >= 3 && memcmp(text + at - 3, "\xe2\x96\x81", 3) == 0) return false;
    return !tern_special_ends(t, text, at);
}

static size_t cut_spm(const tern_tokenizer *t, const char *text, size_t bytes,
                      bool parse_special)
{
    for (size_t at = bytes - 1; at > 0; at--)
        if (tern_tokenizer_parts_at(t, text, at) &&
            !tern_added_straddles(t, text, bytes, at, parse_special))
            return at;
    return 0;
}

/* Is the character that ends at `end` (> text) blank? A byte that ends no valid
 * character is not. */
static bool ends_blank(const char *text, const char *end)
{
    for (size_t n = 1; n <= 4 && n <= (size_t)(end - text); n++) {
        uint32_t cp;
        if (tern_utf8_decode(end - n, end, &cp) == n) return tern_is_space(cp);
    }
    return false;
}

static size_t cut_chars(const tern_tokenizer *t, const char *text, size_t bytes,
                        bool parse_special)
{
    size_t at = bytes;
    if (t->kind == TERN_TOK_CHAR) at -= tern_utf8_partial(text, text + bytes);
    while (at > 0) {
        const bool inside = t->kind == TERN_TOK_CHAR && at < bytes &&
                            ((unsigned char)text[at] & 0xc0) == 0x80;
        if (!inside && !tern_added_straddles(t, text, bytes, at, parse_special)) break;
        at--;
    }
    return at;
}

static size_t cut_at_space(const tern_tokenizer *t, const char *text, size_t bytes,
                           bool parse_special)
{
    for (size_t at = bytes - 1; at > bytes / 2; at--) {
        const unsigned char before = (unsigned char)text[at - 1];
        if (text[at] != ' ' || before <= ' ' || before >= 0x7f) continue;
        if (!tern_added_straddles(t, text, bytes, at, parse_special)) return at;
    }
    return 0;
}

/* The last good end of a word among those of s..end, a span without added tokens; 0 if
 * there is none at or before `limit`. */
static size_t cut_in_span(tern_pretok_walk *walk, const tern_tokenizer *t,
                          const char *text, size_t bytes, const char *s,
                          const char *end, size_t limit, bool parse_special)
{
    size_t best = 0;
    tern_pretok_walk_text(walk, s, (size_t)(end - s));
    for (;;) {
        const char *word;
        size_t n;
        if (tern_pretok_next(walk, &word, &n) != TERN_OK || n == 0) return best;
        const size_t at = (size_t)(word + n - text);
        if (at > limit) return best;
        if (!ends_blank(text, word + n) &&
            !tern_added_straddles(t, text, bytes, at, parse_special))
            best = at;
    }
}

static size_t cut_at_word(const tern_tokenizer *t, const char *text, size_t bytes,
                          bool parse_special)
{
    enum { LOOK_AHEAD = 4 }; /* the longest character */
    if (bytes <= LOOK_AHEAD) return 0;
    const size_t limit = bytes - LOOK_AHEAD;

    tern_pretok_walk walk;
    tern_pretok_walk_init(&walk, t->pre);
    size_t best = 0;
    for (const char *s = text, *end = text + bytes; s < end;) {
        int32_t id;
        size_t n;
        const char *hit = tern_added_find(t, s, end, parse_special, &id, &n);
        const size_t at =
            cut_in_span(&walk, t, text, bytes, s, hit, limit, parse_special);
        if (at > best) best = at;
        s = hit + n;
        const size_t after = (size_t)(s - text);
        if (id < 0 || after > limit) break;
        if (!tern_added_straddles(t, text, bytes, after, parse_special)) best = after;
    }
    tern_pretok_walk_free(&walk);
    return best;
}

size_t tern_tokenizer_cut(const tern_tokenizer *t, const char *text, size_t bytes,
                          bool parse_special)
{
    if (bytes == 0) return 0;
    if (t->kind == TERN_TOK_SPM) return cut_spm(t, text, bytes, parse_special);
    if (t->kind != TERN_TOK_BPE) return cut_chars(t, text, bytes, parse_special);
    const size_t at = cut_at_space(t, text, bytes, parse_special);
    return at ? at : cut_at_word(t, text, bytes, parse_special);
}
