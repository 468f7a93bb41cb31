/* From a model to a file, from the file to a run, from the run to a file again: every
 * tensor keeps its bytes, and the run computes with the same codes and scales. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/gguf_export.h"
#include "export/gguf_import.h"
#include "formats/blocks.h"
#include "kernels/cpu.h"
#include "tests/runtime/toy.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

static char dir[TERN_TEST_PATH], first[TERN_TEST_PATH + 16],
    second[TERN_TEST_PATH + 16];

static void init(void)
{
    cr_assert(tern_scratch_new(dir));
    OK(tern_kernels_init());
    tern_threads_set(1);
    snprintf(first, sizeof first, "%s/a.gguf", dir);
    snprintf(second, sizeof second, "%s/b.gguf", dir);
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(gguf_import, .init = init, .fini = fini);

static tern_config small(tern_arch arch, tern_quant quant, int64_t width)
{
    tern_config c;
    tern_config_defaults(&c);
    c.model.arch = arch;
    c.model.quant = quant;
    c.model.tied = arch == TERN_ARCH_BITNET;
    c.model.vocab = 40;
    c.model.width = width;
    c.model.layers = 2;
    c.model.heads = 4;
    c.model.kv_heads = 2;
    c.model.ffn = width;
    c.model.context = 32;
    c.model.rope_theta = 500.0f;
    c.schedule.warmup = 1;
    OK(tern_config_resolve(&c, 40, "test"));
    return c;
}

static void write_file(const tern_config *c, tern_model *model, int type, int embed,
                       const char *file)
{
    char path[TERN_TEST_PATH + 16];
    const tern_progress_state state = {.val = (double)NAN, .best_val = (double)NAN};
    const tern_export_options options = {.type = type, .embed = embed};
    tern_checkpoint *checkpoint;
    snprintf(path, sizeof path, "%s/c.h5", dir);
    OK(tern_checkpoint_save(path, c, NULL, model, NULL, &state));
    OK(tern_checkpoint_open(path, &checkpoint));
    OK(tern_export_gguf(checkpoint, model, &options, file));
    tern_checkpoint_close(checkpoint);
}

static void same_tensors(const char *what)
{
    tern_gguf *a, *b;
    OK(tern_gguf_open(first, &a));
    OK(tern_gguf_open(second, &b));
    cr_assert(eq(sz, tern_gguf_tensor_count(a), tern_gguf_tensor_count(b)));
    for (size_t i = 0; i < tern_gguf_tensor_count(a); i++) {
        const tern_gguf_tensor *t = tern_gguf_tensor_at(a, i);
        const tern_gguf_tensor *u = tern_gguf_find_tensor(b, t->name);
        cr_assert(u != NULL && u->type == t->type && u->bytes == t->bytes);
        cr_expect(memcmp(t->data, u->data, t->bytes) == 0, "%s: %s", what, t->name);
    }
    tern_gguf_close(a);
    tern_gguf_close(b);
}

static void there_and_back(tern_config c, int type, int embed)
{
    tern_model *model, *back;
    tern_runtime *r;
    tern_config again;
    tern_gguf_notes notes;
    OK(tern_model_new(&c.model, &model));
    OK(tern_model_init(model, 0.1f, 1));
    write_file(&c, model, type, embed, first);
    OK(tern_runtime_open(first, &r));
    OK(tern_gguf_import_config(r, NULL, 0, &again));
    cr_expect(again.model.arch == c.model.arch && again.model.quant == c.model.quant);
    cr_expect(again.steps == c.steps && again.model.rope_theta == 500.0f);
    OK(tern_gguf_import_model(r, &again.model, &notes, &back));
    const bool ternary = c.model.quant == TERN_QUANT_TERNARY;
    cr_expect(eq(i64, notes.ternary, ternary ? 14 : 0));
    cr_expect(eq(i64, notes.scales_rounded, 0));
    write_file(&again, back, type, embed, second);
    same_tensors(tern_ggml_name((uint32_t)type));
    tern_runtime_free(r);
    tern_model_free(model);
    tern_model_free(back);
}

Test(gguf_import, ternary_keeps_its_bytes)
{
    static const int types[] = {TERN_GGML_TQ2_0, TERN_GGML_TQ1_0, TERN_GGML_Q2_0,
                                TERN_GGML_F16};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        there_and_back(small(TERN_ARCH_BITNET, TERN_QUANT_TERNARY, 256), types[i],
                       TERN_GGML_F16);
        there_and_back(small(TERN_ARCH_LLAMA, TERN_QUANT_TERNARY, 256), types[i],
                       TERN_GGML_Q8_0);
    }
}

Test(gguf_import, floats_keep_their_bytes)
{
    there_and_back(small(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 64), TERN_GGML_F32,
                   TERN_GGML_F32);
    there_and_back(small(TERN_ARCH_BITNET, TERN_QUANT_NONE, 64), TERN_GGML_F16,
                   TERN_GGML_F16);
}

/* Blocks that were rounded once are not rounded again: the largest of a block keeps its
 * code, and so the scale and all the others. (Q6_K looks for the best of many scales,
 * and need not find the same again.) */
