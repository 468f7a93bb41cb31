/* The integer backward at every level and number of threads: equal, bit for bit, to its
 * definition in grad16.h written out with 64-bit sums; and as near to the gradient in
 * double precision as half a step of every rounded number allows. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/grad16.h"
#include "kernels/grad16_kernels.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

typedef enum { RANDOM, EXTREME, ZERO, TINY, HUGE_ONES } filling;

typedef struct problem {
    size_t m, n, k;  /* tokens, outputs, inputs */
    float *dy;       /* (m, n) */
    tern_qrows x;    /* (m, k) */
    tern_ternary w;  /* (n, k) */
    tern_ternary wt; /* (k, n) */
    int8_t *t;       /* its codes, row-major */
    void *memory;    /* of the rounded gradient */
    float *dx, *dw;  /* (m, k), (n, k) */
    float *start;    /* what they hold before, where something is added */
    float *want_dx, *want_dw;
} problem;

static float draw_gradient(filling f, size_t i)
{
    const float r = tern_test_rand(5, i);
    switch (f) {
    case EXTREME:
        return 0.25f;
    case ZERO:
        return 0.0f;
    case TINY:
        return 1e-39f * r;
    case HUGE_ONES:
        return 1e30f * r;
    default:
        return r * r * r * r * r; /* few large, many small */
    }
}

/* Half the outputs have all signs turned, so that sums reach both ends. */
static int8_t draw_weight(filling f, size_t row, size_t i)
{
    if (f == EXTREME) return row % 2 ? 1 : -1;
    return (int8_t)(tern_rand_below(9, TERN_STREAM_TEST, i, 3) - 1);
}

static void fill(problem *p, filling f)
{
    for (size_t i = 0; i < p->m * p->n; i++) {
        const float sign = f == EXTREME && i % p->n % 2 == 0 ? -1.0f : 1.0f;
        p->dy[i] = sign * draw_gradient(f, i);
    }
    for (size_t i = 0; i < p->n * p->k; i++) p->t[i] = draw_weight(f, i / p->k, i);
    tern_ternary_from_codes(p->t, &p->w);
    for (size_t i = 0; i < p->m; i++) {
        int8_t *q = p->x.codes + i * p->x.stride;
        memset(q, 0, p->x.stride);
        for (size_t c = 0; c < p->k; c++)
            q[c] =
                f == EXTREME
                    ? (int8_t)(c % 2 ? 127 : -127)
                    : (int8_t)(tern_rand_below(8, TERN_STREAM_TEST, i * p->k + c, 255) -
                               127);
        p->x.scale[i] = f == EXTREME ? 2.0f : 40.0f + 30.0f * tern_test_rand(3, i);
    }
}

/* --- the definition --- */

/* Round v, a row or column of a block, to 16 bits; returns the step. */
static float definition_round(const float *v, size_t n, int16_t *q)
{
    float most = 1e-30f;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            memset(q, 0, n * sizeof *q);
            return NAN;
        }
        most = fmaxf(most, fabsf(v[i]));
    }
    const float s = 32767.0f / most;
    for (size_t i = 0; i < n; i++) q[i] = (int16_t)nearbyintf(v[i] * s);
    return most / 32767.0f;
}

static void solve_dx(problem *p, bool add)
{
    int16_t *a = malloc(p->n * sizeof *a);
    for (size_t i = 0; i < p->m; i++) {
        const float scale = p->w.scale * definition_round(p->dy + i * p->n, p->n, a);
        for (size_t c = 0; c < p->k; c++) {
            float y = add ? p->start[i * p->k + c] : 0.0f;
            int64_t sum = 0;
            for (size_t o = 0; o < p->n; o++) {
                sum += a[o] * p->t[o * p->k + c];
                if ((o + 1) % 65536 != 0 && o + 1 != p->n) continue;
                const float part = (float)sum * scale;
                y = add || o >= 65536 ? part + y : part;
                sum = 0;
            }
            p->want_dx[i * p->k + c] = y;
        }
    }
    free(a);
}

