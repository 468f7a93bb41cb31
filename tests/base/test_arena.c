#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

Test(arena, blocks_are_aligned_and_apart)
{
    tern_arena *a = tern_arena_new(4096);
    char *last = NULL;
    for (size_t i = 0; i < 1000; i++) {
        char *p = tern_arena_alloc(a, i);
        cr_assert(eq(sz, (size_t)p % TERN_ALIGN, 0));
        cr_assert(p != last);
        memset(p, (int)i, i);
        last = p;
    }
    tern_arena_free(a);
}

Test(arena, rewinding_reuses_memory)
{
    tern_arena *a = tern_arena_new(1 << 16);
    void *first = tern_arena_alloc(a, 100);
    const tern_arena_mark mark = tern_arena_save(a);
    void *second = tern_arena_alloc(a, 1 << 20);
    const size_t reserved = tern_arena_reserved(a);
    for (int i = 0; i < 100; i++) {
        tern_arena_rewind(a, mark);
        cr_assert(eq(ptr, tern_arena_alloc(a, 1 << 20), second));
    }
    cr_expect(eq(sz, tern_arena_reserved(a), reserved));
    cr_expect(ge(sz, tern_arena_used(a), (1 << 20) + 100));
    tern_arena_reset(a);
    cr_expect(eq(sz, tern_arena_used(a), 0));
    cr_expect(eq(ptr, tern_arena_alloc(a, 100), first));
    tern_arena_free(a);
}

Test(arena, impossible_sizes_give_null)
{
    tern_arena *a = tern_arena_new(0);
    cr_expect(eq(ptr, tern_arena_alloc(a, (size_t)-1), NULL));
    cr_expect(eq(ptr, tern_calloc((size_t)-1 / 2, 16), NULL));
    cr_expect(ne(ptr, tern_arena_zalloc(a, 10), NULL));
    tern_arena_free(a);
    tern_arena_free(NULL);
}

Test(arena, large_heap_blocks_are_cleared)
{
    unsigned char *p = tern_calloc(3, 1 << 20);
    for (size_t i = 0; i < 3u << 20; i += 511) cr_assert(eq(int, p[i], 0));
    tern_free(p);
}

/* Resident bytes of this process (Linux: the second number of statm). */
static long resident(void)
{
    long all = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) cr_skip_test("no /proc");
    cr_assert(eq(int, fscanf(f, "%ld %ld", &all, &here), 2));
    fclose(f);
    return here * sysconf(_SC_PAGESIZE);
}

/* Blocks a little larger than a huge page once took three of them. */
Test(arena, large_heap_blocks_take_what_they_hold)
{
    enum { COUNT = 16 };
    const size_t bytes = 5 << 19; /* 2.5 MB */
    void *p[COUNT];
    const long before = resident();
    for (int i = 0; i < COUNT; i++) {
        p[i] = tern_calloc(bytes, 1);
        memset(p[i], 1, bytes);
    }
    const long taken = resident() - before;
    cr_expect(lt(long, taken, (long)(COUNT * (bytes + bytes / 4))), "%ld", taken);
    for (int i = 0; i < COUNT; i++) tern_free(p[i]);
}

/* Cut from slabs: cleared, apart from each other, and given back in any order. */
Test(arena, middling_heap_blocks)
{
    enum { COUNT = 200 };
    const size_t bytes = 300000;
    unsigned char *p[COUNT];
    const long before = resident();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            p[i] = tern_calloc(bytes + (size_t)i, 1);
            cr_assert(ne(ptr, p[i], NULL));
            cr_expect(eq(sz, (size_t)p[i] % TERN_ALIGN, 0));
            for (size_t j = 0; j < bytes; j += 127) cr_assert(eq(int, p[i][j], 0));
            memset(p[i], i, bytes + (size_t)i);
        }
        for (int i = 0; i < COUNT; i++) {
            unsigned char *q = p[i * 7 % COUNT];
            cr_assert(eq(int, q[0], i * 7 % COUNT));
            cr_assert(eq(int, q[bytes - 1], i * 7 % COUNT));
            tern_free(q);
        }
    }
    /* AddressSanitizer's shadow, an eighth of all there was, stays. */
    const long kept = resident() - before;
    cr_expect(lt(long, kept, (long)(COUNT * bytes / 4)), "%ld bytes are left", kept);
}

/* Arrays that are walked through together do not begin at the same place of a page. */
Test(arena, heap_blocks_begin_at_changing_places)
{
    const size_t sizes[] = {512 << 10, 4 << 20};
    for (size_t s = 0; s < 2; s++) {
        char *p[5];
        for (int i = 0; i < 5; i++) p[i] = tern_calloc(sizes[s], 1);
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < i; j++)
                cr_expect(ne(sz, (size_t)p[i] % 4096, (size_t)p[j] % 4096));
        for (int i = 0; i < 5; i++) tern_free(p[i]);
    }
}
