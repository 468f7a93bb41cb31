/* Moments and a chi-square test; that a stream is a pure function of its arguments. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/rng.h"

enum { N = 200000 };

Test(rng, uniform_fills_its_bins)
{
    int bins[256] = {0};
    for (uint64_t i = 0; i < N; i++)
        bins[(int)(256.0f * tern_rand_uniform(1, TERN_STREAM_TEST, i))]++;
    double chi2 = 0.0;
    for (int b = 0; b < 256; b++) {
        const double d = bins[b] - N / 256.0;
        chi2 += d * d / (N / 256.0);
    }
    /* 255 degrees of freedom: mean 255, standard deviation 22.6; five of them */
    cr_expect(lt(dbl, fabs(chi2 - 255.0), 113.0), "chi-square %g", chi2);
}

Test(rng, normal_has_the_right_moments)
{
    double m1 = 0, m2 = 0, m4 = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double x = (double)tern_rand_normal(3, TERN_STREAM_TEST, i);
        m1 += x / N;
        m2 += x * x / N;
        m4 += x * x * x * x / N;
    }
    cr_expect(lt(dbl, fabs(m1), 5.0 / sqrt(N)));
    cr_expect(lt(dbl, fabs(m2 - 1.0), 5.0 * sqrt(2.0 / N)));
    cr_expect(lt(dbl, fabs(m4 - 3.0), 5.0 * sqrt(96.0 / N)));
}

Test(rng, streams_and_seeds_are_apart)
{
    int same = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        same += tern_rand_u64(1, 1, i) == tern_rand_u64(1, 2, i);
        same += tern_rand_u64(1, 1, i) == tern_rand_u64(2, 1, i);
        same += tern_rand_u64(1, 1, i) == tern_rand_u64(1, 1, i + 1);
    }
    cr_expect(eq(int, same, 0));
}

Test(rng, below_stays_below_and_is_even)
{
    int count[7] = {0};
    for (uint64_t i = 0; i < 70000; i++) {
        const uint64_t x = tern_rand_below(9, TERN_STREAM_TEST, i, 7);
        cr_assert(lt(u64, x, 7));
        count[x]++;
    }
    for (int k = 0; k < 7; k++) cr_expect(lt(int, abs(count[k] - 10000), 500));
}
