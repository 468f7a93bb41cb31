/* attention.c - causal attention in tiles, every sum in an order of its own.
 *
 * For one query row i, with keys j = 0 .. n - 1 (n = past + i + 1):
 *
 *     s_j = scale * (q . k_j)         chain over d = 0, 1, .. D - 1 (fused, from 0)
 *     m   = max_j s_j                 no order
 *     l   = sum_j exp(s_j - m)        16 lanes, key j in lane j % 16, and rows.h's tree
 *     o_d = (sum_j exp(s_j - m) v_jd) / l      chain over j; one product with 1 / l
 *
 * None of it names the batch, the other rows, the tile or the thread, which is why
 * training, prefill and decode agree bit for bit. Chains suit a machine whose lanes are
 * keys (for s) or d (for o): both are products of small matrices in registers, if K is
 * transposed, 64 keys at a time, as a cache holds them already (there in four bands of
 * 16 keys, one after the other):
 *
 *                keys j -->          64      64      64
 *     q tile       K^T panel       +-------+-------+-------+   scores of a tile of
 *     (64, D)   x  (D, 64)     =   |///////|///////|//\    |   query rows, in scratch;
 *                                  |///////|///////|////\  |   beyond the diagonal
 *                                  +-------+-------+-------+   nothing is read
 *                                  '---- limit ----'-slope-'
 *
 * Every row of a tile sees the first `limit` keys; row r sees slope * r more. slope is
 * 1 when the rows of a tile are successive queries of one head, and 0 when they are the
 * query heads that share a key head at one position (decode).
 *
 * Backward, with p_ij = exp(s_ij - lse_i) again, all chains:
 *
 *     delta_i = do_i . o_i  (lanes)      dp_ij = do_i . v_j (over d)
 *     ds_ij   = scale * p_ij (dp_ij - delta_i)
 *     dq_i += ds_ij k_j  (over j)
 *     dk_j += ds_ij q_i,  dv_j += p_ij do_i  (over the query heads of j's head, then i)
 *
 * One thread does one key head of one sequence, so dk and dv need no other thread.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include <omp.h>

#include "base/arena.h"
#include "kernels/attention_tiles.h"
#include "kernels/float_kernels.h"
#include "kernels/parts.h"

enum {
    TILE = TERN_KEY_PANEL, /* query rows of a tile, keys of a panel */
    STRIPE = 16,           /* rows done together where the diagonal cuts a panel */
    FEW = 8                /* rows for which fp16 is widened while it is multiplied */
};

static void copy_rows(const float *x, size_t ldx, size_t rows, size_t cols, float *y)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(y + r * cols, x + r * ldx, cols * sizeof *y);
}

/* --- forward --- */

/* One tile of query rows of one key head. */
typedef struct tile {
    const float *q, *k, *v;
    const uint16_t *k16, *v16; /* instead of k and v if these are NULL */
    float *o, *lse;
    size_t q_row, kv_row;      /* floats from one row to the next; lse has 1 */
    size_t rows, limit, slope; /* row r sees limit + slope * r keys */
    size_t dim;
    size_t panel; /* of a cache: elements between panels; kv_row is for values only */
    tern_fetch next; /* what is read after all of it */
} tile;

/* A panel of a cache that is read where it lies. */
static bool in_place(const tile *t)
{
    return t->panel && t->rows <= FEW;
}

/* Where the value of key j lies. */
static size_t value_at(const tile *t, size_t j)
{
    if (!t->panel) return j * t->kv_row;
    return j / TILE * t->panel + j % TILE * t->kv_row;
}

/* `keys` keys of the panel of key j, and as many values. */
static tern_fetch keys_at(const tile *t, size_t j, size_t keys)
{
    const size_t at = j / TILE * t->panel;
    if (t->k) return tern_attention_keys(t->k + at, sizeof *t->k, t->dim, keys);
    return tern_attention_keys(t->k16 + at, sizeof *t->k16, t->dim, keys);
}

static tern_fetch values_at(const tile *t, size_t j, size_t keys)
{
    const size_t at = j / TILE * t->panel, n = keys * t->dim;
    if (t->v) return tern_fetch_bytes(t->v + at, n * sizeof *t->v);
    return tern_fetch_bytes(t->v16 + at, n * sizeof *t->v16);
}

/* What is read after keys j .. of a cache, and after values j ..: those of the next
 * panel; the first values; whatever comes then. */
static tern_fetch after_keys(const tile *t, size_t j, size_t total)
{
    if (!in_place(t)) return (tern_fetch){0};
    if (j + TILE < total)
        return keys_at(t, j + TILE, tern_min_size(TILE, total - j - TILE));
    return values_at(t, 0, tern_min_size(TILE, total));
}

