/* Is a file that is not the model found out? Each test makes one difference on purpose,
 * in the model after it was exported or in the way of exporting, and expects the
 * comparison to count it. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/gguf_export.h"
#include "export/verify.h"
#include "kernels/cpu.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

enum { CONTEXT = 320, VOCAB = 40, IDS = CONTEXT + 1 };

static char dir[TERN_TEST_PATH], file[TERN_TEST_PATH + 16];
static int32_t ids[IDS];

static void init(void)
{
    cr_assert(tern_scratch_new(dir));
    OK(tern_kernels_init());
    tern_threads_set(1);
    snprintf(file, sizeof file, "%s/m.gguf", dir);
    for (int i = 0; i < IDS; i++) ids[i] = i * 7 % VOCAB;
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(verify, .init = init, .fini = fini);

typedef struct subject {
    tern_config config;
    tern_checkpoint *checkpoint;
    tern_model *model;
} subject;

static tern_config small(void)
{
    tern_config c;
    tern_config_defaults(&c);
    c.model.vocab = VOCAB;
    c.model.width = 64;
    c.model.layers = 2;
    c.model.heads = 2;
    c.model.ffn = 64;
    c.model.context = CONTEXT;
    c.schedule.warmup = 1;
    return c;
}

static subject make(tern_config c)
{
    char path[TERN_TEST_PATH + 16];
    subject s = {.config = c};
    const tern_progress_state state = {.val = (double)NAN, .best_val = (double)NAN};
    snprintf(path, sizeof path, "%s/c.h5", dir);
    OK(tern_config_resolve(&s.config, VOCAB, "test"));
    OK(tern_model_new(&s.config.model, &s.model));
    OK(tern_model_init(s.model, 0.1f, 1));
    OK(tern_checkpoint_save(path, &s.config, NULL, s.model, NULL, &state));
    OK(tern_checkpoint_open(path, &s.checkpoint));
    return s;
}

static void drop(subject *s)
{
    tern_checkpoint_close(s->checkpoint);
    tern_model_free(s->model);
}

static const tern_export_options automatic = {.type = TERN_EXPORT_AUTO,
                                              .embed = TERN_EXPORT_AUTO};

static tern_parity compare(const subject *s, int64_t count)
{
    tern_parity p;
    tern_runtime *r;
    OK(tern_runtime_open(file, &r));
    OK(tern_verify(s->model, r, ids, count, 8, &p));
    tern_runtime_free(r);
    return p;
}

static void expect_verdict(const tern_parity *p, bool exact, const char *word)
{
    char text[512];
    cr_expect(eq(int, tern_parity_verdict(p, text, sizeof text), exact), "%s", text);
    cr_expect(ne(ptr, strstr(text, word), NULL), "no \"%s\": %s", word, text);
}

/* model.embed f16 and f32, tied and not, ternary: the default loses nothing. */
Test(verify, the_default_export_is_exact)
{
    for (int i = 0; i < 4; i++) {
        tern_config c = small();
        tern_export_types types;
        c.model.embed = i & 1 ? TERN_EMBED_F32 : TERN_EMBED_F16;
        if (i & 2) {
            c.model.arch = TERN_ARCH_LLAMA;
            c.model.tied = false;
        }
        subject s = make(c);
        OK(tern_export_choose(&s.config.model, &automatic, &types));
        cr_expect(eq(int, types.embed, i & 1 ? TERN_GGML_F32 : TERN_GGML_F16));
        OK(tern_export_gguf(s.checkpoint, s.model, &automatic, file));
        const tern_parity p = compare(&s, IDS);
        cr_expect(eq(i64, p.codes_differ + p.scales_differ + p.floats_differ, 0));
        cr_expect(eq(i64, p.logits_differ + p.acts_differ, 0));
        cr_expect(gt(i64, p.floats, (i & 2 ? 2 : 1) * VOCAB * 64));
        expect_verdict(&p, true, "exact");
        drop(&s);
    }
}

/* Its weights at least, since BLAS has its own order of summation. */
Test(verify, the_float_twin_keeps_its_weights)
{
    tern_config c = small();
    c.model.quant = TERN_QUANT_NONE;
    subject s = make(c);
    OK(tern_export_gguf(s.checkpoint, s.model, &automatic, file));
    tern_parity p = compare(&s, IDS);
    cr_expect(eq(i64, p.floats_differ, 0));
    cr_expect(lt(dbl, p.max_logit_error, 1e-4));
    tern_export_options half = automatic;
    half.type = TERN_GGML_F16;
    OK(tern_export_gguf(s.checkpoint, s.model, &half, file));
    p = compare(&s, IDS);
    cr_expect(gt(i64, p.floats_differ, 1000));
    expect_verdict(&p, false, "rounds");
    drop(&s);
}

