/* parts.h - how kernels cut their work between threads. */
#ifndef TERN_KERNELS_PARTS_H
#define TERN_KERNELS_PARTS_H

#include <stddef.h>

/* Where part i of n begins, of `count` things dealt out in units; parts differ by at
 * most one unit, part n begins at the end. */
static inline size_t tern_part_start(size_t count, size_t unit, size_t i, size_t n)
{
    const size_t units = (count + unit - 1) / unit, start = units * i / n * unit;
    return start < count ? start : count;
}

#endif /* TERN_KERNELS_PARTS_H */
