/* float_levels.h - run a float function at every level and thread count, compare bits.
 */
#ifndef TERN_TESTS_KERNELS_FLOAT_LEVELS_H
#define TERN_TESTS_KERNELS_FLOAT_LEVELS_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
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

/* Scratch of the promised size between two pages of sentinels. */
enum { SENTINELS = 64 };

static inline float *scratch_new(size_t bytes)
{
    const size_t n = bytes / sizeof(float);
    float *x = tern_calloc(n + 2 * SENTINELS, sizeof *x);
    for (size_t i = 0; i < n + 2 * SENTINELS; i++)
        x[i] = NAN; /* nothing may rely on 0 */
    for (size_t i = 0; i < SENTINELS; i++) x[i] = x[SENTINELS + n + i] = 12345.0f;
    return x;
}

static inline void scratch_free(float *x, size_t bytes)
{
    const size_t n = bytes / sizeof(float);
    size_t touched = 0;
    for (size_t i = 0; i < SENTINELS; i++)
        touched += x[i] != 12345.0f || x[SENTINELS + n + i] != 12345.0f;
    cr_expect(eq(sz, touched, 0), "wrote outside the scratch");
    tern_free(x);
}

#endif /* TERN_TESTS_KERNELS_FLOAT_LEVELS_H */
