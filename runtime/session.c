/* session.c - the forward pass over a key/value cache.
 *
 *     h = embed[ids]
 *     per block:  x = Q(norm h)   q, k, v = Wq x, Wk x, Wv x   k, v into the cache
 *                 o = attention(rope q, rope k, v)             h += Wo Q(sub o)
 *                 x = Q(norm h)   g = f(Wgate x) . (Wup x)     h += Wdown Q(sub g)
 *     logits = head norm(h)
 *
 * Q quantises rows to 8 bits and is nothing in a float model; sub is the extra norm of
 * arch bitnet. These are the calls that training makes, on the same kernels, each of
 * which gives a row the same bits whatever rows stand beside it: so a text may be cut
 * into pieces anywhere. Long ones are cut here, to keep the scratch memory bounded.
 *
 * All memory of a session is one reservation of addresses. The system fills in pages
 * when they are first touched, so a cache for 100,000 ids costs what was used of it,
 * and a session that never sees a long prompt never pays for its scratch. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "kernels/cpu.h"
#include "kernels/head_q8.h"
#include "kernels/rows.h"
#include "kernels/team.h"
#include "runtime/activations.h"
#include "runtime/session.h"

enum { FIRST_ANGLES = 64 }; /* positions whose rotation is computed at first */

static int64_t max_int(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_int(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- memory --- */

/* Addresses without memory behind them yet; NULL if the system refuses. */
static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* The next `count` things of `size` bytes from base + *used; base NULL only counts. */
static void *place(char *base, size_t *used, int64_t count, size_t size)
{
    void *p = base ? base + *used : NULL;
    const size_t bytes = (size_t)count * size;
    *used += (bytes + TERN_ALIGN - 1) / TERN_ALIGN * TERN_ALIGN;
    return p;
}

/* The most floats that a matrix of this model wants for itself. */
static int64_t unpacked_floats(const tern_runtime *m)
{
    size_t most = tern_matrix_scratch(m->head);
    for (int64_t i = 0; i < m->spec.layers; i++) {
        const tern_layer *w = &m->layers[i];
        const tern_matrix *all[] = {&w->q,    &w->k,  &w->v,   &w->o,
                                    &w->gate, &w->up, &w->down};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            if (tern_matrix_scratch(all[j]) > most) most = tern_matrix_scratch(all[j]);
    }
    return (int64_t)most;
}

static size_t lay_out(tern_session *s, char *base)
{
    const tern_spec *m = &s->model->spec;
    const int64_t Q = m->heads * m->head_dim, KV = m->kv_heads * m->head_dim;
    const int64_t widest = max_int(max_int(m->width, Q), m->ffn);
    const int64_t n = max_int(s->rows, TERN_DECODE_TEAM);
    const int64_t stride = (int64_t)tern_qrows_stride((size_t)widest);
    const size_t f = sizeof(float);
    size_t used = 0;
    s->cache = place(base, &used, 1, tern_cache_bytes(m, s->context));
    s->cos = place(base, &used, s->context * (m->head_dim / 2), f);
    s->sin = place(base, &used, s->context * (m->head_dim / 2), f);
    s->h = place(base, &used, n * m->width, f);
    s->x = place(base, &used, n * widest, f);
    s->rounded = place(base, &used, n * widest, f);
    s->q = place(base, &used, n * Q, f);
    s->o = place(base, &used, n * Q, f);
    s->new_k = place(base, &used, n * KV, f);
    s->new_v = place(base, &used, n * KV, f);
    s->gate = place(base, &used, n * m->ffn, f);
    s->up = place(base, &used, n * m->ffn, f);
    s->product = place(base, &used, n * m->width, f);
    s->unpacked = place(base, &used, unpacked_floats(s->model), f);
    s->codes = place(base, &used, n * stride, 1);
    s->scale = place(base, &used, n, f);
    s->sum = place(base, &used, n, sizeof *s->sum);
    s->head = place(base, &used, n * (m->width / 32 + 1), sizeof *s->head);
    return used;
}

/* Attention scratch; more than _new gave only if threads were added, or for another
 * type of cache. */
static tern_status want_bytes(tern_session *s, size_t bytes)
{
    if (bytes <= s->attention_bytes) return TERN_OK;
    void *larger = reserve(bytes);
    if (!larger)
        return tern_fail(TERN_EMEM, "out of memory (%zu bytes for attention)", bytes);
    if (s->attention) munmap(s->attention, s->attention_bytes);
    s->attention = larger;
    s->attention_bytes = bytes;
    return TERN_OK;
}

static tern_status want_attention(tern_session *s, int64_t past, int64_t rows)
{
    return want_bytes(s, tern_cache_scratch(s, past, rows));
}

tern_status tern_session_want_scratch(tern_session *s)
{
    TERN_TRY(want_attention(s, s->context - s->rows, s->rows));
    return want_attention(s, s->context - 1, 1);
}

tern_status tern_session_new(const tern_runtime *m, int64_t context, tern_session **out)
{
    if (context < 0 || context > m->spec.context)
        return tern_fail(TERN_EARG,
                         "%s: a context of %" PRId64
                         " is asked for, the model was made for 1 to %" PRId64,
                         tern_gguf_path(m->gguf), context, m->spec.context);
    tern_session *s = calloc(1, sizeof *s);
    if (!s) return tern_fail(TERN_EMEM, "out of memory");
    s->model = m;
    s->context = context ? context : m->spec.context;
    s->rows = min_int(s->context, TERN_CHUNK);
    s->memory_bytes = lay_out(s, NULL);
    s->memory = reserve(s->memory_bytes);
    if (!s->memory) {
        const tern_status failed = tern_fail(TERN_EMEM,
                                             "out of memory: a context of %" PRId64
                                             " needs %zu bytes; ask for a shorter one",
                                             s->context, s->memory_bytes);
        tern_session_free(s);
        return failed;
    }
    lay_out(s, s->memory);
    /* Whatever the system makes of it. */
    (void)madvise(s->cache, (size_t)((char *)s->cos - (char *)s->cache), MADV_HUGEPAGE);
    const tern_status status = tern_session_want_scratch(s);
    if (status != TERN_OK) {
        tern_session_free(s);
        return status;
    }
    *out = s;
    return TERN_OK;
}

void tern_session_free(tern_session *s)
{
    if (!s) return;
    if (s->memory) munmap(s->memory, s->memory_bytes);
    if (s->attention) munmap(s->attention, s->attention_bytes);
    free(s);
}

/* --- linear layers --- */

/* What a linear layer reads: codes if it is ternary, floats if it is not. */
typedef struct input {
    tern_qrows codes;
    const float *x, *rounded; /* rounded: for matrices of blocks, often x */
} input;

static void call_probe(const tern_session *s, int64_t layer, const char *where,
                       const tern_qrows *q)
{
    char name[64];
    (void)snprintf(name, sizeof name, "blk.%" PRId64 ".%s", layer, where);
    s->probe(s->probe_user, name, q->codes, q->rows, q->cols, q->stride, q->scale);
}

static bool uses_codes(const tern_session *s)
{
    return s->model->some_ternary && s->activations == TERN_ACTIVATIONS_PER_TOKEN;
}

/* x, or what the session's blocks of 8 bits leave of it. */
static const float *rounded(const tern_session *s, const float *x, int64_t n,
                            int64_t cols)
{
    if (tern_activations_block(s->activations) == 0) return x;
    tern_round_activations(s->activations, x, (size_t)n, (size_t)cols, s->rounded);
    return s->rounded;
}

/* x (n, cols), normalised unless gain is NULL, and quantised. `where` names the layer
 * that reads it. Valid until the next call. */
static input prepare(const tern_session *s, int64_t layer, const char *where,
                     const float *x, const float *gain, int64_t n, int64_t cols)
{
    const tern_spec *m = &s->model->spec;
    input in = {.x = x};
    if (uses_codes(s)) {
        in.codes = (tern_qrows){.rows = (size_t)n,
                                .cols = (size_t)cols,
                                .stride = tern_qrows_stride((size_t)cols),
                                .codes = s->codes,
                                .scale = s->scale,
                                .sum = s->sum};
        if (gain)
            tern_rmsnorm_quantize_rows(x, gain, m->norm_eps, NULL, &in.codes);
        else
            tern_quantize_rows(x, &in.codes);
        if (s->probe) call_probe(s, layer, where, &in.codes);
        if (!s->model->some_float) return in;
    }
    if (gain) {
        tern_rmsnorm_rows(x, gain, m->norm_eps, (size_t)n, (size_t)cols, s->x, NULL);
        in.x = s->x;
    }
    in.rounded = rounded(s, in.x, n, cols);
    return in;
}

/* What a matrix that is multiplied as floats is multiplied by. */
static const float *floats_for(const tern_matrix *w, const float *x,
                               const float *rounded)
{
    return w->form == TERN_MATRIX_F32 || w->form == TERN_MATRIX_F16 ? x : rounded;
}

/* y = W x, (n, rows of W). */
static void apply(const tern_session *s, const tern_matrix *w, const input *in,
                  int64_t n, float *y)
{
    if (w->form == TERN_MATRIX_TERNARY && uses_codes(s))
        tern_matrix_matmul(w, &in->codes, NULL, y);
    else
        tern_matrix_multiply(w, floats_for(w, in->x, in->rounded), (size_t)n,
                             s->unpacked, y, w->rows);
}

/* h += W x */
static void apply_add(const tern_session *s, const tern_matrix *w, const input *in,
                      int64_t n)
{
    if (w->form == TERN_MATRIX_TERNARY && uses_codes(s)) {
        tern_matrix_matmul(w, &in->codes, s->h, s->h);
        return;
    }
    tern_matrix_multiply(w, floats_for(w, in->x, in->rounded), (size_t)n, s->unpacked,
                         s->product, w->rows);
    tern_add(s->h, s->product, (size_t)n * w->rows, s->h);
}

/* --- the forward pass --- */

static void rotate(const tern_session *s, float *x, int64_t n, int64_t heads)
{
    tern_rope_rows(x, (size_t)n, (size_t)heads, (size_t)s->model->spec.head_dim,
                   (size_t)s->length, (size_t)n, s->cos, s->sin, 1, 0, x);
}

/* The new keys and values into the cache. */
static void store(const tern_session *s, int64_t layer, int64_t n)
{
    const tern_spec *m = &s->model->spec;
#pragma omp parallel for num_threads(tern_threads()) schedule(static) if (n > 64)
    for (int64_t r = 0; r < n; r++)
        for (int64_t g = 0; g < m->kv_heads; g++) {
            const int64_t from = (r * m->kv_heads + g) * m->head_dim;
            tern_cache_put(s, layer, g, s->length + r, s->new_k + from,
                           s->new_v + from);
        }
}

static void attend(const tern_session *s, int64_t layer, int64_t n)
{
    const tern_spec *m = &s->model->spec;
    const tern_layer *w = &s->model->layers[layer];
    const input in = prepare(s, layer, "attn_q", s->h, w->attn_norm, n, m->width);
    apply(s, &w->q, &in, n, s->q);
    apply(s, &w->k, &in, n, s->new_k);
    apply(s, &w->v, &in, n, s->new_v);
    rotate(s, s->q, n, m->heads);
    rotate(s, s->new_k, n, m->kv_heads);
    store(s, layer, n);
    tern_cache_attend(s, layer, n);
    const input out = prepare(s, layer, "attn_output", s->o, w->attn_sub_norm, n,
                              m->heads * m->head_dim);
    apply_add(s, &w->o, &out, n);
}

static void feed_forward(const tern_session *s, int64_t layer, int64_t n)
{
    const tern_spec *m = &s->model->spec;
    const tern_layer *w = &s->model->layers[layer];
    const input in = prepare(s, layer, "ffn_gate", s->h, w->ffn_norm, n, m->width);
    apply(s, &w->gate, &in, n, s->gate);
    apply(s, &w->up, &in, n, s->up);
    tern_glu(m->activation, s->gate, s->up, (size_t)(n * m->ffn), s->gate);
    const input out =
        prepare(s, layer, "ffn_down", s->gate, w->ffn_sub_norm, n, m->ffn);
    apply_add(s, &w->down, &out, n);
}

/* Is the head multiplied in integers, by an input of 8 bits in blocks of 32? Sessions
 * that round as other programs do want what these do with that type: blocks of 32 are
 * for Q8_0 alone, and rounded() does the rest. */
static bool head_of_codes(const tern_session *s)
{
    const tern_matrix *head = s->model->head;
    return head->form == TERN_MATRIX_CODES &&
           (s->activations == TERN_ACTIVATIONS_PER_TOKEN ||
            (s->activations == TERN_ACTIVATIONS_Q8_0 &&
             head->codes == TERN_CODES_Q8_0));
}

/* Logits of rows [first, n) of h. */
static void compute_logits(const tern_session *s, int64_t first, int64_t n, float *out)
{
    const tern_runtime *m = s->model;
    const size_t rows = (size_t)(n - first), C = (size_t)m->spec.width;
    tern_rmsnorm_rows(s->h + (size_t)first * C, m->norm, m->spec.norm_eps, rows, C,
                      s->x, NULL);
    if (!head_of_codes(s)) {
        const float *x =
            floats_for(m->head, s->x, rounded(s, s->x, n - first, m->spec.width));
        tern_matrix_multiply(m->head, x, rows, s->unpacked, out, m->head->rows);
        return;
    }
    tern_q8_rows x = {.rows = rows, .cols = C, .blocks = s->head};
#pragma omp parallel for num_threads(tern_threads()) if (rows > 1)
    for (size_t r = 0; r < rows; r++) tern_q8_quantize_row(s->x + r * C, r, &x);
    tern_matrix_head(m->head, &x, out);
}

/* Rotation angles for the first `positions` positions; more than asked for, so that
 * decoding seldom comes back for more. A position's angle does not depend on it. */
static void want_angles(tern_session *s, int64_t positions)
{
    const tern_spec *m = &s->model->spec;
    if (positions <= s->angles) return;
    s->angles = min_int(s->context, max_int(2 * positions, FIRST_ANGLES));
    float factors[TERN_HEAD_DIM_MAX / 2];
    tern_spec_rope_factors(m, factors);
    tern_rope_table((size_t)s->angles, (size_t)m->head_dim, (double)m->rope_theta,
                    factors, s->cos, s->sin);
}

/* Append 1 to TERN_DECODE_ROWS ids; logits (V) of those from `first` on. */
static void decode(tern_session *s, const int32_t *ids, int64_t n, int64_t first,
                   float *logits)
{
    tern_decode_row rows[TERN_DECODE_ROWS];
    want_angles(s, s->length + n);
    for (int64_t i = 0; i < n; i++)
        rows[i] = (tern_decode_row){s, s->length + i, ids[i]};
    tern_decode(rows, n, first, logits);
}

/* Append n <= s->rows ids: h holds the last layer's output of all of them. */
static void forward(tern_session *s, const int32_t *ids, int64_t n)
{
    const tern_runtime *m = s->model;
    want_angles(s, s->length + n);
    for (int64_t i = 0; i < n; i++)
        tern_matrix_row(&m->embed, (size_t)ids[i], s->h + i * m->spec.width);
    for (int64_t layer = 0; layer < m->spec.layers; layer++) {
        attend(s, layer, n);
        feed_forward(s, layer, n);
    }
}

static tern_status check_ids(const tern_session *s, const int32_t *ids, int64_t count)
{
    const int64_t vocab = s->model->spec.vocab;
    if (count < 1) return tern_fail(TERN_EARG, "no ids to evaluate");
    if (count > s->context - s->length)
        return tern_fail(TERN_EARG,
                         "%" PRId64 " ids do not fit: %" PRId64 " of the context's "
                         "%" PRId64 " are in use, room for %" PRId64,
                         count, s->length, s->context, s->context - s->length);
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return tern_fail(TERN_EARG,
                             "id %" PRId32 " is outside the vocabulary of %" PRId64,
                             ids[i], vocab);
    return TERN_OK;
}

/* `all`: logits of every id, else of the last one. */
static tern_status evaluate(tern_session *s, const int32_t *ids, int64_t count,
                            bool all, float *logits)
{
    TERN_TRY(check_ids(s, ids, count));
    const int64_t most = min_int(count, s->rows);
    TERN_TRY(want_attention(s, s->length + count - most, most));
    TERN_TRY(want_attention(s, s->length + count - 1, 1));
    const int64_t V = s->model->spec.vocab;
    if (uses_codes(s) || head_of_codes(s)) tern_model_pack_if_used(s->model);
    for (int64_t done = 0, n; done < count; done += n, s->length += n) {
        n = min_int(count - done, s->rows);
        /* The rows whose logits are wanted: all, the last one, or none. */
        const bool last = logits && done + n == count;
        const int64_t first = all ? 0 : last ? n - 1 : n;
        float *out = all ? logits + done * V : logits;
        if (n <= TERN_DECODE_ROWS && tern_decode_can(s)) {
            decode(s, ids + done, n, first, out);
            continue;
        }
        forward(s, ids + done, n);
        if (first < n) compute_logits(s, first, n, out);
    }
    return TERN_OK;
}

tern_status tern_session_eval(tern_session *s, const int32_t *ids, int64_t count,
                              float *logits)
{
    return evaluate(s, ids, count, false, logits);
}

tern_status tern_session_eval_all(tern_session *s, const int32_t *ids, int64_t count,
                                  float *logits)
{
    return evaluate(s, ids, count, true, logits);
}

/* --- several sessions together --- */

static tern_status check_together(tern_session *const *s, const int32_t *ids,
                                  int64_t count)
{
    if (count < 1) return tern_fail(TERN_EARG, "no sessions to evaluate");
    for (int64_t i = 0; i < count; i++) {
        if (s[i]->model != s[0]->model)
            return tern_fail(TERN_EARG,
                             "sessions 0 and %" PRId64 " are of different models", i);
        for (int64_t j = 0; j < i; j++)
            if (s[j] == s[i])
                return tern_fail(TERN_EARG,
                                 "sessions %" PRId64 " and %" PRId64 " are the same", j,
                                 i);
        TERN_TRY(check_ids(s[i], &ids[i], 1));
    }
    return TERN_OK;
}

/* At most TERN_DECODE_ROWS of them. */
static void decode_together(tern_session *const *s, const int32_t *ids, int64_t n,
                            float *logits)
{
    tern_decode_row rows[TERN_DECODE_ROWS];
    for (int64_t i = 0; i < n; i++) {
        want_angles(s[i], s[i]->length + 1);
        rows[i] = (tern_decode_row){s[i], s[i]->length, ids[i]};
    }
    tern_decode(rows, n, logits ? 0 : n, logits);
    for (int64_t i = 0; i < n; i++) s[i]->length++;
}

tern_status tern_session_eval_many(tern_session *const *s, const int32_t *ids,
                                   int64_t count, float *logits)
{
    TERN_TRY(check_together(s, ids, count));
    const int64_t V = s[0]->model->spec.vocab;
    size_t most = 0; /* any of them may lend its scratch to the others */
    bool together = true;
    for (int64_t i = 0; i < count; i++) {
        const size_t bytes = tern_cache_scratch(s[i], s[i]->length, 1);
        if (bytes > most) most = bytes;
        together &= tern_decode_can(s[i]);
    }
    for (int64_t i = 0; i < count; i++) TERN_TRY(want_bytes(s[i], most));
    if (together) tern_model_pack_if_used(s[0]->model);
    for (int64_t done = 0, n; done < count; done += n) {
        n = together ? min_int(count - done, TERN_DECODE_ROWS) : 1;
        float *out = logits ? logits + done * V : NULL;
        if (together)
            decode_together(s + done, ids + done, n, out);
        else
            TERN_TRY(evaluate(s[done], ids + done, 1, false, out));
    }
    return TERN_OK;
}

/* --- the rest --- */

int64_t tern_session_length(const tern_session *s)
{
    return s->length;
}

int64_t tern_session_context(const tern_session *s)
{
    return s->context;
}

void tern_session_truncate(tern_session *s, int64_t n)
{
    s->length = max_int(0, min_int(n, s->length));
}

tern_status tern_session_set_activations(tern_session *s, tern_activations how)
{
    const tern_spec *m = &s->model->spec;
    const int64_t widths[] = {m->width, m->heads * m->head_dim, m->ffn};
    const int64_t block = (int64_t)tern_activations_block(how);
    for (size_t i = 0; block && i < sizeof widths / sizeof *widths; i++)
        if (widths[i] % block)
            return tern_fail(TERN_EARG,
                             "%s: activations in blocks of %" PRId64
                             " (%s) do not divide a width of %" PRId64,
                             tern_gguf_path(s->model->gguf), block,
                             tern_activations_name(how), widths[i]);
    s->activations = how;
    return TERN_OK;
}

void tern_session_set_probe(tern_session *s, tern_codes_probe probe, void *user)
{
    s->probe = probe;
    s->probe_user = user;
}
