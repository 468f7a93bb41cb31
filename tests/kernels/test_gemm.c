/* tern_sgemm against sums in double, and its promises: bits independent of threads, the
 * environment left as it was. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm.h"
#include "tests/kernels/levels.h"
#include "tests/support/numeric.h"

typedef struct product {
    size_t m, n, k, lda, ldb, ldc;
    bool ta, tb;
    float *a, *b, *c0, *c;
} product;

static product product_new(bool ta, bool tb, size_t m, size_t n, size_t k)
{
    product p = {.m = m, .n = n, .k = k, .ta = ta, .tb = tb, .ldc = n + 3};
    p.lda = (ta ? m : k) + 1;
    p.ldb = (tb ? k : n) + 2;
    const size_t na = (ta ? k : m) * p.lda, nb = (tb ? n : k) * p.ldb;
    p.a = guarded_new(na * sizeof *p.a);
    p.b = guarded_new(nb * sizeof *p.b);
    p.c0 = guarded_new(m * p.ldc * sizeof *p.c0);
    p.c = guarded_new(m * p.ldc * sizeof *p.c);
    for (size_t i = 0; i < na; i++) p.a[i] = tern_test_rand(1, i);
    for (size_t i = 0; i < nb; i++) p.b[i] = tern_test_rand(2, i);
    for (size_t i = 0; i < m * p.ldc; i++) p.c0[i] = tern_test_rand(3, i);
    return p;
}

static void product_free(product *p)
{
    guarded_free(p->a);
    guarded_free(p->b);
    guarded_free(p->c0);
    guarded_free(p->c);
}

typedef void sgemm(bool, bool, size_t, size_t, size_t, float, const float *, size_t,
                   const float *, size_t, float, float *, size_t);

static void run_with(sgemm *f, product *p, float alpha, float beta)
{
    memcpy(p->c, p->c0, p->m * p->ldc * sizeof *p->c);
    f(p->ta, p->tb, p->m, p->n, p->k, alpha, p->a, p->lda, p->b, p->ldb, beta, p->c,
      p->ldc);
    check_guard(p->c, p->m * p->ldc * sizeof *p->c, "c");
}

static void run(product *p, float alpha, float beta)
{
    run_with(tern_sgemm, p, alpha, beta);
}

/* A float sum of k products of numbers in (-1, 1) errs by at most k^2 u, in practice
 * far less; a wrong or missing term is off by about 0.3. */
static void check(const product *p, float alpha, float beta)
{
    const double tolerance = 2e-6 * (double)(p->k + 1);
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->ldc; j++) {
            const double c0 = (double)p->c0[i * p->ldc + j];
            double want = c0;
            if (j < p->n) {
                double sum = 0.0;
                for (size_t q = 0; q < p->k; q++)
                    sum += (double)p->a[p->ta ? q * p->lda + i : i * p->lda + q] *
                           (double)p->b[p->tb ? j * p->ldb + q : q * p->ldb + j];
                want = (double)alpha * sum;
                if (beta != 0.0f) want += (double)beta * c0;
            }
            const double err = fabs((double)p->c[i * p->ldc + j] - want);
            cr_assert(le(dbl, err, j < p->n ? tolerance : 0.0),
                      "(%zu, %zu, %zu) %d%d at %zu, %zu", p->m, p->n, p->k, p->ta,
                      p->tb, i, j);
        }
}

Test(gemm, equals_the_double_oracle)
{
    static const size_t shapes[][3] = {{1, 1, 1},      {1, 17, 5},     {17, 1, 33},
                                       {2, 3, 0},      {31, 33, 65},   {64, 64, 64},
                                       {128, 128, 9},  {100, 257, 70}, {513, 40, 129},
                                       {40, 1025, 33}, {200, 1, 90},   {130, 135, 140}};
    cr_assert(eq(int, tern_blas_init(), TERN_OK), "%s", tern_error_message());
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int kind = 0; kind < 4; kind++) {
            product p = product_new(kind & 1, kind & 2, shapes[s][0], shapes[s][1],
                                    shapes[s][2]);
            static const float factors[][2] = {{1, 0}, {1, 1}, {-0.5f, 2}, {0, 1}};
            for (int f = 0; f < 4; f++) {
                run(&p, factors[f][0], factors[f][1]);
                check(&p, factors[f][0], factors[f][1]);
                run_with(tern_sgemm_here, &p, factors[f][0], factors[f][1]);
                check(&p, factors[f][0], factors[f][1]);
            }
            product_free(&p);
        }
}