static tern_fetch after_values(const tile *t, size_t j)
{
    if (!in_place(t)) return (tern_fetch){0};
    if (j + TILE < t->limit)
        return values_at(t, j + TILE, tern_min_size(TILE, t->limit - j - TILE));
    return t->next;
}

/* Scratch of one thread. */
typedef struct forward_scratch {
    float *q;      /* (rows, D) */
    float *panel;  /* (D, TILE) of K^T, then (TILE, D) of V */
    float *scores; /* (rows, keys) */
    size_t keys;   /* row length of scores */
    size_t floats; /* in all */
} forward_scratch;

/* The layout of the scratch at `base`; only its size if base is NULL. */
static forward_scratch forward_layout(const tern_attention_shape *s, float *base)
{
    const size_t rows = tern_tile_rows(s), keys = tern_round16(s->past + s->queries);
    const size_t q = tern_round16(rows * s->head_dim), panel = s->head_dim * TILE;
    return (forward_scratch){.q = base,
                             .panel = base ? base + q : NULL,
                             .scores = base ? base + q + panel : NULL,
                             .keys = keys,
                             .floats = q + panel + rows * keys};
}

size_t tern_attention_part_scratch(const tern_attention_shape *s)
{
    return forward_layout(s, NULL).floats;
}

size_t tern_attention_scratch(const tern_attention_shape *s)
{
    return (size_t)tern_threads() * tern_attention_part_scratch(s) * sizeof(float);
}

static void widen_rows(const uint16_t *x, size_t ldx, size_t rows, size_t cols,
                       float *y)
{
    for (size_t r = 0; r < rows; r++)
        tern_float_active->widen(x + r * ldx, cols, y + r * cols);
}

/* Keys [j, j + keys) as a panel, of a cache in bands, else in one piece; j is a
 * multiple of TILE. NULL: they are to be read as they are, in fp16. */
static const float *tile_panel(const tile *t, const forward_scratch *w, size_t j,
                               size_t keys)
{
    const size_t at = j / TILE * t->panel;
    if (t->panel && t->k) return t->k + at;
    if (in_place(t)) return NULL;
    if (t->panel)
        tern_float_active->widen(t->k16 + at, TILE * t->dim, w->panel);
    else
        tern_float_active->transpose(t->k + j * t->kv_row, t->kv_row, keys, t->dim,
                                     w->panel, TILE);
    return w->panel;
}

/* scores = q K^T, only where a row sees the key (and a little beyond). */
static void tile_scores(const tile *t, const forward_scratch *w)
{
    const tern_float_kernels *f = tern_float_active;
    const size_t total = t->limit + t->slope * (t->rows - 1);
    if (t->panel && t->rows == 1) { /* all panels at once, as they lie in the cache */
        f->chain(&(tern_chain){.a = w->q,
                               .a_col = 1,
                               .b = t->k,
                               .b16 = t->k16,
                               .b_row = TERN_KEY_BAND,
                               .b_band = TERN_KEY_BAND * t->dim,
                               .b_panel = t->panel,
                               .c = w->scores,
                               .ahead = values_at(t, 0, tern_min_size(TILE, total)),
                               .m = 1,
                               .n = tern_round16(total),
                               .k = t->dim});
        return;
    }
    for (size_t j = 0; j < total; j += TILE) {
        const size_t keys = tern_min_size(TILE, total - j);
        const float *panel = tile_panel(t, w, j, keys);
        /* All rows at once, or stripes where the diagonal passes. */
        const size_t stripe = j + keys <= t->limit ? t->rows : STRIPE;
        for (size_t r = 0; r < t->rows; r += stripe) {
            const size_t rows = tern_min_size(stripe, t->rows - r);
            const size_t seen = t->limit + t->slope * (r + rows - 1);
            if (seen <= j) continue;
            f->chain(&(tern_chain){.a = w->q + r * t->dim,
                                   .a_row = t->dim,
                                   .a_col = 1,
                                   .b = panel,
                                   .b16 = t->k16 ? t->k16 + j / TILE * t->panel : NULL,
                                   .b_row = t->panel ? TERN_KEY_BAND : TILE,
                                   .b_band = t->panel ? TERN_KEY_BAND * t->dim : 0,
                                   .ahead = after_keys(t, j, total),
                                   .c = w->scores + r * w->keys + j,
                                   .c_row = w->keys,
                                   .m = rows,
                                   .n = tern_round16(tern_min_size(keys, seen - j)),
                                   .k = t->dim});
        }
    }
}

