/* config.json: what a field means, what its absence means, and what is refused. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/hf_config.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

static char dir[TERN_TEST_PATH];

static void init(void)
{
    cr_assert(tern_scratch_new(dir));
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(hf_config, .init = init, .fini = fini);

#define BASE                                                                           \
    "\"vocab_size\": 100, \"hidden_size\": 64, \"intermediate_size\": 96, "            \
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 4"

static tern_status read_text(const char *text, tern_hf_config *out)
{
    char path[TERN_PATH_MAX];
    OK(tern_path_join(path, dir, "config.json"));
    OK(tern_file_write(path, text, strlen(text)));
    return tern_hf_read_config(dir, out);
}

/* LlamaConfig's and BitNetConfig's defaults. */
Test(hf_config, what_is_missing_has_their_default)
{
    tern_hf_config c;
    OK(read_text("{\"model_type\": \"llama\", " BASE "}", &c));
    cr_expect(eq(int, c.spec.arch, TERN_ARCH_LLAMA));
    cr_expect(eq(int, c.spec.quant, TERN_QUANT_NONE));
    cr_expect(eq(int, c.linear, TERN_HF_FLOAT));
    cr_expect(eq(int, c.spec.activation, TERN_SILU));
    cr_expect(eq(i64, c.spec.kv_heads, 4));
    cr_expect(eq(i64, c.spec.head_dim, 16));
    cr_expect(eq(i64, c.spec.context, 2048));
    cr_expect(eq(flt, c.spec.rope_theta, 10000.0f));
    cr_expect(eq(flt, c.spec.norm_eps, 1e-6f));
    cr_expect(not(c.tied_known));
    OK(read_text("{\"model_type\": \"bitnet\", " BASE "}", &c));
    cr_expect(eq(int, c.spec.arch, TERN_ARCH_BITNET));
    cr_expect(eq(int, c.spec.activation, TERN_RELU2));
    cr_expect(eq(flt, c.spec.rope_theta, 500000.0f));
    cr_expect(eq(flt, c.spec.norm_eps, 1e-5f));
    cr_expect(eq(int, c.spec.quant, TERN_QUANT_NONE));
}

Test(hf_config, every_field_is_taken)
{
    tern_hf_config c;
    OK(read_text(
        "{\"model_type\": \"llama\", " BASE ", \"num_key_value_heads\": 2, "
        "\"head_dim\": 24, \"max_position_embeddings\": 77, \"rope_theta\": 5e5, "
        "\"rms_norm_eps\": 0.25, \"hidden_act\": \"relu2\", "
        "\"tie_word_embeddings\": true, \"rope_scaling\": null, "
        "\"attention_bias\": null, \"unknown\": {\"a\": 1}}",
        &c));
    cr_expect(eq(i64, c.spec.vocab, 100));
    cr_expect(eq(i64, c.spec.width, 64));
    cr_expect(eq(i64, c.spec.ffn, 96));
    cr_expect(eq(i64, c.spec.layers, 2));
    cr_expect(eq(i64, c.spec.heads, 4));
    cr_expect(eq(i64, c.spec.kv_heads, 2));
    cr_expect(eq(i64, c.spec.head_dim, 24));
    cr_expect(eq(i64, c.spec.context, 77));
    cr_expect(eq(flt, c.spec.rope_theta, 500000.0f));
    cr_expect(eq(flt, c.spec.norm_eps, 0.25f));
    cr_expect(eq(int, c.spec.activation, TERN_RELU2));
    cr_expect(c.tied_known && c.spec.tied);
    /* As transformers 5 writes positions. */
    OK(read_text("{\"model_type\": \"llama\", " BASE ", \"rope_parameters\": "
                 "{\"rope_theta\": 250000.0, \"rope_type\": \"default\"}}",
                 &c));
    cr_expect(eq(flt, c.spec.rope_theta, 250000.0f));
}

static const struct {
    const char *more;
    tern_hf_linear linear;
} kinds[] = {
    {"{\"quant_method\": \"bitnet\"}", TERN_HF_BITLINEAR},
    {"{\"quant_method\": \"bitnet\", \"linear_class\": \"bitlinear\"}",
     TERN_HF_BITLINEAR},
    {"{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\"}",
     TERN_HF_AUTOBITLINEAR},
    {"{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", "
     "\"quantization_mode\": \"offline\", \"modules_to_not_convert\": [\"lm_head\"]}",
     TERN_HF_AUTOBITLINEAR},
    {"{\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", "
     "\"quantization_mode\": \"online\"}",
     TERN_HF_ONLINE},
};

