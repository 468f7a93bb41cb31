/* model.c - open a file: every tensor the architecture asks for, of the right shape and
 * a type that tern runs, and none besides. */
#include "runtime/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "formats/blocks.h"
#include "kernels/cpu.h"

enum { NAME = 64 };

typedef struct loader {
    tern_runtime *model;
    const tern_gguf *gguf;
    const char *path;
    tern_claim claim;
    bool *taken; /* which tensors the model has asked for */
    float *next_gain;
} loader;

/* --- tensors --- */

/* "blk.3.attn_q.weight", or without the block for layer -1. */
static void tensor_name(int64_t layer, const char *name, char out[NAME])
{
    if (layer < 0)
        (void)snprintf(out, NAME, "%s.weight", name);
    else
        (void)snprintf(out, NAME, "blk.%" PRId64 ".%s.weight", layer, name);
}

static tern_status take_tensor(loader *l, int64_t layer, const char *short_name,
                               const tern_gguf_tensor **out)
{
    char name[NAME];
    tensor_name(layer, short_name, name);
    const tern_gguf_tensor *t = tern_gguf_find_tensor(l->gguf, name);
    if (!t)
        return tern_fail(TERN_EFORMAT, "%s: tensor \"%s\" is missing", l->path, name);
    l->taken[t - tern_gguf_tensor_at(l->gguf, 0)] = true;
    *out = t;
    return TERN_OK;
}

static tern_status take_gain(loader *l, int64_t layer, const char *name, int64_t n,
                             const float **out)
{
    const tern_gguf_tensor *t;
    TERN_TRY(take_tensor(l, layer, name, &t));
    if (t->type != TERN_GGML_F32)
        return tern_fail(TERN_EFORMAT, "%s: tensor \"%s\" has type %s, a norm is F32",
                         l->path, t->name, tern_ggml_name(t->type));
    if (t->dims[0] != n || t->dims[1] != 1 || t->dims[2] != 1 || t->dims[3] != 1)
        return tern_fail(TERN_EFORMAT,
                         "%s: tensor \"%s\" has rows of %" PRId64
                         ", must be a vector of %" PRId64,
                         l->path, t->name, t->dims[0], n);
    float *gain = l->next_gain;
    l->next_gain += n;
    /* Read to where they become floats, in place. */
    tern_decode_floats(t->type, tern_gguf_read(t, 0, t->bytes, gain, t->bytes),
                       (size_t)n, gain);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(gain[i]))
            return tern_fail(TERN_ECORRUPT,
                             "%s: tensor \"%s\": element %" PRId64 " is no number",
                             l->path, t->name, i);
    *out = gain;
    return TERN_OK;
}

static tern_status take_shaped(loader *l, int64_t layer, const char *name, int64_t rows,
                               int64_t cols, const tern_gguf_tensor **out)
{
    const tern_gguf_tensor *t;
    TERN_TRY(take_tensor(l, layer, name, &t));
    if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1)
        return tern_fail(TERN_EFORMAT,
                         "%s: tensor \"%s\" has %" PRId64 " rows of %" PRId64
                         ", must have %" PRId64 " of %" PRId64,
                         l->path, t->name, t->dims[1], t->dims[0], rows, cols);
    *out = t;
    return TERN_OK;
}

/* Give back the file's pages that were touched to load w, if w needs no more of them.
 */
static void release_unless_needed(const loader *l, const tern_matrix *w)
{
    const bool panels = w->form == TERN_MATRIX_TERNARY || w->panels;
    if (w->owned || (panels && !w->blocks)) tern_gguf_release(l->gguf);
}

/* A linear layer. `rotary`: the rows of q and k, which arch llama stores in the order
 * of llama.cpp's rotation. */
