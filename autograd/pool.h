/* pool.h - memory blocks that come back before the arena below them does.
 *
 * A training step makes values and gradients of few different sizes, many of them short
 * in life. The pool keeps one list of free blocks per size class (eight classes to
 * each power of two, so at most an eighth is wasted) and asks the arena only when the
 * list is empty. The list's links lie in the free blocks themselves.
 */
#ifndef TERN_AUTOGRAD_POOL_H
#define TERN_AUTOGRAD_POOL_H

#include <stddef.h>

#include "base/arena.h"

enum { TERN_POOL_CLASSES = 8 * 61 };

typedef struct tern_pool {
    tern_arena *arena; /* borrowed */
    void *free[TERN_POOL_CLASSES];
} tern_pool;

/* A block of at least `bytes` bytes, TERN_ALIGN aligned, contents undefined; NULL if
 * out of memory. */
void *tern_pool_take(tern_pool *p, size_t bytes);

/* Give a block back; `bytes` as it was taken. NULL is fine. */
void tern_pool_give(tern_pool *p, void *block, size_t bytes);

/* Forget all blocks: when the arena is rewound. */
void tern_pool_clear(tern_pool *p);

#endif /* TERN_AUTOGRAD_POOL_H */
