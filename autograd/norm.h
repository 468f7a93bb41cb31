/* norm.h - what the ops with an RMSNorm in them share: rmsnorm, rmsnorm_quantize,
 * glu_rmsnorm_quantize. Implemented in op_rmsnorm.c. */
#ifndef TERN_AUTOGRAD_NORM_H
#define TERN_AUTOGRAD_NORM_H

#include "autograd/node.h"

/* eps > 0, and gain NULL or (1, cols); *g is its var (NULL for no gain). false: the
 * tape has failed. */
bool tern_norm_check(tern_tape *t, const tern_op *op, int64_t cols, tern_param *gain,
                     float eps, tern_var **g);

/* Scratch of the kernels with a norm in them, for rows like v's. NULL: the tape has
 * failed. */
float *tern_norm_tape_scratch(tern_tape *t, const tern_var *v);

/* The gradient of a norm with in = {x, gain}, saved = 1 / rms of each row. */
void tern_norm_backward(tern_tape *t, tern_node *n);

#endif /* TERN_AUTOGRAD_NORM_H */