/* Values [first, first + rows), TILE at most, side by side: of a cache from one panel
 * or two. */
static void copy_values(const tile *t, size_t first, size_t rows, float *y)
{
    const size_t at = value_at(t, first);
    const size_t here = t->panel ? tern_min_size(rows, TILE - first % TILE) : rows;
    if (t->v)
        copy_rows(t->v + at, t->kv_row, here, t->dim, y);
    else
        widen_rows(t->v16 + at, t->kv_row, here, t->dim, y);
    if (here < rows) copy_values(t, first + here, rows - here, y + here * t->dim);
}

/* o += scores V for keys [first, first + keys) and the triangle after them. */
static void tile_values(const tile *t, const forward_scratch *w, size_t first,
                        size_t keys, size_t slope)
{
    const size_t most = keys + slope * (t->rows - 1);
    const size_t at = value_at(t, first);
    /* Rows that lie far apart fall on the same cache lines: worth a copy if read often.
     * fp16 is widened once for many rows. */
    const bool often = t->v ? most <= TILE && t->rows >= 8 : t->rows > FEW;
    const bool copy = often || (t->panel && first % TILE + most > TILE);
    if (copy) copy_values(t, first, most, w->panel);
    tern_float_active->chain(&(tern_chain){.a = w->scores + first,
                                           .a_row = w->keys,
                                           .a_col = 1,
                                           .b = copy   ? w->panel
                                                : t->v ? t->v + at
                                                       : NULL,
                                           .b16 = copy || t->v ? NULL : t->v16 + at,
                                           .b_row = copy ? t->dim : t->kv_row,
                                           .ahead = after_values(t, first),
                                           .c = t->o,
                                           .c_row = t->q_row,
                                           .m = t->rows,
                                           .n = t->dim,
                                           .k = keys,
                                           .slope = slope,
                                           .add = first > 0});
}

static void tile_forward(const tile *t, const forward_scratch *w)
{
    const tern_float_kernels *f = tern_float_active;
    const float scale = tern_score_scale(t->dim);
    float sum[TILE];
    copy_rows(t->q, t->q_row, t->rows, t->dim, w->q);
    tile_scores(t, w);
    for (size_t r = 0; r < t->rows; r++) {
        float *s = w->scores + r * w->keys;
        const size_t n = t->limit + t->slope * r;
        const float m = scale * f->max(s, n);
        sum[r] = f->exp_sum(s, scale, m, n, s);
        if (t->lse) t->lse[r] = (float)((double)m + log((double)sum[r]));
    }
    for (size_t j = 0; j < t->limit; j += TILE)
        tile_values(t, w, j, tern_min_size(TILE, t->limit - j), 0);
    if (t->slope && t->rows > 1) tile_values(t, w, t->limit, 0, 1);
    for (size_t r = 0; r < t->rows; r++) {
        float *o = t->o + r * t->q_row;
        f->scale(1.0f / sum[r], o, t->dim, o);
    }
}

/* Where everything of one call lies. */
typedef struct operands {
    const float *q, *k, *v;
    const uint16_t *k16, *v16; /* instead of k and v */
    float *o, *lse;
} operands;

/* One tile, with a thread's own scratch. */
static void attend_tile(const tern_attention_shape *s, const tern_tile_place *p,
                        const void *operands_, float *scratch)
{
    const operands *a = operands_;
    const size_t D = s->head_dim, keys = s->past + s->queries;
    const size_t kv_width = s->kv_heads * D;
    assert(a->k || s->panel);
    const size_t kv =
        s->panel ? p->key_head * s->head : p->batch * keys * kv_width + p->key_head * D;
    const size_t lse = (p->batch * s->heads + p->head) * s->queries + p->query;
    const forward_scratch w = forward_layout(s, scratch);
    const tile t = {.q = a->q + p->at,
                    .k = a->k ? a->k + kv : NULL,
                    .v = a->v ? a->v + kv : NULL,
                    .k16 = a->k ? NULL : a->k16 + kv,
                    .v16 = a->v ? NULL : a->v16 + kv,
                    .o = a->o + p->at,
                    .lse = a->lse ? a->lse + lse : NULL,
                    .q_row = p->step,
                    .kv_row = s->panel ? D : kv_width,
                    .rows = p->rows,
                    .limit = p->limit,
                    .slope = p->slope,
                    .dim = D,
                    .panel = s->panel,
                    .next = p->next};
    tile_forward(&t, &w);
}

static void attend_all(const tern_attention_shape *s, const operands *a, float *scratch)
{
    tern_attend_all(s, attend_tile, a, scratch, tern_attention_part_scratch(s));
}

