/* The forward pass against an independent one in double precision (oracle.h), over both
 * architectures and every type of tensor; and against itself, bit for bit, however the
 * text is cut, at every level, for any number of threads.
 *
 * The ternary models agree with the oracle to float precision although a code of an
 * activation may round the other way in double: the seed is such that none does (the
 * runtime's bits are the same everywhere, so this cannot change with the machine). */
#include "kernels/cpu.h"
#include "runtime/runtime.h"
#include "tests/runtime/oracle.h"
#include "tests/runtime/toy_file.h"
#include "tests/support/numeric.h"

TestSuite(session, .init = setup, .fini = teardown);

static const tern_spec BITNET = {.arch = TERN_ARCH_BITNET,
                                 .tied = true,
                                 .vocab = 67,
                                 .width = 64,
                                 .layers = 2,
                                 .heads = 4,
                                 .kv_heads = 4,
                                 .head_dim = 16,
                                 .ffn = 128,
                                 .context = 40,
                                 .rope_theta = 10000.0f,
                                 .norm_eps = 1e-5f};

static void random_ids(int32_t *ids, int64_t n, int64_t vocab, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)tern_rand_below(seed, 7, (uint64_t)i, (uint64_t)vocab);
}

static tern_runtime *opened(toy *t)
{
    tern_runtime *m = NULL;
    toy_write(t, path);
    MUST(tern_runtime_open(path, &m));
    return m;
}

static tern_session *session_of(const tern_runtime *m)
{
    tern_session *s = NULL;
    MUST(tern_session_new(m, 0, &s));
    return s;
}

/* --- against the oracle --- */

/* Floats agree but for their rounding. A head of codes rounds its input to 8 bits, in
 * blocks of 32: half a step in 127 of the largest, averaged over a row. */
static const double FLOAT = 5e-7, HEAD_Q8 = 8e-3;

static double tolerance_of(uint32_t embed)
{
    const bool codes =
        embed == TERN_GGML_Q8_0 || embed == TERN_GGML_Q6_K || embed == TERN_GGML_Q4_0;
    return codes ? HEAD_Q8 : FLOAT;
}

/* Over `count` ids, 12 at most. */
static void toy_agrees(toy *t, int count, double tolerance, const char *what)
{
    int32_t ids[12];
    tern_runtime *m = opened(t);
    tern_session *s = session_of(m);
    const size_t n = (size_t)(count * t->spec.vocab);
    double *want = malloc(n * sizeof *want);
    float *got = malloc(n * sizeof *got);
    random_ids(ids, count, t->spec.vocab, 5);
    oracle_logits(t, ids, count, want, NULL);
    MUST(tern_session_set_activations(s, t->activations));
    MUST(tern_session_eval_all(s, ids, count, got));
    const double err = tern_test_tensor_err(got, want, n);
    cr_expect(lt(dbl, err, tolerance), "%s, linear %s, embedding %s: %g", what,
              tern_ggml_name(t->linear), tern_ggml_name(t->embed), err);
    free(want), free(got);
    tern_session_free(s);
    tern_runtime_free(m);
    toy_free(t);
}

static void agrees(const tern_spec *spec, uint32_t linear, uint32_t embed,
                   double tolerance)
{
    toy t;
    toy_make(&t, spec, linear, embed, 8);
    toy_agrees(&t, 12, tolerance, tern_arch_name(spec->arch));
}

Test(session, bitnet_agrees_with_oracle)
{
    static const uint32_t linear[] = {TERN_GGML_Q2_0, TERN_GGML_F16, TERN_GGML_F32,
                                      TERN_GGML_BF16};
    static const uint32_t embed[] = {TERN_GGML_F16, TERN_GGML_F32, TERN_GGML_Q8_0,
                                     TERN_GGML_BF16};
    for (size_t i = 0; i < 4; i++) agrees(&BITNET, linear[i], TERN_GGML_F16, FLOAT);
    for (size_t i = 0; i < 4; i++)
        agrees(&BITNET, TERN_GGML_Q2_0, embed[i], tolerance_of(embed[i]));
}

