/* A whole training step of a small transformer, made of every op that a language model
 * uses: it learns, it allocates nothing after the first steps, and releasing values
 * changes the memory it takes and nothing else. */
#include <stdatomic.h>

#include "kernels/rows.h"
#include "tests/autograd/gradcheck.h"

enum {
    BATCH = 3,
    TIME = 16,
    ROWS = BATCH * TIME,
    HEADS = 4,
    KV_HEADS = 2,
    HEAD_DIM = 8,
    WIDTH = HEADS * HEAD_DIM,
    NARROW = KV_HEADS * HEAD_DIM,
    FFN = 96,
    VOCAB = 23,
    LAYERS = 2
};

static const float EPS = 1e-5f;

/* --- counting calls of the heap; a sanitizer has its own malloc, there we trust
 * tern_tape_reserved() --- */
static atomic_size_t heap_calls;

#if defined(__GLIBC__) && !defined(HAS_ASAN)
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

void *malloc(size_t n)
{
    atomic_fetch_add(&heap_calls, 1);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&heap_calls, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    atomic_fetch_add(&heap_calls, 1);
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    atomic_fetch_add(&heap_calls, 1);
    return __libc_memalign(align, n);
}
enum { HEAP_IS_COUNTED = 1 };
#else
enum { HEAP_IS_COUNTED = 0 };
#endif

/* --- the model --- */

typedef struct block {
    tern_param *attn_norm, *wq, *wk, *wv, *sub_norm, *wo, *ffn_norm, *gate, *up,
        *ffn_sub, *down;
} block;

typedef struct model {
    tern_param *all[64];
    int count;
    tern_param *embed, *norm;
    block layer[LAYERS];
    float cos[TIME * HEAD_DIM / 2], sin[TIME * HEAD_DIM / 2];
    int32_t ids[ROWS], targets[ROWS];
} model;

static tern_param *add(model *m, int64_t rows, int64_t cols, tern_form form)
{
    tern_param *p = tern_param_new("p", rows, cols, form);
    cr_assert(ne(ptr, p, NULL));
    const uint64_t seed = 100 + (uint64_t)m->count;
    for (int64_t i = 0; i < rows * cols; i++)
        p->val[i] = rows == 1 ? 1.0f : 0.3f * tern_test_rand(seed, (size_t)i);
    m->all[m->count++] = p;
    return p;
}

static void refresh(model *m)
{
    for (int i = 0; i < m->count; i++)
        cr_assert(eq(int, tern_param_refresh(m->all[i]), TERN_OK));
}

static void model_init(model *m)
{
    memset(m, 0, sizeof *m);
    cr_assert(eq(int, tern_kernels_init(), TERN_OK));
    m->embed = add(m, VOCAB, WIDTH, TERN_FORM_HALF);
    for (int i = 0; i < LAYERS; i++) {
        block *b = &m->layer[i];
        b->attn_norm = add(m, 1, WIDTH, TERN_FORM_FLOAT);
        b->wq = add(m, WIDTH, WIDTH, TERN_FORM_TERNARY);
        b->wk = add(m, NARROW, WIDTH, TERN_FORM_TERNARY);
        b->wv = add(m, NARROW, WIDTH, TERN_FORM_TERNARY);
        b->sub_norm = add(m, 1, WIDTH, TERN_FORM_FLOAT);
        b->wo = add(m, WIDTH, WIDTH, TERN_FORM_TERNARY);
        b->ffn_norm = add(m, 1, WIDTH, TERN_FORM_FLOAT);
        b->gate = add(m, FFN, WIDTH, TERN_FORM_TERNARY);
        b->up = add(m, FFN, WIDTH, TERN_FORM_TERNARY);
        b->ffn_sub = add(m, 1, FFN, TERN_FORM_FLOAT);
        b->down = add(m, WIDTH, FFN, TERN_FORM_TERNARY);
    }
    m->norm = add(m, 1, WIDTH, TERN_FORM_FLOAT);
    tern_rope_table(TIME, HEAD_DIM, 10000.0, NULL, m->cos, m->sin);
    for (int i = 0; i < ROWS; i++) {
        m->ids[i] = (i * i + 3 * i) % VOCAB;
        m->targets[i] = (i * i + 5 * i + 4) % VOCAB;
    }
    refresh(m);
}

