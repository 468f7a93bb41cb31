/* attention_tiles.c - see attention_tiles.h. No result depends on who computes it. */
#include "kernels/attention_tiles.h"

#include "kernels/cpu.h"
#include "kernels/parts.h"

/* slope is 1 where the rows are successive queries, 0 where they are heads. */
static tern_tile_place place(const tern_attention_shape *s, size_t batch, size_t head,
                             size_t query, size_t rows)
{
    const size_t D = s->head_dim, width = s->heads * D;
    const bool heads = s->queries == 1;
    return (tern_tile_place){.batch = batch,
                             .head = head,
                             .query = query,
                             .key_head = head / (s->heads / s->kv_heads),
                             .rows = rows,
                             .limit = s->past + query + 1,
                             .slope = heads ? 0 : 1,
                             .at = (batch * s->queries + query) * width + head * D,
                             .step = heads ? D : width};
}

/* --- successive queries of a head --- */

/* How the T queries of every head of every sequence are cut. */
typedef struct cut {
    size_t step;  /* rows of a tile */
    size_t lines; /* (b, h) */
    size_t tiles; /* in all */
} cut;

static cut cut_queries(const tern_attention_shape *s)
{
    cut c = {.step = tern_tile_rows(s), .lines = s->batch * s->heads};
    c.tiles = c.lines * ((s->queries + c.step - 1) / c.step);
    return c;
}

static void attend_queries(const tern_attention_shape *s, const cut *c, size_t index,
                           tern_attend_tile *attend, const void *operands,
                           float *scratch)
{
    const size_t pieces = c->tiles / c->lines, line = index / pieces;
    const size_t first = index % pieces * c->step;
    const tern_tile_place tile = place(s, line / s->heads, line % s->heads, first,
                                       tern_min_size(c->step, s->queries - first));
    attend(s, &tile, operands, scratch);
}

/* --- one query --- */

/* Those that have their keys in common are a tile. Where key heads do not share out
 * evenly, one is read by two members. */
void tern_attend_heads(const tern_attention_shape *s, tern_heads heads,
                       tern_attend_tile *attend, const void *operands, float *scratch)
{
    const size_t group = s->heads / s->kv_heads, step = tern_tile_rows(s);
    for (size_t row = heads.first, end; row < heads.end; row = end) {
        end = tern_min_size(heads.end, (row / group + 1) * group);
        end = tern_min_size(end, row + step);
        tern_tile_place tile = place(s, row / s->heads, row % s->heads, 0, end - row);
        if (end == heads.end) tile.next = heads.next;
        attend(s, &tile, operands, scratch);
    }
}

/* --- both --- */

/* A member's share. */
static void attend_share(const tern_team *t, const tern_attention_shape *s,
                         const cut *c, tern_attend_tile *attend, const void *operands,
                         float *scratch)
{
    if (s->queries == 1) {
        const tern_part own = tern_team_share(t, s->batch * s->heads);
        tern_attend_heads(s, (tern_heads){.first = own.first, .end = own.end}, attend,
                          operands, scratch);
        return;
    }
    const tern_part own = tern_team_share(t, c->tiles);
    for (size_t index = own.first; index < own.end; index++)
        attend_queries(s, c, index, attend, operands, scratch);
}

/* Where lines share out evenly, a thread gets the rows that it has in other functions
 * too. */
void tern_attend_all(const tern_attention_shape *s, tern_attend_tile *attend,
                     const void *operands, float *scratch, size_t own)
{
    const cut c = cut_queries(s);
#pragma omp parallel num_threads(tern_threads()) if (c.tiles > 1)
    {
        const tern_team t = tern_team_here();
        if (s->queries == 1 || c.lines % t.count == 0)
            attend_share(&t, s, &c, attend, operands, scratch + t.index * own);
        else /* tiles with more keys take longer */
#pragma omp for schedule(dynamic)
            for (size_t index = 0; index < c.tiles; index++)
                attend_queries(s, &c, index, attend, operands, scratch + t.index * own);
    }
}
