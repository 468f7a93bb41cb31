/* Does transformers compute what tern computes? hf_reference.py is its LLaMA and BitNet
 * in plain PyTorch, written from names and rules; here it reads what tern exports, and
 * tern reads what it makes. Skipped where python3 has no torch.
 *
 * A logit may differ by the order of float sums, 1e-6 here; LIMIT allows 1e-4. The
 * seeds are such that no activation is within 1e-4 of the middle between two 8-bit
 * codes (the script prints it), where one would be rounded up and the other down. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/rng.h"
#include "export/hf_export.h"
#include "export/hf_import.h"
#include "kernels/cpu.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

enum { VOCAB = 40, IDS = 9, COMMAND = 8192 };
static const double LIMIT = 1e-4;

static char dir[TERN_TEST_PATH];
static int32_t ids[IDS];

/* TERN_PYTHON, or what has torch of python3 and the system's own; NULL: none. */
static const char *find_python(void)
{
    const char *const choices[] = {getenv("TERN_PYTHON"), "python3",
                                   "/usr/bin/python3"};
    for (int i = 0; i < 3; i++) {
        char command[256];
        if (!choices[i]) continue;
        snprintf(command, sizeof command, "%s -c 'import torch' >/dev/null 2>&1",
                 choices[i]);
        if (system(command) == 0) return choices[i];
    }
    return NULL;
}

static const char *interpreter;

