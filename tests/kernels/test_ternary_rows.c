/* The activation quantiser at every level against its formula, literally; codes, scales
 * and sums must be equal. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/rows.h"
#include "kernels/ternary.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

static const size_t SIZES[] = {1,  2,  3,  7,  8,   9,   15,  16,  17,  31,
                               33, 63, 64, 65, 127, 128, 255, 257, 344, 1000};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

static tern_qrows qrows_new(size_t rows, size_t cols)
{
    tern_qrows q = {.rows = rows, .cols = cols, .stride = tern_qrows_stride(cols)};
    q.codes = guarded_new(rows * q.stride);
    q.scale = guarded_new(rows * sizeof *q.scale);
    q.sum = guarded_new(rows * sizeof *q.sum);
    return q;
}

static void qrows_free(tern_qrows *q)
{
    check_guard(q->codes, q->rows * q->stride, "codes");
    check_guard(q->scale, q->rows * sizeof *q->scale, "scale");
    check_guard(q->sum, q->rows * sizeof *q->sum, "sum");
    guarded_free(q->codes);
    guarded_free(q->scale);
    guarded_free(q->sum);
}

static void check_row(const float *x, const tern_qrows *q, size_t r)
{
    const int8_t *codes = q->codes + r * q->stride;
    float max = 0.0f;
    for (size_t c = 0; c < q->cols; c++) max = fmaxf(max, fabsf(x[c]));
    const float s = 127.0f / fmaxf(max, 1e-5f);
    cr_assert(eq(flt, q->scale[r], s));
    int32_t sum = 0;
    for (size_t c = 0; c < q->cols; c++) {
        const float v = fmaxf(-128.0f, fminf(127.0f, rintf(x[c] * s)));
        cr_assert(eq(int, codes[c], (int)v), "row %zu of %zu cols, %zu: %a * %a", r,
                  q->cols, c, (double)x[c], (double)s);
        sum += (int)v;
    }
    cr_assert(eq(int, q->sum[r], sum));
    for (size_t c = q->cols; c < q->stride; c++) cr_assert(eq(int, codes[c], 0));
}

Test(ternary_rows, codes_equal_the_formula_at_every_level)
{
    FOR_LEVELS(level)
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        const size_t rows = 5, cols = SIZES[i];
        /* One float further than aligned: no kernel may rely on alignment. */
        float *room = malloc((rows * cols + 1) * sizeof *room), *x = room + 1;
        for (size_t e = 0; e < rows * cols; e++)
            x[e] = tern_test_rand(cols, e) * (e / cols == 3 ? 1e-7f : 3.0f);
        memset(x + 2 * cols, 0, cols * sizeof *x); /* a row of zeros */
        tern_qrows q = qrows_new(rows, cols);
        tern_quantize_rows(x, &q);
        for (size_t r = 0; r < rows; r++) check_row(x + r * cols, &q, r);
        qrows_free(&q);
        free(room);
    }
}

enum { EDGE = 64, MOST = 200 };

/* `bytes` bytes at p were written, and none of the EDGE before and after them. */
static void check_edges(const void *p, size_t bytes, const char *what)
{
    const unsigned char *at = (const unsigned char *)p - EDGE;
    for (size_t i = 0; i < EDGE; i++) {
        cr_assert(eq(int, at[i], GUARD_VALUE), "%s at %s, %zu bytes: before them", what,
                  tern_level_name(tern_kernels_level()), bytes);
        cr_assert(eq(int, at[EDGE + bytes + i], GUARD_VALUE),
                  "%s at %s, %zu bytes: written %zu beyond", what,
                  tern_level_name(tern_kernels_level()), bytes, i + 1);
    }
}

