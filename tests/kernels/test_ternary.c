/* The ternary quantiser and the panel order, at every level.
 *
 * Oracle for the weights: the formula of the paper, with its division, rint and clamp;
 * the panel order is read back by the formula in ternary.h. Codes and scales must be
 * equal, not close. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "kernels/cpu.h"
#include "kernels/ternary.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

static const size_t SIZES[] = {1,  2,  3,   15,  16,  17,  31,  33,  63,
                               64, 65, 127, 128, 255, 257, 344, 1000};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES, GUARD = 64 };

/* Code of (row, col) by the definition in ternary.h. */
static int code_at(const tern_ternary *w, size_t row, size_t col)
{
    const size_t tiles = (w->cols + 15) / 16;
    const size_t p = row / 16, r = row % 16, c = col / 16, j = col % 16 / 4,
                 b = col % 4;
    return (w->codes[(p * tiles + c) * 64 + 4 * r + b] >> (2 * j) & 3) - 1;
}

static tern_ternary matrix_new(size_t rows, size_t cols)
{
    tern_ternary w = {.rows = rows, .cols = cols};
    w.codes = guarded_new(tern_ternary_bytes(rows, cols));
    return w;
}

static void check_padding(const tern_ternary *w)
{
    const size_t rows = (w->rows + 15) / 16 * 16, cols = (w->cols + 15) / 16 * 16;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = r < w->rows ? w->cols : 0; c < cols; c++)
            cr_assert(eq(int, code_at(w, r, c), 0), "padding at %zu, %zu", r, c);
    check_guard(w->codes, tern_ternary_bytes(w->rows, w->cols), "codes");
}

/* t = clamp(rne(w / gamma), -1, 1), literally. */
static int oracle_code(float w, float gamma)
{
    const float t = rintf(w / gamma);
    return t > 1.0f ? 1 : t < -1.0f ? -1 : (int)t;
}

static void check_quantised(const float *w, const tern_ternary *got)
{
    double sum = 0.0;
    const size_t n = got->rows * got->cols;
    for (size_t i = 0; i < n; i++) sum += fabs((double)w[i]);
    /* fp16 has 11 bits, so a last-bit difference of the double sum cannot show unless
     * the mean is half way between two; the random inputs here are not. */
    const float gamma = tern_round_to_half(fmaxf((float)(sum / (double)n), 1e-5f));
    cr_assert(eq(flt, got->scale, gamma), "(%zu, %zu)", got->rows, got->cols);
    for (size_t r = 0; r < got->rows; r++)
        for (size_t c = 0; c < got->cols; c++)
            cr_assert(
                eq(int, code_at(got, r, c), oracle_code(w[r * got->cols + c], gamma)),
                "(%zu, %zu) at %zu, %zu", got->rows, got->cols, r, c);
}

Test(ternary, weights_equal_the_paper_at_every_level)
{
    FOR_LEVELS(level)
    for (size_t i = 0; i < SIZE_COUNT; i++)
        for (size_t j = 0; j < SIZE_COUNT; j += 1 + i % 3) {
            tern_ternary t = matrix_new(SIZES[i], SIZES[j]);
            const size_t n = t.rows * t.cols;
            float *w = malloc(n * sizeof *w);
            for (size_t e = 0; e < n; e++) w[e] = 0.05f * tern_test_rand(i * 31 + j, e);
            cr_assert(eq(int, tern_ternary_quantize(w, &t), TERN_OK));
            check_quantised(w, &t);
            check_padding(&t);
            free(w);
            guarded_free(t.codes);
        }
}

/* Weights at, just below and just above every rounding boundary, at a scale that is
 * known: fillers bring the mean to `gamma`, which fp16 then holds exactly. */
