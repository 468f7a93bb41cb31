/* Directories made tensor by tensor: which of them are tern's graph, and as what. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "export/hf_import.h"
#include "kernels/cpu.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

enum { V = 12, C = 8, F = 16 };

static char dir[TERN_TEST_PATH];

static void init(void)
{
    cr_assert(tern_scratch_new(dir));
    OK(tern_kernels_init());
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(hf_import, .init = init, .fini = fini);

/* Numbers that differ from tensor to tensor; fp16 holds them unless `fine`. */
typedef struct pattern {
    tern_st_type type;
    int first;
    bool fine;
} pattern;

static float value(const pattern *p, size_t i)
{
    return ((float)((p->first * 7 + (int)i * 3) % 31) - 15.0f) / 64.0f +
           (p->fine ? 1e-6f : 0.0f);
}

static tern_status fill(void *user, uint8_t *out, size_t bytes)
{
    const pattern *p = user;
    const size_t each = tern_st_type_bytes(p->type);
    for (size_t i = 0; i < bytes / each; i++) {
        const float x = value(p, i);
        tern_st_put_floats(p->type, &x, 1, out + i * each);
    }
    return TERN_OK;
}

typedef struct maker {
    tern_st_writer *w;
    pattern patterns[32];
    int count;
    tern_st_type type;
} maker;

static pattern *put(maker *m, const char *name, int64_t rows, int64_t cols)
{
    pattern *p = &m->patterns[m->count];
    *p = (pattern){.type = m->type, .first = m->count++};
    const int64_t dims[2] = {rows ? rows : cols, cols};
    tern_st_put_tensor(m->w, name, m->type, rows ? 2 : 1, dims, fill, p);
    return p;
}

/* One layer; heads 2, kv_heads 1, head_dim 4. */
static void put_model(maker *m)
{
    static const struct {
        const char *name;
        int64_t rows, cols;
    } parts[] = {
        {"input_layernorm", 0, C},  {"post_attention_layernorm", 0, C},
        {"self_attn.q_proj", 8, C}, {"self_attn.k_proj", 4, C},
        {"self_attn.v_proj", 4, C}, {"self_attn.o_proj", C, 8},
        {"mlp.gate_proj", F, C},    {"mlp.up_proj", F, C},
        {"mlp.down_proj", C, F},
    };
    m->w = tern_st_writer_new();
    put(m, "model.embed_tokens.weight", V, C);
    put(m, "model.norm.weight", 0, C);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[96];
        snprintf(name, sizeof name, "model.layers.0.%s.weight", parts[i].name);
        put(m, name, parts[i].rows, parts[i].cols);
    }
}

static void finish(maker *m, const char *config)
{
    char path[TERN_PATH_MAX], text[1024];
    OK(tern_st_write_dir(m->w, dir, 1 << 20));
    tern_st_writer_free(m->w);
    snprintf(text, sizeof text,
             "{\"vocab_size\": 12, \"hidden_size\": 8, \"intermediate_size\": 16, "
             "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, "
             "\"num_key_value_heads\": 1, %s}",
             config);
    OK(tern_path_join(path, dir, "config.json"));
    OK(tern_file_write(path, text, strlen(text)));
}

static const float *master(tern_model *m, const char *name)
{
    const tern_param *p = tern_params_find(tern_model_params(m), name);
    cr_assert(p != NULL, "%s", name);
    return p->val;
}

/* Every master is the file's number, in each dtype. */
Test(hf_import, masters_bit_for_bit)
{
    static const tern_st_type types[] = {TERN_ST_F32, TERN_ST_F16, TERN_ST_BF16};
    for (int k = 0; k < 3; k++) {
        maker make = {.type = types[k]};
        tern_hf_import i;
        tern_model *m;
        put_model(&make);
        finish(&make, "\"model_type\": \"llama\"");
        OK(tern_hf_import_open(dir, &i));
        cr_expect(i.spec.tied, "no head, and config.json does not say");
        cr_expect(eq(int, i.spec.embed, TERN_EMBED_F16));
        cr_expect(eq(i64, i.spec.head_dim, 4));
        OK(tern_hf_import_model(&i, &i.spec, &m));
        const float *x = master(m, "layers.0.attn.wk"); /* the sixth that was put */
        for (size_t n = 0; n < 4 * C; n++)
            cr_expect(eq(flt, x[n], value(&make.patterns[5], n)), "type %d", k);
        cr_expect(eq(flt, master(m, "norm")[3], value(&make.patterns[1], 3)));
        tern_model_free(m);
        tern_hf_import_close(&i);
    }
}

/* Float masters made ternary, and the norms of arch bitnet added. */
Test(hf_import, another_arithmetic)
{
    maker make = {.type = TERN_ST_F32};
    tern_hf_import i;
    tern_model *m;
    put_model(&make);
    make.patterns[0].fine = true; /* the embedding */
    finish(&make, "\"model_type\": \"llama\", \"tie_word_embeddings\": true");
    OK(tern_hf_import_open(dir, &i));
    cr_expect(eq(int, i.spec.embed, TERN_EMBED_F32));
    tern_spec s = i.spec;
    s.quant = TERN_QUANT_TERNARY;
    s.arch = TERN_ARCH_BITNET;
    OK(tern_hf_import_model(&i, &s, &m));
    const tern_param *p = tern_params_find(tern_model_params(m), "layers.0.ffn.down");
    cr_expect(eq(int, p->form, TERN_FORM_TERNARY));
    cr_expect(gt(flt, p->ternary.scale, 0.01f), "refreshed");
    cr_expect(eq(flt, p->val[5], value(&make.patterns[10], 5)));
    for (int n = 0; n < F; n++)
        cr_expect(eq(flt, master(m, "layers.0.ffn_sub_norm")[n], 1.0f));
    tern_model_free(m);
    tern_hf_import_close(&i);
}

