/* The fixed-order float product: against double, and against itself cut differently. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/half.h"
#include "kernels/rows.h"
#include "tests/kernels/float_levels.h"

static const size_t shapes[][3] = {/* m, k, n */
                                   {1, 1, 1},     {1, 16, 5},   {3, 15, 7},
                                   {4, 17, 4},    {5, 33, 9},   {8, 64, 67},
                                   {9, 100, 65},  {1, 384, 70}, {67, 48, 130},
                                   {2, 9000, 11}, {300, 32, 5}};
enum { SHAPES = sizeof shapes / sizeof *shapes, PAD = 3 };

Test(rows_matmul, matches_double)
{
    for (int level = 0; level < TERN_LEVEL_COUNT; level++)
        for (size_t s = 0; s < SHAPES && use_level(level); s++) {
            const size_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
            const size_t ld = n + PAD;
            float *x = random_floats(1, m * k), *w = random_floats(2, n * k);
            float *y = tern_calloc(m * ld, sizeof *y);
            double worst = 0.0;
            fill_floats(y, m * ld, 7.0f);
            tern_dot_matmul(x, m, k, w, n, y, ld);
            for (size_t i = 0; i < m; i++) {
                for (size_t j = 0; j < n; j++) {
                    double want = 0.0;
                    for (size_t p = 0; p < k; p++)
                        want += (double)x[i * k + p] * (double)w[j * k + p];
                    worst = fmax(worst, fabs((double)y[i * ld + j] - want));
                }
                for (size_t j = n; j < ld; j++) cr_expect(eq(flt, y[i * ld + j], 7.0f));
            }
            cr_expect(lt(dbl, worst, 2e-6 * sqrt((double)k)), "%zu %zu %zu: %g", m, k,
                      n, worst);
            tern_free(x), tern_free(w), tern_free(y);
        }
}

/* Row by row and column by column give the bits of the whole. */
Test(rows_matmul, an_element_does_not_know_its_block)
{
    use_best_level();
    for (size_t s = 0; s < SHAPES; s++) {
        const size_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
        float *x = random_floats(1, m * k), *w = random_floats(2, n * k);
        float *y = tern_calloc(m * n, sizeof *y), *z = tern_calloc(m * n, sizeof *z);
        tern_dot_matmul(x, m, k, w, n, y, n);
        for (size_t i = 0; i < m; i++)
            tern_dot_matmul(x + i * k, 1, k, w, n, z + i * n, n);
        cr_expect(eq(sz, first_difference(y, z, m * n), m * n), "rows");
        for (size_t j = 0; j < n; j++) tern_dot_matmul(x, m, k, w + j * k, 1, z + j, n);
        cr_expect(eq(sz, first_difference(y, z, m * n), m * n), "columns");
        tern_free(x), tern_free(w), tern_free(y), tern_free(z);
    }
}

Test(rows_matmul, half_weights_are_converted_weights)
{
    for (int level = 0; level < TERN_LEVEL_COUNT; level++)
        for (size_t s = 0; s < SHAPES && use_level(level); s++) {
            const size_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
            float *x = random_floats(1, m * k), *w = random_floats(2, n * k);
            float *y = tern_calloc(m * n, sizeof *y),
                  *z = tern_calloc(m * n, sizeof *z);
            uint16_t *h = calloc(n * k, sizeof *h);
            for (size_t i = 0; i < n * k; i++) {
                h[i] = tern_half_from_float(w[i] * (i % 5 ? 1.0f : 1e-5f));
                w[i] = tern_float_from_half(h[i]);
            }
            tern_dot_matmul(x, m, k, w, n, y, n);
            tern_dot_matmul_half(x, m, k, h, n, z, n);
            cr_expect(eq(sz, first_difference(y, z, m * n), m * n));
            tern_free(x), tern_free(w), tern_free(y), tern_free(z);
            free(h);
        }
}
