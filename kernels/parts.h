/* parts.h - how kernels cut their work between threads. */
#ifndef TERN_KERNELS_PARTS_H
#define TERN_KERNELS_PARTS_H

#include <stddef.h>

#include "kernels/cpu.h"

/* Where part i of n begins, of `count` things dealt out in units; parts differ by at
 * most one unit, part n begins at the end. */
static inline size_t tern_part_start(size_t count, size_t unit, size_t i, size_t n)
{
    const size_t units = (count + unit - 1) / unit, start = units * i / n * unit;
    return start < count ? start : count;
}

enum { TERN_SHARE_MIN = 1 << 13 }; /* elements worth a second thread's while */

/* Elements of a flat array that one of `threads` gets: even shares, in whole lines.
 * Only for work where no element knows its neighbours: the shares do not show in the
 * result. */
static inline size_t tern_share(size_t n, int threads)
{
    return n <= TERN_SHARE_MIN ? n : (n / (size_t)threads + 64) / 64 * 64;
}

#define TERN_SHARED                                                                    \
    _Pragma("omp parallel for num_threads(threads) schedule(static) if (end > share)")

/* Run `call` for elements [i, i + c): each thread its share of n elements. */
#define TERN_IN_SHARES(n, call)                                                        \
    do {                                                                               \
        const size_t end = (n);                                                        \
        const int threads = tern_threads();                                            \
        const size_t share = tern_share(end, threads);                                 \
        TERN_SHARED for (size_t i = 0; i < end; i += share)                            \
        {                                                                              \
            const size_t c = end - i < share ? end - i : share;                        \
            call;                                                                      \
        }                                                                              \
    } while (0)

static inline size_t tern_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif /* TERN_KERNELS_PARTS_H */
