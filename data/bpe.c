/* bpe.c - the merges of one pre-token, in two ways that give the same ids.
 *
 * A short word is an array: find the least rank, close the gap, look at two new pairs;
 * quadratic, and fastest up to some forty bytes. A long one is a doubly linked list of
 * symbols and a heap of (rank, position), so that equal ranks are taken from left to
 * right as the array does. Entries of the heap are not removed when a neighbour
 * changes: one is stale if the two symbols at its position no longer have its rank.
 * Several pairs may share a rank (SentencePiece ranks what a merge makes), so what a
 * pair becomes is looked up again and not kept by rank. */
#include "data/bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 40, NONE = INT32_MAX };
static const uint32_t NOWHERE = UINT32_MAX;

static int32_t rank_of(const tern_tokenizer *t, int32_t left, int32_t right)
{
    const tern_merge_slot *m = tern_merge_find(t, left, right);
    return m->rank < 0 ? NONE : m->rank;
}

static size_t merge_short(const tern_tokenizer *t, int32_t *ids, size_t n)
{
    int32_t rank[SHORT];
    for (size_t i = 0; i + 1 < n; i++) rank[i] = rank_of(t, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NONE) break;
        ids[best] = tern_merge_find(t, ids[best], ids[best + 1])->result;
        n--;
        for (size_t i = best + 1; i < n; i++) ids[i] = ids[i + 1];
        for (size_t i = best + 1; i + 1 < n; i++) rank[i] = rank[i + 1];
        if (best > 0) rank[best - 1] = rank_of(t, ids[best - 1], ids[best]);
        if (best + 1 < n) rank[best] = rank_of(t, ids[best], ids[best + 1]);
    }
    return n;
}

/* --- long words --- */

static bool heap_push(tern_bpe_scratch *s, uint64_t entry)
{
    if (s->heap_count == s->heap_cap) {
        const size_t cap = s->heap_cap ? 2 * s->heap_cap : 256;
        uint64_t *heap = realloc(s->heap, cap * sizeof *heap);
        if (!heap) return false;
        s->heap = heap;
        s->heap_cap = cap;
    }
    size_t i = s->heap_count++;
    for (; i > 0 && s->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = entry;
    return true;
}

static uint64_t heap_pop(tern_bpe_scratch *s)
{
    const uint64_t top = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->heap_count) break;
        if (child + 1 < s->heap_count && s->heap[child + 1] < s->heap[child]) child++;
        if (s->heap[child] >= last) break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

/* Queue the pair at `at` if it can merge. */
static bool queue(const tern_tokenizer *t, tern_bpe_scratch *s, uint32_t at)
{
    if (at == NOWHERE || s->next[at] == NOWHERE) return true;
    const int32_t rank = rank_of(t, s->ids[at], s->ids[s->next[at]]);
    return rank == NONE || heap_push(s, (uint64_t)rank << 32 | at);
}

static bool merge_long(const tern_tokenizer *t, tern_bpe_scratch *s, size_t *count)
{
    const uint32_t n = (uint32_t)*count;
    s->heap_count = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->prev[i] = i > 0 ? i - 1 : NOWHERE;
        s->next[i] = i + 1 < n ? i + 1 : NOWHERE;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!queue(t, s, i)) return false;
    while (s->heap_count > 0) {
        const uint64_t entry = heap_pop(s);
        const uint32_t at = (uint32_t)entry, after = s->next[at];
        if (s->ids[at] < 0 || after == NOWHERE) continue;
        const tern_merge_slot *m = tern_merge_find(t, s->ids[at], s->ids[after]);
        if (m->rank < 0 || (uint64_t)m->rank != entry >> 32) continue;
        s->ids[at] = m->result;
        s->ids[after] = -1; /* gone: no rank has this left part */
        s->next[at] = s->next[after];
        if (s->next[at] != NOWHERE) s->prev[s->next[at]] = at;
        if (!queue(t, s, s->prev[at]) || !queue(t, s, at)) return false;
    }
    size_t left = 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->ids[i] >= 0) s->ids[left++] = s->ids[i];
    *count = left;
    return true;
}

static bool reserve(tern_bpe_scratch *s, size_t count)
{
    if (count <= s->cap) return true;
    const size_t cap = count + count / 2 + SHORT;
    free(s->ids);
    free(s->prev);
    free(s->next);
    s->ids = malloc(cap * sizeof *s->ids);
    s->prev = malloc(cap * sizeof *s->prev);
    s->next = malloc(cap * sizeof *s->next);
    s->cap = s->ids && s->prev && s->next ? cap : 0;
    return s->cap > 0;
}

static tern_status no_memory(size_t count)
{
    return tern_fail(TERN_EMEM, "tokenizer: out of memory for a word of %zu bytes",
                     count);
}

tern_status tern_bpe_reserve(tern_bpe_scratch *s, size_t count)
{
    if (count >= NOWHERE)
        return tern_fail(TERN_EARG, "a word of %zu bytes is too long to tokenise",
                         count);
    return reserve(s, count) ? TERN_OK : no_memory(count);
}

tern_status tern_bpe_merge(const tern_tokenizer *t, tern_bpe_scratch *s, size_t *count)
{
    if (*count <= SHORT)
        *count = merge_short(t, s->ids, *count);
    else if (!merge_long(t, s, count))
        return no_memory(*count);
    return TERN_OK;
}

tern_status tern_bpe_word(const tern_tokenizer *t, const char *word, size_t bytes,
                          tern_bpe_scratch *s, size_t *count)
{
    TERN_TRY(tern_bpe_reserve(s, bytes));
    for (size_t i = 0; i < bytes; i++) s->ids[i] = t->byte_id[(unsigned char)word[i]];
    *count = bytes;
    return tern_bpe_merge(t, s, count);
}

void tern_bpe_scratch_free(tern_bpe_scratch *s)
{
    free(s->ids);
    free(s->prev);
    free(s->next);
    free(s->heap);
    *s = (tern_bpe_scratch){0};
}
