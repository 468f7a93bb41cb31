/* arena.c - chunks from mmap, so that large ones can sit on huge pages.
 *
 * Page faults cost about 0.25 us per 4 KiB (more in a virtual machine); a training step
 * that mapped and unmapped its buffers would spend a third of its time there. */
#define _GNU_SOURCE
#include "base/arena.h"

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

/* Stands in front of every tern_calloc block. */
typedef struct heap_header {
    void *base;
    size_t mapped; /* bytes to unmap; 0: the block came from malloc */
} heap_header;

/* Large blocks straight from the system: cleared without being touched, so that memory
 * nobody writes (gradients of a model that is only exported) is never really taken.
 * The block begins on a huge page; what is in front of it and behind its last whole one
 * is on small pages, or a block of 2.1 MB would take 6.
 *
 *     base    header|p                                      p + bytes
 *     |  small      | huge    | huge    | ..      | small   |
 */
static void *map_cleared(size_t bytes)
{
    const size_t mapped = round_up(bytes, HUGE_PAGE) + HUGE_PAGE;
    const size_t whole = bytes / HUGE_PAGE * HUGE_PAGE;
    char *base =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    const uintptr_t first = (uintptr_t)base + TERN_ALIGN;
    char *p = base + (round_up(first, HUGE_PAGE) - (uintptr_t)base);
    (void)madvise(base, mapped,
                  MADV_NOHUGEPAGE); /* where the system gives them unasked */
    (void)madvise(p, whole, MADV_HUGEPAGE);
    heap_header *h = (heap_header *)(void *)(p - TERN_ALIGN);
    *h = (heap_header){.base = base, .mapped = mapped};
    return p;
}

void *tern_calloc(size_t count, size_t size)
{
    if (size && count > (SIZE_MAX / 2) / size) return NULL;
    const size_t bytes = count * size;
    if (bytes >= HUGE_PAGE) return map_cleared(bytes);
    char *base = aligned_alloc(TERN_ALIGN, TERN_ALIGN + round_up(bytes, TERN_ALIGN));
    if (!base) return NULL;
    *(heap_header *)(void *)base = (heap_header){.base = base};
    return memset(base + TERN_ALIGN, 0, bytes);
}

void tern_free(void *p)
{
    if (!p) return;
    const heap_header h = *(heap_header *)(void *)((char *)p - TERN_ALIGN);
    if (h.mapped)
        munmap(h.base, h.mapped);
    else
        free(h.base);
}
