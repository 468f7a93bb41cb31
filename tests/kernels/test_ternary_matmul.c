/* The product at every level and number of threads against a plain sum in 64-bit
 * integers. Results must be equal, not close. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/ternary.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

typedef struct problem {
    size_t m, n, k, ldy;
    tern_qrows x;
    tern_ternary w;
    int8_t *t;      /* (n, k) the codes of w, row-major */
    float *add, *y; /* (m, ldy) */
    float *want;    /* (m, n), without add */
} problem;

typedef enum { RANDOM, LOWEST, HIGHEST, ZEROS } filling;

static int8_t draw_activation(filling f, size_t i)
{
    switch (f) {
    case LOWEST:
        return -128;
    case HIGHEST:
        return 127;
    case ZEROS:
        return 0;
    default:
        return (int8_t)(tern_rand_below(8, TERN_STREAM_TEST, i, 256) - 128);
    }
}

static int8_t draw_weight(filling f, size_t i)
{
    return f == RANDOM ? (int8_t)(tern_rand_below(9, TERN_STREAM_TEST, i, 3) - 1) : 1;
}

static void fill_rows(problem *p, filling f)
{
    for (size_t i = 0; i < p->m; i++) {
        int8_t *q = p->x.codes + i * p->x.stride;
        memset(q, 0, p->x.stride);
        p->x.sum[i] = 0;
        for (size_t c = 0; c < p->k; c++) {
            q[c] = draw_activation(f, i * p->k + c);
            p->x.sum[i] += q[c];
        }
        p->x.scale[i] = 1.5f + tern_test_rand(3, i);
    }
}

/* y = (sum q t) * (gamma / s), the sum in 64 bits. */
static void solve(problem *p)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            int64_t sum = 0;
            for (size_t c = 0; c < p->k; c++)
                sum += (int64_t)p->x.codes[i * p->x.stride + c] * p->t[j * p->k + c];
            p->want[i * p->n + j] = (float)sum * (p->w.scale / p->x.scale[i]);
        }
}

static problem problem_new(size_t m, size_t n, size_t k, filling f)
{
    problem p = {.m = m, .n = n, .k = k, .ldy = n + 5};
    p.x = (tern_qrows){.rows = m, .cols = k, .stride = tern_qrows_stride(k)};
    p.x.codes = guarded_new(m * p.x.stride);
    p.x.scale = guarded_new(m * sizeof *p.x.scale);
    p.x.sum = guarded_new(m * sizeof *p.x.sum);
    p.w = (tern_ternary){.rows = n, .cols = k, .scale = 0.03125f};
    p.w.codes = guarded_new(tern_ternary_bytes(n, k));
    p.t = malloc(n * k);
    for (size_t i = 0; i < n * k; i++) p.t[i] = draw_weight(f, i);
    tern_ternary_from_codes(p.t, &p.w);
    fill_rows(&p, f);
    p.y = guarded_new(m * p.ldy * sizeof *p.y);
    p.add = malloc(m * p.ldy * sizeof *p.add);
    for (size_t i = 0; i < m * p.ldy; i++) p.add[i] = tern_test_rand(6, i);
    p.want = malloc(m * n * sizeof *p.want);
    solve(&p);
    return p;
}

static void problem_free(problem *p)
{
    guarded_free(p->x.codes);
    guarded_free(p->x.scale);
    guarded_free(p->x.sum);
    guarded_free(p->w.codes);
    guarded_free(p->y);
    free(p->t);
    free(p->add);
    free(p->want);
}

/* add: 0 none, 1 another array, 2 y itself. */
static void check(problem *p, int add)
{
    const float *a = add == 0 ? NULL : add == 1 ? p->add : p->y;
    for (size_t i = 0; i < p->m * p->ldy; i++) p->y[i] = add == 2 ? p->add[i] : -7.0f;
    tern_ternary_matmul(&p->x, &p->w, a, p->y, p->ldy);
    check_guard(p->y, p->m * p->ldy * sizeof *p->y, "y");
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->ldy; j++) {
            const float untouched = add == 2 ? p->add[i * p->ldy + j] : -7.0f;
            float want = untouched;
            if (j < p->n) {
                want = p->want[i * p->n + j];
                if (add) want += p->add[i * p->ldy + j];
            }
            cr_assert(eq(flt, p->y[i * p->ldy + j], want),
                      "%s, %d threads, (%zu, %zu, %zu) add %d: y[%zu][%zu]",
                      tern_level_name(tern_kernels_level()), tern_threads(), p->m, p->n,
                      p->k, add, i, j);
        }
}