Test(hf_config, kinds_of_linear_layers)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char text[1024];
        tern_hf_config c;
        snprintf(text, sizeof text,
                 "{\"model_type\": \"llama\", " BASE ", \"quantization_config\": %s}",
                 kinds[i].more);
        OK(read_text(text, &c));
        cr_expect(eq(int, c.linear, kinds[i].linear), "%s", kinds[i].more);
        cr_expect(eq(int, c.spec.quant, TERN_QUANT_TERNARY));
    }
    tern_hf_config c; /* 1bitLLM's own class */
    OK(read_text("{\"architectures\": [\"BitnetForCausalLM\"], \"model_type\": "
                 "\"llama\", " BASE ", \"hidden_act\": \"silu\"}",
                 &c));
    cr_expect(eq(int, c.spec.arch, TERN_ARCH_BITNET));
    cr_expect(eq(int, c.linear, TERN_HF_ONLINE));
}

static const struct {
    const char *more, *message; /* NULL: fine */
} windows[] = {
    {"\"max_position_embeddings\": 4096", NULL},
    {"\"max_position_embeddings\": 8192", "\"sliding_window\": is 4096"},
    {"\"max_position_embeddings\": 8192, \"sliding_window\": null", NULL},
    {"\"max_position_embeddings\": 8192, \"sliding_window\": 8192", NULL},
    {"\"max_position_embeddings\": 8192, \"sliding_window\": 8191",
     "\"sliding_window\": is 8191"},
};

Test(hf_config, mistral_is_llama_without_a_window)
{
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        char text[1024];
        tern_hf_config c;
        snprintf(text, sizeof text, "{\"model_type\": \"mistral\", " BASE ", %s}",
                 windows[i].more);
        const tern_status s = read_text(text, &c);
        cr_expect(eq(int, s, windows[i].message ? TERN_EFORMAT : TERN_OK), "%s",
                  windows[i].more);
        if (windows[i].message)
            cr_expect(strstr(tern_error_message(), windows[i].message) != NULL, "%s",
                      tern_error_message());
    }
}

static const struct {
    const char *json, *message;
} refused[] = {
    {"", "config.json: line"},
    {"[]", "not a JSON object"},
    {"{}", "\"model_type\": is \"\""},
    {"{\"model_type\": \"qwen2\", " BASE "}", "is \"qwen2\""},
    {"{\"model_type\": \"llama\"}", "\"vocab_size\": is missing"},
    {"{\"model_type\": \"llama\", " BASE ", \"head_dim\": 0}", "\"head_dim\": must be"},
    {"{\"model_type\": \"llama\", " BASE ", \"head_dim\": 16.0}",
     "\"head_dim\": must be"},
    {"{\"model_type\": \"llama\", " BASE ", \"num_key_value_heads\": 3}", "kv_heads"},
    {"{\"model_type\": \"llama\", " BASE ", \"rms_norm_eps\": \"small\"}",
     "\"rms_norm_eps\": must be a number"},
    {"{\"model_type\": \"llama\", " BASE ", \"rms_norm_eps\": 2.0}", "norm_eps"},
    {"{\"model_type\": \"llama\", " BASE ", \"rope_theta\": -1}", "rope_theta"},
    {"{\"model_type\": \"llama\", " BASE ", \"rope_scaling\": {\"type\": \"dynamic\", "
     "\"factor\": 2.0}}",
     "\"rope_scaling\": positions are scaled by rule \"dynamic\""},
    {"{\"model_type\": \"llama\", " BASE ", \"rope_scaling\": 3}",
     "\"rope_scaling\": must be an object"},
    {"{\"model_type\": \"llama\", " BASE ", \"mlp_bias\": true}", "\"mlp_bias\""},
    {"{\"model_type\": \"llama\", " BASE ", \"hidden_act\": \"gelu\"}",
     "\"hidden_act\": is \"gelu\""},
    {"{\"model_type\": \"llama\", " BASE ", \"tie_word_embeddings\": 1}",
     "\"tie_word_embeddings\""},
    {"{\"model_type\": \"llama\", " BASE
     ", \"quantization_config\": {\"quant_method\": "
     "\"awq\"}}",
     "is \"awq\""},
    {"{\"model_type\": \"llama\", " BASE
     ", \"quantization_config\": {\"quant_method\": "
     "\"bitnet\", \"linear_class\": \"other\"}}",
     "linear_class"},
    {"{\"model_type\": \"bitnet\", " BASE ", \"head_dim\": 8}", "heads * head_dim"},
};

