/* fetch.h - memory that is asked for while something else is computed. */
#ifndef TERN_KERNELS_FETCH_H
#define TERN_KERNELS_FETCH_H

#include <stddef.h>

#include "kernels/unroll.h"

enum { TERN_FETCH_LINE = 64, TERN_FETCH_ROW = 4 };

/* What will be read next: rows of up to four lines of 64 bytes, 256 bytes apart. */
typedef struct tern_fetch {
    const void *at;
    size_t rows; /* 0: nothing */
    int lines;   /* of each row, 1 to 4 */
} tern_fetch;

/* Bytes that lie side by side. */
static inline tern_fetch tern_fetch_bytes(const void *at, size_t bytes)
{
    const size_t row = TERN_FETCH_LINE * TERN_FETCH_ROW;
    return (tern_fetch){
        .at = at, .rows = (bytes + row - 1) / row, .lines = TERN_FETCH_ROW};
}

/* A fetch that goes on step by step, a row at each. */
typedef struct tern_fetching {
    const char *at, *end;
    ptrdiff_t line[TERN_FETCH_ROW]; /* where lines of a row are */
} tern_fetching;

static inline tern_fetching tern_fetch_begin(tern_fetch f)
{
    tern_fetching g = {.at = f.at, .end = f.at};
    if (f.rows) g.end += f.rows * TERN_FETCH_LINE * TERN_FETCH_ROW;
    for (int l = 0; l < TERN_FETCH_ROW; l++)
        g.line[l] = l < f.lines ? TERN_FETCH_LINE * l : 0;
    return g;
}

static inline void tern_fetch_step(tern_fetching *f)
{
    if (f->at >= f->end) return;
    TERN_UNROLLED (l, TERN_FETCH_ROW) __builtin_prefetch(f->at + f->line[l]);
    f->at += TERN_FETCH_LINE * TERN_FETCH_ROW;
}

#endif /* TERN_KERNELS_FETCH_H */
