/* Oracle: the rule itself, in plain steps, says which ids the model sees; a fresh
 * session reads just those. The writer's logits must have the same bits. */
#include "kernels/cpu.h"
#include "runtime/writer.h"
#include "tests/runtime/toy.h"
#include "tests/support/scratch.h"

enum { V = 40, MOST = 200 };

static char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
static toy model;
static tern_runtime *m;

static const tern_spec SPEC = {.arch = TERN_ARCH_LLAMA,
                               .tied = true,
                               .vocab = V,
                               .width = 64,
                               .layers = 2,
                               .heads = 2,
                               .kv_heads = 1,
                               .head_dim = 32,
                               .ffn = 64,
                               .context = 16,
                               .rope_theta = 10000.0f,
                               .norm_eps = 1e-5f};

static void setup(void)
{
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    MUST(tern_kernels_init());
    toy_make(&model, &SPEC, TERN_GGML_Q2_0, TERN_GGML_F16, 1);
    toy_write(&model, path);
    MUST(tern_runtime_open(path, &m));
}

static void teardown(void)
{
    tern_runtime_free(m);
    toy_free(&model);
    tern_scratch_remove(dir);
}

TestSuite(writer, .init = setup, .fini = teardown);

static int32_t id_at(int64_t i)
{
    return (int32_t)tern_rand_below(3, 5, (uint64_t)i, V);
}

/* What the model sees, as a list that is cut when it is too long. */
typedef struct seen {
    int32_t ids[MOST];
    int64_t count, shifts;
} seen;

static void see(seen *x, const int32_t *ids, int64_t n, int64_t context, int64_t keep)
{
    for (int64_t i = 0; i < n; i++) x->ids[x->count + i] = ids[i];
    const bool full = x->count + n > context;
    x->count += n;
    if (!full) return;
    const int64_t half = context - keep >= 2 ? (context - keep) / 2 : 1;
    int32_t newest[MOST];
    for (int64_t i = 0; i < half; i++) newest[i] = x->ids[x->count - half + i];
    for (int64_t i = 0; i < half; i++) x->ids[keep + i] = newest[i];
    x->count = keep + half;
    x->shifts++;
}

static void same_as_fresh(const tern_writer *w, const seen *x)
{
    float want[V];
    tern_session *s = NULL;
    MUST(tern_session_new(m, w->config.context, &s));
    MUST(tern_session_eval(s, x->ids, x->count, want));
    cr_assert(eq(i64, tern_session_length(w->session), x->count));
    cr_assert(eq(i64, w->shifts, x->shifts));
    cr_assert(memcmp(want, w->logits, sizeof want) == 0, "after %d ids, keep %d",
              (int)w->count, (int)w->config.keep);
    tern_session_free(s);
}

/* Append in pieces of the lengths given, in turn. */
static void shifts_as_the_rule_says(int64_t context, int64_t keep, const int64_t *cuts,
                                    size_t cut_count)
{
    const tern_writer_config c = {context, TERN_OVERFLOW_SHIFT, keep};
    tern_writer w;
    seen x = {.count = 0};
    const int64_t C = context ? context : SPEC.context;
    MUST(tern_writer_new(m, &c, &w));
    for (size_t i = 0; w.count < 70; i++) {
        int32_t ids[MOST];
        const int64_t n = cuts[i % cut_count];
        for (int64_t j = 0; j < n; j++) ids[j] = id_at(w.count + j);
        MUST(tern_writer_append(&w, ids, n));
        see(&x, ids, n, C, keep);
        same_as_fresh(&w, &x);
        cr_assert(eq(i64, tern_writer_room(&w), C - x.count));
    }
    for (int64_t i = 0; i < w.count; i++)
        cr_assert(eq(i32, w.ids[i], id_at(i)), "nothing is forgotten in `ids`");
    tern_writer_free(&w);
}