Test(ternary, weights_at_the_rounding_boundary)
{
    static const uint16_t gammas[] = {0x2400, 0x2401, 0x27ff, 0x1555, 0x3c00,
                                      0x0401, 0x03ff, 0x00a8, 0x7000};
    FOR_LEVELS(level)
    for (size_t g = 0; g < sizeof gammas / sizeof *gammas; g++) {
        enum { ROWS = 23, COLS = 37, N = ROWS * COLS };
        const float gamma = tern_float_from_half(gammas[g]);
        float w[N];
        double sum = 0.0;
        size_t n = 0;
        for (int k = -5; k <= 5; k++)
            for (int step = -2; step <= 2; step++) {
                float x = (float)k * 0.5f * gamma;
                for (int s = 0; s < abs(step); s++)
                    x = nextafterf(x, step < 0 ? -INFINITY : INFINITY);
                w[n++] = x;
                sum += fabs((double)x);
            }
        for (size_t i = n; i < N; i++)
            w[i] = (float)(((double)gamma * N - sum) / (double)(N - n));
        tern_ternary t = matrix_new(ROWS, COLS);
        cr_assert(eq(int, tern_ternary_quantize(w, &t), TERN_OK));
        cr_assert(eq(flt, t.scale, gamma), "half %04x", gammas[g]);
        for (size_t i = 0; i < N; i++)
            cr_assert(
                eq(int, code_at(&t, i / COLS, i % COLS), oracle_code(w[i], gamma)),
                "half %04x, weight %a, gamma %a", gammas[g], (double)w[i],
                (double)gamma);
        guarded_free(t.codes);
    }
}

Test(ternary, tiny_weights_have_the_smallest_scale)
{
    FOR_LEVELS(level)
    {
        float w[40] = {0};
        tern_ternary t = matrix_new(4, 10);
        cr_assert(eq(int, tern_ternary_quantize(w, &t), TERN_OK));
        cr_expect(eq(flt, t.scale, tern_round_to_half(1e-5f)));
        w[7] = 6e-6f;
        w[8] = -1e-38f;
        cr_assert(eq(int, tern_ternary_quantize(w, &t), TERN_OK));
        cr_expect(eq(int, code_at(&t, 0, 7), 1));
        cr_expect(eq(int, code_at(&t, 0, 8), 0));
        guarded_free(t.codes);
    }
}

Test(ternary, weights_that_are_no_numbers_are_refused)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    FOR_LEVELS(level)
    for (size_t i = 0; i < 3; i++)
        for (size_t at = 0; at < 77; at += 19) {
            float w[77];
            for (size_t e = 0; e < 77; e++) w[e] = 0.1f;
            w[at] = bad[i];
            tern_ternary t = matrix_new(7, 11);
            t.scale = 42.0f;
            memset(t.codes, 0x11, tern_ternary_bytes(7, 11));
            cr_assert(eq(int, tern_ternary_quantize(w, &t), TERN_ENUMERIC));
            cr_expect(eq(flt, t.scale, 42.0f));
            cr_expect(eq(int, t.codes[0], 0x11));
            guarded_free(t.codes);
        }
    float huge[4] = {1e30f, 1e30f, -1e30f, 3e38f}; /* finite, but not in fp16 */
    tern_ternary t = matrix_new(2, 2);
    cr_assert(eq(int, tern_ternary_quantize(huge, &t), TERN_ENUMERIC));
    guarded_free(t.codes);
}

/* Large enough to be cut between threads: scale and codes must not notice. */
Test(ternary, weights_do_not_depend_on_threads_or_level)
{
    enum { ROWS = 515, COLS = 391, N = ROWS * COLS };
    float *w = malloc(N * sizeof *w);
    for (size_t i = 0; i < N; i++) w[i] = tern_test_rand(5, i);
    tern_ternary first = matrix_new(ROWS, COLS), t = matrix_new(ROWS, COLS);
    const size_t bytes = tern_ternary_bytes(ROWS, COLS);
    tern_threads_set(1);
    cr_assert(eq(int, tern_ternary_quantize(w, &first), TERN_OK));
    FOR_LEVELS(level)
    for (int threads = 1; threads <= 3; threads++) {
        tern_threads_set(threads);
        memset(t.codes, 0, bytes);
        cr_assert(eq(int, tern_ternary_quantize(w, &t), TERN_OK));
        cr_expect(eq(flt, t.scale, first.scale));
        cr_expect(eq(int, memcmp(t.codes, first.codes, bytes), 0));
    }
    check_quantised(w, &first);
    guarded_free(first.codes);
    guarded_free(t.codes);
    free(w);
}

