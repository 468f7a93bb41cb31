/* options.c - values as text, and names that are nearly right.
 *
 * A number is read to its last character or refused: "1e3x", "0x10", "nan", "1_000" and
 * an empty value are mistakes, and none of them may quietly become 0 or 1. */
#include "train/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/number.h"

void tern_option_name(const tern_option *o, char out[TERN_OPTION_NAME])
{
    snprintf(out, TERN_OPTION_NAME, "%s.%s", o->section, o->key);
}

const tern_option *tern_option_find(const char *name)
{
    for (size_t i = 0; i < tern_option_count(); i++) {
        char known[TERN_OPTION_NAME];
        tern_option_name(tern_option_at(i), known);
        if (strcmp(known, name) == 0) return tern_option_at(i);
    }
    return NULL;
}

/* --- lists and ranges in words --- */

void tern_option_list(char list[TERN_OPTION_VALUE], const char *link, const char *word)
{
    const size_t at = strlen(list);
    snprintf(list + at, TERN_OPTION_VALUE - at, "%s%s", at ? link : "", word);
}

/* Word number `index` of a list with single spaces; length 0 past its end. */
static const char *word(const char *list, int index, size_t *length)
{
    while (index-- > 0) {
        list += strcspn(list, " ");
        if (*list) list++;
    }
    *length = strcspn(list, " ");
    return list;
}

static void choices_range(const tern_option *o, char out[TERN_OPTION_VALUE])
{
    size_t length, next;
    const char *w = word(o->choices, 0, &length);
    *out = '\0';
    for (int i = 1; length; i++) {
        const char *after = word(o->choices, i, &next);
        char one[TERN_OPTION_NAME];
        snprintf(one, sizeof one, "%.*s", (int)length, w);
        tern_option_list(out, next ? ", " : " or ", one);
        w = after;
        length = next;
    }
}

void tern_option_range(const tern_option *o, char out[TERN_OPTION_VALUE])
{
    const size_t n = TERN_OPTION_VALUE;
    switch (o->type) {
    case TERN_OPT_BOOL:
    case TERN_OPT_FLAG:
        snprintf(out, n, "true or false");
        break;
    case TERN_OPT_CHOICE:
        choices_range(o, out);
        break;
    case TERN_OPT_TEXT:
        snprintf(out, n, "text of %s%g bytes", o->min > 0 ? "1 to " : "up to ", o->max);
        break;
    case TERN_OPT_INT:
    case TERN_OPT_SEED:
        snprintf(out, n, "a whole number, %.0f to %.0f", o->min, o->max);
        break;
    case TERN_OPT_FLOAT:
    case TERN_OPT_REAL:
        snprintf(out, n, "a number%s %g to %g",
                 o->flags & TERN_OPT_ABOVE ? " above" : ",", o->min, o->max);
        break;
    }
}

/* --- text to value --- */

static tern_status refuse(const tern_option *o, const char *text, const char *where)
{
    char name[TERN_OPTION_NAME], range[TERN_OPTION_VALUE];
    tern_option_name(o, name);
    tern_option_range(o, range);
    if (!*text)
        return tern_fail(TERN_EARG, "%s: %s has no value: must be %s", where, name,
                         range);
    return tern_fail(TERN_EARG, "%s: %s is \"%.64s\", must be %s", where, name, text,
                     range);
}

