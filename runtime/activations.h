/* activations.h - to what the inputs of a matrix are rounded (inside runtime/).
 *
 * tern trains with one 8-bit scale per token and runs so by default: that is integer
 * arithmetic, see session.c. The other ways are here for comparison with programs that
 * round otherwise, or not at all. They are computed in floats: x is replaced by what
 * the rounding leaves of it, and multiplied by the weights as floats. The sums differ
 * from those of integer code by rounding of floats only. */
#ifndef TERN_RUNTIME_ACTIVATIONS_H
#define TERN_RUNTIME_ACTIVATIONS_H

#include <stddef.h>

#include "runtime/runtime.h"

/* Numbers that share a scale: 256 for Q8_K, 32 for Q8_0, 0 where there are no blocks.
 */
size_t tern_activations_block(tern_activations how);

/* y (n, cols) = x (n, cols) as `how`, of Q8_K or Q8_0, leaves it. cols is a multiple of
 * the block; y may be x. */
void tern_round_activations(tern_activations how, const float *x, size_t n, size_t cols,
                            float *y);

#endif /* TERN_RUNTIME_ACTIVATIONS_H */
