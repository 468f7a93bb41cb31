/* kernels.h - the table of functions that come in several instruction sets.
 *
 * Code outside kernels/ calls ternary.h, rows.h, attention.h and gemm.h; those cut the
 * work between threads and call these slots, each single-threaded, for a piece of it.
 * The table is filled with scalar code, then upgraded slot by slot by what the CPU has
 * (cpu.h). A slot's contract stands above it; every variant meets it bit for bit.
 */
#ifndef TERN_KERNELS_KERNELS_H
#define TERN_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/ternary.h"

typedef struct tern_kernels {
    /* filled in by the author of kernels/ */
    int placeholder;
} tern_kernels;

#endif /* TERN_KERNELS_KERNELS_H */