Test(session, blocks_of_256_agree_with_oracle)
{
    tern_spec s = BITNET;
    s.width = s.ffn = 256;
    s.head_dim = 64;
    s.layers = 1;
    agrees(&s, TERN_GGML_TQ1_0, TERN_GGML_F16, FLOAT);
    agrees(&s, TERN_GGML_TQ2_0, TERN_GGML_F16, FLOAT);
}

Test(session, variants_agree_with_oracle)
{
    tern_spec s = BITNET;
    s.activation = TERN_RELU2;
    s.kv_heads = 2;
    s.rope_theta = 500.0f;
    agrees(&s, TERN_GGML_Q2_0, TERN_GGML_F16, FLOAT);
    s.quant = TERN_QUANT_NONE;
    agrees(&s, TERN_GGML_F16, TERN_GGML_F16, FLOAT);
    s.arch = TERN_ARCH_LLAMA;
    agrees(&s, TERN_GGML_F32, TERN_GGML_Q8_0, HEAD_Q8);
}

Test(session, llama_agrees_with_oracle)
{
    static const uint32_t floats[] = {TERN_GGML_F16, TERN_GGML_F32, TERN_GGML_BF16,
                                      TERN_GGML_Q8_0};
    tern_spec s = BITNET;
    s.arch = TERN_ARCH_LLAMA;
    s.kv_heads = 2;
    agrees(&s, TERN_GGML_Q2_0, TERN_GGML_F16, FLOAT);
    s.tied = false;
    agrees(&s, TERN_GGML_F16, TERN_GGML_F32, FLOAT);
    agrees(&s, TERN_GGML_I2_S, TERN_GGML_F32, FLOAT);
    s.head_dim = 32; /* heads wider than the model */
    agrees(&s, TERN_GGML_Q2_0, TERN_GGML_Q8_0, HEAD_Q8);
    s.quant = TERN_QUANT_NONE;
    for (size_t i = 0; i < 4; i++)
        agrees(&s, floats[i], floats[i], tolerance_of(floats[i]));
}

/* The types of llama-quantize, for the linear layers of a float model and for the
 * embedding. */
Test(session, rounded_floats_agree_with_oracle)
{
    static const uint32_t types[] = {TERN_GGML_Q6_K, TERN_GGML_Q4_0, TERN_GGML_Q8_0};
    tern_spec s = BITNET;
    s.arch = TERN_ARCH_LLAMA;
    s.width = s.ffn = 256;
    s.head_dim = 64;
    s.layers = 1;
    agrees(&s, TERN_GGML_TQ2_0, TERN_GGML_Q6_K, HEAD_Q8);
    agrees(&s, TERN_GGML_TQ2_0, TERN_GGML_Q4_0, HEAD_Q8);
    s.quant = TERN_QUANT_NONE;
    for (size_t i = 0; i < 3; i++)
        agrees(&s, types[i], types[i], tolerance_of(types[i]));
}

/* Ternary types that hold no ternary matrix, beside those that do, and beside floats.
 */
Test(session, many_scales_agree_with_oracle)
{
    tern_spec s = BITNET;
    toy t;
    toy_make(&t, &s, TERN_GGML_Q2_0, TERN_GGML_F16, 8);
    toy_many(&t, "blk.0.attn_k.weight", TERN_GGML_Q2_0);
    toy_many(&t, "blk.0.ffn_up.weight", TERN_GGML_Q2_0);
    toy_many(&t, "blk.1.ffn_down.weight", TERN_GGML_Q2_0);
    toy_tensor *w = toy_find(&t, "blk.1.attn_output.weight");
    w->type = TERN_GGML_F32;
    w->ternary = false;
    toy_agrees(&t, 12, FLOAT, "bitnet with scales of rows");
    s.arch = TERN_ARCH_LLAMA;
    s.quant = TERN_QUANT_NONE;
    toy_make(&t, &s, TERN_GGML_F16, TERN_GGML_F16, 8);
    toy_many(&t, "blk.0.attn_q.weight", TERN_GGML_Q2_0);
    toy_many(&t, "blk.1.attn_v.weight", TERN_GGML_Q2_0);
    toy_agrees(&t, 12, FLOAT, "llama with scales of rows");
}