static tern_status take_linear(loader *l, int64_t layer, const char *name, int64_t rows,
                               int64_t cols, bool rotary, tern_matrix *out)
{
    const tern_spec *s = &l->model->spec;
    const bool permuted = rotary && s->arch == TERN_ARCH_LLAMA;
    const size_t head_dim = permuted ? (size_t)s->head_dim : 0;
    const tern_gguf_tensor *t;
    TERN_TRY(take_shaped(l, layer, name, rows, cols, &t));
    TERN_TRY(
        tern_matrix_load_linear(l->path, t, head_dim, l->claim, l->model->panels, out));
    l->model->some_ternary |= out->form == TERN_MATRIX_TERNARY;
    l->model->some_float |= out->form != TERN_MATRIX_TERNARY;
    release_unless_needed(l, out);
    return TERN_OK;
}

static tern_status take_layer(loader *l, int64_t i)
{
    const tern_spec *s = &l->model->spec;
    const int64_t C = s->width, F = s->ffn;
    const int64_t Q = s->heads * s->head_dim, KV = s->kv_heads * s->head_dim;
    tern_layer *w = &l->model->layers[i];
    TERN_TRY(take_gain(l, i, "attn_norm", C, &w->attn_norm));
    TERN_TRY(take_linear(l, i, "attn_q", Q, C, true, &w->q));
    TERN_TRY(take_linear(l, i, "attn_k", KV, C, true, &w->k));
    TERN_TRY(take_linear(l, i, "attn_v", KV, C, false, &w->v));
    TERN_TRY(take_linear(l, i, "attn_output", C, Q, false, &w->o));
    TERN_TRY(take_gain(l, i, "ffn_norm", C, &w->ffn_norm));
    TERN_TRY(take_linear(l, i, "ffn_gate", F, C, false, &w->gate));
    TERN_TRY(take_linear(l, i, "ffn_up", F, C, false, &w->up));
    TERN_TRY(take_linear(l, i, "ffn_down", C, F, false, &w->down));
    if (s->arch == TERN_ARCH_LLAMA) return TERN_OK;
    TERN_TRY(take_gain(l, i, "attn_sub_norm", Q, &w->attn_sub_norm));
    return take_gain(l, i, "ffn_sub_norm", F, &w->ffn_sub_norm);
}

/* metadata.c has read it. */
static void take_rope_factors(loader *l)
{
    const tern_gguf_tensor *t = tern_gguf_find_tensor(l->gguf, TERN_ROPE_FACTORS);
    if (t) l->taken[t - tern_gguf_tensor_at(l->gguf, 0)] = true;
}

static tern_status take_ends(loader *l)
{
    tern_runtime *m = l->model;
    const tern_spec *s = &m->spec;
    const tern_gguf_tensor *t;
    TERN_TRY(take_shaped(l, -1, "token_embd", s->vocab, s->width, &t));
    TERN_TRY(take_gain(l, -1, "output_norm", s->width, &m->norm));
    m->head = s->tied ? &m->embed : &m->own_head;
    if (!s->tied) {
        TERN_TRY(tern_matrix_load_float(l->path, t, 0, &m->embed));
        TERN_TRY(take_shaped(l, -1, "output", s->vocab, s->width, &t));
    }
    TERN_TRY(tern_matrix_load_head(l->path, t, m->panels, m->head));
    release_unless_needed(l, m->head);
    return TERN_OK;
}

static tern_status refuse_others(const loader *l)
{
    for (size_t i = 0; i < tern_gguf_tensor_count(l->gguf); i++)
        if (!l->taken[i])
            return tern_fail(TERN_EFORMAT,
                             "%s: tensor \"%s\" is none that arch %s has; without it "
                             "the model would compute something else",
                             l->path, tern_gguf_tensor_at(l->gguf, i)->name,
                             tern_arch_name(l->model->spec.arch));
    return TERN_OK;
}

/* --- the model --- */

static size_t gain_count(const tern_spec *s)
{
    const int64_t sub =
        s->arch == TERN_ARCH_BITNET ? s->heads * s->head_dim + s->ffn : 0;
    return (size_t)(s->layers * (2 * s->width + sub) + s->width);
}

