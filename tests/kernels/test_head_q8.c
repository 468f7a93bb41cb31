/* Heads of integer codes at every level: bit for bit against plain C with the order of
 * summation that decode_kernels.h promises, from the floats that formats/ decodes; and
 * close to the product of those floats in double. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "formats/blocks.h"
#include "kernels/codes.h"
#include "kernels/head_q8.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

static const uint32_t ggml_types[TERN_CODES_TYPES] = {TERN_GGML_Q8_0, TERN_GGML_Q4_0,
                                                      TERN_GGML_Q4_K, TERN_GGML_Q6_K};

typedef struct problem {
    tern_codes_type type;
    size_t m, n, cols, ldy, panel_bytes;
    tern_q8_rows x;
    uint8_t *w, *panels; /* blocks of the file, and what they become */
    float *y, *want;
} problem;

/* Random bytes are blocks of these types, if only their scales are numbers of a size.
 */
static void fill_blocks(tern_codes_type type, uint8_t *w, size_t bytes)
{
    static const size_t sizes[TERN_CODES_TYPES] = {34, 18, 144, 210};
    for (size_t i = 0; i < bytes; i++)
        w[i] = (uint8_t)tern_rand_below(6, TERN_STREAM_TEST, i, 256);
    for (size_t at = 0; at < bytes; at += sizes[type]) {
        const uint16_t d = tern_half_from_float(0.02f * tern_test_rand(7, at));
        const uint16_t e = tern_half_from_float(0.02f * tern_test_rand(8, at));
        memcpy(w + at + (type == TERN_CODES_Q6_K ? 208 : 0), &d, sizeof d);
        if (type == TERN_CODES_Q4_K) memcpy(w + at + 2, &e, sizeof e);
    }
}

/* The largest codes of each sign by turns, with scales of a size (of Q6_K -128 times as
 * large). */
static void fill_extremes(tern_codes_type type, uint8_t *w, size_t bytes)
{
    static const size_t sizes[TERN_CODES_TYPES] = {34, 18, 144, 210};
    const uint16_t d = tern_half_from_float(0.01f);
    for (size_t at = 0; at < bytes; at += sizes[type]) {
        uint8_t *block = w + at;
        const bool odd = at / sizes[type] % 2;
        if (type == TERN_CODES_Q8_0)
            memset(block, odd ? -128 : 127, sizes[type]);
        else
            memset(block, odd ? 0x00 : 0xff, sizes[type]);
        if (type == TERN_CODES_Q6_K) memset(block + 192, -128, 16);
        memcpy(block + (type == TERN_CODES_Q6_K ? 208 : 0), &d, sizeof d);
        if (type == TERN_CODES_Q4_K) memcpy(block + 2, &d, sizeof d);
    }
}

static problem problem_new(tern_codes_type type, size_t m, size_t n, size_t cols,
                           int extreme)
{
    problem p = {.type = type, .m = m, .n = n, .cols = cols, .ldy = n + 3};
    const size_t row = tern_ggml_bytes(ggml_types[type], cols);
    const size_t panels = (n + 15) / 16;
    p.panel_bytes = tern_codes_panel_bytes(type, cols / 32);
    p.x = (tern_q8_rows){.rows = m, .cols = cols};
    p.x.blocks = guarded_new(m * cols / 32 * sizeof *p.x.blocks);
    p.w = guarded_new(n * row);
    p.panels = guarded_new(panels * p.panel_bytes);
    p.y = guarded_new(m * p.ldy * sizeof(float));
    p.want = malloc(m * n * sizeof(float));
    float *x = malloc(cols * sizeof *x);
    for (size_t i = 0; i < m; i++) {
        for (size_t c = 0; c < cols; c++)
            x[c] = extreme ? (extreme > 0 ? 3.0f : -3.0f) : tern_test_rand(i, c);
        tern_q8_quantize_row(x, i, &p.x);
    }
    free(x);
    if (extreme)
        fill_extremes(type, p.w, n * row);
    else
        fill_blocks(type, p.w, n * row);
    for (size_t j = 0; j < panels; j++)
        tern_codes_pack(type, p.w + 16 * j * row, n - 16 * j < 16 ? n - 16 * j : 16,
                        cols, p.panels + j * p.panel_bytes);
    check_guard(p.panels, panels * p.panel_bytes, "panels");
    return p;
}

static void problem_free(problem *p)
{
    guarded_free(p->x.blocks);
    guarded_free(p->w);
    guarded_free(p->panels);
    guarded_free(p->y);
    free(p->want);
}

static void half_read(const uint8_t *p, float *x)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    *x = tern_float_from_half(h);
}

