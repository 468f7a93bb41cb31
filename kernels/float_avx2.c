/* float_avx2.c - the float leaf functions in AVX2 + FMA + F16C. */
#include "kernels/lanes_avx2.h"

#define FLOAT_TABLE tern_float_avx2
#include "kernels/float_body.h"