/* Bytes of the panels of all layers. */
static size_t panel_bytes(const tern_spec *s)
{
    const size_t C = (size_t)s->width, F = (size_t)s->ffn;
    const size_t Q = (size_t)(s->heads * s->head_dim);
    const size_t KV = (size_t)(s->kv_heads * s->head_dim);
    return (size_t)s->layers *
           (tern_ternary_bytes(Q, C) + 2 * tern_ternary_bytes(KV, C) +
            tern_ternary_bytes(C, Q) + 2 * tern_ternary_bytes(F, C) +
            tern_ternary_bytes(C, F));
}

/* And of the head, whose shape is that of the spec, or it will be refused. */
static size_t head_bytes(const tern_gguf *g, const tern_spec *s)
{
    const tern_gguf_tensor *t =
        tern_gguf_find_tensor(g, s->tied ? "token_embd.weight" : "output.weight");
    return t ? tern_matrix_head_bytes(t->type, (size_t)s->vocab, (size_t)s->width) : 0;
}

static tern_packing *new_packing(void)
{
    tern_packing *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL); /* cannot fail on Linux */
    atomic_init(&p->done, false);
    atomic_init(&p->used, false);
    return p;
}

static void free_packing(tern_packing *p)
{
    if (p) pthread_mutex_destroy(&p->lock);
    free(p);
}

static tern_status allocate(loader *l)
{
    tern_runtime *m = l->model;
    m->gains_bytes = gain_count(&m->spec) * sizeof *m->gains;
    /* The file holds them all: dimensions that say otherwise are a lie, found before
     * memory is asked for. */
    if (m->gains_bytes > tern_gguf_bytes(l->gguf))
        return tern_fail(TERN_EFORMAT,
                         "%s: the file is too small for %" PRId64
                         " blocks of width %" PRId64,
                         l->path, m->spec.layers, m->spec.width);
    /* All panels at once, so that they share huge pages; no more than the file can
     * fill: 1.69 bits a weight become 2, and small matrices have unused rows. */
    const size_t panels = panel_bytes(&m->spec), file = tern_gguf_bytes(l->gguf);
    m->panels = tern_arena_new((panels < 2 * file ? panels : 2 * file) +
                               head_bytes(l->gguf, &m->spec));
    m->gains = tern_calloc(m->gains_bytes, 1);
    m->layers = calloc((size_t)m->spec.layers, sizeof *m->layers);
    m->packing = new_packing();
    l->taken = calloc(tern_gguf_tensor_count(l->gguf) + 1, sizeof *l->taken);
    l->next_gain = m->gains;
    return m->panels && m->gains && m->layers && m->packing && l->taken
               ? TERN_OK
               : tern_fail(TERN_EMEM, "%s: out of memory", l->path);
}

static tern_status load(loader *l)
{
    TERN_TRY(tern_read_spec(l->gguf, &l->model->spec, &l->claim));
    TERN_TRY(allocate(l));
    take_rope_factors(l);
    TERN_TRY(take_ends(l));
    for (int64_t i = 0; i < l->model->spec.layers; i++) TERN_TRY(take_layer(l, i));
    l->model->spec.quant =
        l->model->some_ternary ? TERN_QUANT_TERNARY : TERN_QUANT_NONE;
    return refuse_others(l);
}