/* Rows in 8 bits: their product as the forward's, (sum) (gamma / s). */
static void solve_dx8(problem *p, bool add)
{
    for (size_t i = 0; i < p->m; i++) {
        const float *dy = p->dy + i * p->n;
        float most = 1e-30f;
        for (size_t o = 0; o < p->n; o++)
            most = isfinite(dy[o]) && isfinite(most) ? fmaxf(most, fabsf(dy[o])) : NAN;
        const float s = 127.0f / most;
        for (size_t c = 0; c < p->k; c++) {
            int64_t sum = 0;
            for (size_t o = 0; o < p->n && isfinite(s); o++)
                sum += (int64_t)nearbyintf(dy[o] * s) * p->t[o * p->k + c];
            const float y = (float)sum * (p->w.scale / s);
            p->want_dx[i * p->k + c] = add ? y + p->start[i * p->k + c] : y;
        }
    }
}

static void solve_dw(problem *p)
{
    memcpy(p->want_dw, p->start, p->n * p->k * sizeof(float));
    for (size_t first = 0; first < p->m; first += 256) {
        const size_t rows = p->m - first < 256 ? p->m - first : 256;
        float v[256];
        int16_t b[256];
        for (size_t o = 0; o < p->n; o++) {
            for (size_t r = 0; r < rows; r++)
                v[r] = p->dy[(first + r) * p->n + o] * (1.0f / p->x.scale[first + r]);
            const float step = definition_round(v, rows, b);
            for (size_t c = 0; c < p->k; c++) {
                int64_t sum = 0;
                for (size_t r = 0; r < rows; r++)
                    sum += b[r] * p->x.codes[(first + r) * p->x.stride + c];
                cr_assert(sum <= INT32_MAX && sum >= INT32_MIN);
                float *dw = p->want_dw + o * p->k + c;
                *dw = (float)sum * step + *dw;
            }
        }
    }
}

/* --- a problem --- */

static size_t outputs_of(const problem *p)
{
    return p->m * p->k > p->n * p->k ? p->m * p->k : p->n * p->k;
}

static problem problem_new(size_t m, size_t n, size_t k, filling f)
{
    problem p = {.m = m, .n = n, .k = k};
    p.dy = malloc(m * n * sizeof *p.dy);
    p.x = (tern_qrows){.rows = m, .cols = k, .stride = tern_qrows_stride(k)};
    p.x.codes = guarded_new(m * p.x.stride);
    p.x.scale = guarded_new(m * sizeof *p.x.scale);
    p.w = (tern_ternary){.rows = n, .cols = k, .scale = 0.03125f};
    p.w.codes = guarded_new(tern_ternary_bytes(n, k));
    p.wt = (tern_ternary){.rows = k, .cols = n};
    p.wt.codes = guarded_new(tern_ternary_bytes(k, n));
    p.t = malloc(n * k);
    p.memory = guarded_new(tern_grad16_bytes(m, n));
    p.dx = guarded_new(m * k * sizeof *p.dx);
    p.dw = guarded_new(n * k * sizeof *p.dw);
    p.start = malloc(outputs_of(&p) * sizeof *p.start);
    p.want_dx = malloc(m * k * sizeof *p.want_dx);
    p.want_dw = malloc(n * k * sizeof *p.want_dw);
    for (size_t i = 0; i < outputs_of(&p); i++) p.start[i] = tern_test_rand(6, i);
    fill(&p, f);
    return p;
}

static void problem_free(problem *p)
{
    free(p->dy);
    guarded_free(p->x.codes);
    guarded_free(p->x.scale);
    guarded_free(p->w.codes);
    guarded_free(p->wt.codes);
    free(p->t);
    guarded_free(p->memory);
    guarded_free(p->dx);
    guarded_free(p->dw);
    free(p->start);
    free(p->want_dx);
    free(p->want_dw);
}

