/* arena.c - chunks from mmap, so that large ones can sit on huge pages.
 *
 * Page faults cost about 0.25 us per 4 KiB (more in a virtual machine); a training step
 * that mapped and unmapped its buffers would spend a third of its time there. */
#define _GNU_SOURCE
#include "base/arena.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

typedef struct chunk {
    char *base;
    size_t bytes;
} chunk;

struct tern_arena {
    chunk *chunks;
    size_t count, capacity; /* of chunks */
    size_t current, used;   /* allocation point */
    size_t before;          /* bytes given out in the chunks before the current one */
    size_t chunk_bytes;
};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

tern_arena *tern_arena_new(size_t chunk_bytes)
{
    tern_arena *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->chunk_bytes = round_up(chunk_bytes ? chunk_bytes : 1, TERN_ALIGN);
    return a;
}

void tern_arena_free(tern_arena *a)
{
    if (!a) return;
    for (size_t i = 0; i < a->count; i++) munmap(a->chunks[i].base, a->chunks[i].bytes);
    free(a->chunks);
    free(a);
}

static bool add_chunk(tern_arena *a, size_t bytes)
{
    if (a->count == a->capacity) {
        const size_t capacity = a->capacity ? 2 * a->capacity : 8;
        chunk *chunks = realloc(a->chunks, capacity * sizeof *chunks);
        if (!chunks) return false;
        a->chunks = chunks;
        a->capacity = capacity;
    }
    bytes = round_up(bytes > a->chunk_bytes ? bytes : a->chunk_bytes, 4096);
    if (bytes >= HUGE_PAGE) bytes = round_up(bytes, HUGE_PAGE);
    void *base =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return false;
    if (bytes >= HUGE_PAGE) (void)madvise(base, bytes, MADV_HUGEPAGE);
    a->chunks[a->count++] = (chunk){.base = base, .bytes = bytes};
    return true;
}

void *tern_arena_alloc(tern_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    const size_t need = round_up(bytes ? bytes : 1, TERN_ALIGN);
    size_t at = a->current, used = a->used, before = a->before;
    while (at < a->count && a->chunks[at].bytes - used < need) {
        before += used;
        used = 0;
        at++;
    }
    if (at == a->count && !add_chunk(a, need)) return NULL;
    void *p = a->chunks[at].base + used;
    a->current = at;
    a->used = used + need;
    a->before = before;
    return p;
}

