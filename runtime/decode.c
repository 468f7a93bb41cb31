/* decode.c - a few rows through the model with all threads in one parallel region.
 *
 * What session.c does call by call, with threads that meet ten times a layer, is done
 * here by a team (kernels/team.h) that meets four to six times:
 *
 *     norm, quantise          one row: every member for itself, so that nobody waits;
 *                             several: each member some rows
 *     q, k, v                 the panels of the three matrices, dealt as one
 *     rotate, store, attend   heads of rows: with a meeting after `store` only where
 *                             keys are not their own
 *     norm, quantise, o       panels; h += is part of the product
 *     norm, quantise, gate,   panels: the same of both, then glu on the outputs
 *     up, glu
 *     norm, quantise, down    panels
 *
 * The numbers are the same, bit for bit. A model so small that its weights are read
 * faster than a thread is woken is computed by one. In between it depends on the
 * machine: where cores are far apart, a team meets in 2 us, in which one reads 60 KB.
 * So both are tried for a few tokens, now and then, and the faster one goes on. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "kernels/codes.h"
#include "kernels/cpu.h"
#include "kernels/head_q8.h"
#include "kernels/parts.h"
#include "kernels/team.h"
#include "runtime/session.h"

/* Bytes of weights that one thread reads in the time that waking and joining others
 * takes: below, they are left alone. */
enum {
    ALONE_BYTES = 1 << 19,
    TEAM_BYTES = 1 << 25, /* from here on a team is always faster */
    TRIAL = 8,            /* calls of each kind, ... */
    TRIAL_EVERY = 2048,   /* ... every so many */
    HEAD_UNIT = 4         /* panels of logits that are dealt together */
};

/* What every member knows. */
typedef struct decoding {
    const tern_decode_row *rows;
    int64_t n, first;
    tern_session *home; /* whose scratch is used */
    const tern_spec *spec;
    float *logits;
    size_t
        scratch; /* floats of attention's, of each member: the most that a row needs */
} decoding;

/* A product of the team: y = W x, or y += W x. */
typedef struct job {
    const tern_matrix *w;
    float *y;
    bool add;
} job;

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Quantised rows of x (n, cols), normalised first unless gain is NULL. */
static tern_qrows prepare(const decoding *d, const tern_team *t, const float *x,
                          const float *gain, int64_t cols)
{
    const tern_session *s = d->home;
    const size_t own = d->n == 1 ? t->index : 0;
    tern_qrows q = {.rows = (size_t)d->n,
                    .cols = (size_t)cols,
                    .stride = tern_qrows_stride((size_t)cols)};
    q.codes = s->codes + own * q.stride;
    q.scale = s->scale + own;
    q.sum = s->sum + own;
    if (d->n == 1) {
        tern_quantize_row(x, gain, d->spec->norm_eps, 0, &q);
        return q;
    }
    const tern_part rows = tern_team_share(t, q.rows);
    for (size_t r = rows.first; r < rows.end; r++)
        tern_quantize_row(x + r * q.cols, gain, d->spec->norm_eps, r, &q);
    tern_team_wait(t);
    return q;
}

/* Bytes of codes in a panel of a product with x. */
static size_t panel_bytes(const tern_qrows *x)
{
    return 16 * x->cols / 4;
}

/* Panels `own` of all panels of the jobs. */
static void multiply_part(const tern_qrows *x, const job *jobs, size_t count,
                          tern_part own)
{
    size_t before = 0;
    for (size_t i = 0; i < count; i++) {
        const tern_matrix *w = jobs[i].w;
        const size_t here = tern_ternary_panels(&w->ternary);
        const size_t first = max_size(own.first, before) - before;
        const size_t end = tern_min_size(own.end, before + here);
        const bool last =
            end == before + here && i + 1 < count; /* then the next job's */
        if (end > before + first)
            tern_matrix_panels(w, x, jobs[i].add ? jobs[i].y : NULL, jobs[i].y, w->rows,
                               first, end - before,
                               last ? tern_matrix_codes(jobs[i + 1].w, 0) : NULL);
        before += here;
    }
}

static void multiply(const tern_team *t, int parity, const tern_qrows *x,
                     const job *jobs, size_t count)
{
    size_t panels = 0;
    for (size_t i = 0; i < count; i++)
        panels += tern_ternary_panels(&jobs[i].w->ternary);
    tern_deal deal = tern_team_deal(t, parity, panels, panel_bytes(x));
    for (tern_part part; tern_deal_next(&deal, &part);)
        multiply_part(x, jobs, count, part);
}

