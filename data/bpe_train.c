/* bpe_train.c - the counts of all pairs, kept up to date instead of counted again.
 *
 * All words stand in one row of cells, one cell per byte, a border before each word and
 * after the last:
 *
 *     cell     0   1   2   3   4   5   6   7
 *     symbol   |   th      e   |   o   f   |        | = BORDER, (blank) = INSIDE
 *     head     0       1   3   4   5   6   7
 *
 * A symbol stands in its first cell and is as many cells long as its bytes; the head at
 * its last cell leads back to its first. So neighbours are found without links, and a
 * merge changes two cells.
 *
 * Each pair knows its count and the cells where it was seen. Cells are not removed when
 * a neighbour is merged away: the pair is looked for again before it is merged. The
 * heap is as lazy: counts of old pairs only fall, and one that comes up with an
 * outdated count goes back with the right one.
 *
 * No two merges make the same bytes. How a stretch of text is divided at some time,
 * given that symbols begin and end at its borders, depends on nothing outside (a merge
 * across a border would have removed the border), so when one merge makes these bytes,
 * all stretches of them are divided alike and become the token together. Hence a pair
 * that is gone stays gone; it is new only while the younger of its two tokens is made,
 * and its cells are seen in increasing order. */
#include "data/bpe_train.h"

#include <stdlib.h>
#include <string.h>

#include "data/alphabet.h"

enum { BORDER = -1, INSIDE = -2 };

typedef struct pair {
    int32_t left, right;
    int64_t count;
    int64_t queued; /* the count of its entry in the heap; -1 if it has none */
    uint32_t *cells;
    uint32_t cell_count, cell_cap;
    uint32_t touched; /* the last merge that made it more frequent */
} pair;

typedef struct entry {
    int64_t count;
    uint32_t pair;
} entry;

typedef struct learner {
    tern_tokenizer *t;
    int32_t *symbol;       /* by cell */
    uint32_t *head;        /* by cell */
    uint32_t *word;        /* by cell */
    size_t cell_count;     /* of all three */
    const int64_t *counts; /* by word */

    char *bytes;      /* of all tokens, one after the other */
    size_t *bytes_at; /* by id, one more */
    size_t bytes_cap;

    pair *pairs;
    size_t pair_count, pair_cap;
    uint32_t *slots; /* (left, right) -> pair + 1 */
    size_t slot_count;

    entry *heap;
    size_t heap_count, heap_cap;
    uint32_t *fresh; /* pairs that the current merge made more frequent */
    size_t fresh_count, fresh_cap;
    uint32_t merge; /* number of the current merge, from 1 */
} learner;

static tern_status no_memory(void)
{
    return tern_fail(TERN_EMEM,
                     "out of memory while learning merges; a smaller corpus, "
                     "or a sample of it, gives nearly the same tokenizer");
}

/* An array with room for one more: `old` itself or a larger copy; NULL if there is no
 * memory (old is then as it was). */
static void *grown(void *old, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return old;
    const size_t bigger = *cap ? 2 * *cap : 4;
    void *p = realloc(old, bigger * size);
    if (p) *cap = bigger;
    return p;
}

/* --- tokens --- */

static size_t length(const learner *l, int32_t id)
{
    return l->bytes_at[id + 1] - l->bytes_at[id];
}

static int compare_bytes(const learner *l, int32_t a, int32_t b)
{
    const size_t x = length(l, a), y = length(l, b);
    const int order =
        memcmp(l->bytes + l->bytes_at[a], l->bytes + l->bytes_at[b], x < y ? x : y);
    return order ? order : (x > y) - (x < y);
}

/* The bytes of all tokens of the draft, with places for `vocab` of them. */
static tern_status copy_tokens(learner *l, size_t vocab)
{
    l->bytes_at = calloc(vocab + 2, sizeof *l->bytes_at);
    l->bytes_cap = l->t->texts.used;
    l->bytes = malloc(l->bytes_cap);
    if (!l->bytes_at || !l->bytes) return no_memory();
    for (size_t id = 0; id < l->t->texts.count; id++) {
        size_t bytes, n = 0;
        const char *text = tern_words_get(&l->t->texts, id, &bytes);
        if (l->t->role[id] == TERN_ROLE_NORMAL)
            (void)tern_alphabet_read(text, bytes, l->bytes + l->bytes_at[id], &n);
        l->bytes_at[id + 1] = l->bytes_at[id] + n;
    }
    return TERN_OK;
}

