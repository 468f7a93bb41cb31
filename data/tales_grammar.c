/* tales_grammar.c - the walk through the rules.
 *
 * A walk keeps its own stack of the texts it is in the middle of, so it can stop at a
 * choice and be copied. Telling draws one option and goes on; parsing tries them all,
 * each in a copy that ends at the first byte that is not the given text's.
 *
 * The grammar is trusted, being part of the program: a rule that does not exist is an
 * assert. */
#include "data/tales_grammar.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum {
    OPTIONS_MAX = 128,
    LISTS_MAX = 64,
    NOTES_MAX = 48,
    DEPTH_MAX = 24,
    NUMBER_MAX = 20
};

typedef struct span {
    const char *s, *end;
} span;

/* Something remembered: an item of a list, or a number (list NULL). */
typedef struct note {
    char name[4];
    int number;
    const tern_grammar_list *list;
    size_t item;
} note;

typedef struct walk {
    const tern_grammar *g;
    char *out;      /* telling: the text so far; or */
    const char *in; /* parsing: the text that must come */
    size_t bytes, limit;
    bool lost;                   /* parsing: something else came */
    bool capital, article, flip; /* for the next letter */
    size_t depth, choices, note_count;
    double nats;
    span stack[DEPTH_MAX];
    note notes[NOTES_MAX];
    uint64_t used[LISTS_MAX][OPTIONS_MAX / 64];
} walk;

/* A choice that waits to be made. */
typedef struct question {
    enum { ALTERNATIVE, ITEM, NUMBER } kind;
    span text;                     /* ALTERNATIVE: with bars */
    size_t note;                   /* ITEM, NUMBER: where it goes */
    const tern_grammar_list *list; /* ITEM */
    int field, low;                /* ITEM; NUMBER */
    size_t options;
    unsigned weight[OPTIONS_MAX]; /* 0: not possible */
} question;

static span whole(const char *text)
{
    return (span){text, text + strlen(text)};
}

static bool is(span word, const char *text)
{
    const size_t n = strlen(text);
    return (size_t)(word.end - word.s) == n && memcmp(word.s, text, n) == 0;
}

/* The first `stop` of text outside brackets; its end if there is none. */
static const char *find(span text, char stop)
{
    int depth = 0;
    for (const char *s = text.s; s < text.end; s++) {
        if (depth == 0 && *s == stop) return s;
        depth += *s == '[' || *s == '{';
        depth -= *s == ']' || *s == '}';
    }
    return text.end;
}

/* --- saying --- */

static char said(const walk *w, size_t back)
{
    const char *text = w->in ? w->in : w->out;
    return w->bytes < back ? '\n' : text[w->bytes - back];
}

static void say_byte(walk *w, char c)
{
    if (w->in)
        w->lost = w->lost || w->bytes == w->limit || w->in[w->bytes] != c;
    else
        w->out[w->bytes] = c;
    assert(w->in || w->bytes < w->limit);
    w->bytes += !w->lost;
}

static void say_letter(walk *w, char c)
{
    if (w->article) {
        const bool an = (strchr("aeiouAEIOU", c) != NULL) != w->flip;
        w->article = w->flip = false;
        say_letter(w, 'a');
        if (an) say_byte(w, 'n');
        say_byte(w, ' ');
    }
    say_byte(w, w->capital ? (char)toupper((unsigned char)c) : c);
    w->capital = false;
}

/* Does a sentence begin after this space? Also after ." but not after ?" or !" where
 * "asked" or "cried" may follow. */
static bool sentence_over(const walk *w)
{
    const char last = said(w, 1), before = said(w, 2);
    return last == '\n' || last == '.' || last == '!' || last == '?' ||
           (last == '"' && before == '.');
}

static void say(walk *w, char c)
{
    if (isalpha((unsigned char)c)) {
        say_letter(w, c);
    } else if (c == '^') {
        w->capital = true;
    } else if (c == '~') {
        w->flip = w->article;
    } else if (c != ' ' || !w->article) { /* the article brings its own space */
        if (c == ' ') w->capital = sentence_over(w);
        if (c == '\n' || (c == '"' && isspace((unsigned char)said(w, 1))))
            w->capital = true;
        say_byte(w, c);
    }
}

static void say_text(walk *w, const char *text)
{
    for (; *text; text++) say(w, *text);
}

/* --- memory --- */

/* The note of this name; a fresh one if `make`. */
static note *find_note(walk *w, span name, bool make)
{
    for (size_t i = 0; i < w->note_count; i++)
        if (is(name, w->notes[i].name)) return &w->notes[i];
    assert(make && w->note_count < NOTES_MAX && name.end - name.s < 4);
    (void)make;
    note *n = &w->notes[w->note_count++];
    memcpy(n->name, name.s, (size_t)(name.end - name.s));
    return n;
}

