/* float_scalar.c - the float leaf functions in plain C: the twin the others must equal.
 */
#include "kernels/lanes_scalar.h"

#define FLOAT_TABLE tern_float_scalar
#include "kernels/float_body.h"