void tern_attention(const tern_attention_shape *s, const float *q, const float *k,
                    const float *v, float *o, float *lse, void *scratch)
{
    attend_all(s, &(operands){.q = q, .k = k, .v = v, .o = o, .lse = lse}, scratch);
}

void tern_attention_half(const tern_attention_shape *s, const float *q,
                         const uint16_t *k, const uint16_t *v, float *o, void *scratch)
{
    attend_all(s, &(operands){.q = q, .k16 = k, .v16 = v, .o = o}, scratch);
}

void tern_attention_part(const tern_attention_shape *s, tern_heads heads,
                         const float *q, const float *k, const float *v, float *o,
                         float *scratch)
{
    const operands a = {.q = q, .k = k, .v = v, .o = o};
    tern_attend_heads(s, heads, attend_tile, &a, scratch);
}

void tern_attention_half_part(const tern_attention_shape *s, tern_heads heads,
                              const float *q, const uint16_t *k, const uint16_t *v,
                              float *o, float *scratch)
{
    const operands a = {.q = q, .k16 = k, .v16 = v, .o = o};
    tern_attend_heads(s, heads, attend_tile, &a, scratch);
}

/* --- backward --- */

/* Scratch of one thread; `panels` panels of 64 keys. */
typedef struct backward_scratch {
    float *kt, *vt;    /* (panels, D, TILE): K^T, V^T */
    float *q, *dout;   /* (TILE, D) */
    float *k;          /* (TILE, D) */
    float *p, *ds;     /* (TILE, TILE), first s and dp */
    float delta[TILE]; /* of the query rows */
    size_t floats;     /* in all */
} backward_scratch;

static backward_scratch backward_layout(const tern_attention_shape *s, float *base)
{
    const size_t all = (s->queries + TILE - 1) / TILE * TILE * s->head_dim;
    const size_t part = TILE * s->head_dim, square = TILE * TILE;
    backward_scratch w = {.floats = 2 * all + 3 * part + 2 * square};
    if (!base) return w;
    w.kt = base;
    w.vt = w.kt + all;
    w.q = w.vt + all;
    w.dout = w.q + part;
    w.k = w.dout + part;
    w.p = w.k + part;
    w.ds = w.p + square;
    return w;
}

size_t tern_attention_backward_scratch(const tern_attention_shape *s)
{
    return (size_t)tern_threads() * backward_layout(s, NULL).floats * sizeof(float);
}

/* One head of one sequence: rows of T, q_row or kv_row floats apart. */
typedef struct head {
    const float *q, *k, *o, *lse, *dout;
    float *dq, *dk, *dv;
    size_t q_row, kv_row, dim, keys;
    bool add_q, add_kv; /* to what dq, dk and dv hold before this head */
} head;

/* A block: query rows [i, i + rows) and keys [j, j + keys), j <= i, both multiples of
 * TILE. On the diagonal (i == j) row r sees keys 0 .. r. */
typedef struct block {
    size_t i, j, rows, keys;
    bool diagonal;
} block;

/* p and ds of a block; zeros beyond the diagonal. */
static void block_gradient(const head *h, const block *b, const backward_scratch *w)
{
    const tern_float_kernels *f = tern_float_active;
    const float scale = tern_score_scale(h->dim);
    const size_t panel = b->j * h->dim, stripe = b->diagonal ? STRIPE : b->rows;
    for (size_t r = 0; r < b->rows; r += stripe) {
        const size_t rows = tern_min_size(stripe, b->rows - r);
        tern_chain t = {.a = w->q + r * h->dim,
                        .a_row = h->dim,
                        .a_col = 1,
                        .b = w->kt + panel,
                        .b_row = TILE,
                        .c = w->p + r * TILE,
                        .c_row = TILE,
                        .m = rows,
                        .n = tern_round16(b->diagonal ? r + rows : b->keys),
                        .k = h->dim};
        f->chain(&t);
        t.a = w->dout + r * h->dim;
        t.b = w->vt + panel;
        t.c = w->ds + r * TILE;
        f->chain(&t);
    }
    for (size_t r = 0; r < b->rows; r++) {
        const size_t seen = b->diagonal ? r + 1 : b->keys;
        float *p = w->p + r * TILE, *ds = w->ds + r * TILE;
        f->attention_grad(p, ds, scale, h->lse[b->i + r], w->delta[r], seen);
        memset(p + seen, 0, (b->keys - seen) * sizeof *p);
        memset(ds + seen, 0, (b->keys - seen) * sizeof *ds);
    }
}