/* A number may round the other way in double here too: see above. Hence few ids. */
Test(session, activations_agree_with_oracle)
{
    static const tern_activations how[] = {TERN_ACTIVATIONS_NONE, TERN_ACTIVATIONS_Q8_K,
                                           TERN_ACTIVATIONS_Q8_0};
    tern_spec s = BITNET;
    toy t;
    s.width = s.ffn = 256;
    s.head_dim = 64;
    s.layers = 1;
    for (size_t i = 0; i < 3; i++) {
        toy_make(&t, &s, TERN_GGML_TQ1_0, TERN_GGML_F16, 8);
        t.activations = how[i];
        toy_agrees(&t, 3, FLOAT, tern_activations_name(how[i]));
        toy_make(&t, &s, TERN_GGML_TQ2_0, TERN_GGML_Q6_K, 9);
        t.activations = how[i];
        toy_many(&t, "blk.0.ffn_up.weight", TERN_GGML_TQ2_0);
        toy_find(&t, "blk.0.attn_output.weight")->type = TERN_GGML_F32;
        toy_find(&t, "blk.0.attn_output.weight")->ternary = false;
        toy_agrees(&t, 3, FLOAT, tern_activations_name(how[i]));
    }
}

Test(session, activations_must_fit)
{
    toy t;
    toy_make(&t, &BITNET, TERN_GGML_Q2_0, TERN_GGML_F16, 8);
    tern_runtime *m = opened(&t);
    tern_session *s = session_of(m);
    MUST(tern_session_set_activations(s, TERN_ACTIVATIONS_Q8_0));
    cr_expect(
        eq(int, tern_session_set_activations(s, TERN_ACTIVATIONS_Q8_K), TERN_EARG));
    cr_expect(strstr(tern_error_message(), "blocks of 256 (q8_k)") != NULL);
    cr_expect(eq(int, tern_activations_find("q8_k"), TERN_ACTIVATIONS_Q8_K));
    cr_expect(eq(int, tern_activations_find("Q8"), -1));
    tern_session_free(s);
    tern_runtime_free(m);
    toy_free(&t);
}

/* More rows than are unpacked at a time. */
Test(session, large_vocabulary_agrees_with_oracle)
{
    tern_spec s = BITNET;
    s.vocab = 4500;
    s.layers = 1;
    agrees(&s, TERN_GGML_Q2_0, TERN_GGML_Q8_0, HEAD_Q8);
}

/* --- bit for bit --- */

/* What the sessions below keep keys and values in. */
static tern_cache_type cache_type = TERN_CACHE_F32;

/* All logits of `ids`, the text cut into pieces of lengths from `cuts`, repeated. */
static float *in_pieces(const tern_runtime *m, const int32_t *ids, int64_t n,
                        const int64_t *cuts, size_t count)
{
    const int64_t V = tern_runtime_spec(m)->vocab;
    float *logits = malloc((size_t)(n * V) * sizeof *logits);
    tern_session *s = session_of(m);
    int64_t at = 0;
    MUST(tern_session_set_cache(s, cache_type));
    for (size_t i = 0; at < n; i = (i + 1) % count) {
        const int64_t piece = cuts[i] < n - at ? cuts[i] : n - at;
        MUST(tern_session_eval_all(s, ids + at, piece, logits + at * V));
        at += piece;
    }
    cr_expect(eq(i64, tern_session_length(s), n));
    tern_session_free(s);
    return logits;
}

static void same_bits(const tern_runtime *m, const int32_t *ids, int64_t n,
                      const float *want, const char *what)
{
    static const int64_t whole[] = {1 << 20}, single[] = {1},
                         mixed[] = {3, 1, 7, 2, 65};
    static const struct {
        const int64_t *cuts;
        size_t count;
    } ways[] = {{whole, 1}, {single, 1}, {mixed, 5}};
    const size_t bytes = (size_t)(n * tern_runtime_spec(m)->vocab) * sizeof *want;
    for (size_t i = 0; i < 3; i++) {
        float *got = in_pieces(m, ids, n, ways[i].cuts, ways[i].count);
        cr_expect(eq(int, memcmp(got, want, bytes), 0), "%s, way of cutting %zu", what,
                  i);
        free(got);
    }
}

