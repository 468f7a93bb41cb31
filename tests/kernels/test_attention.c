/* Attention against its definition in double precision.
 *
 * The oracle is the formula of attention.h, row by row; its gradient is checked twice:
 * by finite differences of the oracle on small shapes, and, on shapes that cross tiles,
 * by the textbook gradient in double (itself checked by the finite differences). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/half.h"
#include "kernels/attention.h"
#include "kernels/rows.h"
#include "tests/kernels/float_levels.h"

static const double TOL = 5e-6; /* of the largest element */

typedef struct sizes {
    size_t q, kv, lse;
} sizes;

static sizes sizes_of(const tern_attention_shape *s)
{
    return (sizes){s->batch * s->queries * s->heads * s->head_dim,
                   s->batch * (s->past + s->queries) * s->kv_heads * s->head_dim,
                   s->batch * s->heads * s->queries};
}

/* p of query row i of head h, and the log-sum-exp of its scores. */
static double oracle_row(const tern_attention_shape *s, const double *q,
                         const double *k, size_t b, size_t h, size_t i, double *p)
{
    const size_t D = s->head_dim, g = h / (s->heads / s->kv_heads), n = s->past + i + 1;
    double m = -HUGE_VAL, l = 0.0;
    for (size_t j = 0; j < n; j++) {
        const double *qi = q + ((b * s->queries + i) * s->heads + h) * D;
        const double *kj = k + ((b * (s->past + s->queries) + j) * s->kv_heads + g) * D;
        p[j] = 0.0;
        for (size_t d = 0; d < D; d++) p[j] += qi[d] * kj[d] / sqrt((double)D);
        m = fmax(m, p[j]);
    }
    for (size_t j = 0; j < n; j++) l += exp(p[j] - m);
    for (size_t j = 0; j < n; j++) p[j] = exp(p[j] - m) / l;
    return m + log(l);
}

static void oracle(const tern_attention_shape *s, const double *q, const double *k,
                   const double *v, double *o, double *lse)
{
    const size_t D = s->head_dim, K = s->past + s->queries;
    double *p = calloc(K, sizeof *p);
    for (size_t b = 0; b < s->batch; b++)
        for (size_t h = 0; h < s->heads; h++)
            for (size_t i = 0; i < s->queries; i++) {
                const size_t g = h / (s->heads / s->kv_heads);
                double *oi = o + ((b * s->queries + i) * s->heads + h) * D;
                const double l = oracle_row(s, q, k, b, h, i, p);
                if (lse) lse[(b * s->heads + h) * s->queries + i] = l;
                for (size_t d = 0; d < D; d++) {
                    oi[d] = 0.0;
                    for (size_t j = 0; j <= s->past + i; j++)
                        oi[d] += p[j] * v[((b * K + j) * s->kv_heads + g) * D + d];
                }
            }
    free(p);
}

/* dp_j = do . v_j, ds_j = p_j (dp_j - sum_k p_k dp_k), and the products with q and k.
 */
static void oracle_gradient(const tern_attention_shape *s, const double *q,
                            const double *k, const double *v, const double *dout,
                            double *dq, double *dk, double *dv)
{
    const size_t D = s->head_dim, T = s->queries;
    const double root = sqrt((double)D);
    double *p = calloc(T, sizeof *p), *dp = calloc(T, sizeof *dp);
    for (size_t b = 0; b < s->batch; b++)
        for (size_t h = 0; h < s->heads; h++)
            for (size_t i = 0; i < T; i++) {
                const size_t g = h / (s->heads / s->kv_heads);
                const size_t qi = ((b * T + i) * s->heads + h) * D;
                double mean = 0.0;
                oracle_row(s, q, k, b, h, i, p);
                for (size_t j = 0; j <= i; j++) {
                    const size_t kj = ((b * T + j) * s->kv_heads + g) * D;
                    dp[j] = 0.0;
                    for (size_t d = 0; d < D; d++) dp[j] += dout[qi + d] * v[kj + d];
                    mean += p[j] * dp[j];
                }
                for (size_t j = 0; j <= i; j++) {
                    const size_t kj = ((b * T + j) * s->kv_heads + g) * D;
                    const double ds = p[j] * (dp[j] - mean) / root;
                    for (size_t d = 0; d < D; d++) {
                        dq[qi + d] += ds * k[kj + d];
                        dk[kj + d] += ds * q[qi + d];
                        dv[kj + d] += p[j] * dout[qi + d];
                    }
                }
            }
    free(p), free(dp);
}