Test(gguf_import, rounded_floats_keep_their_bytes)
{
    there_and_back(small(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 64), TERN_GGML_Q8_0,
                   TERN_GGML_Q8_0);
    there_and_back(small(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 64), TERN_GGML_Q4_0,
                   TERN_GGML_F32);
}

/* What tern itself does not write: the numbers become masters as they are. */
Test(gguf_import, bf16_is_kept)
{
    const tern_config c = small(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 64);
    static toy t;
    tern_runtime *r;
    tern_config again;
    tern_gguf_notes notes;
    tern_model *back;
    toy_make(&t, &c.model, TERN_GGML_BF16, TERN_GGML_BF16, 5);
    toy_write(&t, first);
    OK(tern_runtime_open(first, &r));
    OK(tern_gguf_import_config(r, NULL, 0, &again));
    OK(tern_gguf_import_model(r, &again.model, &notes, &back));
    const tern_params *list = tern_model_params(back);
    cr_assert(eq(sz, list->count, t.count));
    for (size_t i = 0; i < t.count; i++) {
        const toy_tensor *x = &t.tensors[i]; /* in the order of the parameters */
        const size_t n = (size_t)((x->rows ? x->rows : 1) * x->cols);
        cr_expect(memcmp(list->items[i]->val, x->values, n * sizeof(float)) == 0, "%s",
                  x->name);
    }
    tern_model_free(back);
    tern_runtime_free(r);
    toy_free(&t);
}

/* A float file becomes a ternary run when that is asked for. */
Test(gguf_import, other_arithmetic)
{
    static const char *const sets[] = {"model.quant=ternary", "model.context=16"};
    tern_config c = small(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 64), again;
    tern_model *model, *back;
    tern_runtime *r;
    tern_gguf_notes notes;
    OK(tern_model_new(&c.model, &model));
    OK(tern_model_init(model, 0.1f, 1));
    write_file(&c, model, TERN_GGML_F32, TERN_GGML_F32, first);
    OK(tern_runtime_open(first, &r));
    OK(tern_gguf_import_config(r, sets, 2, &again));
    cr_expect(again.model.quant == TERN_QUANT_TERNARY && again.model.context == 16);
    OK(tern_gguf_import_model(r, &again.model, &notes, &back));
    const tern_params *a = tern_model_params(model), *b = tern_model_params(back);
    for (size_t i = 0; i < a->count; i++)
        cr_expect(memcmp(tern_param_forward(a->items[i]), b->items[i]->val,
                         (size_t)(a->items[i]->rows * a->items[i]->cols) *
                             sizeof(float)) == 0,
                  "%s", a->items[i]->name);
    again.model.width = 128;
    tern_model_free(back);
    cr_expect(
        eq(int, tern_gguf_import_model(r, &again.model, &notes, &back), TERN_ESHAPE));
    cr_expect(strstr(tern_error_message(), "embed.weight") != NULL);
    tern_runtime_free(r);
    tern_model_free(model);
}