/* Key head `head` of row i: rotated queries stay where they are, key and value go to
 * the cache. */
static void store(const decoding *d, int64_t layer, size_t i, size_t head)
{
    const tern_session *s = d->home, *to = d->rows[i].session;
    const size_t D = (size_t)d->spec->head_dim, KV = (size_t)d->spec->kv_heads;
    const size_t group = (size_t)d->spec->heads / KV, at = i * KV + head;
    const size_t angle = (size_t)d->rows[i].position * (D / 2);
    float *q = s->q + at * group * D, *k = s->new_k + at * D;
    tern_rope_row(q, group, D, to->cos + angle, to->sin + angle, q);
    tern_rope_row(k, 1, D, to->cos + angle, to->sin + angle, k);
    tern_cache_put(to, layer, (int64_t)head, d->rows[i].position, k, s->new_v + at * D);
}

static void store_all(const decoding *d, const tern_team *t, int64_t layer)
{
    const size_t KV = (size_t)d->spec->kv_heads;
    const tern_part own = tern_team_share(t, (size_t)d->n * KV);
    for (size_t i = own.first; i < own.end; i++) store(d, layer, i / KV, i % KV);
}

/* Query heads of row i. */
static void attend(const decoding *d, const tern_team *t, int64_t layer, size_t i,
                   tern_heads heads)
{
    const tern_session *s = d->home;
    const size_t at = i * (size_t)(d->spec->heads * d->spec->head_dim);
    float *scratch = (float *)s->attention + t->index * d->scratch;
    tern_cache_attend_part(d->rows[i].session, layer, d->rows[i].position, heads,
                           s->q + at, s->o + at, scratch);
}

/* Members with less to do in one row get more in the next. */
static tern_team turned(const tern_team *t, size_t row)
{
    return (tern_team){.index = (t->index + row) % t->count, .count = t->count};
}

static void attend_all(const decoding *d, const tern_team *t, int64_t layer)
{
    for (size_t i = 0; i < (size_t)d->n; i++) {
        const tern_team now = turned(t, i);
        const tern_part own = tern_team_share(&now, (size_t)d->spec->heads);
        attend(d, t, layer, i, (tern_heads){.first = own.first, .end = own.end});
    }
}

/* Can the one who stores a key be the one who needs it? Where key heads share out
 * evenly; or if rows are of several sessions, so that none sees another's key, and
 * there are enough of them. */
static bool heads_are_own(const decoding *d, const tern_team *t)
{
    const size_t KV = (size_t)d->spec->kv_heads, n = (size_t)d->n;
    const bool several = d->rows[0].session != d->rows[n - 1].session;
    return KV % t->count == 0 || ((several || n == 1) && n * KV >= 4 * t->count);
}

/* The key heads of row i that a member has to itself: the same in every row, if they
 * share out evenly. */
static tern_part own_heads(const decoding *d, const tern_team *t, size_t i)
{
    const size_t KV = (size_t)d->spec->kv_heads;
    const tern_team now = turned(t, KV % t->count == 0 ? 0 : i);
    return tern_team_share(&now, KV);
}

/* Keys of a head of row i; nothing after the last row. */
static tern_fetch keys_of(const decoding *d, int64_t layer, size_t i, size_t head)
{
    if (i == (size_t)d->n) return (tern_fetch){0};
    const tern_decode_row *row = &d->rows[i];
    return tern_cache_keys(row->session, layer, (int64_t)head, row->position);
}

/* So a key's lines in the cache are fetched once. */
static void store_and_attend(const decoding *d, const tern_team *t, int64_t layer)
{
    const size_t group = (size_t)(d->spec->heads / d->spec->kv_heads);
    tern_part own = own_heads(d, t, 0);
    for (size_t i = 0; i < (size_t)d->n; i++) {
        const tern_part then = own_heads(d, t, i + 1);
        for (size_t head = own.first; head < own.end; head++) {
            const bool last = head + 1 == own.end;
            store(d, layer, i, head);
            attend(d, t, layer, i,
                   (tern_heads){.first = head * group,
                                .end = (head + 1) * group,
                                .next = last ? keys_of(d, layer, i + 1, then.first)
                                             : keys_of(d, layer, i, head + 1)});
        }
        own = then;
    }
}