void *tern_arena_zalloc(tern_arena *a, size_t bytes)
{
    void *p = tern_arena_alloc(a, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

tern_arena_mark tern_arena_save(const tern_arena *a)
{
    return (tern_arena_mark){.chunk = a->current, .used = a->used, .before = a->before};
}

void tern_arena_rewind(tern_arena *a, tern_arena_mark mark)
{
    a->current = mark.chunk;
    a->used = mark.used;
    a->before = mark.before;
}

void tern_arena_reset(tern_arena *a)
{
    tern_arena_rewind(a, (tern_arena_mark){0});
}

size_t tern_arena_used(const tern_arena *a)
{
    return a->before + a->used;
}

size_t tern_arena_reserved(const tern_arena *a)
{
    size_t sum = 0;
    for (size_t i = 0; i < a->count; i++) sum += a->chunks[i].bytes;
    return sum;
}

/* --- the heap ---
 *
 * Large blocks come straight from the system: cleared without being touched, so that
 * memory nobody writes (gradients of a model that is only exported) is never really
 * taken. Whole huge pages are huge; the header in front of them and what is behind the
 * last one are on small pages, or a block of 2.1 MB would take 6.
 *
 * Middling ones, the matrices of a small model, are cut from slabs of the same build. A
 * slab goes back to the system with its last block.
 *
 *     base      slab|header|p              header|p         ..
 *     |         | small    | huge    | huge    | ..  | small  |
 *
 * An optimizer walks through five arrays of one size at the same pace. If all began at
 * the same place of a page, their lines would meet in the same sets of the first level
 * cache, and its way predictor would take one for the other (ten times slower on a Zen
 * 5). So blocks begin at changing places. */

enum {
    PAGE = 4096,
    SLAB = PAGE + 8 * HUGE_PAGE,
    MIDDLING = 16 << 10,      /* bytes from which a block is cut from a slab */
    STAGGER = 5 * TERN_ALIGN, /* from block to block, ... */
    PLACES = 12               /* ... so often: within a page */
};

/* At its own beginning, in front of its first block. */
typedef struct slab {
    void *base;        /* of the mapping, */
    size_t mapped;     /* of so many bytes */
    size_t size, used; /* bytes from here */
    size_t blocks;     /* alive */
} slab;

/* Stands in front of every tern_calloc block. */
typedef struct heap_header {
    slab *from; /* NULL: the block came from malloc */
} heap_header;

static struct {
    pthread_mutex_t lock;
    slab *open; /* where middling blocks are cut from; NULL: none */
    unsigned place;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Room for `size` bytes, its own among them. */
static slab *slab_new(size_t size)
{
    const size_t mapped = round_up(size, HUGE_PAGE) + HUGE_PAGE;
    char *base =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    const uintptr_t first = (uintptr_t)base + PAGE;
    char *huge = base + (round_up(first, HUGE_PAGE) - (uintptr_t)base);
    /* Where the system gives them unasked. */
    (void)madvise(base, mapped, MADV_NOHUGEPAGE);
    (void)madvise(huge, (size - PAGE) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    slab *s = (slab *)(void *)(huge - PAGE);
    *s = (slab){.base = base, .mapped = mapped, .size = size, .used = TERN_ALIGN};
    return s;
}

/* The next block: `bytes`, the first `offset` of them for its header. NULL if there is
 * no slab, or no room. */
static void *slab_cut(slab *s, size_t offset, size_t bytes)
{
    if (!s || s->size - s->used < offset + bytes) return NULL;
    char *p = (char *)s + s->used + offset;
    s->used += round_up(offset + bytes, TERN_ALIGN);
    s->blocks++;
    *(heap_header *)(void *)(p - TERN_ALIGN) = (heap_header){.from = s};
    return p;
}

static void slab_drop(slab *s)
{
    pthread_mutex_lock(&heap.lock);
    const bool last = --s->blocks == 0;
    if (last && heap.open == s) heap.open = NULL;
    pthread_mutex_unlock(&heap.lock);
    if (last) munmap(s->base, s->mapped);
}

static void *map_cleared(size_t bytes)
{
    pthread_mutex_lock(&heap.lock);
    const size_t offset = TERN_ALIGN + heap.place++ % PLACES * STAGGER;
    void *p;
    if (bytes >= HUGE_PAGE) {
        p = slab_cut(slab_new(TERN_ALIGN + round_up(offset + bytes, TERN_ALIGN)),
                     offset, bytes);
    } else if (!(p = slab_cut(heap.open, offset, bytes))) {
        slab *s = slab_new(SLAB);
        if (s) heap.open = s;
        p = slab_cut(s, offset, bytes);
    }
    pthread_mutex_unlock(&heap.lock);
    return p;
}

void *tern_calloc(size_t count, size_t size)
{
    if (size && count > (SIZE_MAX / 2) / size) return NULL;
    const size_t bytes = count * size;
    if (bytes >= MIDDLING) return map_cleared(bytes);
    char *base = aligned_alloc(TERN_ALIGN, TERN_ALIGN + round_up(bytes, TERN_ALIGN));
    if (!base) return NULL;
    *(heap_header *)(void *)base = (heap_header){.from = NULL};
    return memset(base + TERN_ALIGN, 0, bytes);
}

void tern_free(void *p)
{
    if (!p) return;
    char *header = (char *)p - TERN_ALIGN;
    slab *from = ((heap_header *)(void *)header)->from;
    if (from)
        slab_drop(from);
    else
        free(header);
}