/* Both gradients; input, weight: whether they are wanted. */
static void run(problem *p, tern_grad_input input, bool weight, bool add)
{
    memcpy(p->dx, p->start, p->m * p->k * sizeof(float));
    memcpy(p->dw, p->start, p->n * p->k * sizeof(float));
    tern_grad16 g = tern_grad16_place(p->memory, p->m, p->n, input, weight);
    tern_grad16_quantize(p->dy, p->x.scale, &g);
    if (input == TERN_INPUT_INT16) tern_grad16_input(&g, &p->w, add, p->dx);
    if (input == TERN_INPUT_INT8) {
        tern_ternary_transpose(&p->w, &p->wt);
        tern_grad8_input(&g, &p->wt, add, p->dx);
        check_guard(p->wt.codes, tern_ternary_bytes(p->k, p->n), "wt");
    }
    if (weight) tern_grad16_weight(&g, &p->x, p->dw);
    check_guard(p->memory, tern_grad16_bytes(p->m, p->n), "codes");
    check_guard(p->dx, p->m * p->k * sizeof(float), "dx");
    check_guard(p->dw, p->n * p->k * sizeof(float), "dw");
}

static bool same(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void expect_same(const problem *p, const float *got, const float *want,
                        size_t rows, const char *what)
{
    for (size_t i = 0; i < rows * p->k; i++)
        cr_assert(same(got[i], want[i]),
                  "%s, %d threads, (%zu, %zu, %zu): %s[%zu][%zu] is %a, not %a",
                  tern_level_name(tern_kernels_level()), tern_threads(), p->m, p->n,
                  p->k, what, i / p->k, i % p->k, (double)got[i], (double)want[i]);
}

static void check_bytes(problem *p, bool add)
{
    solve_dx8(p, add);
    FOR_LEVELS(level)
    {
        run(p, TERN_INPUT_INT8, true, add);
        expect_same(p, p->dx, p->want_dx, p->m, "dx in 8 bits");
        expect_same(p, p->dw, p->want_dw, p->n, "dw");
    }
}

static void check(problem *p, int most_threads)
{
    for (int add = 0; add < 2; add++) {
        solve_dw(p);
        check_bytes(p, add);
        solve_dx(p, add);
        FOR_LEVELS(level)
        for (int threads = 1; threads <= most_threads; threads++) {
            tern_threads_set(threads);
            run(p, TERN_INPUT_INT16, true, add);
            expect_same(p, p->dx, p->want_dx, p->m, "dx");
            expect_same(p, p->dw, p->want_dw, p->n, "dw");
        }
    }
}

static void check_shape(size_t m, size_t n, size_t k, filling f)
{
    problem p = problem_new(m, n, k, f);
    check(&p, 3);
    problem_free(&p);
}

static const size_t SIZES[] = {1,  2,  3,  5,  6,  7,  15, 16,  17,
                               31, 32, 33, 47, 63, 64, 65, 127, 129};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

Test(grad16, every_number_of_tokens)
{
    for (size_t m = 1; m <= 40; m++) check_shape(m, 19, 35, RANDOM);
    static const size_t more[] = {191, 192, 193, 255, 256, 257,
                                  400, 511, 512, 513, 777};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        check_shape(more[i], 9, 18, RANDOM);
}

Test(grad16, every_number_of_outputs)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) check_shape(11, SIZES[i], 20, RANDOM);
    check_shape(7, 255, 17, RANDOM); /* around one and two passes of 256 */
    check_shape(7, 256, 17, RANDOM);
    check_shape(7, 257, 17, RANDOM);
    check_shape(8, 530, 65, RANDOM);
}

Test(grad16, every_number_of_inputs)
{
    for (size_t k = 1; k <= 70; k++) check_shape(k % 2 ? 9 : 14, 21, k, RANDOM);
    for (size_t i = 0; i < SIZE_COUNT; i++) check_shape(33, 17, SIZES[i], RANDOM);
    check_shape(10, 300, 200, RANDOM);
}