Test(verify, a_type_that_rounds_is_named)
{
    tern_config c = small();
    c.model.embed = TERN_EMBED_F32;
    subject s = make(c);
    tern_export_options half = automatic;
    half.embed = TERN_GGML_F16;
    OK(tern_export_gguf(s.checkpoint, s.model, &half, file));
    const tern_parity p = compare(&s, IDS);
    cr_expect(gt(i64, p.floats_differ, 1000));
    cr_expect(eq(i64, p.codes_differ, 0));
    expect_verdict(&p, false, "not exact, because the chosen type rounds");
    drop(&s);
}

/* A change of one weight, and of one scale. */
Test(verify, other_weights_are_found)
{
    subject s = make(small());
    OK(tern_export_gguf(s.checkpoint, s.model, &automatic, file));
    tern_param *w = tern_params_find(tern_model_params(s.model), "layers.1.ffn.up");
    w->val[7] = -w->val[7] * 40.0f;
    OK(tern_param_refresh(w));
    const tern_parity p = compare(&s, IDS);
    cr_expect(eq(i64, p.scales_differ, 1));
    cr_expect(gt(i64, p.codes_differ, 0));
    cr_expect(gt(i64, p.logits_differ, 0));
    expect_verdict(&p, false, "not the model's");
    drop(&s);
}

/* Every position of the context is compared, not only the first 256. */
Test(verify, windows_are_the_context)
{
    subject s = make(small());
    OK(tern_export_gguf(s.checkpoint, s.model, &automatic, file));
    tern_parity p = compare(&s, IDS);
    cr_expect(eq(i64, p.positions, CONTEXT));
    cr_expect(eq(i64, p.logits, CONTEXT * VOCAB));
    p = compare(&s, 11);
    cr_expect(eq(i64, p.positions, 10));
    p = compare(&s, 1);
    cr_expect(eq(i64, p.tokens, 0));
    expect_verdict(&p, false, "no text was compared");
    drop(&s);
}

/* One logit of each row is NaN, and a finite difference follows it. */
Test(verify, a_nan_is_a_difference_and_is_not_forgotten)
{
    tern_config c = small();
    c.model.arch = TERN_ARCH_LLAMA;
    c.model.tied = false;
    c.model.embed = TERN_EMBED_F32;
    subject s = make(c);
    OK(tern_export_gguf(s.checkpoint, s.model, &automatic, file));
    float *head = tern_params_find(tern_model_params(s.model), "head.weight")->val;
    head[64 * 5] = NAN;
    head[64 * 6] += 1.0f;
    tern_parity p = compare(&s, 21);
    cr_expect(eq(i64, p.logits_nan, 20));
    cr_expect(eq(i64, p.logits_differ, 40));
    cr_expect(isnan(p.max_logit_error));
    /* Both sides: the same bits, and yet nothing that agrees. */
    OK(tern_export_gguf(s.checkpoint, s.model, &automatic, file));
    p = compare(&s, 21);
    cr_expect(eq(i64, p.floats_differ, 0));
    cr_expect(eq(i64, p.logits_differ, 20));
    expect_verdict(&p, false, "20 logits are not numbers");
    drop(&s);
}

static tern_status refuse(void *user, const char *path)
{
    cr_expect(tern_file_exists(path));
    ++*(int *)user;
    return tern_fail(TERN_ECORRUPT, "refused");
}

Test(verify, a_refused_file_does_not_replace_the_old_one)
{
    subject s = make(small());
    int calls = 0;
    char *before, *after;
    size_t bytes[2];
    tern_export_options o = automatic;
    OK(tern_export_gguf(s.checkpoint, s.model, &o, file));
    OK(tern_file_read(file, 1 << 24, &before, &bytes[0]));
    o.check = refuse;
    o.user = &calls;
    o.name = "other";
    cr_expect(
        eq(int, tern_export_gguf(s.checkpoint, s.model, &o, file), TERN_ECORRUPT));
    cr_expect(eq(int, calls, 1));
    OK(tern_file_read(file, 1 << 24, &after, &bytes[1]));
    cr_assert(eq(sz, bytes[0], bytes[1]));
    cr_expect(memcmp(before, after, bytes[0]) == 0);
    free(before);
    free(after);
    drop(&s);
}

Test(verify, a_tensor_that_does_not_fit_names_the_file)
{
    subject s = make(small());
    tern_export_options o = automatic;
    o.type = TERN_GGML_TQ2_0;
    cr_expect(eq(int, tern_export_gguf(s.checkpoint, s.model, &o, file), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "m.gguf: tensor "), NULL), "%s",
              tern_error_message());
    cr_expect(not(tern_file_exists(file)));
    drop(&s);
}
