/* cpu.h - which instructions may be used, and how many threads. */
#ifndef TERN_KERNELS_CPU_H
#define TERN_KERNELS_CPU_H

#include <stdbool.h>

#include "base/status.h"

/* Levels in increasing order; each includes the ones before it on its architecture, and
 * every CPU has the first. */
typedef enum tern_level {
    TERN_LEVEL_SCALAR,     /* plain C, any CPU */
    TERN_LEVEL_AVX2,       /* AVX2 + FMA + F16C */
    TERN_LEVEL_AVX512VNNI, /* AVX-512 F/BW/DQ/VL + VNNI */
    TERN_LEVEL_NEON,       /* Advanced SIMD: every AArch64 */
    TERN_LEVEL_NEONDOT,    /* and its dot product instructions */
    TERN_LEVEL_COUNT
} tern_level;

const char *
tern_level_name(tern_level l); /* "scalar", "avx2", "avx512vnni", "neon"... */

/* Whether a CPU whose best level is `best` has l as well. */
bool tern_level_within(tern_level l, tern_level best);

/* The best level that both the CPU and the operating system (saved registers) offer. */
tern_level tern_level_best(void);

/* tern_kernels_init() - choose the kernel table: the best level, or the one that the
 * environment variable TERN_CPU names. An unknown or unsupported name is TERN_EARG with
 * the list of what is possible. Call once, before threads start; calling again is
 * harmless, and a table that was never initialised is scalar. */
tern_status tern_kernels_init(void);

/* tern_kernels_want() - the same, unless a level was chosen before: for libraries,
 * whose program need not know that there is a choice. Any thread may call it. */
tern_status tern_kernels_want(void);

/* Translate a name; TERN_EARG if it is unknown or not within `best`. */
tern_status tern_level_parse(const char *name, tern_level best, tern_level *level);

/* For tests: use this level from now on. TERN_EARG if this CPU lacks it. */
tern_status tern_kernels_force(tern_level l);

tern_level tern_kernels_level(void);

/* Threads that kernels use (OpenMP): what every parallel region passes to
 * num_threads(). n = 0: all that OMP_NUM_THREADS or the machine gives. No result
 * depends on it. Call from one thread, between kernels. In a parallel region
 * tern_threads() is 1: the others have work of their own. */
void tern_threads_set(int n);
int tern_threads(void);

/* What CPUID (or on AArch64 the kernel) and the operating system say; all false on
 * other architectures. */
typedef struct tern_cpu_features {
    bool amd;     /* vendor AMD or Hygon */
    bool avx2;    /* AVX2, FMA and F16C, with the OS saving the registers */
    bool avx512;  /* also AVX-512 F, CD, BW, DQ and VL */
    bool vnni;    /* also AVX-512 VNNI */
    bool l2_size; /* leaf 0x80000006 tells the size of the second level cache */
    bool neon;    /* AArch64: Advanced SIMD */
    bool dotprod; /* AArch64: sdot and udot */
} tern_cpu_features;

tern_cpu_features tern_cpu_query(void);

#endif /* TERN_KERNELS_CPU_H */
