/* numeric.c - see numeric.h. */
#include "tests/support/numeric.h"

#include <math.h>

#include "base/rng.h"

float tern_test_rand(uint64_t seed, size_t i)
{
    return 2.0f * tern_rand_uniform(seed, TERN_STREAM_TEST, i) - 1.0f;
}

double tern_test_relerr(double got, double want)
{
    return fabs(got - want) / fmax(1.0, fabs(want));
}

double tern_test_tensor_err(const float *got, const double *want, size_t n)
{
    double worst = 0.0, largest = 1e-300;
    for (size_t i = 0; i < n; i++) {
        const double err = fabs((double)got[i] - want[i]);
        if (!(err <= worst)) worst = err; /* a NaN counts as the worst */
        largest = fmax(largest, fabs(want[i]));
    }
    return worst / largest;
}