Test(gemm, beta_zero_does_not_read_c)
{
    product p = product_new(false, true, 70, 90, 40);
    for (size_t i = 0; i < p.m; i++)
        for (size_t j = 0; j < p.n; j++) p.c0[i * p.ldc + j] = NAN;
    run(&p, 1.0f, 0.0f);
    check(&p, 1.0f, 0.0f);
    product_free(&p);
}

Test(gemm, threads_do_not_change_a_bit)
{
    static const size_t shapes[][3] = {
        {1100, 130, 96}, {96, 130, 1100}, {300, 1030, 64}};
    for (size_t s = 0; s < 3; s++)
        for (int kind = 0; kind < 4; kind++) {
            product p = product_new(kind & 1, kind & 2, shapes[s][0], shapes[s][1],
                                    shapes[s][2]);
            const size_t bytes = p.m * p.ldc * sizeof *p.c;
            float *first = malloc(bytes);
            for (int threads = 1; threads <= 4; threads++) {
                tern_threads_set(threads);
                run(&p, 1.0f, 1.0f);
                if (threads == 1) memcpy(first, p.c, bytes);
                cr_assert(eq(int, memcmp(first, p.c, bytes), 0), "%d threads", threads);
            }
            free(first);
            product_free(&p);
        }
}

/* A product of A with itself, by way of a product of A with its copy. */
Test(gemm, gram_equals_the_double_oracle_on_any_number_of_threads)
{
    static const size_t shapes[][2] = {{1, 1},    {5, 0},    {17, 33},  {128, 384},
                                       {256, 65}, {257, 40}, {600, 70}, {1030, 9}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int trans = 0; trans < 2; trans++) {
            const size_t n = shapes[s][0], k = shapes[s][1];
            product p = product_new(trans, !trans, n, n, k);
            p.ldb = p.lda;
            guarded_free(p.b);
            p.b = p.a;
            for (size_t i = 0; i < n; i++) /* C is symmetric */
                for (size_t j = 0; j < i; j++)
                    p.c0[i * p.ldc + j] = p.c0[j * p.ldc + i];
            const size_t bytes = n * p.ldc * sizeof *p.c;
            float *first = malloc(bytes);
            for (int threads = 1; threads <= 3; threads++) {
                tern_threads_set(threads);
                memcpy(p.c, p.c0, bytes);
                tern_sgemm_gram(trans, n, k, 0.5f, p.a, p.lda, 2.0f, p.c, p.ldc);
                check_guard(p.c, bytes, "c");
                if (threads == 1) memcpy(first, p.c, bytes);
                cr_assert(eq(int, memcmp(first, p.c, bytes), 0),
                          "(%zu, %zu) %d, %d threads", n, k, trans, threads);
            }
            check(&p, 0.5f, 2.0f);
            free(first);
            p.b = guarded_new(1);
            product_free(&p);
        }
}

Test(gemm, loading_describes_itself_and_leaves_the_environment)
{
    unsetenv("OPENBLAS_CORETYPE");
    tern_threads_set(2);
    cr_assert(eq(int, tern_blas_init(), TERN_OK), "%s", tern_error_message());
    cr_expect(eq(int, tern_blas_init(), TERN_OK));
    cr_expect(eq(ptr, getenv("OPENBLAS_CORETYPE"), NULL));
    cr_expect(eq(int, tern_threads(), 2));
    cr_expect(ne(ptr, strstr(tern_blas_describe(), "OpenBLAS"), NULL));
    cr_expect(ne(ptr, strstr(tern_blas_describe(), "core "), NULL));
}

Test(gemm, the_users_core_is_respected)
{
    setenv("OPENBLAS_CORETYPE", "Prescott", 1);
    cr_assert(eq(int, tern_blas_init(), TERN_OK), "%s", tern_error_message());
    cr_expect(eq(str, getenv("OPENBLAS_CORETYPE"), "Prescott"));
    cr_expect(ne(ptr, strstr(tern_blas_describe(), "OPENBLAS_CORETYPE"), NULL));
}