/* The slots themselves: a row's padding hides what they do beyond its last column. */
Test(ternary_rows, quantisers_store_n_numbers_and_no_more)
{
    float x[MOST], y[EDGE / 2 + MOST];
    int8_t q[2 * EDGE + MOST];
    for (size_t e = 0; e < MOST; e++) x[e] = 126.0f * tern_test_rand(12, e);
    FOR_LEVELS(level)
    for (size_t n = 0; n <= MOST; n++) {
        const float *from = x + MOST - n; /* nor may more be read: see ASan */
        memset(q, GUARD_VALUE, sizeof q);
        memset(y, GUARD_VALUE, sizeof y);
        int32_t sum = 0;
        for (size_t e = 0; e < n; e++) sum += (int32_t)rintf(from[e]);
        cr_assert(eq(int, tern_kernels_active->quantize(from, 1.0f, n, q + EDGE), sum));
        check_edges(q + EDGE, n, "quantize");
        tern_kernels_active->dequantize(q + EDGE, 1.0f, n, y + EDGE / 4);
        check_edges(y + EDGE / 4, n * sizeof *y, "dequantize");
        for (size_t e = 0; e < n; e++)
            cr_assert(eq(flt, y[EDGE / 4 + e], rintf(from[e])), "%zu of %zu", e, n);
    }
}

/* With a maximum of 127 the scale is 1 and x.5 is a tie: it goes to the even one. */
Test(ternary_rows, ties_go_to_even)
{
    FOR_LEVELS(level)
    {
        float x[256];
        for (int i = 0; i < 255; i++)
            x[i] = (float)i / 2.0f * (i % 4 < 2 ? 1.0f : -1.0f);
        x[255] = -127.0f;
        tern_qrows q = qrows_new(1, 256);
        tern_quantize_rows(x, &q);
        cr_assert(eq(flt, q.scale[0], 1.0f));
        for (int i = 0; i < 254; i++) {
            const int down = i / 2, even = i % 2 == 0 ? down : down + down % 2;
            cr_assert(eq(int, abs(q.codes[i]), even), "%g", (double)x[i]);
        }
        qrows_free(&q);
    }
}

Test(ternary_rows, rows_that_are_no_numbers_do_no_harm)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f, -NAN};
    FOR_LEVELS(level)
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t at = 0; at < 53; at += 4) {
            float x[53 * 2];
            for (size_t e = 0; e < 53 * 2; e++) x[e] = tern_test_rand(9, e);
            x[at] = bad[i];
            tern_qrows q = qrows_new(2, 53);
            tern_quantize_rows(x, &q);
            check_row(x + 53, &q, 1); /* the good row is not touched by the bad one */
            for (size_t c = 53; c < q.stride; c++) cr_assert(eq(int, q.codes[c], 0));
            qrows_free(&q);
        }
}

Test(ternary_rows, dequantised_is_code_over_scale)
{
    FOR_LEVELS(level)
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        const size_t rows = 7, cols = SIZES[i], ld = cols + 3;
        float *x = malloc(rows * cols * sizeof *x);
        for (size_t e = 0; e < rows * cols; e++) x[e] = tern_test_rand(e, cols);
        tern_qrows q = qrows_new(rows, cols);
        tern_quantize_rows(x, &q);
        float *y = guarded_new(4 * ld * sizeof *y);
        for (size_t e = 0; e < 4 * ld; e++) y[e] = 77.0f;
        tern_dequantize_rows(&q, 2, 4, y, ld);
        for (size_t r = 0; r < 4; r++)
            for (size_t c = 0; c < ld; c++) {
                const float code =
                    c < cols ? (float)q.codes[(r + 2) * q.stride + c] : 0.0f;
                cr_assert(
                    eq(flt, y[r * ld + c], c < cols ? code / q.scale[r + 2] : 77.0f));
            }
        check_guard(y, 4 * ld * sizeof *y, "dequantised");
        guarded_free(y);
        qrows_free(&q);
        free(x);
    }
}

/* The same behind a gated unit; a and b are taken over. */
static void check_fused_glu(const float *x, const float *gain, tern_qrows *a,
                            tern_qrows *b)
{
    const size_t rows = a->rows, cols = a->cols, n = rows * cols;
    float *y = malloc(2 * n * sizeof *y), *up = y + n, r1[64], r2[64];
    float *scratch = malloc(tern_norm_scratch(rows, cols) * sizeof *scratch);
    cr_assert(le(sz, rows, 64));
    for (size_t e = 0; e < n; e++) up[e] = tern_test_rand(cols + 1, e);
    for (int f = TERN_SILU; f <= TERN_RELU2; f++) {
        tern_glu((tern_activation)f, x, up, n, y);
        tern_rmsnorm_quantize_rows(y, gain, 1e-5f, r1, a);
        tern_glu_rmsnorm_quantize_rows((tern_activation)f, x, up, gain, 1e-5f, r2, b,
                                       scratch);
        cr_assert(eq(int, memcmp(a->codes, b->codes, rows * a->stride), 0));
        cr_assert(eq(int, memcmp(a->scale, b->scale, rows * sizeof *a->scale), 0));
        cr_assert(eq(int, memcmp(a->sum, b->sum, rows * sizeof *a->sum), 0));
        cr_assert(eq(int, memcmp(r1, r2, rows * sizeof *r1), 0));
    }
    free(y);
    free(scratch);
}

