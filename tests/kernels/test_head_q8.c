/* The 8-bit head at every level and number of threads: bit for bit against plain C with
 * the order of summation that the header promises, and close to the product of what the
 * codes stand for in double. Heads of 4 and 6 bits: the same bits at every level, and
 * close to the product of the floats that formats/ decodes. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "formats/blocks.h"
#include "kernels/decode_kernels.h"
#include "kernels/head_q8.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

typedef struct problem {
    size_t m, n, cols, ldy;
    tern_q8_rows x;
    uint8_t *w;
    float *y, *want;
    double *exact;
} problem;

static float scale_of(const uint8_t *block)
{
    uint16_t h;
    memcpy(&h, block, sizeof h);
    return tern_float_from_half(h);
}

static int product(const uint8_t *block, const int8_t *q, size_t k)
{
    return (int8_t)block[2 + k] * q[k];
}

static void solve(problem *p, size_t i, size_t j)
{
    const size_t blocks = p->cols / 32;
    float lane[8] = {0};
    double exact = 0.0;
    for (size_t b = 0; b < blocks; b++) {
        const uint8_t *w = p->w + (j * blocks + b) * 34;
        const int8_t *q = p->x.codes + i * p->cols + 32 * b;
        const float e = p->x.scale[i * blocks + b], d = scale_of(w);
        int whole = 0;
        for (size_t l = 0; l < 8; l++) {
            int sum = 0;
            for (size_t k = 4 * l; k < 4 * l + 4; k++) sum += product(w, q, k);
            lane[l] = fmaf((float)sum, d * e, lane[l]);
            whole += sum;
        }
        exact += (double)whole * (double)d * (double)e;
    }
    for (size_t l = 0; l < 4; l++) lane[l] += lane[l + 4];
    p->want[i * p->n + j] = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    p->exact[i * p->n + j] = exact;
}

static problem problem_new(size_t m, size_t n, size_t cols, int extreme)
{
    problem p = {.m = m, .n = n, .cols = cols, .ldy = n + 3};
    const size_t blocks = cols / 32;
    p.x = (tern_q8_rows){.rows = m, .cols = cols};
    p.x.codes = guarded_new(m * cols);
    p.x.scale = guarded_new(m * blocks * sizeof(float));
    p.w = guarded_new(n * blocks * 34);
    p.y = guarded_new(m * p.ldy * sizeof(float));
    p.want = malloc(m * n * sizeof(float));
    p.exact = malloc(m * n * sizeof(double));
    float *x = malloc(cols * sizeof *x);
    for (size_t i = 0; i < m; i++) {
        for (size_t c = 0; c < cols; c++)
            x[c] = extreme ? (extreme > 0 ? 3.0f : -3.0f) : tern_test_rand(i, c);
        tern_q8_quantize_row(x, i, &p.x);
    }
    for (size_t b = 0; b < n * blocks; b++) {
        const uint16_t h = tern_half_from_float(0.01f * (1.5f + tern_test_rand(9, b)));
        memcpy(p.w + 34 * b, &h, sizeof h);
        for (size_t k = 0; k < 32; k++)
            p.w[34 * b + 2 + k] =
                extreme
                    ? (uint8_t)(b % 2 ? -128 : 127)
                    : (uint8_t)tern_rand_below(5, TERN_STREAM_TEST, 32 * b + k, 256);
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) solve(&p, i, j);
    free(x);
    return p;
}

static void problem_free(problem *p)
{
    guarded_free(p->x.codes);
    guarded_free(p->x.scale);
    guarded_free(p->w);
    guarded_free(p->y);
    free(p->want);
    free(p->exact);
}

/* threads 0: the kernel itself, told that the weights are far away. */
static void multiply(problem *p, int threads)
{
    if (threads > 0) {
        tern_threads_set(threads);
        tern_q8_matmul(&p->x, TERN_CODES_Q8_0, p->w, p->n, p->y, p->ldy);
        return;
    }
    tern_decode_active->q8_dots(&(tern_q8_dots){.q = p->x.codes,
                                                .e = p->x.scale,
                                                .m = p->m,
                                                .cols = p->cols,
                                                .w = p->w,
                                                .n = p->n,
                                                .y = p->y,
                                                .ldy = p->ldy});
}

static void check(size_t m, size_t n, size_t cols, int extreme)
{
    problem p = problem_new(m, n, cols, extreme);
    FOR_LEVELS(level)
    for (int threads = 0; threads <= 3; threads++) {
        for (size_t i = 0; i < m * p.ldy; i++) p.y[i] = -7.0f;
        multiply(&p, threads);
        check_guard(p.y, m * p.ldy * sizeof *p.y, "y");
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < p.ldy; j++)
                cr_assert(
                    eq(flt, p.y[i * p.ldy + j], j < n ? p.want[i * n + j] : -7.0f),
                    "%s, %d threads, (%zu, %zu, %zu): y[%zu][%zu]",
                    tern_level_name(tern_kernels_level()), threads, m, n, cols, i, j);
    }
    cr_expect(lt(dbl, tern_test_tensor_err(p.want, p.exact, m * n), 1e-6));
    problem_free(&p);
}

Test(head_q8, shapes)
{
    static const size_t rows[] = {1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 70};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(rows[i], 5, 64, 0);
    for (size_t n = 1; n <= 130; n += 3) check(3, n, 32, 0);
    for (size_t cols = 32; cols <= 1536; cols += 224) check(2, 3, cols, 0);
    check(1, 1000, 96, 0); /* enough for several threads */
    check(9, 200, 256, 0);
}

