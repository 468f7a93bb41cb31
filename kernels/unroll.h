/* unroll.h - ask for a short loop over registers to be written out. */
#ifndef TERN_KERNELS_UNROLL_H
#define TERN_KERNELS_UNROLL_H

/* Before a loop whose bounds are constants. Arrays indexed by it then live in
 * registers. */
#if defined(__clang__)
#define TERN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TERN_UNROLL _Pragma("GCC unroll 32")
#endif

#endif /* TERN_KERNELS_UNROLL_H */