/* Make the token that is left and right together; it gets the next id. */
static tern_status join_tokens(learner *l, int32_t left, int32_t right)
{
    const size_t id = l->t->texts.count, used = l->bytes_at[id];
    const size_t a = length(l, left), b = length(l, right);
    if (used + a + b > l->bytes_cap) {
        char *bigger = realloc(l->bytes, 2 * l->bytes_cap + a + b);
        if (!bigger) return no_memory();
        l->bytes = bigger;
        l->bytes_cap = 2 * l->bytes_cap + a + b;
    }
    memcpy(l->bytes + used, l->bytes + l->bytes_at[left], a);
    memcpy(l->bytes + used + a, l->bytes + l->bytes_at[right], b);
    l->bytes_at[id + 1] = used + a + b;
    char *text = malloc(2 * (a + b) + 1);
    if (!text) return no_memory();
    const size_t n = tern_alphabet_write(l->bytes + used, a + b, text);
    tern_status s = tern_tokenizer_add(l->t, text, n, TERN_ROLE_NORMAL);
    if (s == TERN_EFORMAT)
        s = tern_fail(TERN_EARG,
                      "special token \"%.*s\" is also how a merge is written: give it "
                      "another text",
                      n < 64 ? (int)n : 64, text);
    free(text);
    return s;
}

static tern_status record_merge(learner *l, int32_t left, int32_t right)
{
    size_t a, b;
    const char *x = tern_words_get(&l->t->texts, (size_t)left, &a);
    const char *y = tern_words_get(&l->t->texts, (size_t)right, &b);
    char *text = malloc(a + b + 1);
    if (!text) return no_memory();
    memcpy(text, x, a);
    text[a] = ' ';
    memcpy(text + a + 1, y, b);
    const tern_status s = tern_tokenizer_add_merge(l->t, text, a + b + 1);
    free(text);
    return s;
}

/* --- pairs --- */

static size_t probe(const learner *l, int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    const size_t mask = l->slot_count - 1;
    size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & mask;
    for (; l->slots[i]; i = (i + 1) & mask) {
        const pair *p = &l->pairs[l->slots[i] - 1];
        if (p->left == left && p->right == right) break;
    }
    return i;
}

static bool grow_slots(learner *l)
{
    uint32_t *old = l->slots;
    l->slots = calloc(2 * l->slot_count, sizeof *l->slots);
    if (!l->slots) {
        l->slots = old;
        return false;
    }
    l->slot_count *= 2;
    for (size_t i = 0; i < l->pair_count; i++)
        l->slots[probe(l, l->pairs[i].left, l->pairs[i].right)] = (uint32_t)(i + 1);
    free(old);
    return true;
}

static pair *get_pair(learner *l, int32_t left, int32_t right)
{
    if (2 * (l->pair_count + 1) > l->slot_count && !grow_slots(l)) return NULL;
    const size_t slot = probe(l, left, right);
    if (!l->slots[slot]) {
        if (l->pair_count >= UINT32_MAX - 1) return NULL;
        pair *pairs = grown(l->pairs, l->pair_count, &l->pair_cap, sizeof *pairs);
        if (!pairs) return NULL;
        l->pairs = pairs;
        pairs[l->pair_count++] = (pair){.left = left, .right = right, .queued = -1};
        l->slots[slot] = (uint32_t)l->pair_count;
    }
    return &l->pairs[l->slots[slot] - 1];
}

/* One more occurrence, of `weight`, at a cell. */
static tern_status see(learner *l, int32_t left, int32_t right, int64_t weight,
                       size_t cell)
{
    pair *p = get_pair(l, left, right);
    if (!p) return no_memory();
    size_t cap = p->cell_cap;
    uint32_t *cells = grown(p->cells, p->cell_count, &cap, sizeof *cells);
    if (!cells) return no_memory();
    p->cells = cells;
    p->cell_cap = (uint32_t)cap;
    p->cells[p->cell_count++] = (uint32_t)cell;
    p->count += weight;
    if (p->touched == l->merge) return TERN_OK;
    p->touched = l->merge;
    uint32_t *fresh = grown(l->fresh, l->fresh_count, &l->fresh_cap, sizeof *fresh);
    if (!fresh) return no_memory();
    l->fresh = fresh;
    fresh[l->fresh_count++] = (uint32_t)(p - l->pairs);
    return TERN_OK;
}