Test(writer, shifts)
{
    static const int64_t single[] = {1}, mixed[] = {5, 1, 3, 9, 2}, whole[] = {16, 1},
                         longer[] = {40};
    static const int64_t keeps[] = {0, 1, 3, 7, 13, 14};
    for (size_t i = 0; i < 6; i++) {
        shifts_as_the_rule_says(0, keeps[i], single, 1);
        shifts_as_the_rule_says(0, keeps[i], mixed, 5);
        shifts_as_the_rule_says(0, keeps[i], whole, 2);
        shifts_as_the_rule_says(0, keeps[i], longer, 1);
    }
    for (int64_t context = 1; context <= 3; context++)
        for (int64_t keep = 0; keep <= (context > 2); keep++)
            shifts_as_the_rule_says(context, keep, single, 1);
}

Test(writer, refuses)
{
    const tern_writer_config c = {.overflow = TERN_OVERFLOW_REFUSE};
    tern_writer w;
    seen x = {.count = 0};
    int32_t ids[20];
    for (int64_t i = 0; i < 20; i++) ids[i] = id_at(i);
    MUST(tern_writer_new(m, &c, &w));
    MUST(tern_writer_append(&w, ids, 10));
    see(&x, ids, 10, 16, 0);
    cr_expect(eq(i64, tern_writer_room(&w), 6));
    cr_expect(eq(int, tern_writer_append(&w, ids + 10, 7), TERN_EARG));
    cr_expect(strstr(tern_error_message(), "room for 6") != NULL, "%s",
              tern_error_message());
    cr_expect(eq(i64, w.count, 10));
    same_as_fresh(&w, &x);
    MUST(tern_writer_append(&w, ids + 10, 6));
    see(&x, ids + 10, 6, 16, 0);
    same_as_fresh(&w, &x);
    cr_expect(eq(i64, tern_writer_room(&w), 0));
    cr_expect(eq(int, tern_writer_append(&w, ids, 1), TERN_EARG));
    tern_writer_free(&w);
}

/* A bad id, before and while something is forgotten. */
Test(writer, goes_on_after_a_failure)
{
    static const int64_t before[] = {2, 12, 30};
    for (int64_t keep = 0; keep <= 8; keep += 4) {
        for (size_t i = 0; i < 3; i++) {
            const tern_writer_config c = {.keep = keep};
            int32_t ids[40];
            for (int64_t j = 0; j < 40; j++) ids[j] = id_at(j);
            tern_writer w;
            MUST(tern_writer_new(m, &c, &w));
            for (int64_t j = 0; j < before[i]; j++)
                MUST(tern_writer_append(&w, ids + j, 1));
            ids[39] = V;
            cr_expect(eq(int, tern_writer_append(&w, ids + 20, 20), TERN_EARG));
            cr_expect(eq(i64, w.count, before[i]));
            for (int64_t j = 0; j < 40; j++) {
                const int32_t id = id_at(j);
                MUST(tern_writer_append(&w, &id, 1));
                cr_assert(tern_session_length(w.session) <= 16);
            }
            cr_expect(eq(i64, w.count, before[i] + 40));
            tern_writer_free(&w);
        }
    }
}

Test(writer, keep_must_leave_room)
{
    tern_writer w = {0};
    tern_writer_config c = {.keep = 15};
    cr_expect(eq(int, tern_writer_new(m, &c, &w), TERN_EARG));
    cr_expect(strstr(tern_error_message(), "keep is 15, must be from 0 to 14") != NULL,
              "%s", tern_error_message());
    c.keep = -1;
    cr_expect(eq(int, tern_writer_new(m, &c, &w), TERN_EARG));
    c = (tern_writer_config){.context = 2, .keep = 1};
    cr_expect(eq(int, tern_writer_new(m, &c, &w), TERN_EARG));
    c.context = 17;
    cr_expect(eq(int, tern_writer_new(m, &c, &w), TERN_EARG));
    cr_expect(w.session == NULL);
    tern_writer_free(&w);
}