/* One pass must give the bits of two, also where a row is longer than the buffer. */
static void check_fused(size_t rows, size_t cols, int with_gain)
{
    float *x = malloc(rows * cols * sizeof *x), *y = malloc(rows * cols * sizeof *y);
    float *gain = malloc(cols * sizeof *gain);
    float *r1 = guarded_new(rows * sizeof *r1), *r2 = guarded_new(rows * sizeof *r2);
    for (size_t e = 0; e < rows * cols; e++) x[e] = 4.0f * tern_test_rand(cols, e);
    for (size_t c = 0; c < cols; c++) gain[c] = 1.0f + 0.5f * tern_test_rand(1, c);
    const float *g = with_gain ? gain : NULL;
    tern_qrows a = qrows_new(rows, cols), b = qrows_new(rows, cols);
    tern_rmsnorm_rows(x, g, 1e-5f, rows, cols, y, r1);
    tern_quantize_rows(y, &a);
    tern_rmsnorm_quantize_rows(x, g, 1e-5f, r2, &b);
    cr_assert(eq(int, memcmp(a.codes, b.codes, rows * a.stride), 0), "%zu cols", cols);
    cr_assert(eq(int, memcmp(a.scale, b.scale, rows * sizeof *a.scale), 0));
    cr_assert(eq(int, memcmp(a.sum, b.sum, rows * sizeof *a.sum), 0));
    cr_assert(eq(int, memcmp(r1, r2, rows * sizeof *r1), 0));
    check_guard(r2, rows * sizeof *r2, "rstd");
    tern_rmsnorm_quantize_rows(x, g, 1e-5f, NULL, &b);
    cr_assert(eq(int, memcmp(a.codes, b.codes, rows * a.stride), 0));
    check_fused_glu(x, g, &a, &b);
    qrows_free(&a);
    qrows_free(&b);
    guarded_free(r1);
    guarded_free(r2);
    free(x);
    free(y);
    free(gain);
}

Test(ternary_rows, fused_norm_equals_norm_then_quantise)
{
    FOR_LEVELS(level)
    {
        for (size_t i = 0; i < SIZE_COUNT; i++) check_fused(3, SIZES[i], i % 2);
        check_fused(9, 4096, 1);
        check_fused(2, 4097, 1);
        check_fused(40, 9001, 0);
    }
}

Test(ternary_rows, threads_and_levels_do_not_change_a_bit)
{
    enum { ROWS = 131, COLS = 777 };
    float *x = malloc(ROWS * COLS * sizeof *x);
    for (size_t e = 0; e < ROWS * COLS; e++) x[e] = tern_test_rand(4, e);
    tern_qrows first = qrows_new(ROWS, COLS), q = qrows_new(ROWS, COLS);
    tern_threads_set(1);
    use_level(TERN_LEVEL_SCALAR);
    tern_rmsnorm_quantize_rows(x, NULL, 1e-6f, NULL, &first);
    FOR_LEVELS(level)
    for (int threads = 1; threads <= 3; threads++) {
        tern_threads_set(threads);
        memset(q.codes, 99, ROWS * q.stride);
        tern_rmsnorm_quantize_rows(x, NULL, 1e-6f, NULL, &q);
        cr_assert(eq(int, memcmp(q.codes, first.codes, ROWS * q.stride), 0));
        cr_assert(eq(int, memcmp(q.scale, first.scale, ROWS * sizeof *q.scale), 0));
        cr_assert(eq(int, memcmp(q.sum, first.sum, ROWS * sizeof *q.sum), 0));
    }
    qrows_free(&first);
    qrows_free(&q);
    free(x);
}
