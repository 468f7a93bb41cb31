/* float_neon.c - the float leaf functions in AArch64's Advanced SIMD. */
#include "kernels/lanes_neon.h"

#define FLOAT_TABLE tern_float_neon
#include "kernels/float_body.h"
