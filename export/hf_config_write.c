/* hf_config_write.c - the small JSON files beside model.safetensors. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/version.h"
#include "export/hf_config.h"

/* Releases root. */
static tern_status write_json(const char *dir, const char *name, json_t *root)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, name));
    char *text =
        root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text) return tern_fail(TERN_EMEM, "%s: out of memory", path);
    const tern_status s = tern_file_write(path, text, strlen(text));
    free(text);
    return s;
}

/* A float as the shortest decimal that reads back as it: 1e-05, not 9.9999997e-06. */
static json_t *short_real(float x)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) break;
    }
    return json_real(strtod(text, NULL));
}

/* Text ends, and here also begins, with the end-of-document token; null without one. */
static json_t *end_id(const tern_tokenizer *t)
{
    const int32_t id = t ? tern_tokenizer_eos(t) : -1;
    return id >= 0 ? json_integer(id) : json_null();
}

/* All that end a text, of a chat model its turns too: where there are several, a list
 * that begins with end_id(). */
static json_t *end_ids(const tern_tokenizer *t)
{
    const int32_t end = t ? tern_tokenizer_eos(t) : -1;
    json_t *list = json_pack("[o]", end_id(t));
    for (int32_t id = 0; end >= 0 && id < tern_tokenizer_vocab(t); id++)
        if (id != end && id != tern_tokenizer_begin(t) && tern_tokenizer_ends(t, id))
            json_array_append_new(list, json_integer(id));
    if (json_array_size(list) > 1) return list;
    json_decref(list);
    return end_id(t);
}

static json_t *pack_dimensions(const tern_spec *s)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:s, s:b, s:b, s:f}",
        "vocab_size", (json_int_t)s->vocab, "hidden_size", (json_int_t)s->width,
        "intermediate_size", (json_int_t)s->ffn, "num_hidden_layers",
        (json_int_t)s->layers, "num_attention_heads", (json_int_t)s->heads,
        "num_key_value_heads", (json_int_t)s->kv_heads, "head_dim",
        (json_int_t)s->head_dim, "max_position_embeddings", (json_int_t)s->context,
        "rms_norm_eps", short_real(s->norm_eps), "rope_theta",
        short_real(s->rope_theta), "hidden_act", tern_activation_name(s->activation),
        "tie_word_embeddings", s->tied, "attention_bias", 0, "attention_dropout", 0.0);
}

static json_t *pack_rope_scaling(const tern_spec *s)
{
    if (s->rope_scaling == TERN_ROPE_LINEAR)
        return json_pack("{s:s, s:s, s:o}", "rope_type", "linear", "type", "linear",
                         "factor", short_real(s->rope_factor));
    return json_pack("{s:s, s:o, s:o, s:o, s:I}", "rope_type", "llama3", "factor",
                     short_real(s->rope_factor), "low_freq_factor",
                     short_real(s->rope_low), "high_freq_factor",
                     short_real(s->rope_high), "original_max_position_embeddings",
                     (json_int_t)s->rope_original);
}

static json_t *pack_quantization(tern_hf_linear linear)
{
    return json_pack(
        "{s:s, s:s, s:s, s:n, s:b, s:f}", "quant_method", "bitnet", "linear_class",
        linear == TERN_HF_BITLINEAR ? "bitlinear" : "autobitlinear",
        "quantization_mode", linear == TERN_HF_ONLINE ? "online" : "offline",
        "modules_to_not_convert", "use_rms_norm", 0, "rms_norm_eps", 1e-6);
}

static json_t *pack_config(const tern_spec *s, tern_hf_linear linear, const char *dtype,
                           const tern_tokenizer *t)
{
    const bool bitnet = s->arch == TERN_ARCH_BITNET;
    json_t *root = json_pack("{s:[s], s:s, s:o, s:o, s:s, s:b, s:s}", "architectures",
                             bitnet ? "BitNetForCausalLM" : "LlamaForCausalLM",
                             "model_type", bitnet ? "bitnet" : "llama", "bos_token_id",
                             end_id(t), "eos_token_id", end_id(t), "torch_dtype", dtype,
                             "use_cache", 1, "tern_version", TERN_VERSION);
    json_t *more = pack_dimensions(s);
    bool good = root && more && json_object_update(root, more) == 0;
    json_decref(more);
    if (good && !bitnet)
        good = json_object_set_new(root, "mlp_bias", json_false()) == 0;
    if (good && s->rope_scaling != TERN_ROPE_NONE)
        good = json_object_set_new(root, "rope_scaling", pack_rope_scaling(s)) == 0;
    if (good && linear != TERN_HF_FLOAT)
        good = json_object_set_new(root, "quantization_config",
                                   pack_quantization(linear)) == 0;
    if (good) return root;
    json_decref(root);
    return NULL;
}

static json_t *pack_tokenizer_config(const tern_spec *s, const tern_tokenizer *t,
                                     const char *chat)
{
    const int32_t end = tern_tokenizer_eos(t);
    const char *text = end >= 0 ? tern_tokenizer_token_text(t, end) : NULL;
    return json_pack("{s:s, s:s?, s:s?, s:b, s:b, s:b, s:I, s:s*}", "tokenizer_class",
                     "PreTrainedTokenizerFast", "bos_token", text, "eos_token", text,
                     "add_bos_token", 0, "add_eos_token", 0,
                     "clean_up_tokenization_spaces", 0, "model_max_length",
                     (json_int_t)s->context, "chat_template", chat);
}

tern_status tern_hf_write_configs(const char *dir, const tern_spec *s,
                                  tern_hf_linear linear, const char *dtype,
                                  const tern_tokenizer *tokenizer, const char *chat)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(write_json(dir, "config.json", pack_config(s, linear, dtype, tokenizer)));
    TERN_TRY(write_json(dir, "generation_config.json",
                        json_pack("{s:o, s:o, s:b}", "bos_token_id", end_id(tokenizer),
                                  "eos_token_id", end_ids(tokenizer),
                                  "_from_model_config", 1)));
    if (!tokenizer) return TERN_OK;
    TERN_TRY(tern_path_join(path, dir, "tokenizer.json"));
    TERN_TRY(tern_tokenizer_save(tokenizer, path));
    return write_json(dir, "tokenizer_config.json",
                      pack_tokenizer_config(s, tokenizer, chat));
}
