/* Softmax, cross-entropy and embedding against their definitions in double. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "kernels/rows.h"
#include "tests/kernels/float_levels.h"

enum { ROWS = 4, MAX_COLS = 100, MAX_N = ROWS * MAX_COLS };
static const double TOL = 1e-6;
static const size_t widths[] = {1, 2, 15, 16, 17, 33, 100};
enum { WIDTHS = sizeof widths / sizeof *widths };

static double log_sum_exp(const double *x, size_t n)
{
    double m = -HUGE_VAL, s = 0.0;
    for (size_t i = 0; i < n; i++) m = fmax(m, x[i]);
    for (size_t i = 0; i < n; i++) s += exp(x[i] - m);
    return m + log(s);
}

/* Rows of logits in double, some of them far apart. */
static void make_logits(float *x, double *xd, size_t cols)
{
    for (size_t i = 0; i < ROWS * cols; i++) {
        x[i] = 8.0f * tern_test_rand(1, i) + (i / cols == 1 ? 1000.0f : 0.0f);
        if (i / cols == 2) x[i] *= 40.0f;
        xd[i] = (double)x[i];
    }
}

/* sum dy . softmax(x), for one row. */
static double softmax_loss(const double *x, const float *dy, size_t cols)
{
    const double lse = log_sum_exp(x, cols);
    double loss = 0.0;
    for (size_t c = 0; c < cols; c++) loss += (double)dy[c] * exp(x[c] - lse);
    return loss;
}

Test(rows_loss, softmax_and_its_gradient)
{
    use_best_level();
    for (size_t w = 0; w < WIDTHS; w++) {
        const size_t cols = widths[w], n = ROWS * cols;
        float x[MAX_N], y[MAX_N], dx[MAX_N], *dy = random_floats(2, n);
        double xd[MAX_N];
        make_logits(x, xd, cols);
        fill_floats(dx, n, 1.0f);
        tern_softmax_rows(x, ROWS, cols, y);
        tern_softmax_rows_backward(y, dy, ROWS, cols, dx);
        for (size_t i = 0; i < n; i++) {
            double *row = xd + i / cols * cols;
            const float *dyr = dy + i / cols * cols;
            const double keep = xd[i], h = 1e-5;
            const double want = exp(keep - log_sum_exp(row, cols));
            xd[i] = keep + h;
            const double up = softmax_loss(row, dyr, cols);
            xd[i] = keep - h;
            const double down = softmax_loss(row, dyr, cols);
            xd[i] = keep;
            const double grad = (up - down) / (2.0 * h);
            cr_expect(lt(dbl, fabs((double)y[i] - want), TOL));
            cr_expect(lt(dbl, fabs((double)dx[i] - 1.0 - grad), TOL));
        }
        tern_softmax_rows(x, ROWS, cols, x);
        cr_expect(eq(sz, first_difference(x, y, n), n), "in place");
        tern_free(dy);
    }
}

Test(rows_loss, cross_entropy_and_its_gradient)
{
    const float scale = 0.37f;
    use_best_level();
    for (size_t w = 0; w < WIDTHS; w++) {
        const size_t cols = widths[w], n = ROWS * cols;
        float x[MAX_N], d[MAX_N], loss[ROWS], lse[ROWS];
        double xd[MAX_N];
        const int32_t target[ROWS] = {0, (int32_t)cols - 1, (int32_t)cols / 2, -1};
        make_logits(x, xd, cols);
        fill_floats(d, n, 1.0f);
        tern_cross_entropy_rows(x, target, ROWS, cols, loss, lse);
        tern_cross_entropy_backward(x, target, lse, ROWS, cols, scale, d);
        for (size_t r = 0; r < ROWS; r++) {
            const double l = log_sum_exp(xd + r * cols, cols);
            const double want =
                target[r] < 0 ? 0.0 : l - xd[r * cols + (size_t)target[r]];
            cr_expect(lt(dbl, tern_test_relerr((double)lse[r], l), TOL));
            /* The sum itself has float's error, about 1e-7 of the logarithm's slope. */
            cr_expect(lt(dbl, tern_test_relerr((double)loss[r], want), TOL));
            for (size_t c = 0; c < cols; c++) {
                double grad = 1.0;
                if (target[r] >= 0)
                    grad += (double)scale * (exp(xd[r * cols + c] - l) -
                                             (c == (size_t)target[r] ? 1.0 : 0.0));
                /* lse is kept in float: at 1000 it is good to 3e-5. */
                const double tol = r == 1 ? 3e-5 : r == 2 ? 2e-5 : TOL;
                cr_expect(lt(dbl, fabs((double)d[r * cols + c] - grad), tol), "%zu", r);
            }
        }
    }
}

Test(rows_loss, embedding_reads_and_adds_rows)
{
    enum { VOCAB = 9, R = 25 };
    static const size_t cols[] = {1, 16, 63, 65, 130};
    use_best_level();
    for (size_t w = 0; w < sizeof cols / sizeof *cols; w++) {
        const size_t n = cols[w];
        float *table = random_floats(1, VOCAB * n), *dy = random_floats(2, R * n);
        float *y = tern_calloc(R * n, sizeof *y),
              *d = tern_calloc(VOCAB * n, sizeof *d);
        double *want = calloc(VOCAB * n, sizeof *want);
        int32_t ids[R];
        for (size_t r = 0; r < R; r++) ids[r] = (int32_t)(r * r % (VOCAB - 1));
        for (size_t i = 0; i < VOCAB * n; i++) d[i] = 1.0f, want[i] = 1.0;
        tern_embed_rows(table, ids, R, n, y);
        tern_embed_backward(ids, dy, R, n, d);
        for (size_t i = 0; i < R * n; i++) {
            const size_t at = (size_t)ids[i / n] * n + i % n;
            want[at] += (double)dy[i];
            cr_expect(eq(flt, y[i], table[at]));
        }
        cr_expect(lt(dbl, tern_test_tensor_err(d, want, VOCAB * n), TOL));
        tern_free(table), tern_free(dy), tern_free(y), tern_free(d);
        free(want);
    }
}
