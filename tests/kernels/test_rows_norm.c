/* RMSNorm against its equation in double, its gradient against finite differences of
 * that; rotary positions as rotations of the complex plane. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "kernels/rows.h"
#include "tests/kernels/float_levels.h"

enum { ROWS = 3, MAX_COLS = 65, MAX_N = ROWS * MAX_COLS };
static const double EPS = 1e-5, TOL = 2e-6;

/* sum dy . y, y_i = x_i / rms * gain_i (Zhang & Sennrich, eq. 4). */
static double norm_loss(const double *x, const double *gain, const float *dy,
                        size_t cols)
{
    double loss = 0.0;
    for (size_t r = 0; r < ROWS; r++) {
        double ms = 0.0;
        for (size_t c = 0; c < cols; c++) ms += x[r * cols + c] * x[r * cols + c];
        const double rms = sqrt(ms / (double)cols + EPS);
        for (size_t c = 0; c < cols; c++)
            loss += (double)dy[r * cols + c] * x[r * cols + c] / rms * gain[c];
    }
    return loss;
}

static double norm_slope(double *v, const double *x, const double *gain,
                         const float *dy, size_t cols)
{
    const double h = 1e-6, keep = *v;
    *v = keep + h;
    const double up = norm_loss(x, gain, dy, cols);
    *v = keep - h;
    const double down = norm_loss(x, gain, dy, cols);
    *v = keep;
    return (up - down) / (2.0 * h);
}

static void check_norm(size_t cols, bool with_gain)
{
    const size_t n = ROWS * cols;
    float *x = random_floats(1, n), *gain = random_floats(2, cols);
    float *dy = random_floats(3, n), y[MAX_N], rstd[ROWS], dx[MAX_N], dgain[MAX_COLS];
    double xd[MAX_N], gd[MAX_COLS];
    for (size_t i = 0; i < n; i++) xd[i] = (double)x[i];
    for (size_t c = 0; c < cols; c++) gd[c] = with_gain ? (double)gain[c] : 1.0;
    fill_floats(dx, n, 1.0f);
    fill_floats(dgain, cols, 1.0f);
    tern_rmsnorm_rows(x, with_gain ? gain : NULL, (float)EPS, ROWS, cols, y, rstd);
    float *scratch = tern_calloc(tern_norm_scratch(ROWS, cols), sizeof *scratch);
    tern_rmsnorm_rows_backward(x, with_gain ? gain : NULL, rstd, dy, ROWS, cols, true,
                               dx, with_gain ? dgain : NULL, scratch);
    for (size_t i = 0; i < n; i++) {
        double ms = 0.0;
        for (size_t c = 0; c < cols; c++) ms += pow(xd[i / cols * cols + c], 2.0);
        const double want = xd[i] / sqrt(ms / (double)cols + EPS) * gd[i % cols];
        cr_expect(lt(dbl, tern_test_relerr((double)y[i], want), TOL), "y %zu", cols);
        const double dw = norm_slope(xd + i, xd, gd, dy, cols);
        cr_expect(lt(dbl, tern_test_relerr((double)dx[i] - 1.0, dw), TOL), "dx %zu",
                  cols);
    }
    for (size_t c = 0; with_gain && c < cols; c++) {
        const double dw = norm_slope(gd + c, xd, gd, dy, cols);
        cr_expect(lt(dbl, tern_test_relerr((double)dgain[c] - 1.0, dw), TOL),
                  "dgain %zu", cols);
    }
    tern_rmsnorm_rows(x, with_gain ? gain : NULL, (float)EPS, ROWS, cols, x, NULL);
    cr_expect(eq(sz, first_difference(x, y, n), n), "in place");
    tern_free(x), tern_free(gain), tern_free(dy), tern_free(scratch);
}

Test(rows_norm, rmsnorm_and_its_gradient)
{
    static const size_t cols[] = {1, 2, 15, 16, 17, 31, 32, 33, 64, 65};
    use_best_level();
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++) {
        check_norm(cols[i], true);
        check_norm(cols[i], false);
    }
}

Test(rows_norm, a_row_of_zeros_stays_zero)
{
    float x[20] = {0}, y[20], rstd;
    use_best_level();
    tern_rmsnorm_rows(x, NULL, (float)EPS, 1, 20, y, &rstd);
    cr_expect(eq(sz, first_difference(x, y, 20), 20));
    cr_expect(lt(dbl, tern_test_relerr((double)rstd, 1.0 / sqrt(EPS)), TOL));
}

/* Pair i of a head is a complex number; position p multiplies it by
 * exp(sign * 1i * p * theta^(-2i/D)). out: real and imaginary part. */
static void turn(const float *head, size_t i, size_t dim, size_t p, int sign,
                 double out[2])
{
    const double t = (double)p * pow(10000.0, -2.0 * (double)i / (double)dim);
    const double re = (double)head[i], im = (double)head[i + dim / 2];
    out[0] = re * cos(t) - (double)sign * im * sin(t);
    out[1] = (double)sign * re * sin(t) + im * cos(t);
}

static void check_rope(size_t dim, int sign)
{
    enum { R = 11, H = 3, POS0 = 5, PERIOD = 4, POSITIONS = POS0 + PERIOD };
    const size_t half = dim / 2, n = R * H * dim;
    float *co = tern_calloc(POSITIONS * half, sizeof *co);
    float *si = tern_calloc(POSITIONS * half, sizeof *si);
    float *x = random_floats(1, n), *y = random_floats(2, n);
    float *before = random_floats(3, n), *sum = random_floats(3, n);
    tern_rope_table(POSITIONS, dim, 10000.0, NULL, co, si);
    tern_rope_rows(x, R, H, dim, POS0, PERIOD, co, si, sign, 1, sum);
    tern_rope_rows(x, R, H, dim, POS0, PERIOD, co, si, sign, 0, y);
    for (size_t head = 0; head < R * H; head++)
        for (size_t i = 0; i < half; i++) {
            const size_t at = head * dim + i, p = POS0 + head / H % PERIOD;
            double want[2];
            turn(x + head * dim, i, dim, p, sign, want);
            cr_expect(lt(dbl, fabs((double)y[at] - want[0]), 2e-7), "%zu", dim);
            cr_expect(lt(dbl, fabs((double)y[at + half] - want[1]), 2e-7));
            cr_expect(eq(flt, sum[at], before[at] + y[at]));
            cr_expect(eq(flt, sum[at + half], before[at + half] + y[at + half]));
        }
    tern_rope_rows(x, R, H, dim, POS0, PERIOD, co, si, sign, 0, x);
    cr_expect(eq(sz, first_difference(x, y, n), n), "in place");
    tern_free(co), tern_free(si), tern_free(x), tern_free(y);
    tern_free(before), tern_free(sum);
}

Test(rows_norm, rope_turns_pairs)
{
    static const size_t dims[] = {2, 4, 30, 32, 34, 64, 66, 128};
    use_best_level();
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        check_rope(dims[i], 1);
        check_rope(dims[i], -1);
    }
}
