/* numeric.h - random inputs and error measures for the tests. */
#ifndef TERN_TESTS_SUPPORT_NUMERIC_H
#define TERN_TESTS_SUPPORT_NUMERIC_H

#include <stddef.h>
#include <stdint.h>

/* Number i of a fixed sequence, uniform in (-1, 1) and never near zero's ulp. */
float tern_test_rand(uint64_t seed, size_t i);

/* |got - want| / max(1, |want|): relative for large values, absolute for small. */
double tern_test_relerr(double got, double want);

/* max_i |got - want| / max_i |want|: the error of a whole tensor. */
double tern_test_tensor_err(const float *got, const double *want, size_t n);

#endif /* TERN_TESTS_SUPPORT_NUMERIC_H */