/* Decimal digits with a sign, nothing else: strtoll alone would skip blanks. */
static bool whole_number(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

static bool real_number(const char *text, double *out)
{
    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text)) return false;
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool truth(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

static bool choice(const tern_option *o, const char *text, int *out)
{
    size_t length;
    for (int i = 0;; i++) {
        const char *w = word(o->choices, i, &length);
        if (!length) return false;
        if (strlen(text) == length && memcmp(w, text, length) == 0) {
            *out = i;
            return true;
        }
    }
}

static bool inside(const tern_option *o, double v)
{
    return v <= o->max && (o->flags & TERN_OPT_ABOVE ? v > o->min : v >= o->min);
}

/* Numbers, in range, to where they belong. */
static bool store_number(const tern_option *o, const char *text, char *to)
{
    int64_t whole;
    double real;
    if (o->type == TERN_OPT_INT || o->type == TERN_OPT_SEED) {
        /* A seed has the same bits as int64_t and as uint64_t: it is >= 0. */
        if (!whole_number(text, &whole) || !inside(o, (double)whole)) return false;
        memcpy(to, &whole, sizeof whole);
        return true;
    }
    if (!real_number(text, &real) || !inside(o, real)) return false;
    const float narrow = (float)real;
    if (o->type == TERN_OPT_REAL)
        memcpy(to, &real, sizeof real);
    else if (inside(o, (double)narrow)) /* 1e-60 is above 0, but not as a float */
        memcpy(to, &narrow, sizeof narrow);
    else
        return false;
    return true;
}

static bool store(const tern_option *o, const char *text, char *to)
{
    bool yes;
    int number;
    switch (o->type) {
    case TERN_OPT_BOOL:
        if (!truth(text, &yes)) return false;
        memcpy(to, &yes, sizeof yes);
        return true;
    case TERN_OPT_FLAG:
        if (!truth(text, &yes)) return false;
        number = yes;
        memcpy(to, &number, sizeof number);
        return true;
    case TERN_OPT_CHOICE:
        if (!choice(o, text, &number)) return false;
        memcpy(to, &number, sizeof number); /* an enum has the size of an int here */
        return true;
    case TERN_OPT_TEXT:
        if (!inside(o, (double)strlen(text))) return false;
        memset(to, 0, (size_t)o->max + 1);
        memcpy(to, text, strlen(text));
        return true;
    default:
        return store_number(o, text, to);
    }
}

tern_status tern_option_parse(const tern_option *o, const char *text, const char *where,
                              tern_config *c)
{
    return store(o, text, (char *)c + o->offset) ? TERN_OK : refuse(o, text, where);
}

/* --- value to text --- */

void tern_option_text(const tern_option *o, const tern_config *c,
                      char out[TERN_OPTION_VALUE])
{
    const char *from = (const char *)c + o->offset;
    int64_t whole;
    double real;
    float narrow;
    bool yes;
    int number;
    size_t length;
    switch (o->type) {
    case TERN_OPT_INT:
    case TERN_OPT_SEED:
        memcpy(&whole, from, sizeof whole);
        snprintf(out, TERN_OPTION_VALUE, "%" PRId64, whole);
        break;
    case TERN_OPT_FLOAT:
        memcpy(&narrow, from, sizeof narrow);
        tern_number_text_float(narrow, out);
        break;
    case TERN_OPT_REAL:
        memcpy(&real, from, sizeof real);
        tern_number_text(real, out);
        break;
    case TERN_OPT_BOOL:
        memcpy(&yes, from, sizeof yes);
        snprintf(out, TERN_OPTION_VALUE, "%s", yes ? "true" : "false");
        break;
    case TERN_OPT_FLAG:
        memcpy(&number, from, sizeof number);
        snprintf(out, TERN_OPTION_VALUE, "%s", number ? "true" : "false");
        break;
    case TERN_OPT_CHOICE:
        memcpy(&number, from, sizeof number);
        from = word(o->choices, number, &length);
        snprintf(out, TERN_OPTION_VALUE, "%.*s", (int)length, from);
        break;
    case TERN_OPT_TEXT:
        snprintf(out, TERN_OPTION_VALUE, "%s", from);
        break;
    }
}

/* --- names that are nearly right --- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein 1966, with two swapped neighbours counted once (Damerau 1964). */
size_t tern_option_distance(const char *a, const char *b)
{
    const size_t n = strlen(b);
    size_t row[3][TERN_OPTION_NAME + 1]; /* two before, the one before, this one */
    for (size_t j = 0; j <= n; j++) row[1][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        row[2][0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t change = row[1][j - 1] + (a[i - 1] != b[j - 1]);
            row[2][j] = smallest(row[1][j] + 1, row[2][j - 1] + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                row[0][j - 2] + 1 < row[2][j])
                row[2][j] = row[0][j - 2] + 1;
        }
        memcpy(row[0], row[1], sizeof row[0]);
        memcpy(row[1], row[2], sizeof row[1]);
    }
    return row[1][n];
}

const tern_option *tern_option_nearest(const char *name)
{
    const char *dot = strchr(name, '.');
    const char *key = dot ? dot + 1 : name;
    if (strlen(name) >= TERN_OPTION_NAME || !*key) return NULL;
    const tern_option *best = NULL;
    size_t least = strlen(key) / 3 + 1; /* "lrr" may be one off, "warmupp" three */
    for (size_t i = 0; i < tern_option_count(); i++) {
        const tern_option *o = tern_option_at(i);
        char full[TERN_OPTION_NAME];
        tern_option_name(o, full);
        const size_t whole = tern_option_distance(name, full);
        const size_t elsewhere = tern_option_distance(key, o->key) + (dot != NULL);
        const size_t d = whole < elsewhere ? whole : elsewhere;
        if (d > least || (d == least && best)) continue;
        best = o;
        least = d;
    }
    return best;
}
