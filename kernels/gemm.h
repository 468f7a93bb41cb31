/* gemm.h - float matrix products by OpenBLAS: the only door to it.
 *
 * OpenBLAS is opened at run time (dlopen), for two reasons. It picks its kernels while
 * it loads, and versions older than the CPU pick badly (0.3.21 runs newer Xeons on
 * "Prescott" kernels, at a fifth of their speed): tern asks the CPU itself and sets
 * OPENBLAS_CORETYPE before it loads the library, unless the user has set it. And
 * commands that need no float GEMM do not pay for loading it.
 *
 * Results do not depend on the number of threads: the output is cut into blocks of a
 * fixed size, and each is one single-threaded call.
 */
#ifndef TERN_KERNELS_GEMM_H
#define TERN_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Load OpenBLAS and check one small product against plain C. TERN_EIO: not found (names
 * the package); TERN_ENUMERIC: it computes wrong numbers (names the cure). Called by
 * the first tern_sgemm too; later calls return the first call's result. */
tern_status tern_blas_init(void);

/* "OpenBLAS 0.3.21, core SkylakeX (chosen by tern)", for tern --version; says so too
 * when it could not be loaded. Never NULL. */
const char *tern_blas_describe(void);

/* tern_sgemm() - C = alpha * op(A) op(B) + beta * C, row-major.
 *   op(A) (m, k): A is (m, k), or (k, m) if trans_a; likewise op(B) (k, n)
 *   lda, ldb, ldc   length of a stored row, in floats
 * beta = 0 does not read C. tern_blas_init() must have succeeded (asserted). */
void tern_sgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha,
                const float *a, size_t lda, const float *b, size_t ldb, float beta,
                float *c, size_t ldc);

/* tern_sgemm_here() - the same, uncut, by the calling thread: for callers that share
 * out whole products. It may round differently from tern_sgemm(). */
void tern_sgemm_here(bool trans_a, bool trans_b, size_t m, size_t n, size_t k,
                     float alpha, const float *a, size_t lda, const float *b,
                     size_t ldb, float beta, float *c, size_t ldc);

/* tern_sgemm_gram() - C = alpha * op(A) op(A)^T + beta * C, symmetric (n, n), at half
 * the work of a product. op(A) (n, k): A is (n, k), or (k, n) if trans.
 *   c   in if beta is not 0: both triangles alike.   out: both triangles, alike
 * Cut among threads if n is large, unless called by one of several. */
void tern_sgemm_gram(bool trans, size_t n, size_t k, float alpha, const float *a,
                     size_t lda, float beta, float *c, size_t ldc);

#endif /* TERN_KERNELS_GEMM_H */