/* Weight k of a row: its code, its step and its shift, straight from the drawings in
 * formats/blocks.c and formats/blocks_kquant.c. */
static int code_of(tern_codes_type type, const uint8_t *row, size_t k, float *step,
                   float *shift)
{
    float d, dmin;
    *shift = 0.0f;
    if (type == TERN_CODES_Q8_0) {
        const uint8_t *b = row + k / 32 * 34;
        half_read(b, step);
        return (int8_t)b[2 + k % 32];
    }
    if (type == TERN_CODES_Q4_0) {
        const uint8_t *b = row + k / 32 * 18;
        half_read(b, step);
        return (b[2 + k % 16] >> (k % 32 < 16 ? 0 : 4) & 15) - 8;
    }
    const size_t i = k % 256, g = i / 32;
    if (type == TERN_CODES_Q6_K) {
        const uint8_t *b = row + k / 256 * 210;
        half_read(b + 208, &d);
        *step = d * (float)(int8_t)b[192 + i / 16];
        const int low = b[i / 128 * 64 + i % 64] >> (i % 128 < 64 ? 0 : 4) & 15;
        const int high = b[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        return (low | high << 4) - 32;
    }
    const uint8_t *b = row + k / 256 * 144, *s = b + 4;
    half_read(b, &d);
    half_read(b + 2, &dmin);
    const int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
    const int min = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
    *step = d * (float)scale;
    *shift = -dmin * (float)min;
    return b[16 + i / 64 * 32 + i % 32] >> (i % 64 < 32 ? 0 : 4) & 15;
}

/* One logit in the promised order. */
static float solve(const problem *p, size_t i, size_t j)
{
    const size_t half = p->type == TERN_CODES_Q6_K ? 16 : 32;
    const uint8_t *row = p->w + j * tern_ggml_bytes(ggml_types[p->type], p->cols);
    float y = 0.0f, step = 0.0f, shift = 0.0f;
    for (size_t k = 0; k < p->cols; k += half) {
        const tern_q8_block *x = p->x.blocks + (i * p->cols + k) / 32;
        int sum = 0, all = 0;
        for (size_t l = k; l < k + half; l++) {
            sum += code_of(p->type, row, l, &step, &shift) * x->q[l % 32];
            all += x->q[l % 32];
        }
        y = fmaf((float)sum, step * x->e, y);
        if (p->type == TERN_CODES_Q4_K) y = fmaf((float)all, shift * x->e, y);
    }
    return y;
}

static void check_close(const problem *p)
{
    const size_t row = tern_ggml_bytes(ggml_types[p->type], p->cols);
    double *exact = malloc(p->m * p->n * sizeof *exact);
    float *w = malloc(p->cols * sizeof *w);
    for (size_t j = 0; j < p->n; j++) {
        tern_decode_floats(ggml_types[p->type], p->w + j * row, p->cols, w);
        for (size_t i = 0; i < p->m; i++) {
            double sum = 0.0;
            for (size_t k = 0; k < p->cols; k++) {
                const tern_q8_block *x = p->x.blocks + (i * p->cols + k) / 32;
                sum += (double)w[k] * (double)x->q[k % 32] * (double)x->e;
            }
            exact[i * p->n + j] = sum;
        }
    }
    cr_expect(lt(dbl, tern_test_tensor_err(p->want, exact, p->m * p->n), 2e-6));
    free(exact);
    free(w);
}

static void check_problem(problem *p)
{
    const size_t panels = (p->n + 15) / 16;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) p->want[i * p->n + j] = solve(p, i, j);
    FOR_LEVELS(level)
    for (size_t cut = 0; cut <= panels; cut += panels / 2 + 1) {
        for (size_t i = 0; i < p->m * p->ldy; i++) p->y[i] = -7.0f;
        tern_codes_matmul_panels(&p->x, p->type, p->panels, p->n, p->y, p->ldy, 0, cut);
        tern_codes_matmul_panels(&p->x, p->type, p->panels + cut * p->panel_bytes, p->n,
                                 p->y, p->ldy, cut, panels);
        check_guard(p->y, p->m * p->ldy * sizeof *p->y, "y");
        for (size_t i = 0; i < p->m; i++)
            for (size_t j = 0; j < p->ldy; j++)
                cr_assert(eq(flt, p->y[i * p->ldy + j],
                             j < p->n ? p->want[i * p->n + j] : -7.0f),
                          "%s, type %d, (%zu, %zu, %zu): y[%zu][%zu]",
                          tern_level_name(tern_kernels_level()), (int)p->type, p->m,
                          p->n, p->cols, i, j);
    }
    check_close(p);
}