/* Large enough to be cut between threads along both sides. */
Test(grad16, threads_share_large_products)
{
    check_shape(300, 140, 130, RANDOM);
    check_shape(520, 50, 200, RANDOM);
    check_shape(1100, 70, 30, RANDOM);
}

/* Sums as large as they can be. */
Test(grad16, extreme_codes_do_not_overflow)
{
    check_shape(256, 33, 17, EXTREME);
    check_shape(512, 16, 65, EXTREME);
    check_shape(600, 257, 3, EXTREME);
}

Test(grad16, more_outputs_than_a_sum_can_hold)
{
    problem p = problem_new(2, 65536, 1, EXTREME);
    check(&p, 2);
    problem_free(&p);
    p = problem_new(2, 65536 + 65536 + 40, 2, EXTREME);
    check(&p, 2);
    problem_free(&p);
}

Test(grad16, gradients_of_any_size)
{
    check_shape(20, 30, 40, ZERO);
    check_shape(20, 30, 40, TINY);
    check_shape(20, 30, 40, HUGE_ONES);
}

Test(grad16, one_gradient_without_the_other)
{
    problem p = problem_new(300, 40, 50, RANDOM);
    solve_dx(&p, false);
    solve_dw(&p);
    FOR_LEVELS(level)
    {
        run(&p, TERN_INPUT_INT16, false, false);
        expect_same(&p, p.dx, p.want_dx, p.m, "dx");
        expect_same(&p, p.dw, p.start, p.n, "dw");
        run(&p, TERN_INPUT_NONE, true, false);
        expect_same(&p, p.dx, p.start, p.m, "dx");
        expect_same(&p, p.dw, p.want_dw, p.n, "dw");
    }
    problem_free(&p);
}

/* --- the error --- */

/* `codes`: what dX's gradients were rounded to. Half a step of every rounded number,
 * times what it is multiplied with, and a little for float rounding: the scales, the
 * quotient and the epilogue. */
static void expect_near(const problem *p, double codes)
{
    const double slack = 4e-7;
    for (size_t i = 0; i < p->m; i++)
        for (size_t c = 0; c < p->k; c++) {
            double sum = 0.0, size = 0.0, most = 0.0, terms = 0.0;
            for (size_t o = 0; o < p->n; o++) {
                const double g = (double)p->dy[i * p->n + o], t = p->t[o * p->k + c];
                sum += g * t;
                size += fabs(g * t);
                terms += fabs(t);
                most = fmax(most, fabs(g));
            }
            const double gamma = (double)p->w.scale;
            const double got = (double)p->dx[i * p->k + c];
            cr_assert(
                le(dbl, fabs(got - gamma * sum),
                   gamma * (terms * most / 2.0 / codes * (1 + slack) + size * slack)));
        }
    for (size_t o = 0; o < p->n; o++)
        for (size_t c = 0; c < p->k; c++) {
            double sum = (double)p->start[o * p->k + c], size = fabs(sum), bound = 0.0;
            for (size_t first = 0; first < p->m; first += 256) {
                const size_t end = first + 256 < p->m ? first + 256 : p->m;
                double most = 0.0, terms = 0.0;
                for (size_t r = first; r < end; r++) {
                    const double v =
                        (double)p->dy[r * p->n + o] / (double)p->x.scale[r];
                    const double q = p->x.codes[r * p->x.stride + c];
                    sum += v * q;
                    size += fabs(v * q);
                    terms += fabs(q);
                    most = fmax(most, fabs(v));
                }
                bound += terms * most / 65534.0 * (1 + slack);
            }
            const double got = (double)p->dw[o * p->k + c];
            cr_assert(le(dbl, fabs(got - sum), bound + size * slack));
        }
}