static void attention_block(const decoding *d, const tern_team *t, int64_t layer)
{
    tern_session *s = d->home;
    const tern_spec *m = d->spec;
    const tern_layer *w = &s->model->layers[layer];
    const tern_qrows x = prepare(d, t, s->h, w->attn_norm, m->width);
    const job in[] = {
        {&w->q, s->q, false}, {&w->k, s->new_k, false}, {&w->v, s->new_v, false}};
    multiply(t, 0, &x, in, 3);
    tern_team_wait(t);
    if (heads_are_own(d, t)) {
        store_and_attend(d, t, layer);
    } else {
        store_all(d, t, layer);
        tern_team_wait(t);
        attend_all(d, t, layer);
    }
    tern_team_wait(t);
    const tern_qrows y = prepare(d, t, s->o, w->attn_sub_norm, m->heads * m->head_dim);
    multiply(t, 1, &y, &(job){&w->o, s->h, true}, 1);
    tern_team_wait(t);
}

/* Panels `own` of gate and up, which are as many: who has computed both needs nobody
 * else's for its glu. */
static void gate_up_part(const decoding *d, const tern_qrows *x, const tern_layer *w,
                         tern_part own)
{
    const tern_session *s = d->home;
    const size_t F = (size_t)d->spec->ffn;
    const size_t from = 16 * own.first, to = tern_min_size(16 * own.end, F);
    tern_matrix_panels(&w->gate, x, NULL, s->gate, F, own.first, own.end,
                       tern_matrix_codes(&w->up, own.first));
    tern_matrix_panels(&w->up, x, NULL, s->up, F, own.first, own.end,
                       tern_matrix_codes(&w->gate, own.end));
    for (size_t r = 0; r < (size_t)d->n; r++) {
        float *gate = s->gate + r * F + from;
        tern_glu_part(d->spec->activation, gate, s->up + r * F + from, to - from, gate);
    }
}

static void gate_up(const decoding *d, const tern_team *t, const tern_qrows *x,
                    const tern_layer *w)
{
    const size_t panels = tern_ternary_panels(&w->up.ternary);
    tern_deal deal = tern_team_deal(t, 0, panels, 2 * panel_bytes(x));
    for (tern_part part; tern_deal_next(&deal, &part);) gate_up_part(d, x, w, part);
}

static void feed_forward(const decoding *d, const tern_team *t, int64_t layer)
{
    tern_session *s = d->home;
    const tern_spec *m = d->spec;
    const tern_layer *w = &s->model->layers[layer];
    const tern_qrows x = prepare(d, t, s->h, w->ffn_norm, m->width);
    gate_up(d, t, &x, w);
    tern_team_wait(t);
    const tern_qrows y = prepare(d, t, s->gate, w->ffn_sub_norm, m->ffn);
    multiply(t, 1, &y, &(job){&w->down, s->h, true}, 1);
    tern_team_wait(t);
}

/* --- the head --- */

/* The rows whose logits are wanted: normalised, and in blocks of 8 bits. */
typedef struct head_rows {
    float *x;
    tern_q8_rows codes;
} head_rows;

/* As prepare(): one row is everybody's own. */
static head_rows head_input(const decoding *d, const tern_team *t)
{
    const tern_session *s = d->home;
    const size_t C = (size_t)d->spec->width, n = (size_t)(d->n - d->first);
    const size_t own = n == 1 ? t->index : 0;
    head_rows in = {
        .x = s->x + own * C,
        .codes = {.rows = n, .cols = C, .blocks = s->head + own * (C / 32)}};
    const tern_part rows = n == 1 ? (tern_part){0, 1} : tern_team_share(t, n);
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *h = s->h + ((size_t)d->first + r) * C;
        tern_rmsnorm_row(h, s->model->norm, d->spec->norm_eps, C, in.x + r * C);
        if (s->model->head->form == TERN_MATRIX_CODES)
            tern_q8_quantize_row(in.x + r * C, r, &in.codes);
    }
    if (n > 1) tern_team_wait(t);
    return in;
}

/* Panels `own` of the logits of the rows that are wanted. */
static void head_part(const decoding *d, const head_rows *in, tern_part own)
{
    const tern_matrix *w = d->home->model->head;
    const size_t n = in->codes.rows, first = own.first * TERN_PANEL_ROWS;
    const size_t end = tern_min_size(own.end * TERN_PANEL_ROWS, w->rows);
    switch (w->form) {
    case TERN_MATRIX_CODES:
        tern_matrix_head_panels(w, &in->codes, d->logits, own.first, own.end);
        break;
    case TERN_MATRIX_F16:
        tern_dot_matmul_half_part(in->x, n, w->cols, w->data, d->logits, w->rows, first,
                                  end);
        break;
    default:
        tern_dot_matmul_part(in->x, n, w->cols, w->data, d->logits, w->rows, first,
                             end);
        break;
    }
}

