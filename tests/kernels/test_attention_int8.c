/* Attention over a cache of int8: its product against plain sums, its panels against
 * the layout that attention_int8.c draws, and the whole against the formula in double
 * precision, of which rounding to 8 bits may miss a little. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "base/rng.h"
#include "kernels/attention_int8.h"
#include "kernels/decode_kernels.h"
#include "tests/kernels/float_levels.h"

/* --- the product --- */

enum { MOST_M = 9, MOST_N = 144, MOST_K = 64 };

static int8_t draw_code(uint64_t seed, size_t i)
{
    const uint64_t n = tern_rand_below(seed, TERN_STREAM_TEST, i, 260);
    return (int8_t)(n < 3 ? -127 : n > 256 ? 127 : (int)n - 130);
}

static void check_product(size_t m, size_t n, size_t k, bool columns, bool add,
                          bool positive)
{
    static int8_t a[MOST_M * (MOST_K + 4)], b[MOST_K * MOST_N];
    static float row[MOST_M], col[MOST_N];
    static float c[MOST_M][MOST_N + 1], want[MOST_M][MOST_N + 1];
    static int32_t sum[MOST_M];
    const size_t a_row = k + 4;
    for (size_t i = 0; i < m * a_row; i++) {
        a[i] = draw_code(m + n, i);
        if (positive && a[i] < 0) a[i] = (int8_t)-a[i];
    }
    for (size_t i = 0; i < k * n; i++) b[i] = draw_code(k, i);
    for (size_t i = 0; i < m; i++) row[i] = tern_test_rand(3, i);
    for (size_t j = 0; j < n; j++) col[j] = tern_test_rand(4, j);
    for (size_t i = 0; i < m; i++) {
        sum[i] = 0;
        for (size_t p = 0; p < k; p++) sum[i] += a[i * a_row + p];
        for (size_t j = 0; j <= n; j++) {
            int32_t s = 0;
            for (size_t p = 0; p < k && j < n; p++)
                s += a[i * a_row + p] * b[4 * (p / 4 * n + j) + p % 4];
            const float scale = columns && j < n ? row[i] * col[j] : row[i];
            c[i][j] = tern_test_rand(5, i * n + j);
            want[i][j] = j < n ? fmaf((float)s, scale, add ? c[i][j] : 0.0f) : c[i][j];
        }
    }
    tern_decode_active->int8_product(
        &(tern_int8_product){.a = a,
                             .a_row = a_row,
                             .a_sum = sum,
                             .positive = positive,
                             .row = row,
                             .m = m,
                             .k = k,
                             .b = b,
                             .b_row = n,
                             .n = n,
                             .ahead = {b, 25, 1 + (int)m % 4},
                             .col = columns ? col : NULL,
                             .c = c[0],
                             .c_row = MOST_N + 1,
                             .add = add});
    for (size_t i = 0; i < m; i++)
        cr_assert(eq(sz, first_difference(c[i], want[i], n + 1), n + 1),
                  "%zu x %zu x %zu, row %zu, %s", m, n, k, i,
                  tern_level_name(tern_kernels_level()));
}

