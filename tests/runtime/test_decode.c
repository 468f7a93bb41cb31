/* A few rows together against one session at a time with one thread, bit for bit: any
 * number of sessions, of any lengths, at every level, for more threads than there is
 * work. (That one row has the right bits is tested in test_session.c.) */
#include "kernels/cpu.h"
#include "runtime/runtime.h"
#include "runtime/session.h"
#include "tests/runtime/toy_file.h"

TestSuite(decode, .init = setup, .fini = teardown);

/* The head alone is more than one thread does by itself. */
enum { V = 3001, CONTEXT = 40, MOST = 21 };
static const tern_spec SPEC = {.arch = TERN_ARCH_BITNET,
                               .tied = true,
                               .vocab = V,
                               .width = 192,
                               .layers = 2,
                               .heads = 6,
                               .kv_heads = 3,
                               .head_dim = 32,
                               .ffn = 192,
                               .context = CONTEXT,
                               .rope_theta = 10000.0f,
                               .norm_eps = 1e-5f};

static tern_runtime *opened(toy *t, const tern_spec *spec, uint32_t linear,
                            uint32_t embed)
{
    tern_runtime *m = NULL;
    toy_make(t, spec, linear, embed, 3);
    toy_write(t, path);
    MUST(tern_runtime_open(path, &m));
    return m;
}

static int32_t id_at(int session, int64_t position)
{
    return (int32_t)tern_rand_below(1, TERN_STREAM_TEST,
                                    (uint64_t)(100 * session + position), V);
}

/* Session i begins with i % 7 ids; types of caches and contexts differ. */
static void begin(const tern_runtime *m, tern_session **s, int count)
{
    int32_t ids[7];
    for (int i = 0; i < count; i++) {
        MUST(tern_session_new(m, i % 2 ? 0 : 12, &s[i]));
        MUST(tern_session_set_cache(s[i], (tern_cache_type)((i + count) % 3)));
        for (int j = 0; j < i % 7; j++) ids[j] = id_at(i, j);
        if (i % 7) MUST(tern_session_eval(s[i], ids, i % 7, NULL));
    }
}

static void end(tern_session **s, int count)
{
    for (int i = 0; i < count; i++) tern_session_free(s[i]);
}

/* Logits of three steps of every session, one by one: (3, count, V). */
static float *alone(const tern_runtime *m, int count)
{
    tern_session *s[MOST];
    float *logits = malloc((size_t)(3 * count) * V * sizeof *logits);
    tern_threads_set(1);
    begin(m, s, count);
    for (int step = 0; step < 3; step++)
        for (int i = 0; i < count; i++) {
            const int32_t id = id_at(i, tern_session_length(s[i]));
            MUST(tern_session_eval(s[i], &id, 1,
                                   logits + (size_t)(step * count + i) * V));
        }
    end(s, count);
    return logits;
}

static void together(const tern_runtime *m, int count, const float *want)
{
    tern_session *s[MOST];
    int32_t ids[MOST];
    float *logits = malloc((size_t)count * V * sizeof *logits);
    const int threads = tern_threads();
    tern_threads_set(1); /* sessions made with fewer threads than use them */
    begin(m, s, count);
    tern_threads_set(threads);
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < count; i++) ids[i] = id_at(i, tern_session_length(s[i]));
        MUST(tern_session_eval_many(s, ids, count, logits));
        const float *expected = want + (size_t)(step * count) * V;
        cr_expect(
            eq(int, memcmp(logits, expected, (size_t)count * V * sizeof *logits), 0),
            "%d sessions, %d threads, %s, step %d", count, tern_threads(),
            tern_level_name(tern_kernels_level()), step);
        cr_expect(
            eq(i64, tern_session_length(s[count - 1]), (count - 1) % 7 + step + 1));
    }
    end(s, count);
    free(logits);
}

/* Under an emulator, threads take turns: a part of it must do. */
#ifdef TERN_TEST_EMULATED
enum { MOST_THREADS = 3 };
static const int counts[] = {1, 5};
#else
enum { MOST_THREADS = 5 };
static const int counts[] = {1, 2, 3, 5, 16, MOST};
#endif

static void check(const tern_spec *spec, uint32_t linear, uint32_t embed)
{
    toy t;
    tern_runtime *m = opened(&t, spec, linear, embed);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        MUST(tern_kernels_force(TERN_LEVEL_SCALAR));
        float *want = alone(m, counts[i]);
        for (int level = 0; level <= (int)tern_level_best(); level++) {
            if (!tern_level_within((tern_level)level, tern_level_best())) continue;
            for (int threads = 1; threads <= MOST_THREADS; threads += 2) {
                MUST(tern_kernels_force((tern_level)level));
                tern_threads_set(threads);
                together(m, counts[i], want);
            }
        }
        free(want);
    }
    tern_runtime_free(m);
    toy_free(&t);
}

Test(decode, sessions_together_are_sessions_alone)
{
    check(&SPEC, TERN_GGML_Q2_0, TERN_GGML_F16);
}

Test(decode, heads_of_other_types)
{
    check(&SPEC, TERN_GGML_Q2_0, TERN_GGML_Q8_0);
    check(&SPEC, TERN_GGML_Q2_0, TERN_GGML_Q4_0);
    check(&SPEC, TERN_GGML_Q2_0, TERN_GGML_F32);
}

Test(decode, float_models_are_taken_one_by_one)
{
    tern_spec twin = SPEC;
    twin.arch = TERN_ARCH_LLAMA;
    twin.quant = TERN_QUANT_NONE;
    check(&twin, TERN_GGML_F16, TERN_GGML_F16);
}

/* A session in the middle that cannot go on: nobody does. */
Test(decode, refusals_change_nothing)
{
    toy t, u;
    tern_runtime *m = opened(&t, &SPEC, TERN_GGML_Q2_0, TERN_GGML_F16);
    tern_runtime *other = opened(&u, &SPEC, TERN_GGML_Q2_0, TERN_GGML_F16);
    tern_session *s[3], *foreign;
    int32_t ids[CONTEXT] = {0}, next[3] = {1, 2, 3};
    begin(m, s, 3);
    MUST(tern_session_new(other, 0, &foreign));
    MUST(tern_session_eval(s[1], ids, CONTEXT - 1, NULL));
    cr_expect(eq(int, tern_session_eval_many(s, next, 3, NULL), TERN_EARG), "full");
    tern_session_truncate(s[1], 0);
    next[2] = V;
    cr_expect(eq(int, tern_session_eval_many(s, next, 3, NULL), TERN_EARG), "no id");
    next[2] = 3;
    cr_expect(eq(int, tern_session_eval_many(s, next, 0, NULL), TERN_EARG), "none");
    tern_session *twice[] = {s[0], s[1], s[0]}, *mixed[] = {s[0], foreign, s[2]};
    cr_expect(eq(int, tern_session_eval_many(twice, next, 3, NULL), TERN_EARG),
              "twice");
    cr_expect(eq(int, tern_session_eval_many(mixed, next, 3, NULL), TERN_EARG),
              "mixed");
    for (int i = 0; i < 3; i++)
        cr_expect(eq(i64, tern_session_length(s[i]), i == 1 ? 0 : i));
    cr_expect(eq(int, tern_session_eval_many(s, next, 3, NULL), TERN_OK));
    end(s, 3);
    tern_session_free(foreign);
    tern_runtime_free(m);
    tern_runtime_free(other);
    toy_free(&t);
    toy_free(&u);
}
