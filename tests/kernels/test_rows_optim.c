/* AdamW and SGD against the update rules of PyTorch's documentation, in double. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "kernels/rows.h"
#include "tests/kernels/float_levels.h"

enum { N = 77, STEPS = 20 };
static const double TOL = 2e-6;

Test(rows_optim, adamw_follows_its_rule)
{
    const double lr = 0.01, b1 = 0.9, b2 = 0.95, eps = 1e-8, wd = 0.1, gs = 0.25;
    float *w = random_floats(1, N), m[N] = {0}, v[N] = {0};
    double wd_[N], md[N] = {0}, vd[N] = {0};
    for (size_t i = 0; i < N; i++) wd_[i] = (double)w[i];
    use_best_level();
    for (int t = 1; t <= STEPS; t++) {
        float *g = random_floats((uint64_t)t + 10, N);
        const double c1 = 1.0 - pow(b1, t), c2 = 1.0 - pow(b2, t);
        const tern_adamw_args a = {(float)lr, (float)b1, (float)b2, (float)eps,
                                   (float)wd, (float)gs, c1,        c2};
        tern_adamw_update(&a, g, N, w, m, v);
        for (size_t i = 0; i < N; i++) {
            const double gi = gs * (double)g[i];
            wd_[i] -= lr * wd * wd_[i];
            md[i] = b1 * md[i] + (1.0 - b1) * gi;
            vd[i] = b2 * vd[i] + (1.0 - b2) * gi * gi;
            wd_[i] -= lr * (md[i] / c1) / (sqrt(vd[i] / c2) + eps);
        }
        tern_free(g);
    }
    cr_expect(lt(dbl, tern_test_tensor_err(w, wd_, N), TOL));
    cr_expect(lt(dbl, tern_test_tensor_err(m, md, N), TOL));
    cr_expect(lt(dbl, tern_test_tensor_err(v, vd, N), TOL));
    tern_free(w);
}

/* A parameter that never had a gradient only decays. */
Test(rows_optim, adamw_without_gradient_decays)
{
    float w[3] = {1.0f, -2.0f, 0.0f}, m[3] = {0}, v[3] = {0};
    const float g[3] = {0};
    const tern_adamw_args a = {0.1f, 0.9f, 0.95f, 1e-8f, 0.5f, 1.0f, 0.1, 0.05};
    use_best_level();
    tern_adamw_update(&a, g, 3, w, m, v);
    cr_expect(lt(dbl, fabs((double)w[0] - 0.95), 1e-7));
    cr_expect(lt(dbl, fabs((double)w[1] + 1.9), 1e-7));
    cr_expect(eq(flt, w[2], 0.0f));
}

static void check_sgd(double mu, int nesterov)
{
    const double lr = 0.05, wd = 0.02, gs = 0.5;
    float *w = random_floats(1, N), m[N] = {0};
    double wd_[N], md[N] = {0};
    for (size_t i = 0; i < N; i++) wd_[i] = (double)w[i];
    for (int t = 1; t <= STEPS; t++) {
        float *g = random_floats((uint64_t)t + 10, N);
        tern_sgd_update((float)lr, (float)mu, nesterov, (float)wd, (float)gs, g, N, w,
                        mu == 0.0 ? NULL : m);
        for (size_t i = 0; i < N; i++) {
            double gi = gs * (double)g[i] + wd * wd_[i];
            md[i] = mu * md[i] + gi;
            if (mu != 0.0) gi = nesterov ? gi + mu * md[i] : md[i];
            wd_[i] -= lr * gi;
        }
        tern_free(g);
    }
    cr_expect(lt(dbl, tern_test_tensor_err(w, wd_, N), TOL), "mu %g nesterov %d", mu,
              nesterov);
    tern_free(w);
}

Test(rows_optim, sgd_follows_its_rule)
{
    use_best_level();
    check_sgd(0.0, 0);
    check_sgd(0.9, 0);
    check_sgd(0.9, 1);
}

Test(rows_optim, sum_of_squares_in_double)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 300000, 1000003};
    use_best_level();
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        float *x = random_floats(3, sizes[k]);
        long double want = 0.0L;
        for (size_t i = 0; i < sizes[k]; i++)
            want += (long double)x[i] * (long double)x[i];
        const double got = tern_sum_squares(x, sizes[k]);
        cr_expect(lt(dbl, tern_test_relerr(got, (double)want), 1e-13), "%zu", sizes[k]);
        tern_free(x);
    }
}

Test(rows_optim, sum_of_squares_does_not_overflow)
{
    const float x[2] = {1e30f, 1e30f};
    use_best_level();
    cr_expect(lt(dbl, tern_test_relerr(tern_sum_squares(x, 2), 2e60), 1e-6));
}