Test(attention_int8, product)
{
    static const size_t sizes[][2] = {
        {16, 4}, {64, 64}, {80, 16}, {144, 20}, {128, 64}};
    for (int level = 0; level < (int)TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        for (size_t m = 1; m <= MOST_M; m++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                for (int kind = 0; kind < 8; kind++)
                    check_product(m, sizes[i][0], sizes[i][1], kind & 1, kind & 2,
                                  kind & 4);
    }
}

/* The sums of extreme codes, which pairs of products in 16 bits must hold. */
Test(attention_int8, extremes)
{
    static int8_t a[64], b[64 * 16];
    static const int signs[][2] = {{1, 1}, {-1, 1}, {1, -1}, {-1, -1}, {1, 1}, {1, -1}};
    for (int level = 0; level < (int)TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        for (size_t s = 0; s < 6; s++) {
            float c[16];
            memset(a, 127 * signs[s][0], sizeof a);
            memset(b, 127 * signs[s][1], sizeof b);
            const int32_t sum = 64 * 127 * signs[s][0];
            const float one = 1.0f;
            tern_decode_active->int8_product(&(tern_int8_product){.a = a,
                                                                  .a_sum = &sum,
                                                                  .positive = s >= 4,
                                                                  .row = &one,
                                                                  .m = 1,
                                                                  .k = 64,
                                                                  .b = b,
                                                                  .b_row = 16,
                                                                  .n = 16,
                                                                  .c = c});
            for (size_t j = 0; j < 16; j++)
                cr_expect(
                    eq(flt, c[j], (float)(64 * 127 * 127 * signs[s][0] * signs[s][1])));
        }
    }
}

/* --- a cache --- */

typedef struct caches {
    tern_attention_shape shape; /* of the whole: past + queries keys */
    float *q, *k, *v;           /* as tern_attention() has them */
    uint8_t *cells;
} caches;

static void put_all(const caches *c)
{
    const size_t D = c->shape.head_dim, KV = c->shape.kv_heads;
    for (size_t j = 0; j < c->shape.past + c->shape.queries; j++)
        for (size_t g = 0; g < KV; g++)
            tern_int8_panel_put(c->k + (j * KV + g) * D, c->v + (j * KV + g) * D, D,
                                j % 64,
                                c->cells + g * c->shape.head + j / 64 * c->shape.panel);
}

static caches caches_new(size_t past, size_t queries, size_t heads, size_t kv_heads,
                         size_t head_dim)
{
    caches c = {.shape = {.batch = 1,
                          .queries = queries,
                          .past = past,
                          .heads = heads,
                          .kv_heads = kv_heads,
                          .head_dim = head_dim,
                          .head = tern_int8_panel_bytes(head_dim)}};
    const size_t keys = past + queries, n = keys * kv_heads * head_dim;
    c.shape.panel = kv_heads * c.shape.head + 192; /* a gap behind each */
    const size_t bytes = (keys + 63) / 64 * c.shape.panel;
    c.q = random_floats(1, queries * heads * head_dim);
    c.k = random_floats(2, n);
    c.v = random_floats(3, n);
    /* Positions differ in size, as they do in models. */
    for (size_t i = 0; i < n; i++) {
        const size_t j = i / (kv_heads * head_dim);
        c.k[i] *= 1.0f + 0.25f * (float)(j % 7);
        c.v[i] *= 0.1f + (float)(j % 5);
    }
    c.cells = tern_calloc(bytes, 1);
    memset(c.cells, 0xff, bytes); /* what is behind is not looked at: scales of NaN */
    put_all(&c);
    return c;
}

static void caches_free(caches *c)
{
    tern_free(c->q), tern_free(c->k), tern_free(c->v), tern_free(c->cells);
}

/* The drawing: codes and scales of a key and a value. */
Test(attention_int8, panels)
{
    enum { D = 20, WIDE = 32, AT = 37 };
    const size_t side = 64 * (WIDE + 4);
    _Alignas(64) uint8_t panel[2 * 64 * (WIDE + 4)];
    float k[D], v[D], scale;
    for (size_t d = 0; d < D; d++) {
        k[d] = (float)d - 9.0f; /* -9 .. 10: scale 10 / 127 */
        v[d] = d == 3 ? -127.0f : (float)d;
    }
    cr_assert(eq(sz, tern_int8_panel_bytes(D), sizeof panel));
    memset(panel, 0x5a, sizeof panel);
    tern_int8_panel_put(k, v, D, AT, panel);
    memcpy(&scale, panel + 4 * AT, sizeof scale);
    cr_expect(eq(flt, scale, 10.0f / 127.0f));
    memcpy(&scale, panel + side + 4 * AT, sizeof scale);
    cr_expect(eq(flt, scale, 1.0f));
    size_t others = 0;
    for (size_t i = 0; i < sizeof panel; i++) others += panel[i] != 0x5a;
    cr_expect(le(sz, others, (size_t)(2 * (D + 4))), "nothing else is written");
    for (size_t d = 0; d < D; d++) {
        const int8_t key = (int8_t)panel[256 + d / 4 * 256 + 4 * AT + d % 4];
        const int8_t value =
            (int8_t)panel[side + 256 + AT / 4 * 4 * WIDE + 4 * d + AT % 4];
        cr_expect(eq(int, key, (int)lrint(((double)d - 9.0) * 12.7)), "key %zu", d);
        cr_expect(eq(int, value, d == 3 ? -127 : (int)d), "value %zu", d);
    }
}

/* One head of one query row, in double precision and without rounding. */
static void oracle(const caches *c, size_t i, size_t h, double *o)
{
    const tern_attention_shape *s = &c->shape;
    const size_t D = s->head_dim, KV = s->kv_heads, g = h / (s->heads / KV);
    const float *q = c->q + (i * s->heads + h) * D;
    double most = -HUGE_VAL, sum = 0.0;
    double *p = calloc(s->past + i + 1, sizeof *p);
    for (size_t j = 0; j <= s->past + i; j++) {
        for (size_t d = 0; d < D; d++)
            p[j] += (double)q[d] * (double)c->k[(j * KV + g) * D + d];
        p[j] /= sqrt((double)D);
        most = fmax(most, p[j]);
    }
    for (size_t d = 0; d < D; d++) o[d] = 0.0;
    for (size_t j = 0; j <= s->past + i; j++) {
        const double e = exp(p[j] - most);
        sum += e;
        for (size_t d = 0; d < D; d++) o[d] += e * (double)c->v[(j * KV + g) * D + d];
    }
    for (size_t d = 0; d < D; d++) o[d] /= sum;
    free(p);
}

static float *attend(const caches *c)
{
    const tern_attention_shape *s = &c->shape;
    const size_t bytes = tern_attention_int8_scratch(s);
    float *o = tern_calloc(s->queries * s->heads * s->head_dim, sizeof *o);
    float *scratch = scratch_new(bytes);
    tern_attention_int8(s, c->q, c->cells, o, scratch + SENTINELS);
    scratch_free(scratch, bytes);
    return o;
}

/* Whole rows at once, against the formula and against every row by itself. */
static void check(size_t past, size_t queries, size_t heads, size_t kv_heads,
                  size_t head_dim)
{
    caches c = caches_new(past, queries, heads, kv_heads, head_dim);
    const size_t width = heads * head_dim;
    float *o = attend(&c);
    double *want = calloc(head_dim, sizeof *want), largest = 0.0, worst = 0.0;
    for (size_t i = 0; i < queries; i++)
        for (size_t h = 0; h < heads; h++) {
            oracle(&c, i, h, want);
            for (size_t d = 0; d < head_dim; d++) {
                const double got = (double)o[i * width + h * head_dim + d];
                largest = fmax(largest, fabs(want[d]));
                worst = fmax(worst, fabs(got - want[d]));
            }
        }
    cr_expect(lt(dbl, worst, 0.02 * largest), "past %zu, %zu rows: %g of %g", past,
              queries, worst, largest);
    caches one = c;
    one.shape.queries = 1;
    for (size_t i = 0; i < queries; i++) {
        one.shape.past = past + i;
        one.q = c.q + i * width;
        float *alone = attend(&one);
        cr_expect(eq(sz, first_difference(o + i * width, alone, width), width),
                  "past %zu, row %zu of %zu", past, i, queries);
        tern_free(alone);
    }
    free(want);
    tern_free(o);
    caches_free(&c);
}

Test(attention_int8, is_attention)
{
    for (int level = 0; level < (int)TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        check(0, 1, 1, 1, 16);
        check(0, 70, 4, 2, 32);
        check(63, 3, 6, 3, 20);
        check(200, 9, 8, 2, 64);
        check(10, 130, 2, 1, 2);
        check(129, 1, 20, 5, 128);
        check(20, 2, 70, 1, 16);
    }
}

/* A single key: its value comes back, rounded and no more. */
Test(attention_int8, one_key)
{
    use_best_level();
    caches c = caches_new(0, 1, 2, 2, 48);
    float *o = attend(&c);
    for (size_t h = 0; h < 2; h++) {
        float most = 0.0f;
        for (size_t d = 0; d < 48; d++) most = fmaxf(most, fabsf(c.v[h * 48 + d]));
        for (size_t d = 0; d < 48; d++)
            cr_expect(le(flt, fabsf(o[h * 48 + d] - c.v[h * 48 + d]),
                         most * (0.5f / 127.0f + 1e-5f)));
    }
    tern_free(o);
    caches_free(&c);
}

/* What is no number does not become one. */
Test(attention_int8, nan)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int level = 0; level < (int)TERN_LEVEL_COUNT; level++) {
        if (!use_level(level)) continue;
        for (size_t i = 0; i < 3; i++)
            for (int which = 0; which < 3; which++) {
                caches c = caches_new(70, 1, 2, 1, 32);
                float *const side[] = {c.q, c.k, c.v};
                side[which][32 + 5] = bad[i]; /* of head 1, or of position 1 */
                put_all(&c);
                float *o = attend(&c);
                cr_expect(ne(int, isfinite(o[0]), which == 0 ? 0 : 1), "%d %zu", which,
                          i);
                cr_expect(not(isfinite(o[32])), "%d %zu", which, i);
                tern_free(o);
                caches_free(&c);
            }
    }
}

/* Levels and threads: the same bits. */
Test(attention_int8, same_bits)
{
    static const size_t shapes[][5] = {{0, 200, 4, 2, 32},
                                       {150, 1, 20, 5, 128},
                                       {77, 20, 3, 1, 40},
                                       {40, 1, 2, 1, 32},
                                       {30, 1, 130, 1, 16}};
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        const size_t *s = shapes[n];
        caches c = caches_new(s[0], s[1], s[2], s[3], s[4]);
        const size_t all = s[1] * s[2] * s[4];
        use_level(TERN_LEVEL_SCALAR);
        put_all(&c);
        float *want = attend(&c);
        for (int level = 0; level < (int)TERN_LEVEL_COUNT; level++) {
            if (!use_level(level)) continue;
            for (int threads = 1; threads <= 5; threads++) {
                tern_threads_set(threads);
                put_all(&c);
                float *got = attend(&c);
                cr_expect(eq(sz, first_difference(want, got, all), all),
                          "shape %zu, level %d, %d threads", n, level, threads);
                tern_free(got);
            }
        }
        tern_threads_set(0);
        tern_free(want);
        caches_free(&c);
    }
}
