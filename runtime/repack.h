/* repack.h - ternary blocks of a file straight to the panels that are multiplied. */
#ifndef TERN_RUNTIME_REPACK_H
#define TERN_RUNTIME_REPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/gguf.h"
#include "kernels/ternary.h"

/* t (TQ2_0, TQ1_0 or Q2_0) into `out`, whose sizes and codes are set; rows in tern's
 * order, as in tern_matrix_load_linear(). false: not one of these types, or something
 * is wrong with it (a code that means nothing, more than one scale), which whoever
 * decodes it slowly finds words for; the codes are then undefined. Parallel. */
bool tern_repack_blocks(const tern_gguf_tensor *t, size_t head_dim, tern_ternary *out);

/* --- a tensor that stays in its file at first ---
 * Its rows are copied from the file to the stack, as tern_gguf_read() does, so that the
 * file is not mapped into memory page by page. */

/* Bytes of panels that are made at a time, on the stack: what the second level cache
 * holds beside the rows they are made of. */
enum { TERN_REPACK_BYTES = 96 << 10 };
/* So many panels of w are best made together, beginning with a multiple of as many:
 * they take TERN_REPACK_BYTES at most (or are one), leave something to every thread,
 * and do not cut heads, whose rows lie together in the file, if whole ones fit. */
size_t tern_repack_step(const tern_ternary *w, size_t head_dim);

/* The row of the file that is row r of tern's: what tern_gguf_rotary_row() undoes. */
size_t tern_repack_file_row(size_t r, size_t head_dim);

/* Whether tern_repack_blocks() would succeed, and the scale that it would find in
 * `out`, whose sizes are set; for TQ2_0, which takes no more than a look at its bytes:
 * false for the others. Parallel. */
bool tern_repack_check(const tern_gguf_tensor *t, tern_ternary *out);

/* Panels [first, end) of w, which has been checked, to `codes` (TERN_ALIGN aligned); no
 * more than a step. */
void tern_repack_panels(const tern_gguf_tensor *t, size_t head_dim,
                        const tern_ternary *w, size_t first, size_t end,
                        uint8_t *codes);

#endif /* TERN_RUNTIME_REPACK_H */
