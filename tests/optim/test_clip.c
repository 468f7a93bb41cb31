#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "optim/optim.h"
#include "tests/support/numeric.h"

Test(clip, norm_is_over_all_gradients)
{
    tern_param *p[2] = {tern_param_new("a", 1, 2, TERN_FORM_FLOAT),
                        tern_param_new("b", 2, 1, TERN_FORM_FLOAT)};
    p[0]->grad[0] = 1.0f;
    p[0]->grad[1] = -2.0f;
    p[1]->grad[0] = 4.0f;
    p[1]->grad[1] = 10.0f;
    cr_expect(ieee_ulp_eq(dbl, tern_grad_norm(p, 2), 11.0, 2)); /* 1 + 4 + 16 + 100 */
    cr_expect(eq(dbl, tern_grad_norm(p, 0), 0.0));
    tern_param_free(p[0]);
    tern_param_free(p[1]);
}

Test(clip, norm_is_exact_and_the_same_for_any_threads)
{
    enum { N = 100003 };
    tern_param *p = tern_param_new("a", 1, N, TERN_FORM_FLOAT);
    long double want = 0.0L;
    for (size_t i = 0; i < N; i++) {
        p->grad[i] = tern_test_rand(4, i);
        want += (long double)p->grad[i] * (long double)p->grad[i];
    }
    tern_threads_set(1);
    const double one = tern_grad_norm(&p, 1);
    tern_threads_set(2);
    const double two = tern_grad_norm(&p, 1);
    cr_expect(eq(dbl, one, two));
    cr_expect(lt(dbl, fabs(one / (double)sqrtl(want) - 1.0), 1e-13));
    tern_param_free(p);
}

Test(clip, scale_is_pytorchs)
{
    cr_expect(eq(flt, tern_clip_scale(0.5, 1.0f), 1.0f)); /* below the limit */
    cr_expect(eq(flt, tern_clip_scale(0.0, 1.0f), 1.0f));
    cr_expect(eq(flt, tern_clip_scale(100.0, 0.0f), 1.0f)); /* no limit */
    cr_expect(eq(flt, tern_clip_scale(4.0, 1.0f), (float)(1.0 / 4.000001)));
    cr_expect(eq(flt, tern_clip_scale(1.0, 1.0f), (float)(1.0 / 1.000001)));
    cr_expect(isnan(tern_clip_scale((double)NAN, 1.0f)));
}
