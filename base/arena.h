/* arena.h - memory that is given out in order and taken back all at once.
 *
 * An arena owns a list of chunks obtained from the system (huge pages where the
 * system has them). Allocation moves a pointer; rewinding moves it back and keeps the
 * chunks, so that a training step or a generated token reaches a steady state with no
 * system calls, no page faults and no frees.
 *
 *     chunk 0               chunk 1
 *     [aaaa|bb|cccccc|....] [dddddddd|e|..............]
 *              ^ mark                  ^ top
 *
 * Not thread-safe: one arena per thread, or allocate before threads start.
 */
#ifndef TERN_BASE_ARENA_H
#define TERN_BASE_ARENA_H

#include <stddef.h>

enum { TERN_ALIGN = 64 }; /* every block starts on a cache line */

typedef struct tern_arena tern_arena;

/* A position to rewind to. */
typedef struct tern_arena_mark {
    size_t chunk, used, before;
} tern_arena_mark;

/* tern_arena_new() - an empty arena; memory comes in chunks of at least chunk_bytes.
 * NULL if the system has no memory. Free with tern_arena_free (NULL is fine). */
tern_arena *tern_arena_new(size_t chunk_bytes);
void tern_arena_free(tern_arena *a);

/* `bytes` bytes aligned to TERN_ALIGN, contents undefined; NULL if out of memory.
 * tern_arena_zalloc() also clears them. bytes = 0 gives a valid unique pointer. */
void *tern_arena_alloc(tern_arena *a, size_t bytes);
void *tern_arena_zalloc(tern_arena *a, size_t bytes);

tern_arena_mark tern_arena_save(const tern_arena *a);
void tern_arena_rewind(tern_arena *a, tern_arena_mark mark);
void tern_arena_reset(tern_arena *a); /* rewind to the beginning */

size_t tern_arena_used(const tern_arena *a);     /* bytes given out now */
size_t tern_arena_reserved(const tern_arena *a); /* bytes obtained from the system */

/* Aligned heap memory of model lifetime, in the arena's manner: aligned to TERN_ALIGN,
 * cleared, on huge pages when large. NULL if out of memory. Free with tern_free. */
void *tern_calloc(size_t count, size_t size);
void tern_free(void *p);

#endif /* TERN_BASE_ARENA_H */
