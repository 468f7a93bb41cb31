/* ste_oracle.h - the quantisers of b1.58 as ternary.h defines them, one element at a
 * time, for the tests of the straight-through ops. Float where the definition is float:
 * codes must agree exactly. */
#ifndef TERN_TESTS_AUTOGRAD_STE_ORACLE_H
#define TERN_TESTS_AUTOGRAD_STE_ORACLE_H

#include <math.h>
#include <stddef.h>

#include "base/half.h"

static inline float ste_row_scale(const float *x, int n)
{
    float most = 1e-5f;
    for (int i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return 127.0f / most;
}

static inline int ste_activation_code(float x, float s)
{
    const float q = nearbyintf(x * s);
    return (int)fminf(fmaxf(q, -128.0f), 127.0f);
}

static inline float ste_gamma(const float *w, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += fabs((double)w[i]);
    return tern_round_to_half((float)fmax(sum / (double)n, 1e-5));
}

static inline int ste_weight_code(float w, float gamma)
{
    return (int)fminf(fmaxf(nearbyintf(w / gamma), -1.0f), 1.0f);
}

/* What a row of doubles is quantised to, as doubles. */
static inline void ste_dequantized_row(const double *x, int n, double *out)
{
    double most = 1e-5;
    for (int i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    const float s = 127.0f / (float)most;
    for (int i = 0; i < n; i++)
        out[i] = ste_activation_code((float)x[i], s) / (double)s;
}

#endif /* TERN_TESTS_AUTOGRAD_STE_ORACLE_H */
