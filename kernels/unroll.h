/* unroll.h - ask for a short loop over registers to be written out. */
#ifndef TERN_KERNELS_UNROLL_H
#define TERN_KERNELS_UNROLL_H

/* TERN_UNROLL stands before a loop whose bounds are constants once its function is
 * inlined; arrays indexed by it then live in registers. TERN_INLINE stands before such
 * a function: it is compiled once for each set of constants it is called with. Neither
 * does anything under a sanitizer: with a check at every access, the compiler would
 * take minutes over the written-out loops. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TERN_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define TERN_SANITIZED 1
#endif

/* TERN_ROLLED: so for a file that is to be small (CMakeLists.txt). */
#if defined(TERN_SANITIZED) || defined(TERN_ROLLED)
#define TERN_UNROLL
#define TERN_INLINE static __attribute__((noinline))
#elif defined(__clang__)
#define TERN_UNROLL _Pragma("clang loop unroll(full)")
#define TERN_INLINE static inline __attribute__((always_inline))
#else
#define TERN_UNROLL _Pragma("GCC unroll 32")
#define TERN_INLINE static inline __attribute__((always_inline))
#endif

/* TERN_OPAQUE(v); - from here on the compiler does not know what the vector v holds.
 * (A sanitised or emulated vector may be in memory.) */
#if defined(TERN_SANITIZED)
#define TERN_OPAQUE(v) __asm__ volatile("" : "+m"(v))
#elif defined(__aarch64__)
#define TERN_OPAQUE(v) __asm__ volatile("" : "+w"(v))
#else
#define TERN_OPAQUE(v) __asm__ volatile("" : "+v"(v))
#endif

/* TERN_UNROLLED (i, n) statement - such a loop, i = 0 .. n - 1. */
#define TERN_UNROLLED(i, n) TERN_UNROLL for (int i = 0; i < (n); i++)

#endif /* TERN_KERNELS_UNROLL_H */