Test(head_q8, extreme_codes)
{
    for (int m = 1; m <= 4; m++) {
        check((size_t)m, 3, 160, 1);
        check((size_t)m, 3, 160, -1);
        check((size_t)m, 3, 416, 1); /* more than eight blocks */
        check((size_t)m, 3, 416, -1);
    }
}

/* --- 4 and 6 bits --- */

static const uint32_t ggml_types[TERN_CODES_TYPES] = {TERN_GGML_Q8_0, TERN_GGML_Q4_0,
                                                      TERN_GGML_Q4_K, TERN_GGML_Q6_K};

/* Any bytes are blocks of these types, if only the scales are numbers of a size. */
static void fill_blocks(tern_codes_type type, uint8_t *w, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        w[i] = (uint8_t)tern_rand_below(6, TERN_STREAM_TEST, i, 256);
    const size_t block = type == TERN_CODES_Q4_0   ? 18
                         : type == TERN_CODES_Q4_K ? 144
                                                   : 210;
    for (size_t at = 0; at < bytes; at += block) {
        const uint16_t d = tern_half_from_float(0.02f * tern_test_rand(7, at));
        const uint16_t e = tern_half_from_float(0.02f * tern_test_rand(8, at));
        memcpy(w + at + (type == TERN_CODES_Q6_K ? 208 : 0), &d, sizeof d);
        if (type == TERN_CODES_Q4_K) memcpy(w + at + 2, &e, sizeof e);
    }
}

static void check_close(const problem *p, const float *weights)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < p->cols; k++)
                sum += (double)weights[j * p->cols + k] *
                       (double)p->x.codes[i * p->cols + k] *
                       (double)p->x.scale[(i * p->cols + k) / 32];
            p->exact[i * p->n + j] = sum;
        }
    cr_expect(lt(dbl, tern_test_tensor_err(p->want, p->exact, p->m * p->n), 1e-6));
}

static void check_type(tern_codes_type type, size_t m, size_t n, size_t cols)
{
    problem p = problem_new(m, n, cols, 0);
    const size_t row = tern_ggml_bytes(ggml_types[type], cols);
    uint8_t *w = guarded_new(n * row);
    float *weights = malloc(n * cols * sizeof *weights);
    bool first = true;
    fill_blocks(type, w, n * row);
    for (size_t j = 0; j < n; j++)
        tern_decode_floats(ggml_types[type], w + j * row, cols, weights + j * cols);
    FOR_LEVELS(level)
    for (int threads = 1; threads <= 3; threads++) {
        for (size_t i = 0; i < m * p.ldy; i++) p.y[i] = -7.0f;
        tern_threads_set(threads);
        tern_q8_matmul(&p.x, type, w, n, p.y, p.ldy);
        check_guard(p.y, m * p.ldy * sizeof *p.y, "y");
        for (size_t i = 0; i < m; i++) {
            float *y = p.y + i * p.ldy, *want = p.want + i * n;
            if (first) memcpy(want, y, n * sizeof *want);
            cr_assert(eq(int, memcmp(y, want, n * sizeof *want), 0),
                      "%s, %d threads, (%zu, %zu, %zu): row %zu",
                      tern_level_name(tern_kernels_level()), threads, m, n, cols, i);
            for (size_t j = n; j < p.ldy; j++) cr_assert(eq(flt, y[j], -7.0f));
        }
        first = false;
    }
    check_close(&p, weights);
    guarded_free(w);
    free(weights);
    problem_free(&p);
}

Test(head_q8, types_of_4_and_6_bits)
{
    for (int t = TERN_CODES_Q4_0; t < TERN_CODES_TYPES; t++) {
        const tern_codes_type type = (tern_codes_type)t;
        for (size_t m = 1; m <= 34; m += m < 4 ? 1 : 15) check_type(type, m, 6, 256);
        for (size_t n = 1; n <= 70; n += n < 9 ? 1 : 30) check_type(type, 2, n, 512);
        check_type(type, 1, 300, 768); /* enough for several threads */
        check_type(type, 5, 7, 2304);
        check_type(type, 5, 3, 8448); /* more than is prepared at a time */
    }
    for (size_t cols = 32; cols <= 320; cols += 32)
        check_type(TERN_CODES_Q4_0, 3, 5, cols);
}

/* Codes are the nearest, the largest of a block is 127; a block of zeros, or of numbers
 * too small to have a reciprocal, is zeros. */
Test(head_q8, rows_are_rounded_to_blocks)
{
    float x[96], scale[3];
    int8_t codes[96];
    tern_q8_rows out = {.rows = 1, .cols = 96, .codes = codes, .scale = scale};
    for (size_t c = 0; c < 96; c++)
        x[c] = c < 32 ? tern_test_rand(4, c) : c < 64 ? 0.0f : 1e-39f;
    FOR_LEVELS(level)
    {
        tern_q8_quantize_row(x, 0, &out);
        int largest = 0;
        for (size_t c = 0; c < 32; c++) {
            const double want = (double)x[c] / (double)scale[0];
            cr_expect(lt(dbl, fabs((double)codes[c] - want), 0.5001));
            if (abs(codes[c]) > largest) largest = abs(codes[c]);
        }
        cr_expect(eq(int, largest, 127));
        for (size_t c = 32; c < 96; c++) cr_expect(eq(int, codes[c], 0));
    }
}
