/* words.c - a hash table over one growing block of text. */
#include "data/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static uint64_t hash(const char *s, size_t bytes)
{
    uint64_t h = bytes * 0x9e3779b97f4a7c15u;
    for (; bytes >= 8; s += 8, bytes -= 8) {
        uint64_t word;
        memcpy(&word, s, 8);
        h = (h ^ word) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 29;
    }
    uint64_t tail = 0;
    memcpy(&tail, s, bytes);
    return tern_mix64(h ^ tail);
}

/* The slot that holds s, or the free one where it belongs. */
static size_t probe(const tern_words *w, const char *s, size_t bytes)
{
    const size_t mask = w->slot_count - 1;
    size_t i = (size_t)hash(s, bytes) & mask;
    for (; w->slots[i]; i = (i + 1) & mask) {
        size_t have;
        const char *word = tern_words_get(w, w->slots[i] - 1, &have);
        if (have == bytes && memcmp(word, s, bytes) == 0) break;
    }
    return i;
}

static bool grow_slots(tern_words *w)
{
    tern_words bigger = *w;
    bigger.slot_count = w->slot_count ? 2 * w->slot_count : 64;
    bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < w->count; i++) {
        size_t bytes;
        const char *s = tern_words_get(w, i, &bytes);
        bigger.slots[probe(&bigger, s, bytes)] = (uint32_t)(i + 1);
    }
    free(w->slots);
    *w = bigger;
    return true;
}

static bool reserve(tern_words *w, size_t bytes)
{
    if (w->count + 2 > w->at_cap) {
        const size_t cap = w->at_cap ? 2 * w->at_cap : 64;
        size_t *at = realloc(w->at, cap * sizeof *at);
        if (!at) return false;
        w->at = at;
        w->at_cap = cap;
        if (w->count == 0) w->at[0] = 0;
    }
    if (bytes >= w->bytes_cap - w->used) {
        const size_t cap = 2 * w->bytes_cap + bytes + 64;
        char *text = realloc(w->bytes, cap);
        if (!text) return false;
        w->bytes = text;
        w->bytes_cap = cap;
    }
    return true;
}

int64_t tern_words_add(tern_words *w, const char *s, size_t bytes)
{
    if (2 * (w->count + 1) > w->slot_count && !grow_slots(w)) return -1;
    const size_t slot = probe(w, s, bytes);
    if (w->slots[slot]) return (int64_t)w->slots[slot] - 1;
    if (w->count >= INT32_MAX || !reserve(w, bytes)) return -1;
    if (bytes) memcpy(w->bytes + w->used, s, bytes);
    w->bytes[w->used + bytes] = '\0';
    w->used += bytes + 1;
    w->slots[slot] = (uint32_t)++w->count;
    w->at[w->count] = w->used;
    return (int64_t)w->count - 1;
}

int64_t tern_words_find(const tern_words *w, const char *s, size_t bytes)
{
    if (w->count == 0) return -1;
    return (int64_t)w->slots[probe(w, s, bytes)] - 1;
}

void tern_words_free(tern_words *w)
{
    free(w->bytes);
    free(w->at);
    free(w->slots);
    *w = (tern_words){0};
}