Test(grad16, is_as_near_as_half_a_step)
{
    static const size_t shape[][3] = {{1, 1, 1}, {40, 50, 60}, {300, 65, 33}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        problem p = problem_new(shape[i][0], shape[i][1], shape[i][2], RANDOM);
        FOR_LEVELS(level)
        {
            run(&p, TERN_INPUT_INT16, true, false);
            expect_near(&p, 32767.0);
            run(&p, TERN_INPUT_INT8, true, false);
            expect_near(&p, 127.0);
        }
        problem_free(&p);
    }
}

/* --- numbers that are not finite --- */

/* One bad number at (token, output): its row of dx and its row of dw are NaN, and
 * everything else is as it was. */
static void check_bad(tern_grad_input kind, float bad, size_t token, size_t output)
{
    problem p = problem_new(300, 37, 50, RANDOM);
    float *dx = malloc(p.m * p.k * sizeof *dx), *dw = malloc(p.n * p.k * sizeof *dw);
    FOR_LEVELS(level)
    {
        const size_t at = token * p.n + output;
        const float good = p.dy[at];
        run(&p, kind, true, true);
        memcpy(dx, p.dx, p.m * p.k * sizeof *dx);
        memcpy(dw, p.dw, p.n * p.k * sizeof *dw);
        p.dy[at] = bad;
        run(&p, kind, true, true);
        p.dy[at] = good;
        for (size_t c = 0; c < p.k; c++) {
            dx[token * p.k + c] = NAN;
            dw[output * p.k + c] = NAN;
        }
        expect_same(&p, p.dx, dx, p.m, "dx");
        expect_same(&p, p.dw, dw, p.n, "dw");
    }
    free(dx);
    free(dw);
    problem_free(&p);
}

Test(grad16, nan_and_infinity_are_not_hidden)
{
    static const size_t tokens[] = {0, 17, 255, 256, 299}, outputs[] = {0, 15, 16, 36};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 4; j++) {
            check_bad(TERN_INPUT_INT16, NAN, tokens[i], outputs[j]);
            check_bad(TERN_INPUT_INT16, INFINITY, tokens[i], outputs[j]);
            check_bad(TERN_INPUT_INT16, -INFINITY, tokens[i], outputs[j]);
            check_bad(TERN_INPUT_INT8, NAN, tokens[i], outputs[j]);
            check_bad(TERN_INPUT_INT8, -INFINITY, tokens[i], outputs[j]);
        }
}

/* Activations that overflowed: their rows have s = 0. */
Test(grad16, a_scale_of_zero_reaches_the_weight)
{
    problem p = problem_new(20, 10, 12, RANDOM);
    p.x.scale[7] = 0.0f;
    FOR_LEVELS(level)
    {
        run(&p, TERN_INPUT_INT16, true, false);
        for (size_t i = 0; i < p.n * p.k; i++) cr_expect(isnan(p.dw[i]));
        for (size_t i = 0; i < p.m * p.k; i++) cr_expect(isfinite(p.dx[i]));
    }
    problem_free(&p);
}

/* --- the leaves: tails and guards --- */

