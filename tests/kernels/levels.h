/* levels.h - for the tests of kernels: every level that this CPU has, and memory whose
 * end is watched. */
#ifndef TERN_TESTS_KERNELS_LEVELS_H
#define TERN_TESTS_KERNELS_LEVELS_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"

/* for (each level) with that level in use. */
#define FOR_LEVELS(l)                                                                  \
    for (int l = 0; l <= (int)tern_level_best(); l++)                                  \
        if (use_level((tern_level)l))

/* Use this level; false if the CPU lacks it. */
static inline bool use_level(tern_level l)
{
    if (!tern_level_within(l, tern_level_best())) return false;
    cr_assert(eq(int, tern_kernels_force(l), TERN_OK));
    return true;
}

enum { GUARD_BYTES = 64, GUARD_VALUE = 0xa5 };

/* `bytes` bytes aligned to 64, followed by a guard. */
static inline void *guarded_new(size_t bytes)
{
    const size_t all = (bytes + GUARD_BYTES + 63) / 64 * 64;
    unsigned char *p = aligned_alloc(64, all);
    cr_assert(ne(ptr, p, NULL));
    memset(p, GUARD_VALUE, all);
    return p;
}

static inline void check_guard(const void *p, size_t bytes, const char *what)
{
    const unsigned char *end = (const unsigned char *)p + bytes;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        cr_assert(eq(int, end[i], GUARD_VALUE), "%s: written %zu bytes beyond the end",
                  what, i + 1);
}

static inline void guarded_free(void *p)
{
    free(p);
}

#endif /* TERN_TESTS_KERNELS_LEVELS_H */