static void model_free(model *m)
{
    for (int i = 0; i < m->count; i++) tern_param_free(m->all[i]);
}

/* --- its forward, with or without releasing what is not needed any more --- */

static bool releasing;

static void done(tern_tape *t, tern_var *v)
{
    if (releasing) tern_tape_release(t, v);
}

static tern_var *turned(tern_tape *t, const model *m, tern_var *xq, tern_param *w)
{
    tern_var *x = tern_op_bitlinear(t, xq, w, NULL);
    tern_var *y = tern_op_rope(t, x, TIME, HEAD_DIM, m->cos, m->sin);
    done(t, x);
    return y;
}

static tern_var *attend(tern_tape *t, const model *m, const block *b, tern_var *h)
{
    tern_var *xq = tern_op_rmsnorm_quantize(t, h, b->attn_norm, EPS);
    tern_var *q = turned(t, m, xq, b->wq), *k = turned(t, m, xq, b->wk);
    tern_var *v = tern_op_bitlinear(t, xq, b->wv, NULL);
    tern_var *o = tern_op_attention(t, q, k, v, TIME, HEADS, KV_HEADS);
    done(t, xq), done(t, q), done(t, k), done(t, v);
    tern_var *oq = tern_op_rmsnorm_quantize(t, o, b->sub_norm, EPS);
    tern_var *y = tern_op_dropout(t, tern_op_bitlinear(t, oq, b->wo, NULL), 0.01f);
    tern_var *sum = tern_op_add(t, h, y);
    done(t, o), done(t, oq), done(t, y), done(t, h);
    return sum;
}

static tern_var *feed(tern_tape *t, const block *b, tern_var *h)
{
    tern_var *xq = tern_op_rmsnorm_quantize(t, h, b->ffn_norm, EPS);
    tern_var *gate = tern_op_bitlinear(t, xq, b->gate, NULL);
    tern_var *up = tern_op_bitlinear(t, xq, b->up, NULL);
    tern_var *aq =
        tern_op_glu_rmsnorm_quantize(t, TERN_SILU, gate, up, b->ffn_sub, EPS);
    tern_var *y = tern_op_bitlinear(t, aq, b->down, h);
    done(t, xq), done(t, gate), done(t, up), done(t, aq), done(t, h);
    return y;
}

static float step(tern_tape *t, model *m, uint64_t number)
{
    tern_tape_reset(t);
    tern_tape_set_random(t, 1, number, true);
    tern_var *h = tern_op_embedding(t, m->embed, m->ids, ROWS);
    for (int i = 0; i < LAYERS; i++)
        h = feed(t, &m->layer[i], attend(t, m, &m->layer[i], h));
    tern_var *n = tern_op_rmsnorm(t, h, m->norm, EPS);
    tern_var *logits = tern_op_head(t, n, m->embed);
    tern_var *loss = tern_op_cross_entropy(t, logits, m->targets);
    done(t, h), done(t, n), done(t, logits);
    cr_assert(eq(int, tern_tape_backward(t, loss), TERN_OK), "%s",
              tern_tape_message(t));
    return loss->val[0];
}

static void descend(model *m)
{
    for (int i = 0; i < m->count; i++) {
        tern_param *p = m->all[i];
        tern_axpy(-0.3f, p->grad, (size_t)(p->rows * p->cols), p->val);
        tern_param_zero_grad(p);
    }
    refresh(m);
}

static void expect_to_learn(tern_backward backward)
{
    static model m;
    model_init(&m);
    releasing = true;
    tern_tape *t = tern_tape_new(0);
    tern_tape_set_backward(t, backward);
    const float first = step(t, &m, 0);
    float last = first;
    for (uint64_t i = 1; i < 60; i++) {
        descend(&m);
        last = step(t, &m, i);
    }
    cr_expect(gt(flt, first, 2.5f));
    cr_expect(lt(flt, last, 0.8f), "from %g to %g", (double)first, (double)last);
    tern_tape_free(t);
    model_free(&m);
}

Test(step, learns_one_batch)
{
    expect_to_learn(TERN_BACKWARD_FLOAT32);
    expect_to_learn(TERN_BACKWARD_INT16);
    expect_to_learn(TERN_BACKWARD_INT8);
}