Test(grad16, rounding_leaves_stay_inside)
{
    enum { ROWS = 70, COLS = 40, LDX = 45, LDQ = 80 };
    float x[ROWS * LDX], factor[ROWS], scale[COLS];
    for (size_t i = 0; i < ROWS * LDX; i++) x[i] = tern_test_rand(1, i);
    for (size_t i = 0; i < ROWS; i++) factor[i] = 1.5f + tern_test_rand(2, i);
    for (size_t i = 0; i < COLS; i++)
        scale[i] = 9000.0f + 4000.0f * tern_test_rand(4, i);
    FOR_LEVELS(level)
    for (size_t n = 0; n <= COLS; n++) {
        const tern_grad16_kernels *k = tern_grad16_active();
        const size_t rows = n * 7 % ROWS + 1, end = (rows + 7) / 8 * 8;
        int16_t *q = guarded_new(n * sizeof *q), want;
        cr_assert(eq(u32, k->peak(x + 1, n), tern_grad16_scalar.peak(x + 1, n)));
        k->round(x + 1, 20000.0f, n, q);
        check_guard(q, n * sizeof *q, "round");
        for (size_t i = 0; i < n; i++) {
            tern_grad16_scalar.round(x + 1 + i, 20000.0f, 1, &want);
            cr_assert(eq(i16, q[i], want));
        }
        uint32_t *col = guarded_new(n * sizeof *col), same_col[COLS];
        uint32_t *row = guarded_new(rows * sizeof *row), same_row[ROWS];
        for (size_t i = 0; i < n; i++) /* some of them larger than what is found */
            col[i] = same_col[i] = i % 3 ? 0 : 0x3f800000u;
        k->peaks(x, LDX, factor, rows, n, row, col);
        tern_grad16_scalar.peaks(x, LDX, factor, rows, n, same_row, same_col);
        check_guard(col, n * sizeof *col, "peaks of columns");
        check_guard(row, rows * sizeof *row, "peaks of rows");
        cr_assert(eq(int, memcmp(col, same_col, n * sizeof *col), 0));
        cr_assert(eq(int, memcmp(row, same_row, rows * sizeof *row), 0));

        const size_t bytes = n ? ((n - 1) * LDQ + end) * sizeof *q : 0;
        int16_t *columns = guarded_new(bytes), *same_columns = guarded_new(bytes);
        k->round_columns(x, LDX, factor, scale, rows, n, columns, LDQ);
        tern_grad16_scalar.round_columns(x, LDX, factor, scale, rows, n, same_columns,
                                         LDQ);
        check_guard(columns, bytes, "round_columns");
        cr_assert(eq(int, memcmp(columns, same_columns, bytes), 0)); /* gaps too */
        guarded_free(q);
        guarded_free(col);
        guarded_free(row);
        guarded_free(columns);
        guarded_free(same_columns);
    }
}

Test(grad16, strips_are_the_same_at_every_level)
{
    enum { ROWS = 48, COLS = 100, STRIDE = 128, STEPS = 64 };
    int8_t *t = malloc(ROWS * COLS), *q = guarded_new(ROWS * STRIDE);
    for (size_t i = 0; i < ROWS * COLS; i++) t[i] = draw_weight(RANDOM, 0, i);
    for (size_t i = 0; i < ROWS * STRIDE; i++) q[i] = (int8_t)(i * i + 3 * i);
    tern_ternary w = {.rows = ROWS, .cols = COLS};
    w.codes = guarded_new(tern_ternary_bytes(ROWS, COLS));
    tern_ternary_from_codes(t, &w);
    const size_t bytes = STEPS * 64 * sizeof(int16_t);
    int16_t *strip = guarded_new(bytes), *want = guarded_new(bytes);
    FOR_LEVELS(level)
    {
        for (size_t rows = 1; rows <= ROWS; rows++) { /* also reads nothing beyond */
            memset(strip, 0x11, bytes);
            memset(want, 0x11, bytes);
            tern_grad16_active()->interleave(q + (ROWS - rows) * STRIDE + 64, STRIDE,
                                             rows, strip);
            tern_grad16_scalar.interleave(q + (ROWS - rows) * STRIDE + 64, STRIDE, rows,
                                          want);
            cr_assert(eq(int, memcmp(strip, want, bytes), 0), "%zu rows", rows);
        }
        for (size_t tiles = 1; tiles <= 4; tiles++) {
            memset(strip, 0x11, bytes);
            memset(want, 0x11, bytes);
            tern_grad16_active()->unpack(w.codes + 2 * 64, 7 * 64, 3, tiles, strip);
            tern_grad16_scalar.unpack(w.codes + 2 * 64, 7 * 64, 3, tiles, want);
            cr_assert(eq(int, memcmp(strip, want, bytes), 0), "%zu tiles", tiles);
        }
        check_guard(strip, bytes, "strip");
    }
    free(t);
    guarded_free(q);
    guarded_free(w.codes);
    guarded_free(strip);
    guarded_free(want);
}