static double *widen(const float *x, size_t n)
{
    double *y = calloc(n + 1, sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = (double)x[i];
    return y;
}

/* One problem with everything that forward and backward read and write. */
typedef struct problem {
    tern_attention_shape s;
    sizes n;
    float *q, *k, *v, *o, *lse, *dout, *dq, *dk, *dv;
} problem;

static problem problem_new(tern_attention_shape s)
{
    const sizes n = sizes_of(&s);
    problem p = {s,
                 n,
                 random_floats(1, n.q),
                 random_floats(2, n.kv),
                 random_floats(3, n.kv),
                 random_floats(4, n.q),
                 random_floats(5, n.lse),
                 random_floats(6, n.q),
                 random_floats(7, n.q),
                 random_floats(8, n.kv),
                 random_floats(9, n.kv)};
    for (size_t i = 0; i < n.q; i++) p.q[i] *= 3.0f; /* so that p is not flat */
    fill_floats(p.dq, n.q, 1.0f);                    /* backward must add */
    fill_floats(p.dk, n.kv, 1.0f);
    fill_floats(p.dv, n.kv, 1.0f);
    return p;
}

static void problem_free(problem *p)
{
    float *all[] = {p->q, p->k, p->v, p->o, p->lse, p->dout, p->dq, p->dk, p->dv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tern_free(all[i]);
}

static void forward(const tern_attention_shape *s, const float *q, const float *k,
                    const float *v, float *o, float *lse)
{
    const size_t bytes = tern_attention_scratch(s);
    float *scratch = scratch_new(bytes);
    tern_attention(s, q, k, v, o, lse, scratch + SENTINELS);
    scratch_free(scratch, bytes);
}

static void backward(problem *p, bool add)
{
    const size_t bytes = tern_attention_backward_scratch(&p->s);
    float *scratch = scratch_new(bytes);
    tern_attention_backward(&p->s, p->q, p->k, p->v, p->o, p->lse, p->dout, add, p->dq,
                            p->dk, p->dv, scratch + SENTINELS);
    scratch_free(scratch, bytes);
}

/* max |got - 1 - want| / max |want|: the gradients started at 1. */
static double gradient_error(const float *got, const double *want, size_t n)
{
    double worst = 0.0, largest = 1e-300;
    for (size_t i = 0; i < n; i++) {
        const double err = fabs((double)got[i] - 1.0 - want[i]);
        if (!(err <= worst)) worst = err;
        largest = fmax(largest, fabs(want[i]));
    }
    return worst / fmax(largest, 1.0);
}

static const tern_attention_shape shapes[] = {
    {1, 1, 0, 1, 1, 2, 0, 0},    {2, 3, 0, 2, 1, 4, 0, 0},
    {1, 17, 0, 3, 3, 6, 0, 0},   {1, 63, 0, 2, 2, 16, 0, 0},
    {1, 64, 0, 1, 1, 64, 0, 0},  {2, 65, 0, 4, 2, 32, 0, 0},
    {1, 130, 0, 2, 1, 48, 0, 0}, {1, 200, 0, 3, 1, 80, 0, 0},
    {1, 20, 0, 1, 1, 256, 0, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

Test(attention, forward_matches_the_formula)
{
    static const tern_attention_shape cached[] = {
        {1, 1, 5, 4, 2, 8, 0, 0},    {2, 1, 100, 6, 6, 64, 0, 0},
        {1, 1, 333, 8, 1, 34, 0, 0}, {1, 7, 61, 4, 4, 16, 0, 0},
        {2, 70, 3, 2, 1, 20, 0, 0},  {1, 1, 64, 1, 1, 2, 0, 0},
    };
    for (size_t i = 0; i < SHAPES + sizeof cached / sizeof *cached; i++) {
        problem p = problem_new(i < SHAPES ? shapes[i] : cached[i - SHAPES]);
        double *q = widen(p.q, p.n.q), *k = widen(p.k, p.n.kv), *v = widen(p.v, p.n.kv);
        double *o = widen(p.o, p.n.q), *lse = widen(p.lse, p.n.lse);
        oracle(&p.s, q, k, v, o, lse);
        for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
            if (!use_level(level)) continue;
            forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
            cr_expect(lt(dbl, tern_test_tensor_err(p.o, o, p.n.q), TOL), "%zu o", i);
            cr_expect(lt(dbl, tern_test_tensor_err(p.lse, lse, p.n.lse), TOL),
                      "%zu lse", i);
        }
        free(q), free(k), free(v), free(o), free(lse);
        problem_free(&p);
    }
}

Test(attention, backward_matches_the_formula)
{
    use_best_level();
    for (size_t i = 0; i < SHAPES; i++) {
        problem p = problem_new(shapes[i]);
        double *q = widen(p.q, p.n.q), *k = widen(p.k, p.n.kv), *v = widen(p.v, p.n.kv);
        double *dout = widen(p.dout, p.n.q), *dq = calloc(p.n.q, sizeof *dq);
        double *dk = calloc(p.n.kv, sizeof *dk), *dv = calloc(p.n.kv, sizeof *dv);
        oracle_gradient(&p.s, q, k, v, dout, dq, dk, dv);
        forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
        backward(&p, true);
        cr_expect(lt(dbl, gradient_error(p.dq, dq, p.n.q), TOL), "%zu dq", i);
        cr_expect(lt(dbl, gradient_error(p.dk, dk, p.n.kv), TOL), "%zu dk", i);
        cr_expect(lt(dbl, gradient_error(p.dv, dv, p.n.kv), TOL), "%zu dv", i);
        free(q), free(k), free(v), free(dout), free(dq), free(dk), free(dv);
        problem_free(&p);
    }
}

/* Not added, gradients are what they are when added to zeros, whatever stood there. */
Test(attention, backward_writes_or_adds)
{
    use_best_level();
    for (size_t i = 0; i < SHAPES; i++) {
        problem a = problem_new(shapes[i]), b = problem_new(shapes[i]);
        forward(&a.s, a.q, a.k, a.v, a.o, a.lse);
        forward(&b.s, b.q, b.k, b.v, b.o, b.lse);
        float *zero[] = {a.dq, a.dk, a.dv}, *written[] = {b.dq, b.dk, b.dv};
        const size_t n[] = {a.n.q, a.n.kv, a.n.kv};
        for (size_t j = 0; j < 3; j++) fill_floats(zero[j], n[j], 0.0f);
        for (size_t j = 0; j < 3; j++) fill_floats(written[j], n[j], NAN);
        backward(&a, true);
        backward(&b, false);
        for (size_t j = 0; j < 3; j++) {
            for (size_t e = 0; e < n[j]; e++)
                cr_assert(eq(flt, zero[j][e], written[j][e]), "%zu: %zu, %zu", i, j, e);
        }
        problem_free(&a);
        problem_free(&b);
    }
}

/* d (sum dout . o) / d x[at], by central differences of the oracle. */
static double slope_of_oracle(const problem *p, double *q, double *k, double *v,
                              double *x, size_t at)
{
    const double h = 1e-5, keep = x[at];
    double *o = calloc(p->n.q, sizeof *o), loss[2];
    for (int side = 0; side < 2; side++) {
        x[at] = side ? keep + h : keep - h;
        oracle(&p->s, q, k, v, o, NULL);
        loss[side] = 0.0;
        for (size_t i = 0; i < p->n.q; i++) loss[side] += (double)p->dout[i] * o[i];
    }
    x[at] = keep;
    free(o);
    return (loss[1] - loss[0]) / (2.0 * h);
}

Test(attention, backward_matches_finite_differences)
{
    use_best_level();
    problem p = problem_new((tern_attention_shape){2, 5, 0, 4, 2, 6, 0, 0});
    double *q = widen(p.q, p.n.q), *k = widen(p.k, p.n.kv), *v = widen(p.v, p.n.kv);
    forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
    backward(&p, true);
    for (size_t i = 0; i < p.n.q; i++) {
        const double want = slope_of_oracle(&p, q, k, v, q, i);
        cr_expect(lt(dbl, tern_test_relerr((double)p.dq[i] - 1.0, want), TOL));
    }
    for (size_t i = 0; i < p.n.kv; i++) {
        const double wk = slope_of_oracle(&p, q, k, v, k, i);
        const double wv = slope_of_oracle(&p, q, k, v, v, i);
        cr_expect(lt(dbl, tern_test_relerr((double)p.dk[i] - 1.0, wk), TOL));
        cr_expect(lt(dbl, tern_test_relerr((double)p.dv[i] - 1.0, wv), TOL));
    }
    free(q), free(k), free(v);
    problem_free(&p);
}

Test(attention, levels_and_threads_have_the_same_bits)
{
    for (size_t i = 0; i < SHAPES; i++) {
        problem want = problem_new(shapes[i]);
        use_level(TERN_LEVEL_SCALAR);
        tern_threads_set(1);
        forward(&want.s, want.q, want.k, want.v, want.o, want.lse);
        backward(&want, true);
        for (int level = 0; level < TERN_LEVEL_COUNT; level++)
            for (int threads = 1; threads <= 3; threads++) {
                if (!use_level(level)) continue;
                tern_threads_set(threads);
                problem got = problem_new(shapes[i]);
                const sizes n = got.n;
                forward(&got.s, got.q, got.k, got.v, got.o, got.lse);
                backward(&got, true);
                cr_expect(eq(sz, first_difference(want.o, got.o, n.q), n.q));
                cr_expect(eq(sz, first_difference(want.lse, got.lse, n.lse), n.lse));
                cr_expect(eq(sz, first_difference(want.dq, got.dq, n.q), n.q));
                cr_expect(eq(sz, first_difference(want.dk, got.dk, n.kv), n.kv));
                cr_expect(eq(sz, first_difference(want.dv, got.dv, n.kv), n.kv));
                problem_free(&got);
            }
        problem_free(&want);
    }
}

/* The cache is the first past + n keys of the sequence: run the rest as one piece. */
static void run_piece(const problem *p, size_t past, size_t n, float *o, float *lse)
{
    const size_t width = p->s.heads * p->s.head_dim;
    const tern_attention_shape s = {
        1, n, past, p->s.heads, p->s.kv_heads, p->s.head_dim, 0, 0};
    float *part = tern_calloc(p->s.heads * n, sizeof *part);
    forward(&s, p->q + past * width, p->k, p->v, o + past * width, part);
    for (size_t h = 0; h < p->s.heads; h++)
        for (size_t i = 0; i < n; i++)
            lse[h * p->s.queries + past + i] = part[h * n + i];
    tern_free(part);
}

static void compare_pieces(tern_attention_shape s, size_t first, size_t step)
{
    problem p = problem_new(s);
    float *o = tern_calloc(p.n.q, sizeof *o), *lse = tern_calloc(p.n.lse, sizeof *lse);
    forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
    run_piece(&p, 0, first, o, lse);
    for (size_t i = first; i < s.queries; i += step)
        run_piece(&p, i, s.queries - i < step ? s.queries - i : step, o, lse);
    cr_expect(eq(sz, first_difference(p.o, o, p.n.q), p.n.q), "pieces of %zu", step);
    cr_expect(eq(sz, first_difference(p.lse, lse, p.n.lse), p.n.lse));
    tern_free(o), tern_free(lse);
    problem_free(&p);
}

Test(attention, decode_equals_the_whole_sequence)
{
    for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        compare_pieces((tern_attention_shape){1, 150, 0, 4, 2, 32, 0, 0}, 1, 1);
        compare_pieces((tern_attention_shape){1, 80, 0, 6, 6, 64, 0, 0}, 40, 1);
        compare_pieces((tern_attention_shape){1, 70, 0, 8, 1, 10, 0, 0}, 3, 1);
        compare_pieces((tern_attention_shape){1, 150, 0, 4, 2, 32, 0, 0}, 5, 29);
        compare_pieces((tern_attention_shape){1, 150, 0, 4, 2, 32, 0, 0}, 64, 2);
    }
}

Test(attention, a_sequence_does_not_know_its_batch)
{
    use_best_level();
    problem p = problem_new((tern_attention_shape){3, 70, 0, 4, 2, 24, 0, 0});
    forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
    tern_attention_shape one = p.s;
    one.batch = 1;
    const sizes n = sizes_of(&one);
    float *o = tern_calloc(n.q, sizeof *o);
    for (size_t b = 0; b < 3; b++) {
        forward(&one, p.q + b * n.q, p.k + b * n.kv, p.v + b * n.kv, o, NULL);
        cr_expect(eq(sz, first_difference(o, p.o + b * n.q, n.q), n.q));
    }
    tern_free(o);
    problem_free(&p);
}

/* Causal to the last bit: not even a NaN comes back from the future. */
Test(attention, no_row_reads_a_later_key)
{
    for (int level = 0; level < TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        for (size_t at = 1; at < 70; at += 4) {
            problem p = problem_new((tern_attention_shape){1, 70, 0, 2, 2, 16, 0, 0});
            float *o = tern_calloc(p.n.q, sizeof *o);
            const size_t before = at * 32;
            forward(&p.s, p.q, p.k, p.v, o, p.lse);
            for (size_t i = before; i < p.n.kv; i++) {
                p.k[i] = i % 2 ? NAN : INFINITY;
                p.v[i] = i % 3 ? NAN : -INFINITY;
            }
            forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
            cr_expect(eq(sz, first_difference(o, p.o, before), before), "key %zu", at);
            cr_expect(isnan(p.o[before]));
            tern_free(o);
            problem_free(&p);
        }
    }
}

/* Scores of +-2000: exp must not overflow, and the softmax is a choice. */
Test(attention, large_scores_pick_one_key)
{
    use_best_level();
    problem p = problem_new((tern_attention_shape){1, 40, 0, 1, 1, 4, 0, 0});
    for (size_t i = 0; i < p.n.q; i++) p.q[i] = 1000.0f;
    for (size_t i = 0; i < p.n.kv; i++) p.k[i] = i / 4 == 7 ? 1.0f : -1.0f;
    forward(&p.s, p.q, p.k, p.v, p.o, p.lse);
    for (size_t i = 7; i < 40; i++)
        cr_expect(eq(sz, first_difference(p.o + 4 * i, p.v + 4 * 7, 4), 4), "%zu", i);
    cr_expect(eq(flt, p.lse[39], 2000.0f));
    problem_free(&p);
}

/* A cache holds one head after the other, keys in panels, with room behind it, and
 * maybe in fp16: the same bits as the same numbers in rows. */
Test(attention, a_cache_is_another_order_of_the_same)
{
    /* The last: three rows across the end of a panel; one row for each head's keys. */
    static const size_t queries[] = {1, 3, 69, 135, 3, 1},
                        kv_heads[] = {3, 3, 3, 3, 3, 6},
                        past[] = {70, 70, 0, 70, 62, 230};
    for (size_t n = 0; n < 6; n++) {
        const tern_attention_shape rows = {.batch = 1,
                                           .queries = queries[n],
                                           .past = past[n],
                                           .heads = 6,
                                           .kv_heads = kv_heads[n],
                                           .head_dim = n == 3 ? 33 : 32};
        tern_attention_shape cached = rows;
        const size_t K = rows.past + rows.queries, D = rows.head_dim,
                     KV = rows.kv_heads;
        /* Heads side by side, keys and values in turns, and a gap behind each panel. */
        cached.head = 2 * 64 * D;
        cached.panel = KV * cached.head + 48;
        const size_t panels = (K + 5 + 63) / 64, cells = panels * cached.panel;
        const size_t width = rows.heads * D;
        float *q = random_floats(1, rows.queries * width);
        float *k = random_floats(2, K * KV * D), *v = random_floats(3, K * KV * D);
        tern_round_half(k, K * KV * D, k);
        tern_round_half(v, K * KV * D, v);
        float *ck = tern_calloc(cells, sizeof *ck), *cv = ck + 64 * D;
        uint16_t *hk = tern_calloc(cells, sizeof *hk), *hv = hk + 64 * D;
        fill_floats(ck, cells, NAN); /* the room behind is not looked at */
        for (size_t j = 0; j < K; j++)
            for (size_t g = 0; g < KV; g++)
                for (size_t d = 0; d < D; d++) {
                    const size_t from = (j * KV + g) * D + d;
                    const size_t at = g * cached.head + j / 64 * cached.panel;
                    const size_t key = at + (j % 64 / 16 * D + d) * 16 + j % 16;
                    const size_t to = at + j % 64 * D + d;
                    ck[key] = k[from];
                    cv[to] = v[from];
                    hk[key] = tern_half_from_float(k[from]);
                    hv[to] = tern_half_from_float(v[from]);
                }
        float *want = tern_calloc(rows.queries * width, sizeof *want);
        float *got = tern_calloc(rows.queries * width, sizeof *got);
        for (int level = 0; use_level(level); level++) {
            void *scratch = tern_calloc(tern_attention_scratch(&rows), 1);
            tern_attention(&rows, q, k, v, want, NULL, scratch);
            tern_attention(&cached, q, ck, cv, got, NULL, scratch);
            const size_t all = rows.queries * width;
            cr_expect(eq(sz, first_difference(want, got, all), all), "shape %zu", n);
            fill_floats(got, all, 0.0f);
            tern_attention_half(&cached, q, hk, hv, got, scratch);
            cr_expect(eq(sz, first_difference(want, got, all), all), "fp16, %zu", n);
            tern_free(scratch);
        }
        tern_free(q), tern_free(k), tern_free(v), tern_free(ck);
        tern_free(hk), tern_free(want), tern_free(got);
    }
}