static void check_shape(size_t m, size_t n, size_t k, filling f)
{
    problem p = problem_new(m, n, k, f);
    FOR_LEVELS(level)
    for (int threads = 1; threads <= 3; threads++) {
        tern_threads_set(threads);
        for (int add = 0; add < 3; add++) check(&p, add);
    }
    problem_free(&p);
}

static const size_t SIZES[] = {1,  2,  3,   15,  16,  17,  31,  33,  63,
                               64, 65, 127, 128, 255, 257, 344, 1000};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

Test(ternary_matmul, every_number_of_rows)
{
    for (size_t m = 1; m <= 40; m++) check_shape(m, 19, 35, RANDOM);
    for (size_t i = 0; i < SIZE_COUNT; i++) check_shape(SIZES[i], 65, 33, RANDOM);
    check_shape(191, 16, 16, RANDOM); /* the chunk of the kernels is 192 */
    check_shape(193, 17, 15, RANDOM);
    check_shape(389, 64, 17, RANDOM);
}

Test(ternary_matmul, every_number_of_outputs)
{
    for (size_t n = 1; n <= 140; n++) check_shape(n % 2 ? 3 : 22, n, 20, RANDOM);
    for (size_t i = 0; i < SIZE_COUNT; i++) check_shape(17, SIZES[i], 31, RANDOM);
}

Test(ternary_matmul, every_number_of_columns)
{
    for (size_t k = 1; k <= 70; k++) check_shape(k % 2 ? 2 : 18, 18, k, RANDOM);
    for (size_t i = 0; i < SIZE_COUNT; i++) check_shape(21, 20, SIZES[i], RANDOM);
    check_shape(19, 70, 1023, RANDOM);
    check_shape(19, 70, 1024, RANDOM);
    check_shape(200, 33, 1025, RANDOM);
    check_shape(25, 81, 2048 + 16, RANDOM);
    check_shape(5, 81, 3000, RANDOM);
    /* around one and two passes of 1536 columns (VNNI, from 32 rows on) */
    check_shape(33, 70, 1535, RANDOM);
    check_shape(40, 70, 1536, RANDOM);
    check_shape(35, 70, 1537, RANDOM);
    check_shape(37, 81, 3072 + 16, RANDOM);
    check_shape(600, 33, 1600, RANDOM); /* and several chunks */
}

/* Sums as large as they can be: the 16-bit sums of AVX2 must not overflow. */
Test(ternary_matmul, extreme_codes)
{
    static const size_t ks[] = {16, 240, 255, 256, 257, 272, 1000, 6912};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        for (int m = 1; m <= 25; m += 6) {
            check_shape((size_t)m, 17, ks[i], LOWEST);
            check_shape((size_t)m, 17, ks[i], HIGHEST);
            check_shape((size_t)m, 17, ks[i], ZEROS);
        }
}

/* Large enough to be cut between threads along rows, outputs and both. */
Test(ternary_matmul, threads_share_large_products)
{
    check_shape(1, 1500, 1400, RANDOM);
    check_shape(4, 777, 515, RANDOM);
    check_shape(130, 260, 130, RANDOM);
    check_shape(700, 130, 100, RANDOM);
}

/* A row's result does not depend on the rows beside it: decode equals prefill. */
Test(ternary_matmul, one_row_at_a_time_equals_all_at_once)
{
    problem p = problem_new(37, 70, 300, RANDOM);
    float *one = malloc(p.n * sizeof *one);
    FOR_LEVELS(level)
    {
        tern_ternary_matmul(&p.x, &p.w, NULL, p.y, p.ldy);
        for (size_t i = 0; i < p.m; i++) {
            tern_qrows row = p.x;
            row.rows = 1;
            row.codes += i * p.x.stride;
            row.scale += i;
            row.sum += i;
            tern_ternary_matmul(&row, &p.w, NULL, one, p.n);
            cr_assert(eq(int, memcmp(one, p.y + i * p.ldy, p.n * sizeof *one), 0));
        }
    }
    free(one);
    problem_free(&p);
}