/* Of a head beside the embedding: its own, a copy, or one that is not read. */
Test(hf_import, heads)
{
    static const struct {
        const char *config;
        bool copy, tied;
        const char *message; /* NULL: fine */
    } cases[] = {
        {"\"model_type\": \"llama\"", false, false, NULL},
        {"\"model_type\": \"llama\", \"tie_word_embeddings\": false", false, false,
         NULL},
        {"\"model_type\": \"llama\", \"tie_word_embeddings\": true", false, true, NULL},
        {"\"model_type\": \"bitnet\", \"tie_word_embeddings\": false", false, false,
         "tern's arch bitnet ties them"},
        {"\"model_type\": \"bitnet\", \"tie_word_embeddings\": false", true, true,
         NULL},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        maker make = {.type = TERN_ST_F16};
        tern_hf_import i;
        tern_model *m;
        put_model(&make);
        pattern *head = put(&make, "lm_head.weight", V, C);
        if (cases[k].copy) head->first = 0;
        if (strstr(cases[k].config, "bitnet")) { /* by 1bitLLM's names */
            put(&make, "model.layers.0.self_attn.inner_attn_ln.weight", 0, 8);
            put(&make, "model.layers.0.mlp.ffn_layernorm.weight", 0, F);
        }
        finish(&make, cases[k].config);
        const tern_status s = tern_hf_import_open(dir, &i);
        cr_expect(eq(int, s, cases[k].message ? TERN_EFORMAT : TERN_OK), "%s",
                  cases[k].config);
        if (s != TERN_OK) {
            cr_expect(strstr(tern_error_message(), cases[k].message) != NULL);
            continue;
        }
        cr_expect(eq(int, i.spec.tied, cases[k].tied), "%s", cases[k].config);
        OK(tern_hf_import_model(&i, &i.spec, &m));
        if (!cases[k].tied)
            cr_expect(eq(flt, master(m, "head.weight")[9], value(head, 9)));
        tern_model_free(m);
        tern_hf_import_close(&i);
    }
}

typedef struct odd_case {
    const char *more, *config, *message;
} odd_case;

static const odd_case odd[] = {
    {"model.layers.0.self_attn.q_proj.bias", "", "q_proj.bias\" has no place"},
    {"model.layers.0.self_attn.q_proj.rms_norm.weight", "", "has no place"},
    {"model.layers.1.input_layernorm.weight", "", "has no place"},
    {"model.layers.0.self_attn.attn_sub_norm.weight", "", "has no place"},
    {"model.layers.0.self_attn.rotary_emb.inv_freq", "", NULL},
    {NULL, ", \"tie_word_embeddings\": false", "\"lm_head.weight\" is missing"},
    {NULL, ", \"vocab_size\": 13", "duplicate"},
    {NULL, ", \"head_dim\": 8", "by config.json it must be (16, 8)"},
};

Test(hf_import, no_tensor_is_left_over_or_missing)
{
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
        char config[256];
        maker make = {.type = TERN_ST_F32};
        tern_hf_import i;
        tern_model *m = NULL;
        put_model(&make);
        if (odd[k].more) put(&make, odd[k].more, 0, C);
        snprintf(config, sizeof config, "\"model_type\": \"llama\"%s", odd[k].config);
        finish(&make, config);
        tern_status s = tern_hf_import_open(dir, &i);
        if (s == TERN_OK) {
            s = tern_hf_import_model(&i, &i.spec, &m);
            tern_hf_import_close(&i);
        }
        cr_expect(eq(int, s == TERN_OK, odd[k].message == NULL), "%s", config);
        if (odd[k].message)
            cr_expect(strstr(tern_error_message(), odd[k].message) != NULL,
                      "no \"%s\": %s", odd[k].message, tern_error_message());
        tern_model_free(m);
    }
}

/* A config.json that asks for more memory than the files could fill. */
Test(hf_import, a_model_larger_than_its_files)
{
    maker make = {.type = TERN_ST_F32};
    tern_hf_import i;
    tern_model *m;
    put_model(&make);
    finish(&make, "\"model_type\": \"llama\"");
    OK(tern_hf_import_open(dir, &i));
    tern_spec s = i.spec;
    s.vocab = 1 << 24;
    s.width = 1 << 14;
    s.heads = s.kv_heads = 1024;
    s.head_dim = 16;
    cr_expect(eq(int, tern_hf_import_model(&i, &s, &m), TERN_ESHAPE));
    cr_expect(strstr(tern_error_message(), "describes a model of") != NULL, "%s",
              tern_error_message());
    tern_hf_import_close(&i);
}