static void same_everywhere(const tern_spec *spec, uint32_t linear, uint32_t embed,
                            int64_t n)
{
    toy t;
    const int64_t whole[] = {1 << 20};
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    toy_make(&t, spec, linear, embed, 9);
    tern_runtime *m = opened(&t);
    random_ids(ids, n, spec->vocab, 6);
    float *want = in_pieces(m, ids, n, whole, 1);
    const tern_level best = tern_level_best();
    for (int level = 0; level <= (int)best; level++) {
        if (!tern_level_within((tern_level)level, best)) continue;
        MUST(tern_kernels_force((tern_level)level));
        same_bits(m, ids, n, want, tern_level_name((tern_level)level));
    }
    for (int threads = 1; threads <= 5; threads += 2) {
        tern_threads_set(threads);
        same_bits(m, ids, n, want, "threads");
    }
    tern_threads_set(0);
    free(want), free(ids);
    tern_runtime_free(m);
    toy_free(&t);
}

Test(session, same_bits_bitnet)
{
    same_everywhere(&BITNET, TERN_GGML_Q2_0, TERN_GGML_F16, 40);
}

Test(session, same_bits_llama)
{
    tern_spec s = BITNET;
    s.arch = TERN_ARCH_LLAMA;
    s.kv_heads = 1;
    s.tied = false;
    same_everywhere(&s, TERN_GGML_F16, TERN_GGML_Q8_0, 40);
}

Test(session, same_bits_of_heads_of_4_and_6_bits)
{
    tern_spec s = BITNET;
    s.width = s.ffn = 256;
    s.head_dim = 64;
    s.layers = 1;
    same_everywhere(&s, TERN_GGML_TQ2_0, TERN_GGML_Q6_K, 40);
    same_everywhere(&s, TERN_GGML_TQ2_0, TERN_GGML_Q4_0, 40);
}

Test(session, same_bits_float)
{
    tern_spec s = BITNET;
    s.arch = TERN_ARCH_LLAMA;
    s.quant = TERN_QUANT_NONE;
    same_everywhere(&s, TERN_GGML_Q8_0, TERN_GGML_F32, 40);
}

/* Longer than the rows that are computed together. */
Test(session, same_bits_long)
{
    tern_spec s = BITNET;
    s.context = 550;
    s.layers = 1;
    s.vocab = 17;
    same_everywhere(&s, TERN_GGML_Q2_0, TERN_GGML_F16, 550);
}

Test(session, same_bits_of_smaller_caches)
{
    tern_spec s = BITNET;
    s.context = 90; /* two panels of keys */
    s.kv_heads = 2;
    for (cache_type = TERN_CACHE_F16; cache_type <= TERN_CACHE_INT8; cache_type++)
        same_everywhere(&s, TERN_GGML_Q2_0, TERN_GGML_F16, 90);
}

/* One model in four encodings is one model. */
Test(session, types_do_not_matter)
{
    static const uint32_t types[] = {TERN_GGML_TQ2_0, TERN_GGML_TQ1_0, TERN_GGML_Q2_0,
                                     TERN_GGML_F16, TERN_GGML_F32};
    enum { N = 10 };
    tern_spec spec = BITNET;
    spec.width = spec.ffn = 256;
    spec.head_dim = 64;
    int32_t ids[N];
    float want[67], got[67];
    random_ids(ids, N, spec.vocab, 1);
    for (size_t i = 0; i < 5; i++) {
        toy t;
        toy_make(&t, &spec, types[i], TERN_GGML_F16, 8);
        tern_runtime *m = opened(&t);
        tern_session *s = session_of(m);
        MUST(tern_session_eval(s, ids, N, i ? got : want));
        if (i) cr_expect(eq(int, memcmp(got, want, sizeof got), 0));
        tern_session_free(s);
        tern_runtime_free(m);
        toy_free(&t);
    }
}

/* --- smaller caches --- */

