/* attention_int8.c - see attention_int8.h for the arithmetic.
 *
 * A panel, D' being D up to a multiple of 16:
 *
 *     | K: d 0-3 of 64 keys | d 4-7 | .. | e |  V: keys 0-3 of D' d | 4-7 | .. | e |
 *          4 bytes a key                  64       4 bytes a d               scales
 *
 * Both are the right-hand side of a tern_int8_product: queries (rows, D') times K give
 * the scores of 64 keys, weights (rows, 64) times V the output, D' numbers. A tile's
 * scores of all keys are in scratch, as in attention.c; rows that see only a part of a
 * panel have weights of 0 for the rest of it. */
#include "kernels/attention_int8.h"

#include <assert.h>
#include <string.h>

#include "base/spec.h"
#include "kernels/attention_tiles.h"
#include "kernels/cpu.h"
#include "kernels/decode_kernels.h"
#include "kernels/float_kernels.h"

enum { KEYS = TERN_KEY_PANEL };

/* --- the cache --- */

/* Where the parts of a panel begin, in bytes: of each side the scales, and the values'
 * side. */
static size_t scales_at(size_t head_dim)
{
    return KEYS * tern_round16(head_dim);
}

static size_t values_at(size_t head_dim)
{
    return scales_at(head_dim) + KEYS * sizeof(float);
}

size_t tern_int8_panel_bytes(size_t head_dim)
{
    return 2 * values_at(head_dim);
}

static const float *scales_of(const uint8_t *side, size_t head_dim)
{
    return (const float *)(const void *)(side + scales_at(head_dim));
}

static void put_scale(uint8_t *side, size_t head_dim, size_t at, float scale)
{
    memcpy(side + scales_at(head_dim) + at * sizeof scale, &scale, sizeof scale);
}

void tern_int8_panel_put(const float *k, const float *v, size_t head_dim, size_t at,
                         uint8_t *panel)
{
    int8_t code[TERN_HEAD_DIM_MAX];
    uint8_t *values = panel + values_at(head_dim);
    assert(head_dim <= TERN_HEAD_DIM_MAX);
    put_scale(panel, head_dim, at, tern_quantize_codes(k, head_dim, code, NULL));
    for (size_t d = 0; d < head_dim; d++)
        panel[4 * (d / 4 * KEYS + at) + d % 4] = (uint8_t)code[d];
    put_scale(values, head_dim, at, tern_quantize_codes(v, head_dim, code, NULL));
    for (size_t d = 0; d < head_dim; d++)
        values[4 * (at / 4 * tern_round16(head_dim) + d) + at % 4] = (uint8_t)code[d];
}

/* --- one tile --- */

typedef struct tile {
    const float *q;
    const uint8_t *cache; /* of its key head */
    float *o;
    size_t row;                /* floats from one row of q and o to the next */
    size_t rows, limit, slope; /* row r sees limit + slope * r keys */
    size_t dim, wide, panel;   /* D, D', bytes between panels */
} tile;

/* Scratch of one thread. */
typedef struct scratch {
    float *scores;           /* (rows, keys) */
    float *out;              /* (rows, D') */
    float *scale, *w_scale;  /* (rows) of q and of the weights */
    int32_t *sum, *w_sum;    /* (rows) of their codes */
    int8_t *codes, *w_codes; /* (rows, D'), (rows, KEYS) */
    size_t keys;             /* row length of scores */
    size_t floats;           /* in all */
} scratch;

/* The next `n` things of `size` bytes; NULL if there is no memory, only a size. */
static void *place(float *base, size_t *floats, size_t n, size_t size)
{
    void *p = base ? base + *floats : NULL;
    *floats += tern_round16((n * size + sizeof(float) - 1) / sizeof(float));
    return p;
}

static scratch lay_out(const tern_attention_shape *s, float *base)
{
    const size_t rows = tern_tile_rows(s), wide = tern_round16(s->head_dim);
    scratch w = {.keys = (s->past + s->queries + KEYS - 1) / KEYS * KEYS};
    size_t used = 0;
    w.scores = place(base, &used, rows * w.keys, sizeof(float));
    w.out = place(base, &used, rows * wide, sizeof(float));
    w.scale = place(base, &used, rows, sizeof(float));
    w.w_scale = place(base, &used, rows, sizeof(float));
    w.sum = place(base, &used, rows, sizeof(int32_t));
    w.w_sum = place(base, &used, rows, sizeof(int32_t));
    w.codes = place(base, &used, rows * wide, 1);
    w.w_codes = place(base, &used, rows * KEYS, 1);
    w.floats = used;
    return w;
}

size_t tern_attention_int8_part_scratch(const tern_attention_shape *s)
{
    return lay_out(s, NULL).floats;
}

size_t tern_attention_int8_scratch(const tern_attention_shape *s)
{
    return (size_t)tern_threads() * tern_attention_int8_part_scratch(s) * sizeof(float);
}

