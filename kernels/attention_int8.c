/* attention_int8.c - see attention_int8.h for the arithmetic.
 *
 * A panel, D' being D up to a multiple of 16:
 *
 *     | e | K: d 0-3 of 64 keys | d 4-7 | ..  | e | V: keys 0-3 of D' d | 4-7 | ..
 *      64     4 bytes a key           scales  64      4 bytes a d
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

enum { SCALES = KEYS * sizeof(float) }; /* bytes */

/* Where the values' side of a panel begins, in bytes. */
static size_t values_at(size_t head_dim)
{
    return SCALES + KEYS * tern_round16(head_dim);
}

size_t tern_int8_panel_bytes(size_t head_dim)
{
    return 2 * values_at(head_dim);
}

static const float *scales_of(const uint8_t *side)
{
    return (const float *)(const void *)side;
}

static const int8_t *codes_of(const uint8_t *side)
{
    return (const int8_t *)side + SCALES;
}

/* Returns where the codes of the side begin. */
static uint8_t *put_scale(uint8_t *side, size_t at, float scale)
{
    memcpy(side + at * sizeof scale, &scale, sizeof scale);
    return side + SCALES;
}

void tern_int8_panel_put(const float *k, const float *v, size_t head_dim, size_t at,
                         uint8_t *panel)
{
    int8_t code[TERN_HEAD_DIM_MAX];
    uint8_t *side = panel + values_at(head_dim);
    const size_t wide = tern_round16(head_dim);
    assert(head_dim <= TERN_HEAD_DIM_MAX);
    uint8_t *to = put_scale(panel, at, tern_quantize_codes(k, head_dim, code, NULL));
    for (size_t d = 0; d < head_dim; d++)
        to[4 * (d / 4 * KEYS + at) + d % 4] = (uint8_t)code[d];
    to = put_scale(side, at, tern_quantize_codes(v, head_dim, code, NULL));
    to += 4 * (at / 4 * wide) + at % 4;
    for (size_t d = 0; d < head_dim; d++) to[4 * d] = (uint8_t)code[d];
}

tern_fetch tern_int8_keys(const void *panel, size_t head_dim, size_t keys)
{
    return (tern_fetch){.at = panel,
                        .rows = 1 + tern_round16(head_dim) / 4, /* and the scales */
                        .lines = (int)((keys + 15) / 16)};
}

/* --- one tile --- */

typedef struct tile {
    const float *q;
    const uint8_t *cache; /* of its key head */
    float *o;
    size_t row;                /* floats from one row of q and o to the next */
    size_t rows, limit, slope; /* row r sees limit + slope * r keys */
    size_t dim, wide, panel;   /* D, D', bytes between panels */
    tern_fetch next;           /* what is read after all of it */
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

static const uint8_t *panel_at(const tile *t, size_t j)
{
    return t->cache + j / KEYS * t->panel;
}

/* Keys of the panel of key j that any row sees, up to a multiple of `unit`. */
static size_t keys_here(const tile *t, size_t j, size_t unit)
{
    const size_t left = seen_by(t, t->rows - 1) - j;
    return left < KEYS ? (left + unit - 1) / unit * unit : KEYS;
}

/* The two sides of the panel of key j, as far as they are read: of the first some keys
 * of every row, of the other the first rows. */
static tern_fetch keys_at(const tile *t, size_t j)
{
    return tern_int8_keys(panel_at(t, j), t->dim, keys_here(t, j, 1));
}

static tern_fetch values_from(const tile *t, size_t j)
{
    return tern_fetch_bytes(panel_at(t, j) + values_at(t->dim),
                            SCALES + keys_here(t, j, 4) * t->wide);
}

static tern_fetch after_keys(const tile *t, size_t j)
{
    if (j + KEYS < seen_by(t, t->rows - 1)) return keys_at(t, j + KEYS);
    return values_from(t, 0);
}

static tern_fetch after_values(const tile *t, size_t j)
{
    if (j + KEYS < seen_by(t, t->rows - 1)) return values_from(t, j + KEYS);
    return t->next;
}

static void tile_scores(const tile *t, const scratch *w)
{
    for (size_t j = 0; j < seen_by(t, t->rows - 1); j += KEYS) {
        const uint8_t *keys = panel_at(t, j);
        tern_decode_active->int8_product(&(tern_int8_product){.a = w->codes,
                                                              .a_row = t->wide,
                                                              .a_sum = w->sum,
                                                              .row = w->scale,
                                                              .m = t->rows,
                                                              .k = t->wide,
                                                              .b = codes_of(keys),
                                                              .b_row = KEYS,
                                                              .n = keys_here(t, j, 16),
                                                              .col = scales_of(keys),
                                                              .ahead = after_keys(t, j),
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
        const uint8_t *values = panel_at(t, j) + values_at(t->dim);
        round_weights(t, w, j, scales_of(values));
        tern_decode_active->int8_product(
            &(tern_int8_product){.a = w->w_codes,
                                 .a_row = KEYS,
                                 .a_sum = w->w_sum,
                                 .positive = true,
                                 .row = w->w_scale,
                                 .m = t->rows,
                                 .k = keys_here(t, j, 4),
                                 .b = codes_of(values),
                                 .b_row = t->wide,
                                 .n = t->wide,
                                 .ahead = after_values(t, j),
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
                         .panel = s->panel,
                         .next = p->next},
                 &w);
}

void tern_attention_int8(const tern_attention_shape *s, const float *q,
                         const uint8_t *cache, float *o, void *scratch_)
{
    tern_attend_all(s, attend_tile, &(operands){.q = q, .cache = cache, .o = o},
                    scratch_, tern_attention_int8_part_scratch(s));
}

void tern_attention_int8_part(const tern_attention_shape *s, tern_heads heads,
                              const float *q, const uint8_t *cache, float *o,
                              float *scratch_)
{
    tern_attend_heads(s, heads, attend_tile,
                      &(operands){.q = q, .cache = cache, .o = o}, scratch_);
}