/* dk += ds^T q and dv += p^T dout; a key's first block is the one on the diagonal. */
static void block_keys(const head *h, const block *b, const backward_scratch *w)
{
    const tern_float_kernels *f = tern_float_active;
    const size_t stripe = b->diagonal ? STRIPE : b->keys;
    for (size_t c = 0; c < b->keys; c += stripe) {
        /* Row c is the first that sees key c. */
        const size_t first = b->diagonal ? c : 0;
        tern_chain t = {.a = w->ds + first * TILE + c,
                        .a_row = 1,
                        .a_col = TILE,
                        .b = w->q + first * h->dim,
                        .b_row = h->dim,
                        .c = h->dk + (b->j + c) * h->kv_row,
                        .c_row = h->kv_row,
                        .m = tern_min_size(stripe, b->keys - c),
                        .n = h->dim,
                        .k = b->rows - first,
                        .add = h->add_kv || !b->diagonal};
        f->chain(&t);
        t.a = w->p + first * TILE + c;
        t.b = w->dout + first * h->dim;
        t.c = h->dv + (b->j + c) * h->kv_row;
        f->chain(&t);
    }
}

/* dq += ds k. */
static void block_queries(const head *h, const block *b, const backward_scratch *w)
{
    copy_rows(h->k + b->j * h->kv_row, h->kv_row, b->keys, h->dim, w->k);
    tern_float_active->chain(&(tern_chain){.a = w->ds,
                                           .a_row = TILE,
                                           .a_col = 1,
                                           .b = w->k,
                                           .b_row = h->dim,
                                           .c = h->dq + b->i * h->q_row,
                                           .c_row = h->q_row,
                                           .m = b->rows,
                                           .n = h->dim,
                                           .k = b->diagonal ? 1 : b->keys,
                                           .slope = b->diagonal ? 1 : 0,
                                           .add = h->add_q || b->j > 0});
}

static void head_backward(const head *h, backward_scratch *w)
{
    const tern_float_kernels *f = tern_float_active;
    for (size_t i = 0; i < h->keys; i += TILE) {
        const size_t rows = tern_min_size(TILE, h->keys - i);
        copy_rows(h->q + i * h->q_row, h->q_row, rows, h->dim, w->q);
        copy_rows(h->dout + i * h->q_row, h->q_row, rows, h->dim, w->dout);
        for (size_t r = 0; r < rows; r++)
            w->delta[r] =
                f->dot(w->dout + r * h->dim, h->o + (i + r) * h->q_row, h->dim);
        for (size_t j = 0; j <= i; j += TILE) {
            const block b = {.i = i,
                             .j = j,
                             .rows = rows,
                             .keys = tern_min_size(TILE, h->keys - j),
                             .diagonal = i == j};
            block_gradient(h, &b, w);
            block_keys(h, &b, w);
            block_queries(h, &b, w);
        }
    }
}

void tern_attention_backward(const tern_attention_shape *s, const float *q,
                             const float *k, const float *v, const float *o,
                             const float *lse, const float *dout, bool add, float *dq,
                             float *dk, float *dv, void *scratch)
{
    assert(s->past == 0);
    const tern_float_kernels *f = tern_float_active;
    const size_t T = s->queries, D = s->head_dim, group = s->heads / s->kv_heads;
    const size_t width = s->heads * D, kv_width = s->kv_heads * D;
    const size_t own = backward_layout(s, NULL).floats;

#pragma omp parallel for num_threads(tern_threads())
    for (size_t line = 0; line < s->batch * s->kv_heads; line++) {
        const size_t b = line / s->kv_heads, g = line % s->kv_heads;
        const size_t kv = b * T * kv_width + g * D;
        backward_scratch w =
            backward_layout(s, (float *)scratch + (size_t)omp_get_thread_num() * own);
        for (size_t j = 0; j < T; j += TILE) {
            const size_t keys = tern_min_size(TILE, T - j), at = kv + j * kv_width;
            f->transpose(k + at, kv_width, keys, D, w.kt + j * D, TILE);
            f->transpose(v + at, kv_width, keys, D, w.vt + j * D, TILE);
        }
        for (size_t n = g * group; n < (g + 1) * group; n++) {
            const size_t at = b * T * width + n * D;
            const head h = {.q = q + at,
                            .k = k + kv,
                            .o = o + at,
                            .lse = lse + (b * s->heads + n) * T,
                            .dout = dout + at,
                            .dq = dq + at,
                            .dk = dk + kv,
                            .dv = dv + kv,
                            .q_row = width,
                            .kv_row = kv_width,
                            .dim = D,
                            .keys = T,
                            .add_q = add,
                            .add_kv = add || n > g * group};
            head_backward(&h, &w);
        }
    }
}