static int python(const char *arguments)
{
    static char command[COMMAND];
    const int n = snprintf(command, sizeof command, "%s '%s/tests/export/%s",
                           interpreter, TERN_SOURCE_DIR, arguments);
    cr_assert(n > 0 && n < COMMAND);
    const int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void init(void)
{
    char path[TERN_PATH_MAX], text[IDS * 8];
    int used = 0;
    interpreter = find_python();
    if (!interpreter) cr_skip_test("no python3 with torch");
    cr_assert(tern_scratch_new(dir));
    OK(tern_kernels_init());
    tern_threads_set(1);
    for (int i = 0; i < IDS; i++) {
        ids[i] = (i * 23 + 5) % VOCAB;
        used += snprintf(text + used, sizeof text - (size_t)used, "%d\n", (int)ids[i]);
    }
    OK(tern_path_join(path, dir, "ids"));
    OK(tern_file_write(path, text, (size_t)used));
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(hf_reference, .init = init, .fini = fini, .timeout = 240);

/* --- comparing --- */

static float *read_logits(const char *name)
{
    char path[TERN_PATH_MAX], file[TERN_PATH_MAX], *data;
    size_t bytes;
    snprintf(file, sizeof file, "%s.logits", name);
    OK(tern_path_join(path, dir, file));
    OK(tern_file_read(path, 1 << 20, &data, &bytes));
    cr_assert(eq(sz, bytes, IDS * VOCAB * sizeof(float)));
    return (float *)(void *)data;
}

/* The largest difference; *size is the largest logit. */
static double distance(tern_model *m, const char *name, double *size)
{
    float *theirs = read_logits(name);
    tern_tape *t = tern_tape_new(0);
    const tern_var *v = tern_model_logits(t, m, ids, 1, IDS, 0.0f);
    double worst = 0.0;
    cr_assert(v != NULL, "%s", tern_tape_message(t));
    *size = 0.0;
    for (int i = 0; i < IDS * VOCAB; i++) {
        worst = fmax(worst, fabs((double)v->val[i] - (double)theirs[i]));
        *size = fmax(*size, fabs((double)v->val[i]));
    }
    tern_tape_free(t);
    free(theirs);
    return worst;
}

/* --- out --- */

typedef struct variant {
    const char *name;
    uint64_t seed;
    tern_arch arch;
    tern_quant quant;
    tern_activation activation;
    tern_embed embed;
    bool tied;
    int64_t heads, kv_heads, head_dim;
    int weights;
    uint64_t shard_bytes;
} variant;

enum { AUTO = TERN_HF_WRITE_AUTOBITLINEAR, BIT = TERN_HF_WRITE_BITLINEAR };
enum { ONLINE = TERN_HF_WRITE_ONLINE };

#define BITNET TERN_ARCH_BITNET, TERN_QUANT_TERNARY
#define LLAMA TERN_ARCH_LLAMA, TERN_QUANT_TERNARY

static const variant variants[] = {
    {"bn-auto", 2, BITNET, TERN_SILU, TERN_EMBED_F16, true, 4, 2, 8, AUTO, 0},
    {"bn-bit", 2, BITNET, TERN_RELU2, TERN_EMBED_F16, true, 4, 4, 8, BIT, 0},
    {"bn-online", 2, BITNET, TERN_SILU, TERN_EMBED_F32, true, 4, 1, 8, ONLINE, 0},
    {"ll-auto", 3, LLAMA, TERN_RELU2, TERN_EMBED_F16, false, 4, 2, 12, AUTO, 0},
    {"ll-bit", 1, LLAMA, TERN_SILU, TERN_EMBED_F32, false, 2, 1, 16, BIT, 0},
    {"ll-online", 3, LLAMA, TERN_SILU, TERN_EMBED_F16, true, 4, 2, 8, ONLINE, 0},
    {"shards", 3, LLAMA, TERN_SILU, TERN_EMBED_F16, true, 4, 2, 8, AUTO, 2000},
    {"bn-float", 1, TERN_ARCH_BITNET, TERN_QUANT_NONE, TERN_SILU, TERN_EMBED_F16, true,
     4, 2, 8, TERN_HF_AUTO, 0},
    {"ll-float", 1, TERN_ARCH_LLAMA, TERN_QUANT_NONE, TERN_SILU, TERN_EMBED_F32, false,
     4, 2, 8, TERN_HF_AUTO, 0},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static tern_config config_of(const variant *v)
{
    tern_config c;
    tern_config_defaults(&c);
    c.model = (tern_spec){.arch = v->arch,
                          .quant = v->quant,
                          .activation = v->activation,
                          .embed = v->embed,
                          .tied = v->tied,
                          .vocab = VOCAB,
                          .width = 32,
                          .layers = 2,
                          .heads = v->heads,
                          .kv_heads = v->kv_heads,
                          .head_dim = v->head_dim,
                          .ffn = 48,
                          .context = 16,
                          .rope_theta = 5000.0f,
                          .norm_eps = 1e-5f,
                          .rope_scaling = (tern_rope_scaling)((v - variants) % 3),
                          .rope_factor = 3.0f,
                          .rope_low = 1.0f,
                          .rope_high = 4.0f,
                          .rope_original = 64};
    OK(tern_config_resolve(&c, VOCAB, v->name));
    return c;
}

/* Gains that are not 1, so that one left out or in the wrong place shows. */
static tern_model *random_model(const tern_spec *s, uint64_t seed)
{
    tern_model *m;
    OK(tern_model_new(s, &m));
    OK(tern_model_init(m, 0.2f, seed));
    const tern_params *list = tern_model_params(m);
    for (size_t i = 0; i < list->count; i++) {
        tern_param *p = list->items[i];
        for (int64_t k = 0; p->rows == 1 && k < p->cols; k++)
            p->val[k] = 0.5f + (float)tern_rand_below(seed + i, TERN_STREAM_TEST,
                                                      (uint64_t)k, 1000) /
                                   1000.0f;
        OK(tern_param_refresh(p));
    }
    return m;
}

/* Into dir/name, by way of a checkpoint; all of it must be exact. */
static tern_hf_parity export_model(const char *name, tern_model *m,
                                   const tern_config *c, const tern_hf_options *o)
{
    char path[TERN_PATH_MAX], file[TERN_PATH_MAX], verdict[512];
    const tern_progress_state state = {.val = (double)NAN, .best_val = (double)NAN};
    tern_checkpoint *checkpoint;
    tern_hf_parity parity;
    OK(tern_path_join(file, dir, "c.h5"));
    OK(tern_checkpoint_save(file, c, NULL, m, NULL, &state));
    OK(tern_checkpoint_open(file, &checkpoint));
    OK(tern_path_join(path, dir, name));
    OK(tern_export_hf(checkpoint, m, o, path, &parity));
    cr_expect(tern_hf_verdict(&parity, verdict, sizeof verdict), "%s: %s", name,
              verdict);
    tern_checkpoint_close(checkpoint);
    return parity;
}

static tern_model *export_variant(const variant *v)
{
    const tern_config c = config_of(v);
    const tern_hf_options o = {
        .weights = v->weights, .dtype = TERN_HF_AUTO, .shard_bytes = v->shard_bytes};
    tern_model *m = random_model(&c.model, v->seed);
    const tern_hf_parity parity = export_model(v->name, m, &c, &o);
    cr_expect(eq(int, parity.files > 1, v->shard_bytes > 0));
    return m;
}

Test(hf_reference, reads_what_tern_exports)
{
    static char arguments[COMMAND];
    tern_model *models[VARIANTS];
    int used =
        snprintf(arguments, sizeof arguments, "hf_reference.py' run %s/ids", dir);
    for (int i = 0; i < VARIANTS; i++) {
        models[i] = export_variant(&variants[i]);
        used += snprintf(arguments + used, sizeof arguments - (size_t)used, " %s/%s",
                         dir, variants[i].name);
    }
    cr_assert(eq(int, python(arguments), 0));
    for (int i = 0; i < VARIANTS; i++) {
        double size;
        const double d = distance(models[i], variants[i].name, &size);
        cr_log_info("%s: off by %.1e, of %.2f", variants[i].name, d, size);
        cr_expect(lt(dbl, d, LIMIT), "%s", variants[i].name);
        cr_expect(gt(dbl, size, 0.5), "%s: logits too small to compare",
                  variants[i].name);
        tern_model_free(models[i]);
    }
}

/* --- in --- */

static const char *const kinds[] = {"llama-f32", "llama-f16-tied", "llama-bf16",
                                    "bitnet-auto-bf16", "llama-bitlinear"};
static const tern_hf_options back[] = {
    {.weights = TERN_HF_AUTO, .dtype = TERN_ST_F32},
    {.weights = TERN_HF_AUTO, .dtype = TERN_ST_F16},
    {.weights = TERN_HF_AUTO, .dtype = TERN_ST_BF16},
    {.weights = TERN_HF_WRITE_AUTOBITLINEAR, .dtype = TERN_ST_BF16},
    {.weights = TERN_HF_WRITE_BITLINEAR, .dtype = TERN_ST_F32},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Exported in its own kind and dtype, a checkpoint has the tensors it came with. */
static void expect_round_trip(const char *kind, tern_model *m, const tern_hf_options *o)
{
    char path[TERN_PATH_MAX], name[64];
    tern_config c;
    tern_safetensors *before, *after;
    tern_config_defaults(&c);
    c.model = *tern_model_spec(m);
    snprintf(name, sizeof name, "%s-back", kind);
    (void)export_model(name, m, &c, o);
    OK(tern_path_join(path, dir, kind));
    OK(tern_safetensors_open_dir(path, &before));
    OK(tern_path_join(path, dir, name));
    OK(tern_safetensors_open_dir(path, &after));
    cr_expect(eq(sz, tern_safetensors_count(after), tern_safetensors_count(before)));
    for (size_t i = 0; i < tern_safetensors_count(before); i++) {
        const tern_st_tensor *a = tern_safetensors_at(before, i);
        const tern_st_tensor *b = tern_safetensors_find(after, a->name);
        cr_assert(b != NULL, "%s: %s", kind, a->name);
        cr_expect(eq(int, b->type, a->type));
        cr_expect(eq(int, b->rank, a->rank));
        cr_assert(eq(sz, b->bytes, a->bytes));
        cr_expect(memcmp(b->data, a->data, a->bytes) == 0, "%s: %s", kind, a->name);
    }
    tern_safetensors_close(before);
    tern_safetensors_close(after);
}

Test(hf_reference, makes_what_tern_imports)
{
    static char arguments[COMMAND], run[COMMAND];
    int used = snprintf(run, sizeof run, "hf_reference.py' run %s/ids", dir);
    int made = snprintf(arguments, sizeof arguments, "hf_reference.py' make %s", dir);
    for (int i = 0; i < KINDS; i++) {
        made += snprintf(arguments + made, sizeof arguments - (size_t)made, " %s",
                         kinds[i]);
        used +=
            snprintf(run + used, sizeof run - (size_t)used, " %s/%s", dir, kinds[i]);
    }
    cr_assert(eq(int, python(arguments), 0));
    cr_assert(eq(int, python(run), 0));
    for (int i = 0; i < KINDS; i++) {
        char path[TERN_PATH_MAX];
        tern_hf_import import;
        tern_model *m;
        double size;
        OK(tern_path_join(path, dir, kinds[i]));
        OK(tern_hf_import_open(path, &import));
        cr_expect(eq(int, import.spec.quant == TERN_QUANT_TERNARY, i >= 3));
        /* fp16 holds what was rounded to 8 bits, unless it is tiny; not what was not.
         */
        cr_expect(eq(int, import.spec.embed == TERN_EMBED_F16, i > 0 && i < 4), "%s",
                  kinds[i]);
        OK(tern_hf_import_model(&import, &import.spec, &m));
        cr_expect(eq(i64, import.notes.scales_rounded, 0));
        const double d = distance(m, kinds[i], &size);
        cr_log_info("%s: off by %.1e, of %.2f", kinds[i], d, size);
        cr_expect(lt(dbl, d, LIMIT), "%s", kinds[i]);
        expect_round_trip(kinds[i], m, &back[i]);
        tern_hf_import_close(&import);
        tern_model_free(m);
    }
}