static void lose(learner *l, int32_t left, int32_t right, int64_t weight)
{
    pair *p = &l->pairs[l->slots[probe(l, left, right)] - 1]; /* it was seen before */
    p->count -= weight;
    if (p->count > 0) return;
    free(p->cells);
    p->cells = NULL;
    p->cell_count = p->cell_cap = 0;
}

/* --- the heap --- */

/* Does pair a come before pair b? */
static bool before(const learner *l, entry a, entry b)
{
    if (a.count != b.count) return a.count > b.count;
    const pair *x = &l->pairs[a.pair], *y = &l->pairs[b.pair];
    const int left = compare_bytes(l, x->left, y->left);
    return left ? left > 0 : compare_bytes(l, x->right, y->right) > 0;
}

static tern_status push(learner *l, uint32_t which)
{
    pair *p = &l->pairs[which];
    entry *heap = grown(l->heap, l->heap_count, &l->heap_cap, sizeof *heap);
    if (!heap) return no_memory();
    l->heap = heap;
    const entry e = {p->count, which};
    p->queued = p->count;
    size_t i = l->heap_count++;
    for (; i > 0 && before(l, e, heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = e;
    return TERN_OK;
}

static entry pop(learner *l)
{
    entry *heap = l->heap;
    const entry top = heap[0], last = heap[--l->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->heap_count) break;
        if (child + 1 < l->heap_count && before(l, heap[child + 1], heap[child]))
            child++;
        if (!before(l, heap[child], last)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* The most frequent pair, taken from the heap; NULL if there is none. */
static tern_status best_pair(learner *l, pair **best)
{
    *best = NULL;
    while (l->heap_count > 0) {
        const entry e = pop(l);
        pair *p = &l->pairs[e.pair];
        if (e.count != p->queued) continue; /* a newer entry stands for it */
        p->queued = -1;
        if (p->count == e.count) {
            *best = p;
            return TERN_OK;
        }
        if (p->count > 0) TERN_TRY(push(l, e.pair));
    }
    return TERN_OK;
}

/* --- merging --- */

/* Put `joined` at this cell if the pair still stands there. */
static tern_status merge_at(learner *l, int32_t left, int32_t right, int32_t joined,
                            size_t cell)
{
    if (l->symbol[cell] != left) return TERN_OK;
    const size_t second = cell + length(l, left);
    if (l->symbol[second] != right) return TERN_OK;
    const size_t after = second + length(l, right), ahead = l->head[cell - 1];
    const int32_t x = l->symbol[ahead], y = l->symbol[after];
    const int64_t weight = l->counts[l->word[cell]];
    l->symbol[cell] = joined;
    l->symbol[second] = INSIDE;
    l->head[after - 1] = (uint32_t)cell;
    if (x != BORDER) {
        lose(l, x, left, weight);
        TERN_TRY(see(l, x, joined, weight, ahead));
    }
    if (y != BORDER) {
        lose(l, right, y, weight);
        TERN_TRY(see(l, joined, y, weight, cell));
    }
    return TERN_OK;
}

static tern_status merge_pair(learner *l, pair *best)
{
    const int32_t left = best->left, right = best->right;
    uint32_t *cells = best->cells;
    const size_t n = best->cell_count;
    best->cells = NULL; /* the pairs may move, and lose() must not free the list */
    best->cell_count = best->cell_cap = 0;
    l->merge++;
    l->fresh_count = 0;
    const int32_t joined = (int32_t)l->t->texts.count;
    tern_status s = join_tokens(l, left, right);
    if (s == TERN_OK) s = record_merge(l, left, right);
    /* From left to right, so that of three equal symbols the first two merge. */
    for (size_t i = 0; i < n && s == TERN_OK; i++)
        s = merge_at(l, left, right, joined, cells[i]);
    free(cells);
    for (size_t i = 0; i < l->fresh_count && s == TERN_OK; i++) {
        const pair *p = &l->pairs[l->fresh[i]];
        if (p->count > 0 && p->count != p->queued) s = push(l, l->fresh[i]);
    }
    return s;
}

/* --- beginning and end --- */

static tern_status lay_out(learner *l, const tern_words *words)
{
    /* Each word has a NUL behind it in `words`: just the room for its border. */
    l->cell_count = words->used + 1;
    if (l->cell_count >= UINT32_MAX)
        return tern_fail(TERN_EARG, "more than 4 GiB of distinct words: learn from a "
                                    "sample of the corpus");
    l->symbol = malloc(l->cell_count * sizeof *l->symbol);
    l->head = malloc(l->cell_count * sizeof *l->head);
    l->word = malloc(l->cell_count * sizeof *l->word);
    l->slot_count = 1 << 14;
    l->slots = calloc(l->slot_count, sizeof *l->slots);
    if (!l->symbol || !l->head || !l->word || !l->slots) return no_memory();
    int32_t id_of[256] = {0};
    for (int b = 0; b < 256; b++) {
        const char raw = (char)b;
        char text[4];
        id_of[b] = (int32_t)tern_words_find(&l->t->texts, text,
                                            tern_alphabet_write(&raw, 1, text));
    }
    size_t cell = 0;
    for (size_t w = 0; w <= words->count; w++) {
        size_t bytes = 0;
        const char *s = w < words->count ? tern_words_get(words, w, &bytes) : "";
        l->symbol[cell] = BORDER;
        for (size_t i = 0; i <= bytes; i++, cell++) {
            if (i > 0) l->symbol[cell] = id_of[(unsigned char)s[i - 1]];
            l->head[cell] = (uint32_t)cell;
            l->word[cell] = (uint32_t)w;
        }
    }
    return TERN_OK;
}

static tern_status count_pairs(learner *l)
{
    l->merge = 1;
    for (size_t cell = 1; cell + 1 < l->cell_count; cell++) {
        const int32_t left = l->symbol[cell], right = l->symbol[cell + 1];
        if (left != BORDER && right != BORDER)
            TERN_TRY(see(l, left, right, l->counts[l->word[cell]], cell));
    }
    for (size_t i = 0; i < l->fresh_count; i++) TERN_TRY(push(l, l->fresh[i]));
    return TERN_OK;
}

static void clear(learner *l)
{
    for (size_t i = 0; i < l->pair_count; i++) free(l->pairs[i].cells);
    free(l->symbol);
    free(l->head);
    free(l->word);
    free(l->bytes);
    free(l->bytes_at);
    free(l->pairs);
    free(l->slots);
    free(l->heap);
    free(l->fresh);
}

static tern_status learn(learner *l, const tern_words *words, size_t vocab,
                         void (*progress)(double fraction, void *user), void *user,
                         double from)
{
    const size_t start = l->t->texts.count;
    TERN_TRY(lay_out(l, words));
    const size_t most = start + l->cell_count; /* a merge removes a symbol at least */
    TERN_TRY(copy_tokens(l, vocab < most ? vocab : most));
    TERN_TRY(count_pairs(l));
    while (l->t->texts.count < vocab) {
        const size_t have = l->t->texts.count;
        pair *best;
        TERN_TRY(best_pair(l, &best));
        if (!best)
            return tern_fail(
                TERN_EARG,
                "the corpus gives a vocabulary of at most %zu, not %zu: ask "
                "for less or give more text",
                have, vocab);
        TERN_TRY(merge_pair(l, best));
        if (progress && have % 64 == 0)
            progress(from + (1.0 - from) * (double)(have - start) /
                                (double)(vocab - start),
                     user);
    }
    return TERN_OK;
}

tern_status tern_bpe_learn(const tern_words *words, const int64_t *counts, size_t vocab,
                           tern_tokenizer *t,
                           void (*progress)(double fraction, void *user), void *user,
                           double from)
{
    learner l = {.t = t, .counts = counts};
    const tern_status s = learn(&l, words, vocab, progress, user, from);
    clear(&l);
    return s;
}