static span field(const note *n, int number)
{
    assert(n->list);
    const span all = whole(n->list->items[n->item]);
    span f = {all.s, find(all, '|')};
    for (; number > 0; number--) {
        assert(f.end < all.end);
        f.s = f.end + 1;
        f.end = find((span){f.s, all.end}, '|');
    }
    return f;
}

static const tern_grammar_list *find_list(const tern_grammar *g, span name)
{
    const tern_grammar_list *l = g->lists;
    while (l->name && !is(name, l->name)) l++;
    assert(l->name && l - g->lists < LISTS_MAX);
    return l;
}

static const char *find_rule(const tern_grammar *g, span name)
{
    for (const tern_grammar_rule *const *table = g->rules; *table; table++)
        for (const tern_grammar_rule *r = *table; r->name; r++)
            if (is(name, r->name)) return r->text;
    assert(0 && "a rule");
    return "";
}

/* --- asking: each returns true if a choice is to be made --- */

static void push(walk *w, span text)
{
    assert(w->depth < DEPTH_MAX);
    w->stack[w->depth++] = text;
}

/* Alternative i of the text, without its weight. */
static span alternative(span text, size_t i, unsigned *weight)
{
    for (; i > 0; i--) text.s = find(text, '|') + 1;
    text.end = find(text, '|');
    *weight = 1;
    if (text.end - text.s >= 2 && isdigit((unsigned char)text.s[0]) &&
        text.s[1] == '*') {
        *weight = (unsigned)(text.s[0] - '0');
        text.s += 2;
    }
    return text;
}

static bool ask_alternative(walk *w, span text, question *q)
{
    const char *bar;
    *q = (question){.kind = ALTERNATIVE, .text = text};
    do {
        assert(q->options < OPTIONS_MAX);
        bar = alternative(text, q->options, &q->weight[q->options]).end;
        q->options++;
    } while (bar < text.end);
    if (q->options == 1) push(w, text);
    return q->options > 1;
}

/* r=list, r=list.1 */
static bool ask_item(walk *w, span body, const char *equal, question *q)
{
    const span rest = {equal + 1, body.end};
    const char *dot = find(rest, '.');
    *q = (question){.kind = ITEM, .list = find_list(w->g, (span){rest.s, dot})};
    q->field = dot < rest.end ? dot[1] - '0' : 0;
    q->note = (size_t)(find_note(w, (span){body.s, equal}, true) - w->notes);
    const uint64_t *used = w->used[q->list - w->g->lists];
    size_t n = 0;
    for (; q->list->items[n]; n++) {
        assert(n < OPTIONS_MAX);
        const bool gone = used[n / 64] >> n % 64 & 1;
        q->weight[n] = gone ? 0 : q->list->even ? 1 : (unsigned)(100000 / (n + 24));
    }
    q->options = n;
    return true;
}

static void say_number(walk *w, int number)
{
    static const char *const words[NUMBER_MAX + 1] = {
        "zero",     "one",      "two",      "three",   "four",    "five",
        "six",      "seven",    "eight",    "nine",    "ten",     "eleven",
        "twelve",   "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
        "eighteen", "nineteen", "twenty"};
    assert(number >= 0 && number <= NUMBER_MAX);
    say_text(w, words[number]);
}

/* n, n=2-5, n=m+k, n=m-k */
static bool ask_number(walk *w, span body, question *q)
{
    const char *equal = find(body, '=');
    note *n = find_note(w, (span){body.s, equal}, equal < body.end);
    const span value = {equal + (equal < body.end), body.end};
    if (value.s < value.end && isdigit((unsigned char)*value.s)) {
        const int low = *value.s - '0', high = value.end[-1] - '0';
        assert(value.end - value.s == 3 && low <= high);
        *q = (question){.kind = NUMBER, .low = low, .note = (size_t)(n - w->notes)};
        while (low + (int)q->options <= high) q->weight[q->options++] = 1;
        return true;
    }
    if (value.s < value.end) {
        const char *sign = value.s;
        while (*sign != '+' && *sign != '-') sign++;
        const int left = find_note(w, (span){value.s, sign}, false)->number;
        const int right = find_note(w, (span){sign + 1, value.end}, false)->number;
        n->number = *sign == '+' ? left + right : left - right;
    }
    say_number(w, n->number);
    return false;
}

static void say_pronoun(walk *w, span word, span who)
{
    static const char *const forms[][2] = {
        {"he", "she"}, {"him", "her"}, {"his", "her"}};
    const bool she = *field(find_note(w, who, false), 1).s == 'f';
    size_t i = 0;
    while (i < 2 && !is(word, forms[i][0])) i++;
    assert(is(word, forms[i][0]));
    say_text(w, forms[i][she]);
}