static void small_cache(const tern_spec *spec, uint32_t linear, tern_cache_type type,
                        double most)
{
    enum { N = 90 }; /* two panels of keys */
    toy t;
    int32_t ids[N];
    static float full[N * 67], whole[N * 67], pieces[N * 67];
    const size_t n = (size_t)(N * spec->vocab);
    toy_make(&t, spec, linear, TERN_GGML_F16, 4);
    tern_runtime *m = opened(&t);
    tern_session *s = session_of(m);
    const size_t bytes = tern_session_position_bytes(s);
    random_ids(ids, N, spec->vocab, 8);
    MUST(tern_session_eval_all(s, ids, N, full));
    cr_expect(eq(int, tern_session_set_cache(s, type), TERN_EARG), "not empty");
    tern_session_truncate(s, 0);
    MUST(tern_session_set_cache(s, type));
    cr_expect(lt(sz, tern_session_position_bytes(s), bytes));
    cr_expect(eq(int, tern_session_set_cache(s, (tern_cache_type)-1), TERN_EARG));
    MUST(tern_session_eval_all(s, ids, N, whole));
    tern_session_truncate(s, 0);
    for (int i = 0; i < N; i++)
        MUST(tern_session_eval(s, ids + i, 1, pieces + i * spec->vocab));
    cr_expect(eq(int, memcmp(whole, pieces, n * sizeof *whole), 0), "cuts do not show");
    double largest = 0.0, change = 0.0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)full[i]));
        change = fmax(change, fabs((double)(full[i] - whole[i])));
    }
    /* A code of the ternary layers may step over because of it. */
    cr_expect(all(gt(dbl, change, 0.0), lt(dbl, change, most * largest)),
              "%s: %g of %g", tern_cache_name(type), change, largest);
    tern_session_free(s);
    tern_runtime_free(m);
    toy_free(&t);
}

Test(session, smaller_caches)
{
    tern_spec s = BITNET;
    s.context = 100;
    small_cache(&s, TERN_GGML_Q2_0, TERN_CACHE_F16, 0.05);
    small_cache(&s, TERN_GGML_Q2_0, TERN_CACHE_INT8, 0.10);
    s.arch = TERN_ARCH_LLAMA;
    s.kv_heads = 2;
    s.quant = TERN_QUANT_NONE;
    small_cache(&s, TERN_GGML_F16, TERN_CACHE_F16, 0.05);
    small_cache(&s, TERN_GGML_F16, TERN_CACHE_INT8, 0.10);
}

/* --- the session --- */

Test(session, truncate_forgets)
{
    toy t;
    int32_t ids[30];
    float want[67], got[67];
    toy_make(&t, &BITNET, TERN_GGML_Q2_0, TERN_GGML_F16, 2);
    tern_runtime *m = opened(&t);
    tern_session *s = session_of(m);
    random_ids(ids, 30, 67, 4);
    MUST(tern_session_eval(s, ids, 20, want));
    MUST(tern_session_eval(s, ids + 20, 10, NULL));
    tern_session_truncate(s, 15);
    cr_expect(eq(i64, tern_session_length(s), 15));
    MUST(tern_session_eval(s, ids + 15, 5, got));
    cr_expect(eq(int, memcmp(got, want, sizeof got), 0));
    tern_session_truncate(s, 99);
    cr_expect(eq(i64, tern_session_length(s), 20), "nothing to forget");
    tern_session_truncate(s, -1);
    cr_expect(eq(i64, tern_session_length(s), 0));
    MUST(tern_session_eval(s, ids, 20, got));
    cr_expect(eq(int, memcmp(got, want, sizeof got), 0));
    tern_session_free(s);
    tern_runtime_free(m);
    toy_free(&t);
}

Test(session, sessions_share_a_model)
{
    toy t;
    int32_t ids[10];
    float want[67], got[67];
    toy_make(&t, &BITNET, TERN_GGML_Q2_0, TERN_GGML_F16, 2);
    tern_runtime *m = opened(&t);
    tern_session *a = session_of(m), *b = session_of(m);
    random_ids(ids, 10, 67, 4);
    MUST(tern_session_eval(a, ids, 10, want));
    for (int i = 0; i < 10; i++) {
        MUST(tern_session_eval(b, ids + i, 1, got));
        MUST(tern_session_eval(a, ids + 9 - i, 1, NULL));
    }
    cr_expect(eq(int, memcmp(got, want, sizeof got), 0));
    tern_session_free(a);
    tern_session_free(b);
    tern_session_free(NULL);
    tern_runtime_free(m);
    toy_free(&t);
}