Test(hf_config, refused_by_name)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        tern_hf_config c;
        cr_expect(ne(int, read_text(refused[i].json, &c), TERN_OK), "%s",
                  refused[i].json);
        cr_expect(strstr(tern_error_message(), refused[i].message) != NULL,
                  "no \"%s\": %s", refused[i].message, tern_error_message());
        cr_expect(strstr(tern_error_message(), "config.json") != NULL, "%s",
                  tern_error_message());
    }
}

/* Out and in again: every dimension, exactly. */
Test(hf_config, written_and_read)
{
    static const tern_hf_linear linears[] = {TERN_HF_FLOAT, TERN_HF_BITLINEAR,
                                             TERN_HF_AUTOBITLINEAR, TERN_HF_ONLINE};
    for (int i = 0; i < 4; i++) {
        const tern_spec s = {.arch = i & 1 ? TERN_ARCH_BITNET : TERN_ARCH_LLAMA,
                             .quant = i ? TERN_QUANT_TERNARY : TERN_QUANT_NONE,
                             .activation = i & 2 ? TERN_RELU2 : TERN_SILU,
                             .embed = TERN_EMBED_F32,
                             .tied = i & 1,
                             .vocab = 101 + i,
                             .width = 64,
                             .layers = 3,
                             .heads = 4,
                             .kv_heads = 2,
                             .head_dim = i & 1 ? 16 : 20,
                             .ffn = 100,
                             .context = 1234,
                             .rope_theta = 123456.7f,
                             .norm_eps = 3.3e-6f};
        tern_hf_config c;
        OK(tern_hf_write_configs(dir, &s, linears[i], "float32", NULL, NULL));
        OK(tern_hf_read_config(dir, &c));
        cr_expect(eq(int, c.linear, linears[i]));
        cr_expect(eq(int, c.spec.arch, s.arch));
        cr_expect(eq(int, c.spec.quant, s.quant));
        cr_expect(eq(int, c.spec.activation, s.activation));
        cr_expect(eq(int, c.spec.tied, s.tied));
        cr_expect(eq(i64, c.spec.vocab, s.vocab));
        cr_expect(eq(i64, c.spec.head_dim, s.head_dim));
        cr_expect(eq(i64, c.spec.kv_heads, s.kv_heads));
        cr_expect(eq(i64, c.spec.context, s.context));
        cr_expect(eq(flt, c.spec.rope_theta, s.rope_theta));
        cr_expect(eq(flt, c.spec.norm_eps, s.norm_eps));
    }
}

/* --- where a text ends --- */

/* generation_config.json's eos_token_id, after its colon. */
static void expect_ends(const char *const *tokens, size_t count, const char *want)
{
    static const bool special[] = {false, true, true, true};
    static const tern_spec s = {.vocab = 4, .width = 8, .heads = 1, .context = 8};
    char path[TERN_PATH_MAX], *text;
    tern_tokenizer *t;
    OK(tern_tokenizer_new_bpe(tokens, count, NULL, 0, special, TERN_PRETOK_GPT2, &t));
    OK(tern_hf_write_configs(dir, &s, TERN_HF_FLOAT, "float32", t, NULL));
    OK(tern_path_join(path, dir, "generation_config.json"));
    OK(tern_file_read(path, 4096, &text, NULL));
    const char *at = strstr(text, "eos_token_id\": ");
    cr_assert(at != NULL);
    at += strlen("eos_token_id\": ");
    cr_expect(eq(int, strncmp(at, want, strlen(want)), 0), "%s", text);
    free(text);
    tern_tokenizer_free(t);
}

Test(hf_config, a_chat_model_may_end_in_several_ways)
{
    static const char *const chat[] = {"a", "<|im_end|>", "<|tool|>", "<|endoftext|>"};
    static const char *const plain[] = {"a", "<|x|>", "<|tool|>", "</s>"};
    static const char *const none[] = {"a"};
    expect_ends(chat, 4, "[\n    3,\n    1\n  ]");
    expect_ends(plain, 4, "3,");
    expect_ends(none, 1, "null,");
}
