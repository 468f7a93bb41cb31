/* tape.c - nodes in the order of their making, and the walk back over them.
 *
 * Three kinds of memory:
 *
 *     arena     vars, nodes, saved data: until reset
 *     pool      values and gradients, in blocks on the same arena: until nobody needs
 *               them, at the latest until reset
 *     scratch   an arena of its own, rewound before every op and every backward
 *
 * A gradient's block is taken when the first consumer (in reverse order) adds to it and
 * given back when the node that made the value is done. A value's block is given back
 * when the caller has released it and the last backward that reads it is over, so a
 * model that releases its intermediate values makes its gradients out of them.
 *
 * With recompute on, a released value whose op can make it again gives its block back
 * though backward will read it, and the walk makes it anew before its first reader:
 *
 *     forward    x --norm--> codes --bitlinear--> q' --rope--> q --attention--> o
 *                kept        given back .......................                kept
 *     walk, at attention: codes, q', q; q' given back again, codes when q' is done */
#include "autograd/node.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/pool.h"
#include "base/clock.h"
#include "base/rng.h"
#include "kernels/gemm.h"
#include "kernels/rows.h"

enum {
    DEFAULT_CHUNK = 64 << 20,
    SCRATCH_CHUNK = 8 << 20,
    MESSAGE_BYTES = 512,
    SHAPE_BYTES = 160
};

static const int64_t MAX_ELEMENTS = (int64_t)1 << 40;

struct tern_tape {
    tern_arena *arena, *scratch;
    tern_pool pool;
    tern_node *last;
    uint64_t ops; /* pushed since reset, recorded or not */
    uint64_t seed, step;
    bool training, inference, recompute, walking, walked;
    tern_backward backward;
    tern_tape_probe probe;
    void *probe_user;
    tern_tape_clock *clock;
    const tern_turn *before;
    tern_turn *own; /* NULL: the only tape */
    tern_status status;
    char message[MESSAGE_BYTES];
};

/* For messages of the tape itself. */
static const tern_op input_op = {.name = "input"}, backward_op = {.name = "backward"},
                     scratch_op = {.name = "scratch"};

/* --- life --- */

tern_tape *tern_tape_new(size_t chunk_bytes)
{
    tern_tape *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    if (chunk_bytes == 0) chunk_bytes = DEFAULT_CHUNK;
    t->arena = tern_arena_new(chunk_bytes);
    t->scratch =
        tern_arena_new(chunk_bytes < SCRATCH_CHUNK ? chunk_bytes : SCRATCH_CHUNK);
    t->pool.arena = t->arena;
    if (t->arena && t->scratch) return t;
    tern_tape_free(t);
    return NULL;
}

void tern_tape_free(tern_tape *t)
{
    if (!t) return;
    tern_arena_free(t->arena);
    tern_arena_free(t->scratch);
    free(t);
}

void tern_tape_reset(tern_tape *t)
{
    tern_pool_clear(&t->pool);
    tern_arena_reset(t->arena);
    tern_arena_reset(t->scratch);
    t->last = NULL;
    t->ops = 0;
    t->walking = t->walked = false;
    t->before = t->own = NULL;
    t->status = TERN_OK;
    t->message[0] = '\0';
}

void tern_tape_set_inference(tern_tape *t, bool on)
{
    t->inference = on;
}

void tern_tape_set_random(tern_tape *t, uint64_t seed, uint64_t step, bool training)
{
    t->seed = seed;
    t->step = step;
    t->training = training;
}

void tern_tape_set_backward(tern_tape *t, tern_backward kind)
{
    t->backward = kind;
}

tern_backward tern_tape_backward_kind(const tern_tape *t)
{
    return t->backward;
}

void tern_tape_set_recompute(tern_tape *t, bool on)
{
    t->recompute = on;
}

void tern_tape_set_probe(tern_tape *t, tern_tape_probe probe, void *user)
{
    t->probe = probe;
    t->probe_user = user;
}

/* --- the clock --- */

void tern_tape_set_clock(tern_tape *t, tern_tape_clock *c)
{
    t->clock = c;
}