static void head(const decoding *d, const tern_team *t)
{
    const tern_matrix *w = d->home->model->head;
    if (d->n == d->first) return;
    const head_rows in = head_input(d, t);
    const size_t panels = tern_codes_panels(w->rows);
    /* In units that the float kernels like: whole blocks of their loops. */
    tern_deal deal = tern_team_deal(t, 0, (panels + HEAD_UNIT - 1) / HEAD_UNIT,
                                    HEAD_UNIT * tern_matrix_bytes(w) / panels);
    for (tern_part part; tern_deal_next(&deal, &part);)
        head_part(d, &in,
                  (tern_part){part.first * HEAD_UNIT,
                              tern_min_size(part.end * HEAD_UNIT, panels)});
}

/* --- the whole --- */

static void member(const decoding *d, const tern_team *t)
{
    const size_t C = (size_t)d->spec->width;
    const tern_part rows = tern_team_share(t, (size_t)d->n);
    for (size_t r = rows.first; r < rows.end; r++)
        tern_matrix_row(&d->home->model->embed, (size_t)d->rows[r].id,
                        d->home->h + r * C);
    tern_team_wait(t);
    for (int64_t layer = 0; layer < d->spec->layers; layer++) {
        attention_block(d, t, layer);
        feed_forward(d, t, layer);
    }
    head(d, t);
}

static size_t work_bytes(const decoding *d)
{
    return d->home->model->token_bytes * (size_t)d->n;
}

/* Is this call part of a trial, and of which kind? */
static bool on_trial(const decoding *d)
{
    return d->home->pace.call < 2 * (int64_t)TRIAL && work_bytes(d) < TEAM_BYTES;
}

static int team_size(const decoding *d)
{
    const int all =
        tern_threads() < TERN_DECODE_TEAM ? tern_threads() : TERN_DECODE_TEAM;
    if (work_bytes(d) < ALONE_BYTES) return 1;
    if (work_bytes(d) >= TEAM_BYTES) return all;
    if (on_trial(d)) return d->home->pace.call < TRIAL ? all : 1;
    return d->home->pace.single < d->home->pace.team ? 1 : all;
}

/* A new trial where there was none, or the last is long ago or was of other calls. */
static void begin_trial(const decoding *d)
{
    tern_session *s = d->home;
    if (s->pace.rows == d->n && s->pace.call < TRIAL_EVERY) return;
    s->pace.rows = d->n;
    s->pace.call = 0;
    s->pace.team = s->pace.single = (double)INFINITY;
}

static void note_pace(const decoding *d, double seconds)
{
    tern_session *s = d->home;
    double *best = s->pace.call < TRIAL ? &s->pace.team : &s->pace.single;
    if (on_trial(d) && seconds < *best) *best = seconds;
    s->pace.call++;
}

static size_t attention_scratch(const tern_decode_row *rows, int64_t n)
{
    size_t floats = 0;
    for (int64_t i = 0; i < n; i++)
        floats = max_size(
            floats, tern_cache_part_scratch(rows[i].session, rows[i].position, 1));
    return floats;
}

static void compute(const decoding *d, int threads)
{
    tern_dealer dealer;
    if (threads == 1) { /* without OpenMP, whose regions cost something even then */
        member(d, &(tern_team){.index = 0, .count = 1});
        return;
    }
    for (int i = 0; i < threads; i++)
        for (int j = 0; j < 2; j++) atomic_init(&dealer.line[i].next[j], 0);
#pragma omp parallel num_threads(threads)
    {
        tern_team t = tern_team_here();
        t.dealer = &dealer;
        member(d, &t);
    }
}

bool tern_decode_can(const tern_session *s)
{
    return !s->model->some_float && s->model->head->form != TERN_MATRIX_BLOCKS &&
           s->activations == TERN_ACTIVATIONS_PER_TOKEN && !s->probe;
}

void tern_decode(const tern_decode_row *rows, int64_t n, int64_t first, float *logits)
{
    assert(n > 0 && n <= TERN_DECODE_ROWS);
    const decoding d = {.rows = rows,
                        .n = n,
                        .first = first,
                        .home = rows[0].session,
                        .spec = &rows[0].session->model->spec,
                        .logits = logits,
                        .scratch = attention_scratch(rows, n)};
    begin_trial(&d);
    const double began = on_trial(&d) ? tern_seconds() : 0.0;
    const int threads = team_size(&d);
    assert((size_t)threads * d.scratch * sizeof(float) <= d.home->attention_bytes);
    compute(&d, threads);
    note_pace(&d, on_trial(&d) ? tern_seconds() - began : 0.0);
}
