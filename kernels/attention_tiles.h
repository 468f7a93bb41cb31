/* attention_tiles.h - how the query rows of an attention are cut into tiles, and who
 * computes them; inside kernels/, for caches of floats and of int8.
 *
 * A tile is up to 64 rows that see the same keys: successive queries of one head, or,
 * where there is one position (decode), query heads that share a key head. */
#ifndef TERN_KERNELS_ATTENTION_TILES_H
#define TERN_KERNELS_ATTENTION_TILES_H

#include <math.h>

#include "kernels/attention.h"
#include "kernels/team.h"

/* Rows of a tile, at most. */
static inline size_t tern_tile_rows(const tern_attention_shape *s)
{
    const size_t rows = s->queries > 1 ? s->queries : s->heads / s->kv_heads;
    return rows < TERN_KEY_PANEL ? rows : TERN_KEY_PANEL;
}

/* The rows of one tile. */
typedef struct tern_tile_place {
    size_t batch, head, query; /* of its first row */
    size_t key_head;
    size_t rows, limit, slope; /* row r sees limit + slope * r keys */
    size_t at, step; /* q and o: of the first row; from row to row, in floats */
    tern_fetch next; /* what is read after this tile */
} tern_tile_place;

/* What is done to one tile, with scratch of the thread's own. */
typedef void tern_attend_tile(const tern_attention_shape *s,
                              const tern_tile_place *tile, const void *operands,
                              float *scratch);

/* All tiles, by threads of our own, each with `own` floats of scratch. */
void tern_attend_all(const tern_attention_shape *s, tern_attend_tile *attend,
                     const void *operands, float *scratch, size_t own);
/* Some heads of one query (of each sequence). */
void tern_attend_heads(const tern_attention_shape *s, tern_heads heads,
                       tern_attend_tile *attend, const void *operands, float *scratch);

/* Up to a multiple of 16. */
static inline size_t tern_round16(size_t n)
{
    return (n + 15) / 16 * 16;
}

static inline float tern_score_scale(size_t head_dim)
{
    return (float)(1.0 / sqrt((double)head_dim));
}

#endif /* TERN_KERNELS_ATTENTION_TILES_H */
