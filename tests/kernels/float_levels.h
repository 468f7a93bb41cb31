/* float_levels.h - run a float function at every level and thread count, compare bits.
 */
#ifndef TERN_TESTS_KERNELS_FLOAT_LEVELS_H
#define TERN_TESTS_KERNELS_FLOAT_LEVELS_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/cpu.h"
#include "tests/support/numeric.h"

/* Use this level; false if the CPU lacks it. */
static inline bool use_level(int level)
{
    return tern_kernels_force((tern_level)level) == TERN_OK;
}

/* The best level of this CPU: what users get. */
static inline void use_best_level(void)
{
    tern_kernels_force(tern_level_best());
}

/* n numbers of sequence `seed`, uniform in (-1, 1). Free with tern_free(). */
static inline float *random_floats(uint64_t seed, size_t n)
{
    float *x = tern_calloc(n + 1, sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = tern_test_rand(seed, i);
    return x;
}

static inline void fill_floats(float *x, size_t n, float value)
{
    for (size_t i = 0; i < n; i++) x[i] = value;
}

/* Index of the first element that differs in bits (two NaNs agree), or n. */
static inline size_t first_difference(const float *a, const float *b, size_t n)
{
    if (memcmp(a, b, n * sizeof *a) == 0) return n; /* most often, and fast */
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(a[i] != a[i] && b[i] != b[i]))
            return i;
    return n;
}

#endif /* TERN_TESTS_KERNELS_FLOAT_LEVELS_H */
