/* pool.c - size classes: a size in units of 64 bytes is cut to its four leading bits,
 * rounded up, like a float with a mantissa of three bits. */
#include "autograd/pool.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

typedef struct size_class {
    size_t index, bytes;
} size_class;

static size_class class_of(size_t bytes)
{
    size_t units = bytes / TERN_ALIGN + (bytes % TERN_ALIGN != 0), shift = 0;
    if (units == 0) units = 1;
    while ((units >> shift) >= 16) shift++;
    /* A lead of 16 is the first class of the next power of two: the same number. */
    const size_t lead = (units >> shift) + ((units & (((size_t)1 << shift) - 1)) != 0);
    return (size_class){.index = 8 * shift + lead,
                        .bytes = (lead << shift) * TERN_ALIGN};
}

void *tern_pool_take(tern_pool *p, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) return NULL;
    const size_class c = class_of(bytes);
    void *block = p->free[c.index];
    if (!block) return tern_arena_alloc(p->arena, c.bytes);
    memcpy(&p->free[c.index], block, sizeof block);
    return block;
}

void tern_pool_give(tern_pool *p, void *block, size_t bytes)
{
    if (!block) return;
    const size_class c = class_of(bytes);
    assert(c.index < TERN_POOL_CLASSES);
    memcpy(block, &p->free[c.index], sizeof block);
    p->free[c.index] = block;
}

void tern_pool_clear(tern_pool *p)
{
    memset(p->free, 0, sizeof p->free);
}