static void copy_note(walk *w, span to, span from)
{
    const note source = *find_note(w, from, false);
    note *n = find_note(w, to, true);
    n->list = source.list;
    n->item = source.item;
    n->number = source.number;
}

/* What stands in braces. */
static bool ask_slot(walk *w, span body, question *q)
{
    const char *space = find(body, ' '), *equal = find(body, '=');
    const char *dot = find(body, '.');
    if (*body.s == '#') return ask_number(w, (span){body.s + 1, body.end}, q);
    if (is(body, "a")) {
        w->article = true;
    } else if (space < body.end) {
        say_pronoun(w, (span){body.s, space}, (span){space + 1, body.end});
    } else if (equal < body.end && equal[-1] == ':') {
        copy_note(w, (span){body.s, equal - 1}, (span){equal + 1, body.end});
    } else if (equal < body.end) {
        return ask_item(w, body, equal, q);
    } else {
        const int number = dot < body.end ? dot[1] - '0' : 0;
        push(w, field(find_note(w, (span){body.s, dot}, false), number));
    }
    return false;
}

/* --- walking --- */

/* Go on to the next choice; false at the end, or when lost. */
static bool advance(walk *w, question *q)
{
    while (w->depth > 0 && !w->lost) {
        span *top = &w->stack[w->depth - 1];
        const char c = top->s < top->end ? *top->s++ : '\0';
        const char *closing = c == '<' ? ">" : c == '[' ? "]" : c == '{' ? "}" : NULL;
        if (c == '\0') {
            w->depth--;
        } else if (!closing) {
            say(w, c);
        } else {
            const span body = {top->s, find(*top, *closing)};
            top->s = body.end + 1;
            const bool asks = c == '{' ? ask_slot(w, body, q)
                              : c == '['
                                  ? ask_alternative(w, body, q)
                                  : ask_alternative(w, whole(find_rule(w->g, body)), q);
            if (asks) return true;
        }
    }
    return false;
}

static uint64_t total_weight(const question *q)
{
    uint64_t total = 0;
    for (size_t i = 0; i < q->options; i++) total += q->weight[i];
    assert(total > 0);
    return total;
}

static void answer(walk *w, const question *q, size_t i)
{
    unsigned weight;
    note *n = &w->notes[q->note];
    w->choices++;
    w->nats += log((double)total_weight(q) / (double)q->weight[i]);
    switch (q->kind) {
    case ALTERNATIVE:
        push(w, alternative(q->text, i, &weight));
        break;
    case ITEM:
        n->list = q->list;
        n->item = i;
        w->used[q->list - w->g->lists][i / 64] |= UINT64_C(1) << i % 64;
        push(w, field(n, q->field));
        break;
    case NUMBER:
        n->number = q->low + (int)i;
        say_number(w, n->number);
        break;
    }
}

size_t tern_grammar_tell(const tern_grammar *g, uint64_t seed, uint64_t n,
                         char text[TERN_TELL_BYTES], double *nats)
{
    question q;
    walk w = {.g = g, .out = text, .limit = TERN_TELL_BYTES, .capital = true};
    push(&w, whole(find_rule(g, whole(g->start))));
    while (advance(&w, &q)) {
        const uint64_t stream = TERN_STREAM_TALES | n << 32;
        uint64_t draw = tern_rand_below(seed, stream, w.choices, total_weight(&q));
        size_t i = 0;
        while (draw >= q.weight[i]) draw -= q.weight[i++];
        answer(&w, &q, i);
    }
    *nats = w.nats;
    return w.bytes;
}

struct search {
    double nats;
    size_t reached;
};

/* Derivations that begin with this walk; 2 stands for more. */
static int search(walk *w, struct search *s)
{
    question q;
    const bool asks = advance(w, &q);
    if (w->bytes > s->reached) s->reached = w->bytes;
    if (!asks) {
        const bool found = !w->lost && w->bytes == w->limit;
        if (found) s->nats = w->nats;
        return found;
    }
    int found = 0;
    for (size_t i = 0; i < q.options && found < 2; i++) {
        if (q.weight[i] == 0) continue;
        walk fork = *w;
        answer(&fork, &q, i);
        found += search(&fork, s);
    }
    return found < 2 ? found : 2;
}

int tern_grammar_parse(const tern_grammar *g, const char *text, size_t bytes,
                       double *nats, size_t *reached)
{
    struct search s = {0};
    walk w = {.g = g, .in = text, .limit = bytes, .capital = true};
    push(&w, whole(find_rule(g, whole(g->start))));
    const int found = search(&w, &s);
    *nats = s.nats;
    *reached = s.reached;
    return found;
}
