/* pretokenize.c - the two patterns, by PCRE2 and by hand.
 *
 * White space is spelled out as Unicode's White_Space and not \s, since PCRE2's \s also
 * takes U+180E, which the engines behind the published vocabularies do not. \p{L} and
 * \p{N} are those of the Unicode version that PCRE2 was built with.
 *
 * The scanners look at bytes through one table of five classes. They answer only if
 * every byte that the pattern would look at is ASCII; otherwise they return NULL and
 * PCRE2 is asked for this one pre-token. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/pretokenize.h"

#include <assert.h>
#include <pcre2.h>
#include <stdlib.h>

#include "data/utf8.h"

/* --- the patterns --- */

#define SPACES                                                                         \
    "\\t-\\r\\x20\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}"                           \
    "\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"

static const char *const published[] = {
    [TERN_PRETOK_GPT2] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
                         "| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    [TERN_PRETOK_LLAMA3] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
                           "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                           "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

static const char *const compiled[] = {
    [TERN_PRETOK_GPT2] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
                         "| ?[^" SPACES "\\p{L}\\p{N}]+"
                         "|[" SPACES "]+(?![^" SPACES "])|[" SPACES "]+",
    [TERN_PRETOK_LLAMA3] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
                           "|\\p{N}{1,3}| ?[^" SPACES "\\p{L}\\p{N}]+[\\r\\n]*"
                           "|[" SPACES "]*[\\r\\n]+"
                           "|[" SPACES "]+(?![^" SPACES "])|[" SPACES "]+",
};

const char *tern_pretok_pattern(tern_pretok which)
{
    return published[which];
}

bool tern_is_space(uint32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= '\t' && cp <= '\r');
    return cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/* --- by hand --- */

enum { OTHER, LETTER, DIGIT, SPACE, WIDE }; /* WIDE: not ASCII, PCRE2's business */

typedef const char *scanner(const unsigned char *class, const char *s, const char *end);

static int class_at(const unsigned char *class, const char *s, const char *end)
{
    return s < end ? class[(unsigned char)*s] : SPACE; /* nothing runs past the end */
}

/* The end of the run of one class that begins at s. */
static const char *run(const unsigned char *class, const char *s, const char *end,
                       int which)
{
    while (s < end && class[(unsigned char)*s] == which) s++;
    return s;
}

/* NULL if the run was ended by a byte that PCRE2 must judge. */
static const char *settled(const unsigned char *class, const char *s, const char *end)
{
    return class_at(class, s, end) == WIDE ? NULL : s;
}

/* Length of the contraction at s ("'s", "'re", ...), 0 if there is none. `fold` is 0x20
 * to ignore the case of letters, 0 not to. */
static size_t contraction(const char *s, const char *end, int fold)
{
    const int a = end - s > 1 ? s[1] | fold : 0, b = end - s > 2 ? s[2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return 0;
}

/* Blanks from s to e: all but the last where text follows, so that it can lead a word;
 * a single one stands alone. */
static const char *blanks(const unsigned char *class, const char *s, const char *end)
{
    const char *e = run(class, s, end, SPACE);
    if (e == end) return e;
    if (!settled(class, e, end)) return NULL;
    return e - s > 1 ? e - 1 : e;
}

static const char *scan_gpt2(const unsigned char *class, const char *s, const char *end)
{
    if (*s == '\'') {
        const size_t n = contraction(s, end, 0);
        if (n) return s + n;
    }
    const char *body = s + (*s == ' ');
    const int kind = class_at(class, body, end);
    if (kind == WIDE) return NULL;
    if (kind == SPACE) return blanks(class, s, end);
    return settled(class, run(class, body, end, kind), end);
}

/* Where the blanks from s hold line breaks, the end of the last one. */
static const char *lines(const unsigned char *class, const char *s, const char *end)
{
    const char *e = run(class, s, end, SPACE);
    if (!settled(class, e, end)) return NULL;
    const char *last = e;
    while (last > s && last[-1] != '\n' && last[-1] != '\r') last--;
    return last > s ? last : blanks(class, s, end);
}

static const char *scan_llama3(const unsigned char *class, const char *s,
                               const char *end)
{
    const int first = class[(unsigned char)*s];
    const int next = class_at(class, s + 1, end);
    if (first == WIDE) return NULL;
    if (first == LETTER) return settled(class, run(class, s, end, LETTER), end);
    if (first == DIGIT) {
        const char *three = end - s > 3 ? s + 3 : end;
        const char *e = run(class, s, three, DIGIT);
        return e == three ? e : settled(class, e, end);
    }
    if (next == WIDE)
        return NULL; /* it may be a letter; or fold to one: 's in U+017F */
    if (*s == '\'') {
        const size_t n = contraction(s, end, 0x20);
        if (n) return s + n;
    }
    if (next == LETTER && *s != '\n' && *s != '\r')
        return settled(class, run(class, s + 1, end, LETTER), end);
    if (first == OTHER || (*s == ' ' && next == OTHER)) {
        const char *e = run(class, s + (*s == ' '), end, OTHER);
        if (!settled(class, e, end)) return NULL;
        while (e < end && (*e == '\n' || *e == '\r')) e++;
        return e;
    }
    return lines(class, s, end);
}

/* --- the walk --- */

struct tern_pretokenizer {
    pcre2_code *re;
    scanner *scan;
    unsigned char class[256];
};

static void fill_classes(unsigned char class[256])
{
    for (int c = 0; c < 256; c++) {
        const int lower = c | 0x20;
        class[c] = c >= 0x80                      ? WIDE
                   : lower >= 'a' && lower <= 'z' ? LETTER
                   : c >= '0' && c <= '9'         ? DIGIT
                   : tern_is_space((uint32_t)c)   ? SPACE
                                                  : OTHER;
    }
}

tern_status tern_pretokenizer_new(tern_pretok which, tern_pretokenizer **out)
{
    tern_pretokenizer *p = calloc(1, sizeof *p);
    if (!p) return tern_fail(TERN_EMEM, "pre-tokenizer: out of memory");
    int code;
    PCRE2_SIZE where;
    p->re = pcre2_compile((PCRE2_SPTR)compiled[which], PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &code, &where, NULL);
    if (!p->re) {
        free(p);
        char why[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return tern_fail(TERN_EMEM, "pre-tokenizer: PCRE2 refuses the pattern: %s",
                         why);
    }
    /* Where PCRE2 has no JIT, pcre2_match() interprets: slower, the same cuts. */
    (void)pcre2_jit_compile(p->re, PCRE2_JIT_COMPLETE);
    p->scan = which == TERN_PRETOK_GPT2 ? scan_gpt2 : scan_llama3;
    fill_classes(p->class);
    *out = p;
    return TERN_OK;
}

void tern_pretokenizer_free(tern_pretokenizer *p)
{
    if (!p) return;
    pcre2_code_free(p->re);
    free(p);
}

void tern_pretok_walk_init(tern_pretok_walk *w, const tern_pretokenizer *p)
{
    *w = (tern_pretok_walk){.p = p};
}

void tern_pretok_walk_free(tern_pretok_walk *w)
{
    pcre2_match_data_free(w->match);
    w->match = NULL;
}

void tern_pretok_walk_text(tern_pretok_walk *w, const char *text, size_t bytes)
{
    w->at = text;
    w->end = text + bytes;
    w->valid = text;
}

/* The pre-token at w->at by PCRE2: its end, in the valid text w->at..w->valid. */
static tern_status ask_pcre(tern_pretok_walk *w, const char **end)
{
    if (!w->match) w->match = pcre2_match_data_create(1, NULL);
    if (!w->match) return tern_fail(TERN_EMEM, "pre-tokenizer: out of memory");
    const int rc = pcre2_match(w->p->re, (PCRE2_SPTR)w->at, (size_t)(w->valid - w->at),
                               0, PCRE2_NO_UTF_CHECK, w->match, NULL);
    if (rc < 0) {
        char why[128];
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        return tern_fail(TERN_EMEM, "pre-tokenizer: PCRE2 gives up: %s", why);
    }
    const size_t bytes = pcre2_get_ovector_pointer(w->match)[1];
    assert(bytes > 0); /* every character is matched by some alternative */
    *end = w->at + bytes;
    return TERN_OK;
}

tern_status tern_pretok_next(tern_pretok_walk *w, const char **at, size_t *bytes)
{
    const char *s = w->at, *e = NULL;
    if (s == w->valid && s < w->end) {
        w->valid = tern_utf8_valid(s, w->end);
        if (w->valid == s) e = w->valid = s + 1; /* a byte that is no character */
    }
    if (!e && s < w->end && !w->pcre_only) e = w->p->scan(w->p->class, s, w->valid);
    if (!e && s < w->end) TERN_TRY(ask_pcre(w, &e));
    if (s == w->end) e = s;
    *at = s;
    *bytes = (size_t)(e - s);
    w->at = e;
    return TERN_OK;
}
