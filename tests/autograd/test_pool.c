#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "autograd/pool.h"

Test(pool, blocks_come_back)
{
    tern_pool p = {.arena = tern_arena_new(1 << 20)};
    void *a = tern_pool_take(&p, 1000), *b = tern_pool_take(&p, 1000);
    cr_assert(a && b && a != b);
    tern_pool_give(&p, a, 1000);
    tern_pool_give(&p, b, 1000);
    const size_t used = tern_arena_used(p.arena);
    cr_expect(eq(ptr, tern_pool_take(&p, 1000), b));
    cr_expect(eq(ptr, tern_pool_take(&p, 1000), a));
    cr_expect(eq(sz, tern_arena_used(p.arena), used));
    cr_expect(ne(ptr, tern_pool_take(&p, 1000), NULL));
    cr_expect(gt(sz, tern_arena_used(p.arena), used));
    tern_arena_free(p.arena);
}

/* Whatever block a size gets, it must hold that size: also one given back for another
 * size of its class. */
Test(pool, a_block_holds_its_size)
{
    tern_pool p = {.arena = tern_arena_new(1 << 16)};
    enum { COUNT = 3000 };
    for (size_t bytes = 0; bytes < COUNT; bytes++) {
        void *one = tern_pool_take(&p, bytes);
        const size_t before = tern_arena_used(p.arena);
        void *next = tern_pool_take(&p, bytes); /* lies behind, or is a reused block */
        cr_assert(eq(sz, (uintptr_t)one % TERN_ALIGN, 0));
        memset(one, 0xab, bytes);
        memset(next, 0xcd, bytes);
        if (tern_arena_used(p.arena) > before)
            cr_assert(ge(sz, tern_arena_used(p.arena) - before, bytes));
        cr_assert(bytes == 0 || ((unsigned char *)one)[bytes - 1] == 0xab);
        tern_pool_give(&p, one, bytes);
        tern_pool_give(&p, next, bytes);
    }
    tern_arena_free(p.arena);
}

Test(pool, wastes_at_most_an_eighth)
{
    for (size_t bytes = 4096; bytes < (size_t)1 << 33; bytes = bytes * 5 / 4 + 1) {
        tern_pool p = {.arena = tern_arena_new(64)};
        if (tern_pool_take(&p, bytes)) /* NULL: more than the machine has */
            cr_expect(le(sz, tern_arena_used(p.arena), bytes + bytes / 8 + TERN_ALIGN));
        tern_arena_free(p.arena);
    }
}

Test(pool, impossible_sizes_give_null)
{
    tern_pool p = {.arena = tern_arena_new(64)};
    cr_expect(eq(ptr, tern_pool_take(&p, SIZE_MAX), NULL));
    cr_expect(eq(ptr, tern_pool_take(&p, SIZE_MAX / 8), NULL));
    tern_pool_give(&p, NULL, SIZE_MAX);
    tern_arena_free(p.arena);
}

Test(pool, clear_forgets)
{
    tern_pool p = {.arena = tern_arena_new(1 << 16)};
    tern_pool_give(&p, tern_pool_take(&p, 100), 100);
    tern_pool_clear(&p);
    for (size_t i = 0; i < TERN_POOL_CLASSES; i++) cr_assert(eq(ptr, p.free[i], NULL));
    tern_arena_free(p.arena);
}