static void check(tern_codes_type type, size_t m, size_t n, size_t cols)
{
    problem p = problem_new(type, m, n, cols, 0);
    check_problem(&p);
    problem_free(&p);
}

Test(head_q8, shapes)
{
    for (int t = 0; t < TERN_CODES_TYPES; t++) {
        const tern_codes_type type = (tern_codes_type)t;
        for (size_t m = 1; m <= 17; m++) check(type, m, 5, 256);
        for (size_t n = 1; n <= 35; n++) check(type, 3, n, 256);
        for (size_t cols = 512; cols <= 2304; cols += 256) check(type, 2, 17, cols);
        check(type, 33, 50, 512);
        check(type, 130, 160, 256); /* more than are multiplied together */
    }
    for (size_t cols = 32; cols <= 320; cols += 32) {
        check(TERN_CODES_Q8_0, 3, 20, cols);
        check(TERN_CODES_Q4_0, 3, 20, cols);
    }
}

Test(head_q8, extreme_codes)
{
    for (int t = 0; t < TERN_CODES_TYPES; t++)
        for (size_t m = 1; m <= 9; m++)
            for (int sign = -1; sign <= 1; sign += 2) {
                problem p = problem_new((tern_codes_type)t, m, 17, 512, sign);
                check_problem(&p);
                problem_free(&p);
            }
}

/* What is no number stays none, in its row, or its column, and nowhere else. */
Test(head_q8, what_is_no_number)
{
    enum { M = 9, N = 20, COLS = 512 };
    for (int t = 0; t < TERN_CODES_TYPES; t++) {
        problem p = problem_new((tern_codes_type)t, M, N, COLS, 0);
        float x[COLS];
        for (size_t c = 0; c < COLS; c++) x[c] = c == 100 ? NAN : 1.0f;
        tern_q8_quantize_row(x, 4, &p.x);
        x[100] = INFINITY;
        tern_q8_quantize_row(x, 7, &p.x);
        FOR_LEVELS(level)
        {
            tern_codes_matmul_panels(&p.x, p.type, p.panels, N, p.y, p.ldy, 0, 2);
            for (size_t i = 0; i < M; i++)
                for (size_t j = 0; j < N; j++)
                    cr_assert(eq(int, isnan(p.y[i * p.ldy + j]), i == 4 || i == 7),
                              "%s, type %d, row %zu",
                              tern_level_name(tern_kernels_level()), t, i);
        }
        problem_free(&p);
    }
}

/* What went into a panel can be read from it again. */
Test(head_q8, panels_keep_every_byte)
{
    static const size_t weights[TERN_CODES_TYPES] = {32, 32, 256, 256};
    for (int t = 0; t < TERN_CODES_TYPES; t++) {
        problem p = problem_new((tern_codes_type)t, 1, 35, 512, 0);
        const size_t bytes = tern_ggml_bytes(ggml_types[t], weights[t]);
        for (size_t j = 0; j < p.n; j++)
            for (size_t b = 0; b < p.cols / weights[t]; b++) {
                uint8_t block[256];
                tern_codes_from_panel(p.type, p.panels + j / 16 * p.panel_bytes,
                                      p.cols / 32, b, j % 16, block);
                const uint8_t *was = p.w + (j * (p.cols / weights[t]) + b) * bytes;
                cr_assert(eq(int, memcmp(block, was, bytes), 0), "type %d, row %zu", t,
                          j);
            }
        problem_free(&p);
    }
}

/* Codes are the nearest, the largest of a block is 127; a block of zeros, or of numbers
 * too small to have a reciprocal, is zeros. */
Test(head_q8, rows_are_rounded_to_blocks)
{
    float x[96];
    tern_q8_block block[3];
    tern_q8_rows out = {.rows = 1, .cols = 96, .blocks = block};
    for (size_t c = 0; c < 96; c++)
        x[c] = c < 32 ? tern_test_rand(4, c) : c < 64 ? 0.0f : 1e-39f;
    FOR_LEVELS(level)
    {
        tern_q8_quantize_row(x, 0, &out);
        int largest = 0, sum[2] = {0};
        for (size_t c = 0; c < 32; c++) {
            const double want = (double)x[c] / (double)block[0].e;
            const int q = block[0].q[c];
            cr_expect(lt(dbl, fabs((double)q - want), 0.5001));
            if (abs(q) > largest) largest = abs(q);
            sum[c / 16] += q;
        }
        cr_expect(eq(int, largest, 127));
        cr_expect(eq(int, block[0].less[0], -128 * sum[0]));
        cr_expect(eq(int, block[0].less[1], -128 * sum[1]));
        for (size_t c = 32; c < 96; c++) cr_expect(eq(int, block[c / 32].q[c % 32], 0));
    }
}
