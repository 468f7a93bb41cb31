/* repack.h - ternary blocks of a file straight to the panels that are multiplied. */
#ifndef TERN_RUNTIME_REPACK_H
#define TERN_RUNTIME_REPACK_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/gguf.h"
#include "kernels/ternary.h"

/* t (TQ2_0, TQ1_0 or Q2_0) into `out`, whose sizes and codes are set; rows in tern's
 * order, as in tern_matrix_load_ternary(). false: not one of these types, or something
 * is wrong with it (a code that means nothing, more than one scale), which whoever
 * decodes it slowly finds words for; the codes are then undefined. Parallel. */
bool tern_repack_blocks(const tern_gguf_tensor *t, size_t head_dim, tern_ternary *out);

#endif /* TERN_RUNTIME_REPACK_H */