/* --- moving codes, counting --- */

static int8_t random_code(uint64_t seed, size_t i)
{
    const float x = tern_test_rand(seed, i);
    return (int8_t)((x > 0.4f) - (x < -0.2f));
}

static void check_roundtrip(size_t rows, size_t cols)
{
    int8_t *t = malloc(rows * cols), *line = guarded_new(cols);
    float *expanded = guarded_new(rows * cols * sizeof *expanded);
    int64_t want[3] = {0}, counts[3];
    for (size_t i = 0; i < rows * cols; i++) want[1 + (t[i] = random_code(rows, i))]++;
    tern_ternary w = matrix_new(rows, cols);
    tern_ternary_from_codes(t, &w);
    check_padding(&w);
    tern_ternary_expand(&w, expanded);
    check_guard(expanded, rows * cols * sizeof *expanded, "expanded");
    for (size_t r = 0; r < rows; r++) {
        tern_ternary_unpack_row(&w, r, line);
        for (size_t c = 0; c < cols; c++) {
            const int code = t[r * cols + c];
            cr_assert(eq(int, code_at(&w, r, c), code), "%zu x %zu", rows, cols);
            cr_assert(eq(int, line[c], code), "%zu x %zu", rows, cols);
            cr_assert(eq(flt, expanded[r * cols + c], (float)code), "%zu, %zu", r, c);
        }
    }
    check_guard(line, cols, "row");
    tern_ternary_count(&w, counts);
    for (int i = 0; i < 3; i++) cr_assert(eq(i64, counts[i], want[i]));
    guarded_free(w.codes);
    guarded_free(expanded);
    guarded_free(line);
    free(t);
}

Test(ternary, codes_survive_packing_at_every_level)
{
    FOR_LEVELS(level)
    for (size_t i = 0; i < SIZE_COUNT; i++)
        for (size_t j = i % 2; j < SIZE_COUNT; j += 2)
            check_roundtrip(SIZES[i], SIZES[j]);
}

Test(ternary, is_transposed)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        const size_t rows = SIZES[i], cols = SIZES[SIZE_COUNT - 1 - i * 3 % SIZE_COUNT];
        int8_t *t = malloc(rows * cols);
        for (size_t j = 0; j < rows * cols; j++)
            t[j] = (int8_t)(tern_rand_below(7, TERN_STREAM_TEST, j, 3) - 1);
        tern_ternary w = matrix_new(rows, cols), turned = matrix_new(cols, rows);
        tern_ternary_from_codes(t, &w);
        w.scale = 0.75f;
        for (int threads = 1; threads <= 3; threads++) {
            tern_threads_set(threads);
            memset(turned.codes, 0, tern_ternary_bytes(cols, rows));
            tern_ternary_transpose(&w, &turned);
            for (size_t r = 0; r < rows; r++)
                for (size_t c = 0; c < cols; c++)
                    cr_assert(eq(int, code_at(&turned, c, r), t[r * cols + c]));
            check_padding(&turned);
            cr_expect(turned.scale == 0.75f);
        }
        guarded_free(w.codes);
        guarded_free(turned.codes);
        free(t);
    }
}

Test(ternary, flips_are_counted)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        const size_t rows = SIZES[i], cols = SIZES[SIZE_COUNT - 1 - i], n = rows * cols;
        int8_t *a = malloc(n), *b = malloc(n);
        int64_t want = 0;
        for (size_t e = 0; e < n; e++) {
            a[e] = random_code(1, e);
            b[e] = tern_test_rand(3, e) > 0.0f ? a[e] : random_code(2, e);
            want += a[e] != b[e];
        }
        tern_ternary wa = matrix_new(rows, cols), wb = matrix_new(rows, cols);
        tern_ternary_from_codes(a, &wa);
        tern_ternary_from_codes(b, &wb);
        cr_expect(eq(i64, tern_ternary_flips(&wa, &wb), want));
        cr_expect(eq(i64, tern_ternary_flips(&wa, &wa), 0));
        guarded_free(wa.codes);
        guarded_free(wb.codes);
        free(a);
        free(b);
    }
}
