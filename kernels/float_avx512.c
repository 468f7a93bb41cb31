/* float_avx512.c - the float leaf functions in AVX-512 F, BW, DQ, VL. */
#include "kernels/lanes_avx512.h"

#define FLOAT_TABLE tern_float_avx512
#include "kernels/float_body.h"