static size_t seen_by(const tile *t, size_t r)
{
    return t->limit + t->slope * r;
}

static void round_queries(const tile *t, const scratch *w)
{
    for (size_t r = 0; r < t->rows; r++) {
        int8_t *codes = w->codes + r * t->wide;
        w->scale[r] = tern_quantize_codes(t->q + r * t->row, t->dim, codes, &w->sum[r]);
        memset(codes + t->dim, 0, t->wide - t->dim);
    }
}

/* Bytes to the same place of the next panel; 0 in the last. */
static size_t ahead(const tile *t, size_t j)
{
    return j + KEYS < seen_by(t, t->rows - 1) ? t->panel : 0;
}

static void tile_scores(const tile *t, const scratch *w)
{
    for (size_t j = 0; j < seen_by(t, t->rows - 1); j += KEYS) {
        const uint8_t *keys = t->cache + j / KEYS * t->panel;
        tern_decode_active->int8_product(
            &(tern_int8_product){.a = w->codes,
                                 .a_row = t->wide,
                                 .a_sum = w->sum,
                                 .row = w->scale,
                                 .m = t->rows,
                                 .k = t->wide,
                                 .b = (const int8_t *)keys,
                                 .n = KEYS,
                                 .col = scales_of(keys, t->dim),
                                 .ahead = ahead(t, j),
                                 .c = w->scores + j,
                                 .c_row = w->keys});
    }
}

/* The weights of keys j .. of every row as codes; 0 for those that it does not see. */
static void round_weights(const tile *t, const scratch *w, size_t j,
                          const float *v_scale)
{
    for (size_t r = 0; r < t->rows; r++) {
        const size_t all = seen_by(t, r), left = all > j ? all - j : 0;
        const size_t n = left < KEYS ? left : KEYS;
        int8_t *codes = w->w_codes + r * KEYS;
        w->w_scale[r] = tern_decode_active->quantize_products(
            w->scores + r * w->keys + j, v_scale, n, codes, &w->w_sum[r]);
        memset(codes + n, 0, KEYS - n);
    }
}

static void tile_values(const tile *t, const scratch *w)
{
    for (size_t j = 0; j < seen_by(t, t->rows - 1); j += KEYS) {
        const uint8_t *values = t->cache + j / KEYS * t->panel + values_at(t->dim);
        round_weights(t, w, j, scales_of(values, t->dim));
        tern_decode_active->int8_product(
            &(tern_int8_product){.a = w->w_codes,
                                 .a_row = KEYS,
                                 .a_sum = w->w_sum,
                                 .positive = true,
                                 .row = w->w_scale,
                                 .m = t->rows,
                                 .k = KEYS,
                                 .b = (const int8_t *)values,
                                 .n = t->wide,
                                 .ahead = ahead(t, j),
                                 .c = w->out,
                                 .c_row = t->wide,
                                 .add = j > 0});
    }
}

static void tile_forward(const tile *t, const scratch *w)
{
    const tern_float_kernels *f = tern_float_active;
    const float scale = tern_score_scale(t->dim);
    float sum[KEYS]; /* a tile has as many rows, at most */
    round_queries(t, w);
    tile_scores(t, w);
    for (size_t r = 0; r < t->rows; r++) {
        float *s = w->scores + r * w->keys;
        const size_t n = seen_by(t, r);
        sum[r] = f->exp_sum(s, scale, scale * f->max(s, n), n, s);
    }
    tile_values(t, w);
    for (size_t r = 0; r < t->rows; r++)
        f->scale(1.0f / sum[r], w->out + r * t->wide, t->dim, t->o + r * t->row);
}

/* --- all of them --- */

typedef struct operands {
    const float *q;
    const uint8_t *cache;
    float *o;
} operands;

static void attend_tile(const tern_attention_shape *s, const tern_tile_place *p,
                        const void *operands_, float *base)
{
    const operands *a = operands_;
    const scratch w = lay_out(s, base);
    assert(s->batch == 1 && s->panel);
    tile_forward(&(tile){.q = a->q + p->at,
                         .cache = a->cache + p->key_head * s->head,
                         .o = a->o + p->at,
                         .row = p->step,
                         .rows = p->rows,
                         .limit = p->limit,
                         .slope = p->slope,
                         .dim = s->head_dim,
                         .wide = tern_round16(s->head_dim),
                         .panel = s->panel},
                 &w);
}

void tern_attention_int8(const tern_attention_shape *s, const float *q,
                         const uint8_t *cache, float *o, void *scratch_)
{
    tern_attend_all(s, attend_tile, &(operands){.q = q, .cache = cache, .o = o},
                    scratch_, tern_attention_int8_part_scratch(s));
}

void tern_attention_int8_part(const tern_team *t, const tern_attention_shape *s,
                              const float *q, const uint8_t *cache, float *o,
                              float *scratch_)
{
    tern_attend_part(t, s, attend_tile, &(operands){.q = q, .cache = cache, .o = o},
                     scratch_);
}