static void refused(tern_status got, const char *part)
{
    cr_expect(eq(int, got, TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), part), NULL), "message: %s",
              tern_error_message());
}

Test(session, refuses_and_stays_as_it_is)
{
    toy t;
    int32_t ids[41];
    float before[67], after[67];
    tern_session *none = NULL;
    toy_make(&t, &BITNET, TERN_GGML_Q2_0, TERN_GGML_F16, 2);
    tern_runtime *m = opened(&t);
    tern_session *s = session_of(m);
    cr_expect(eq(i64, tern_session_context(s), 40));
    random_ids(ids, 41, 67, 4);
    refused(tern_session_eval(s, ids, 41, NULL), "41 ids do not fit");
    refused(tern_session_eval(s, ids, 0, NULL), "no ids");
    MUST(tern_session_eval(s, ids, 38, NULL));
    refused(tern_session_eval(s, ids, 3, NULL), "room for 2");
    ids[39] = 67;
    refused(tern_session_eval(s, ids + 38, 2, NULL), "id 67 is outside");
    ids[39] = -1;
    refused(tern_session_eval(s, ids + 38, 2, NULL), "id -1 is outside");
    cr_expect(eq(i64, tern_session_length(s), 38));
    MUST(tern_session_eval(s, ids + 38, 1, after));
    tern_session_truncate(s, 0);
    MUST(tern_session_eval(s, ids, 39, before));
    cr_expect(eq(int, memcmp(before, after, sizeof after), 0));
    refused(tern_session_new(m, 41, &none), "a context of 41");
    refused(tern_session_new(m, -1, &none), "a context of -1");
    cr_expect(eq(ptr, none, NULL));
    tern_session_free(s);
    MUST(tern_session_new(m, 5, &s));
    cr_expect(eq(i64, tern_session_context(s), 5));
    refused(tern_session_eval(s, ids, 6, NULL), "room for 5");
    MUST(tern_session_eval(s, ids, 5, NULL));
    tern_session_free(s);
    tern_runtime_free(m);
    toy_free(&t);
}

/* --- the probe --- */

typedef struct record {
    int *codes;
    size_t count, calls;
    char names[16][32];
} record;

static void remember(void *user, const char *where, const int8_t *codes, size_t rows,
                     size_t cols, size_t stride, const float *scale)
{
    record *r = user;
    cr_assert(rows == 1 && stride >= cols && scale[0] > 0.0f && r->calls < 16);
    snprintf(r->names[r->calls++], sizeof r->names[0], "%s", where);
    for (size_t i = 0; i < cols; i++) r->codes[r->count++] = codes[i];
}

Test(session, probe_sees_every_code)
{
    enum { CODES = 2 * (64 + 64 + 64 + 128) };
    static const char *const want[] = {
        "blk.0.attn_q", "blk.0.attn_output", "blk.0.ffn_gate", "blk.0.ffn_down",
        "blk.1.attn_q", "blk.1.attn_output", "blk.1.ffn_gate", "blk.1.ffn_down"};
    toy t;
    const int32_t id = 5;
    int got[CODES], oracle[CODES];
    double logits[67];
    record r = {.codes = got};
    oracle_codes o = {.codes = oracle, .capacity = CODES};
    toy_make(&t, &BITNET, TERN_GGML_Q2_0, TERN_GGML_F16, 2);
    tern_runtime *m = opened(&t);
    tern_session *s = session_of(m);
    oracle_logits(&t, &id, 1, logits, &o);
    tern_session_set_probe(s, remember, &r);
    MUST(tern_session_eval(s, &id, 1, NULL));
    tern_session_set_probe(s, NULL, NULL);
    MUST(tern_session_eval(s, &id, 1, NULL));
    cr_expect(eq(sz, r.calls, 8));
    for (size_t i = 0; i < 8; i++) cr_expect(eq(str, r.names[i], (char *)want[i]));
    cr_expect(eq(sz, r.count, CODES));
    cr_expect(eq(int, memcmp(got, oracle, sizeof got), 0));
    tern_session_free(s);
    tern_runtime_free(m);
    toy_free(&t);
}