/* Loss and all gradients, bit by bit. */
static void expect_same(const model *a, float loss_a, const model *b, float loss_b)
{
    cr_expect(loss_a == loss_b);
    for (int i = 0; i < a->count; i++) {
        const size_t bytes =
            (size_t)(a->all[i]->rows * a->all[i]->cols) * sizeof(float);
        cr_expect(memcmp(a->all[i]->grad, b->all[i]->grad, bytes) == 0, "parameter %d",
                  i);
    }
}

Test(step, releasing_changes_memory_and_nothing_else)
{
    static model a, b;
    model_init(&a);
    model_init(&b);
    tern_tape *t1 = tern_tape_new(1 << 12), *t2 = tern_tape_new(1 << 12);
    releasing = false;
    const float loss1 = step(t1, &a, 0);
    releasing = true;
    const float loss2 = step(t2, &b, 0);
    expect_same(&a, loss1, &b, loss2);
    cr_expect(lt(sz, 10 * tern_tape_bytes(t2), 9 * tern_tape_bytes(t1)));
    tern_tape_free(t1);
    tern_tape_free(t2);
    model_free(&a);
    model_free(&b);
}

/* The MLP's gate and up, q, k and v are made again from codes. */
Test(step, recomputing_changes_memory_and_nothing_else)
{
    static model m[2];
    float loss[2];
    size_t bytes[2];
    releasing = true;
    for (int backward = 0; backward <= TERN_BACKWARD_INT8; backward++) {
        for (int i = 0; i < 2; i++) {
            tern_tape *t = tern_tape_new(1 << 12);
            model_init(&m[i]);
            tern_tape_set_backward(t, (tern_backward)backward);
            tern_tape_set_recompute(t, i == 1);
            loss[i] = step(t, &m[i], 0);
            bytes[i] = tern_tape_bytes(t);
            tern_tape_free(t);
        }
        expect_same(&m[0], loss[0], &m[1], loss[1]);
        cr_expect(lt(sz, 10 * bytes[1], 9 * bytes[0]), "%zu, was %zu", bytes[1],
                  bytes[0]);
        model_free(&m[0]);
        model_free(&m[1]);
    }
}

static void expect_the_same_bits(tern_backward backward)
{
    static model a, b;
    model_init(&a);
    model_init(&b);
    tern_tape *t = tern_tape_new(0);
    tern_tape_set_backward(t, backward);
    releasing = true;
    const float want = step(t, &a, 0);
    for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
        if (tern_kernels_force((tern_level)level) != TERN_OK) continue;
        for (int threads = 1; threads <= 3; threads++) {
            for (int i = 0; i < b.count; i++) tern_param_zero_grad(b.all[i]);
            tern_threads_set(threads);
            expect_same(&a, want, &b, step(t, &b, 0));
        }
    }
    tern_tape_free(t);
    model_free(&a);
    model_free(&b);
}

Test(step, has_the_same_bits_for_any_threads_and_level)
{
    expect_the_same_bits(TERN_BACKWARD_FLOAT32);
    expect_the_same_bits(TERN_BACKWARD_INT16);
    expect_the_same_bits(TERN_BACKWARD_INT8);
}

Test(step, allocates_nothing_after_the_first_steps)
{
    static model m;
    model_init(&m);
    tern_tape *t = tern_tape_new(1 << 14);
    for (int r = 0; r < 6; r++) {
        releasing = r % 2;
        tern_tape_set_recompute(t, r % 2);
        tern_tape_set_backward(t, (tern_backward)(r / 2));
        for (uint64_t i = 0; i < 3; i++) {
            step(t, &m, i);
            descend(&m);
        }
        const size_t reserved = tern_tape_reserved(t);
        const size_t before = atomic_load(&heap_calls);
        for (uint64_t i = 3; i < 8; i++) {
            tern_tape_reset(t);
            step(t, &m, i);
        }
        cr_expect(eq(sz, atomic_load(&heap_calls), before));
        cr_expect(eq(sz, tern_tape_reserved(t), reserved));
    }
    cr_expect(HEAP_IS_COUNTED == 0 || atomic_load(&heap_calls) > 0);
    tern_tape_free(t);
    model_free(&m);
}