/* The line of an op; the last one serves all that find no other. */
static tern_op_seconds *clock_line(tern_tape_clock *c, const tern_op *op)
{
    size_t i = 0;
    while (i < c->count && strcmp(c->ops[i].name, op->name) != 0) i++;
    if (i == TERN_CLOCK_OPS) return &c->ops[i - 1];
    if (i == c->count) c->ops[c->count++].name = op->name;
    return &c->ops[i];
}

/* The op that ran in forward is done; `op` begins, or (NULL) none does. */
static void clock_forward(tern_tape *t, const tern_op *op)
{
    tern_tape_clock *c = t->clock;
    if (!c) return;
    const double now = tern_seconds();
    if (c->running) c->running->forward += now - c->since;
    c->running = op ? clock_line(c, op) : NULL;
    c->since = now;
}

static void clock_backward(tern_tape *t, const tern_op *op)
{
    tern_tape_clock *c = t->clock;
    if (!c) return;
    const double now = tern_seconds();
    clock_line(c, op)->backward += now - c->since;
    c->since = now;
}

void tern_tape_show_codes(const tern_tape *t, const tern_node *n)
{
    if (t->probe) t->probe(t->probe_user, n->out->codes);
}

bool tern_tape_training(const tern_tape *t)
{
    return t->training && !t->inference;
}

void tern_tape_random(const tern_tape *t, uint64_t *seed, uint64_t *key)
{
    *seed = t->seed;
    *key = tern_rand_u64(t->step, TERN_STREAM_DROPOUT, t->ops);
}

size_t tern_tape_bytes(const tern_tape *t)
{
    return tern_arena_used(t->arena) + tern_arena_used(t->scratch);
}

size_t tern_tape_reserved(const tern_tape *t)
{
    return tern_arena_reserved(t->arena) + tern_arena_reserved(t->scratch);
}

/* --- errors --- */

tern_status tern_tape_status(const tern_tape *t)
{
    return t->status;
}

const char *tern_tape_message(const tern_tape *t)
{
    return t->message;
}

