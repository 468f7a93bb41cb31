/* init.c - see init.h. Parallel, because models of billions of weights are initialised
 * for benchmarks, and a normal number costs a logarithm and a cosine. */
#include "layers/init.h"

#include "base/rng.h"

void tern_init_normal(tern_param *p, float std, uint64_t seed, uint64_t number)
{
    const uint64_t stream = TERN_STREAM_INIT | number << 32;
    const int64_t n = p->rows * p->cols;
    float *val = p->val;

#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        val[i] = std * tern_rand_normal(seed, stream, (uint64_t)i);
}