static tern_matrix *matrices(tern_layer *w, size_t i)
{
    tern_matrix *all[] = {&w->q, &w->k, &w->v, &w->o, &w->gate, &w->up, &w->down};
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

/* --- panels that are made when the model is in use --- */

static bool any_waits(const tern_runtime *m)
{
    const tern_matrix *w;
    for (int64_t i = 0; i < m->spec.layers; i++)
        for (size_t j = 0; (w = matrices(&m->layers[i], j)); j++)
            if (w->blocks) return true;
    return m->head->blocks != NULL;
}

/* The lock is held. Of the file, what was touched before leaves memory, and what may be
 * now; floats are read where they are. */
static void pack(const tern_runtime *m)
{
    tern_matrix *w;
    if (!m->some_float) tern_gguf_release(m->gguf);
    for (int64_t i = 0; i < m->spec.layers; i++)
        for (size_t j = 0; (w = matrices(&m->layers[i], j)); j++)
            if (w->blocks) tern_matrix_pack(w);
    if (m->head->blocks) tern_matrix_pack(m->head);
    if (!m->some_float) tern_gguf_release(m->gguf);
    atomic_store_explicit(&m->packing->done, true, memory_order_release);
}

static bool is_packed(const tern_runtime *m)
{
    return atomic_load_explicit(&m->packing->done, memory_order_acquire);
}

void tern_model_pack_if_used(const tern_runtime *m)
{
    tern_packing *p = m->packing;
    if (is_packed(m) || !atomic_exchange(&p->used, true)) return;
    /* Somebody else does it: no need to wait for that. */
    if (pthread_mutex_trylock(&p->lock) != 0) return;
    if (!is_packed(m)) pack(m);
    pthread_mutex_unlock(&p->lock);
}

void tern_runtime_pack(const tern_runtime *m)
{
    pthread_mutex_lock(&m->packing->lock);
    if (!is_packed(m)) pack(m);
    pthread_mutex_unlock(&m->packing->lock);
}

static size_t count_token_bytes(tern_runtime *m)
{
    size_t sum = tern_matrix_bytes(m->head);
    for (int64_t i = 0; i < m->spec.layers; i++)
        for (size_t j = 0; matrices(&m->layers[i], j); j++)
            sum += tern_matrix_bytes(matrices(&m->layers[i], j));
    return sum;
}

tern_status tern_runtime_open(const char *path, tern_runtime **out)
{
    TERN_TRY(tern_kernels_want());
    tern_runtime *m = calloc(1, sizeof *m);
    if (!m) return tern_fail(TERN_EMEM, "%s: out of memory", path);
    tern_status s = tern_gguf_open(path, &m->gguf);
    if (s == TERN_OK) {
        loader l = {.model = m, .gguf = m->gguf, .path = path};
        s = load(&l);
        free(l.taken);
    }
    if (s != TERN_OK) {
        tern_runtime_free(m);
        return s;
    }
    m->token_bytes = count_token_bytes(m);
    atomic_init(&m->packing->done, !any_waits(m));
    *out = m;
    return TERN_OK;
}

void tern_runtime_free(tern_runtime *m)
{
    if (!m) return;
    for (int64_t i = 0; m->layers && i < m->spec.layers; i++)
        for (size_t j = 0; matrices(&m->layers[i], j); j++)
            tern_matrix_free(matrices(&m->layers[i], j));
    tern_matrix_free(&m->embed);
    tern_matrix_free(&m->own_head);
    tern_arena_free(m->panels);
    free_packing(m->packing);
    tern_free(m->gains);
    free(m->layers);
    tern_tokenizer_free(m->tokenizer);
    tern_gguf_close(m->gguf);
    free(m);
}

int64_t tern_runtime_vocab(const tern_runtime *m)
{
    return m->spec.vocab;
}

int64_t tern_runtime_context(const tern_runtime *m)
{
    return m->spec.context;
}

const tern_spec *tern_runtime_spec(const tern_runtime *m)
{
    return &m->spec;
}

const tern_gguf *tern_runtime_gguf(const tern_runtime *m)
{
    return m->gguf;
}

size_t tern_runtime_token_bytes(const tern_runtime *m)
{
    return m->token_bytes;
}

size_t tern_runtime_bytes(const tern_runtime *m)
{
    size_t sum = sizeof *m + tern_gguf_bytes(m->gguf) + m->gains_bytes +
                 (size_t)m->spec.layers * sizeof *m->layers + m->embed.owned_bytes +
                 m->own_head.owned_bytes + tern_arena_used(m->panels);
    for (int64_t i = 0; i < m->spec.layers; i++)
        for (size_t j = 0; matrices(&m->layers[i], j); j++)
            sum += matrices(&m->layers[i], j)->owned_bytes;
    return sum;
}