void *tern_tape_fail(tern_tape *t, const tern_op *op, tern_status s, const char *fmt,
                     ...)
{
    if (t->status != TERN_OK) return NULL; /* the first failure is the cause */
    char what[MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    t->status = tern_fail(s, "%s: %s", op->name, what);
    snprintf(t->message, sizeof t->message, "%s", tern_error_message());
    return NULL;
}

/* "(4096, 384)", or with the name of a parameter before it. */
static const char *describe(const tern_var *v, char text[SHAPE_BYTES])
{
    const char *quote = v->param ? "\"" : "", *space = v->param ? " " : "";
    snprintf(text, SHAPE_BYTES, "%s%s%s%s(%" PRId64 ", %" PRId64 ")", quote,
             v->param ? v->param->name : "", quote, space, v->rows, v->cols);
    return text;
}

void *tern_tape_fail_shape(tern_tape *t, const tern_op *op, const char *rule,
                           const tern_var *a, const tern_var *b)
{
    char one[SHAPE_BYTES], two[SHAPE_BYTES];
    if (!b) return tern_tape_fail(t, op, TERN_ESHAPE, "%s: %s", describe(a, one), rule);
    return tern_tape_fail(t, op, TERN_ESHAPE, "%s and %s: %s", describe(a, one),
                          describe(b, two), rule);
}

/* What both kinds of input have in common; then the caller looks at val or codes. */
static bool usable(tern_tape *t, const tern_op *op, const tern_var *x)
{
    if (t->status != TERN_OK) return false;
    if (!x)
        tern_tape_fail(t, op, TERN_EARG, "an input is NULL");
    else if (x->released)
        tern_tape_fail(t, op, TERN_EARG,
                       "an input (%" PRId64 ", %" PRId64 ") was released before",
                       x->rows, x->cols);
    return t->status == TERN_OK;
}

bool tern_tape_wants(tern_tape *t, const tern_op *op, const tern_var *x)
{
    char shape[SHAPE_BYTES];
    if (!usable(t, op, x)) return false;
    if (x->val) return true;
    tern_tape_fail(t, op, TERN_EARG, "%s is %s; only bitlinear reads that",
                   describe(x, shape), x->codes ? "quantised" : "in ternary form");
    return false;
}

bool tern_tape_wants_codes(tern_tape *t, const tern_op *op, const tern_var *x)
{
    char shape[SHAPE_BYTES];
    if (!usable(t, op, x)) return false;
    if (x->codes) return true;
    tern_tape_fail(t, op, TERN_EARG,
                   "input %s is not quantised; call tern_op_quantize()",
                   describe(x, shape));
    return false;
}

/* --- vars --- */

static tern_var *new_var(tern_tape *t, const tern_op *op, int64_t rows, int64_t cols)
{
    if (t->status != TERN_OK) return NULL;
    if (rows <= 0 || cols <= 0 || rows > MAX_ELEMENTS / cols)
        return tern_tape_fail(t, op, TERN_ESHAPE,
                              "(%" PRId64 ", %" PRId64 ") is not a possible shape",
                              rows, cols);
    tern_var *v = tern_arena_zalloc(t->arena, sizeof *v);
    if (!v) return tern_tape_fail(t, op, TERN_EMEM, "no memory for a var");
    v->rows = rows;
    v->cols = cols;
    return v;
}

static bool take_block(tern_tape *t, const tern_op *op, tern_var *v, size_t bytes)
{
    v->block = tern_pool_take(&t->pool, bytes);
    v->block_bytes = bytes;
    if (!v->block) {
        tern_tape_fail(t, op, TERN_EMEM,
                       "no memory for a value (%" PRId64 ", %" PRId64 ")", v->rows,
                       v->cols);
        return false;
    }
    return true;
}

/* One block: the struct, the codes, the scales, the sums. */
static bool take_codes(tern_tape *t, const tern_op *op, tern_var *v)
{
    const size_t m = (size_t)v->rows, stride = tern_qrows_stride((size_t)v->cols);
    const size_t head = (sizeof(tern_qrows) + TERN_ALIGN - 1) / TERN_ALIGN * TERN_ALIGN;
    if (!take_block(t, op, v,
                    head + m * stride + m * (sizeof(float) + sizeof(int32_t))))
        return false;
    char *block = v->block;
    tern_qrows *q = v->block;
    *q = (tern_qrows){.rows = m, .cols = (size_t)v->cols, .stride = stride};
    q->codes = (int8_t *)(block + head);
    q->scale = (float *)(block + head + m * stride);
    q->sum = (int32_t *)(block + head + m * stride + m * sizeof(float));
    v->codes = q;
    return true;
}

static bool take_floats(tern_tape *t, const tern_op *op, tern_var *v)
{
    if (!take_block(t, op, v, tern_var_count(v) * sizeof(float))) return false;
    v->val = v->block;
    return true;
}

static tern_var *borrow(tern_tape *t, int64_t rows, int64_t cols, const float *data,
                        bool needs_grad)
{
    if (t->status == TERN_OK && !data)
        return tern_tape_fail(t, &input_op, TERN_EARG, "data is NULL");
    tern_var *v = new_var(t, &input_op, rows, cols);
    if (!v) return NULL;
    v->val = (float *)data; /* ops never write to their inputs */
    v->needs_grad = needs_grad;
    return v;
}

tern_var *tern_input(tern_tape *t, int64_t rows, int64_t cols, const float *data)
{
    return borrow(t, rows, cols, data, false);
}

tern_var *tern_input_grad(tern_tape *t, int64_t rows, int64_t cols, const float *data)
{
    return borrow(t, rows, cols, data, true);
}

tern_var *tern_input_param(tern_tape *t, tern_param *p)
{
    if (t->status == TERN_OK && !p)
        return tern_tape_fail(t, &input_op, TERN_EARG, "the parameter is NULL");
    tern_var *v = p ? new_var(t, &input_op, p->rows, p->cols) : NULL;
    if (!v) return NULL;
    v->val = (float *)tern_param_forward(p);
    v->param = p;
    v->grad = p->grad;
    v->needs_grad = p->grad != NULL;
    return v;
}

tern_var *tern_tape_weight(tern_tape *t, const tern_op *op, tern_param *p)
{
    if (t->status == TERN_OK && !p)
        return tern_tape_fail(t, op, TERN_EARG, "the parameter is NULL");
    tern_var *v = tern_input_param(t, p);
    return v && tern_tape_wants(t, op, v) ? v : NULL;
}

/* --- values that come back early --- */

static void settle(tern_tape *t, tern_var *v)
{
    if (!v->released) return;
    /* What the walk has made again stays until its last reader. */
    if (v->readers > 0 && (!v->maker || t->walking)) return;
    tern_pool_give(&t->pool, v->block, v->block_bytes);
    v->block = NULL;
    v->val = NULL;
    v->codes = NULL;
}

void tern_tape_release(tern_tape *t, tern_var *v)
{
    if (!v || !v->block) return;
    v->released = true;
    settle(t, v);
}

/* --- nodes --- */

/* Count this node among the readers of the values it names, or (by = -1) no more. */
static void count_reader(tern_tape *t, tern_node *n, int by)
{
    for (unsigned i = 0; i <= TERN_NODE_INPUTS; i++) {
        tern_var *v = i < TERN_NODE_INPUTS ? n->in[i] : n->out;
        if (!v || !(n->op->reads & 1u << i)) continue;
        v->readers += by;
        settle(t, v);
    }
}

/* Whether the value of n can be made again when a backward wants it: its inputs are
 * there by then, because n's own backward reads them or nobody can give them back, or
 * they can be made again themselves. */
static bool repeatable(const tern_tape *t, const tern_node *n)
{
    if (!t->recompute || !n->op->value) return false;
    for (unsigned i = 0; i < TERN_NODE_INPUTS; i++) {
        const tern_var *v = n->in[i];
        if (v && v->block && !v->maker && !(n->op->reads & 1u << i)) return false;
    }
    return true;
}

/* Make the value of v again if it has been given back; first those it comes from. */
static void revive(tern_tape *t, tern_var *v)
{
    if (!v || v->val || v->codes || !v->maker) return;
    tern_node *n = v->maker;
    for (int i = 0; i < TERN_NODE_INPUTS; i++) revive(t, n->in[i]);
    if (t->status != TERN_OK) return;
    if (!(n->op->quantises ? take_codes : take_floats)(t, n->op, v)) return;
    n->op->value(t, n);
    for (int i = 0; i < TERN_NODE_INPUTS; i++)
        if (n->in[i]) settle(t, n->in[i]);
}

/* All values that n's backward reads. */
static void revive_read(tern_tape *t, tern_node *n)
{
    for (unsigned i = 0; i < TERN_NODE_INPUTS; i++)
        if (n->op->reads & 1u << i) revive(t, n->in[i]);
    if (n->op->reads & TERN_READS_OUT) revive(t, n->out);
}

static bool has_gemm(tern_tape *t, const tern_op *op, bool recorded)
{
    if (op->gemm == TERN_GEMM_NEVER || (op->gemm == TERN_GEMM_BACKWARD && !recorded))
        return true;
    const tern_status s = tern_blas_init();
    if (s != TERN_OK) tern_tape_fail(t, op, s, "%s", tern_error_message());
    return s == TERN_OK;
}

/* A node with everything but the memory of its output. */
static tern_node *new_node(tern_tape *t, const tern_op *op, tern_inputs in,
                           int64_t rows, int64_t cols, size_t saved)
{
    bool recorded = false;
    clock_forward(t, op);
    for (int i = 0; i < TERN_NODE_INPUTS; i++)
        recorded |= in.v[i] && in.v[i]->needs_grad && !t->inference;
    if (t->status != TERN_OK || !has_gemm(t, op, recorded)) return NULL;

    tern_arena_reset(t->scratch);
    tern_arena *memory = recorded ? t->arena : t->scratch;
    tern_var *out = new_var(t, op, rows, cols);
    tern_node *n = tern_arena_zalloc(memory, sizeof *n);
    void *save = tern_arena_alloc(memory, saved);
    if (!out || !n || !save)
        return tern_tape_fail(t, op, TERN_EMEM, "no memory for a node");
    n->op = op;
    n->out = out;
    memcpy(n->in, in.v, sizeof n->in);
    n->saved = save;
    out->needs_grad = recorded;
    t->ops++;
    return n;
}

static void record(tern_tape *t, tern_node *n)
{
    if (!n->out->needs_grad) return;
    n->prev = t->last;
    t->last = n;
    if (repeatable(t, n)) n->out->maker = n;
    count_reader(t, n, 1);
}

tern_node *tern_tape_push(tern_tape *t, const tern_op *op, tern_inputs in, int64_t rows,
                          int64_t cols, size_t saved)
{
    tern_node *n = new_node(t, op, in, rows, cols, saved);
    if (!n || !take_floats(t, op, n->out)) return NULL;
    record(t, n);
    return n;
}

tern_node *tern_tape_push_codes(tern_tape *t, const tern_op *op, tern_inputs in,
                                int64_t rows, int64_t cols, size_t saved)
{
    tern_node *n = new_node(t, op, in, rows, cols, saved);
    if (!n) return NULL;
    if (!take_codes(t, op, n->out)) return NULL;
    record(t, n);
    return n;
}

tern_qrows *tern_node_codes(const tern_node *n)
{
    return n->out->block;
}

void *tern_tape_scratch(tern_tape *t, size_t bytes)
{
    void *p = tern_arena_alloc(t->scratch, bytes);
    if (!p) tern_tape_fail(t, &scratch_op, TERN_EMEM, "no memory for %zu bytes", bytes);
    return p;
}

/* --- gradients --- */

float *tern_tape_grad_beta(tern_tape *t, tern_var *v, float *beta)
{
    *beta = 1.0f;
    if (!v || !v->needs_grad) return NULL;
    if (v->grad) return v->grad;
    *beta = 0.0f;
    v->grad = tern_pool_take(&t->pool, tern_var_count(v) * sizeof(float));
    if (!v->grad)
        tern_tape_fail(t, &backward_op, TERN_EMEM,
                       "no memory for a gradient (%" PRId64 ", %" PRId64 ")", v->rows,
                       v->cols);
    return v->grad;
}

float *tern_tape_grad(tern_tape *t, tern_var *v)
{
    float beta;
    float *g = tern_tape_grad_beta(t, v, &beta);
    if (g && beta == 0.0f) tern_zero(tern_var_count(v), g);
    return g;
}

bool tern_tape_grads(tern_tape *t, tern_var *const v[], size_t count, float *g[])
{
    bool fresh[TERN_NODE_INPUTS], add = false;
    for (size_t i = 0; i < count; i++) {
        float beta = 0.0f;
        g[i] = v[i]->needs_grad
                   ? tern_tape_grad_beta(t, v[i], &beta)
                   : tern_tape_scratch(t, tern_var_count(v[i]) * sizeof(float));
        fresh[i] = beta == 0.0f;
        add |= !fresh[i];
    }
    for (size_t i = 0; i < count; i++)
        if (add && fresh[i] && g[i]) tern_zero(tern_var_count(v[i]), g[i]);
    return add;
}

float *tern_tape_grad_over_value(tern_tape *t, tern_var *v)
{
    const bool last = v->released && v->readers == 1 && v->val && v->block;
    if (!last || !v->needs_grad || v->grad || t->status != TERN_OK) return NULL;
    v->grad = v->block; /* of the size that drop_grad() gives back */
    v->block = NULL;
    v->val = NULL;
    return v->grad;
}

void tern_tape_add_grad(tern_tape *t, tern_var *v, const tern_node *n)
{
    float beta;
    float *g = tern_tape_grad_beta(t, v, &beta);
    if (!g) return;
    if (beta == 0.0f)
        tern_copy(n->out->grad, tern_var_count(v), g);
    else
        tern_axpy(1.0f, n->out->grad, tern_var_count(v), g);
}

void tern_tape_give_grad(tern_tape *t, tern_var *v, tern_node *n)
{
    if (v->grad || !v->needs_grad) {
        tern_tape_add_grad(t, v, n);
        return;
    }
    v->grad = n->out->grad;
    n->out->grad = NULL;
}

static void drop_grad(tern_tape *t, tern_var *v)
{
    tern_pool_give(&t->pool, v->grad, tern_var_count(v) * sizeof(float));
    v->grad = NULL;
}

/* --- the walk --- */

void tern_tape_set_turn(tern_tape *t, const tern_turn *before, tern_turn *own)
{
    t->before = before;
    t->own = own;
}

static bool adds_to_param(const tern_node *n)
{
    for (unsigned i = 0; i < TERN_NODE_INPUTS; i++)
        if (n->in[i] && n->in[i]->param && n->in[i]->needs_grad) return true;
    return false;
}

/* Once they are in step the other tape is a node ahead, and nobody waits long; but on a
 * busy machine its thread may not be running. */
static void wait_for(const tern_turn *before, int64_t node)
{
    enum { SPINS = 2000 };
    for (int i = 0; atomic_load_explicit(&before->done, memory_order_acquire) <= node;
         i++)
        if (i >= SPINS) sched_yield();
}

void tern_turn_end(const tern_turn *before, tern_turn *own)
{
    if (before) wait_for(before, INT64_MAX - 1);
    atomic_store_explicit(&own->done, INT64_MAX, memory_order_release);
}

/* Once this tape may add to the gradients of parameters. */
static void node_backward(tern_tape *t, tern_node *n)
{
    const bool turns = t->own && adds_to_param(n);
    if (!turns) {
        n->op->backward(t, n);
        return;
    }
    const int64_t node = atomic_load_explicit(&t->own->done, memory_order_relaxed);
    if (t->before) wait_for(t->before, node);
    n->op->backward(t, n);
    atomic_store_explicit(&t->own->done, node + 1, memory_order_release);
}

static tern_status walk(tern_tape *t)
{
    t->walking = true;
    clock_forward(t, NULL);
    for (tern_node *n = t->last; n && t->status == TERN_OK; n = n->prev) {
        tern_arena_reset(t->scratch);
        if (n->out->grad) { /* else the value did not contribute to the loss */
            revive_read(t, n);
            if (t->status == TERN_OK) node_backward(t, n);
        }
        drop_grad(t, n->out);
        count_reader(t, n, -1);
        clock_backward(t, n->op);
    }
    t->last = NULL;
    t->walked = true;
    return t->status;
}

/* The gradient of where the walk starts; NULL and failed if it cannot. */
static float *start(tern_tape *t, tern_var *y)
{
    if (t->status != TERN_OK) /* say it again, other messages may have come between */
        (void)tern_fail(t->status, "%s", t->message);
    else if (!y)
        tern_tape_fail(t, &backward_op, TERN_EARG, "the var is NULL");
    else if (t->walked)
        tern_tape_fail(
            t, &backward_op, TERN_EARG,
            "called twice; call tern_tape_reset() and compute the loss again");
    else if (!y->needs_grad)
        tern_tape_fail(t, &backward_op, TERN_EARG,
                       "nothing here needs a gradient (no parameter, or the tape is in "
                       "inference mode)");
    return t->status == TERN_OK ? tern_tape_grad(t, y) : NULL;
}

tern_status tern_tape_backward_scaled(tern_tape *t, tern_var *loss, float scale)
{
    if (loss && (loss->rows != 1 || loss->cols != 1))
        tern_tape_fail_shape(t, &backward_op, "the loss must be (1, 1)", loss, NULL);
    float *g = start(t, loss);
    if (!g) return t->status;
    g[0] += scale;
    return walk(t);
}

tern_status tern_tape_backward(tern_tape *t, tern_var *loss)
{
    return tern_tape_backward_scaled(t, loss, 1.0f);
}

tern_status tern_tape_backward_from(tern_tape *t, tern_var *y, const float *dy)
{
    float *g = start(t, y);
    if (!g) return t->status;
    tern_axpy(1.0f, dy, tern_var_count(y), g);
    return walk(t);
}
