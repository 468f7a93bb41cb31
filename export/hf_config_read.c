/* hf_config_read.c - config.json to a tern_spec, or the name of what does not fit; and
 * the chat template.
 *
 * A field that is missing means what transformers takes for it, and every field that
 * would change the graph is looked at: a model that tern cannot compute is refused, not
 * imported wrongly. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/hf_config.h"

enum { MAX_CONFIG = 1 << 24 };

typedef struct reader {
    const char *path;
    const json_t *root;
} reader;

/* A member that is neither missing nor null. */
static const json_t *member(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static tern_status refuse(const reader *r, const char *key, const char *why)
{
    return tern_fail(TERN_EFORMAT, "%s: field \"%s\": %s", r->path, key, why);
}

/* A whole number from 1 to 2^40; *out keeps its value if the field is missing and
 * `needed` is not set. */
static tern_status get_count(const reader *r, const char *key, bool needed,
                             int64_t *out)
{
    const json_t *v = member(r->root, key);
    if (!v && !needed) return TERN_OK;
    if (!v) return refuse(r, key, "is missing");
    const json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    if (n < 1 || n > (json_int_t)1 << 40)
        return refuse(r, key, "must be a whole number, 1 or more");
    *out = n;
    return TERN_OK;
}

static tern_status get_real(const reader *r, const json_t *o, const char *key,
                            float *out)
{
    const json_t *v = member(o, key);
    if (!v) return TERN_OK;
    if (!json_is_number(v)) return refuse(r, key, "must be a number");
    *out = (float)json_number_value(v);
    return TERN_OK;
}

static const char *get_text(const json_t *o, const char *key, const char *missing)
{
    const json_t *v = member(o, key);
    return !v ? missing : json_is_string(v) ? json_string_value(v) : "";
}

/* --- which model --- */

static tern_status read_arch(const reader *r, tern_hf_config *c)
{
    const char *type = get_text(r->root, "model_type", "");
    const char *class =
        json_string_value(json_array_get(json_object_get(r->root, "architectures"), 0));
    /* 1bitLLM's reproductions of the paper say llama, but have the extra norms, and
     * their own class quantises float weights. */
    const bool old = class && strcmp(class, "BitnetForCausalLM") == 0;
    const bool bitnet = old || strcmp(type, "bitnet") == 0;
    if (!bitnet && strcmp(type, "llama") != 0 && strcmp(type, "mistral") != 0)
        return tern_fail(
            TERN_EFORMAT,
            "%s: field \"model_type\": is \"%.64s\"; tern knows the graphs "
            "of llama, bitnet, and mistral without a sliding window",
            r->path, type);
    c->spec.arch = bitnet ? TERN_ARCH_BITNET : TERN_ARCH_LLAMA;
    c->spec.quant = old ? TERN_QUANT_TERNARY : TERN_QUANT_NONE;
    c->linear = old ? TERN_HF_ONLINE : TERN_HF_FLOAT;
    return TERN_OK;
}

static tern_status read_activation(const reader *r, tern_spec *s)
{
    const char *missing = s->arch == TERN_ARCH_BITNET ? "relu2" : "silu";
    const char *name = get_text(r->root, "hidden_act", missing);
    if (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0)
        s->activation = TERN_SILU;
    else if (strcmp(name, "relu2") == 0)
        s->activation = TERN_RELU2;
    else
        return tern_fail(TERN_EFORMAT,
                         "%s: field \"hidden_act\": is \"%.64s\"; tern has silu and "
                         "relu2",
                         r->path, name);
    return TERN_OK;
}

static tern_status read_dimensions(const reader *r, tern_spec *s)
{
    TERN_TRY(get_count(r, "vocab_size", true, &s->vocab));
    TERN_TRY(get_count(r, "hidden_size", true, &s->width));
    TERN_TRY(get_count(r, "num_hidden_layers", true, &s->layers));
    TERN_TRY(get_count(r, "intermediate_size", true, &s->ffn));
    TERN_TRY(get_count(r, "num_attention_heads", true, &s->heads));
    s->kv_heads = s->heads;
    TERN_TRY(get_count(r, "num_key_value_heads", false, &s->kv_heads));
    s->head_dim = s->width / s->heads;
    TERN_TRY(get_count(r, "head_dim", false, &s->head_dim));
    if (!member(r->root, "head_dim") && s->width % s->heads)
        return refuse(r, "num_attention_heads",
                      "must divide hidden_size, or head_dim be given");
    s->context = 2048;
    return get_count(r, "max_position_embeddings", false, &s->context);
}

/* --- positions --- */

static tern_status read_rope_scaling(const reader *r, const char *place,
                                     const json_t *o, tern_spec *s)
{
    const char *type = get_text(o, "type", "default");
    type = get_text(o, "rope_type", type);
    if (strcmp(type, "default") == 0) return TERN_OK;
    const bool linear = strcmp(type, "linear") == 0;
    if (!linear && strcmp(type, "llama3") != 0)
        return tern_fail(
            TERN_EFORMAT,
            "%s: field \"%s\": positions are scaled by rule \"%.64s\"; tern "
            "knows linear and llama3",
            r->path, place, type);
    if (!json_is_number(member(o, "factor")))
        return refuse(r, place, "\"factor\" must be a number");
    TERN_TRY(get_real(r, o, "factor", &s->rope_factor));
    s->rope_scaling = linear ? TERN_ROPE_LINEAR : TERN_ROPE_LLAMA3;
    if (linear) return TERN_OK;
    const json_t *original = member(o, "original_max_position_embeddings");
    s->rope_low = 1.0f;
    s->rope_high = 4.0f;
    s->rope_original = original ? json_integer_value(original) : 8192;
    TERN_TRY(get_real(r, o, "low_freq_factor", &s->rope_low));
    return get_real(r, o, "high_freq_factor", &s->rope_high);
}

static tern_status read_rope(const reader *r, tern_spec *s)
{
    static const char *const places[] = {"rope_scaling", "rope_parameters"};
    s->rope_theta = s->arch == TERN_ARCH_BITNET ? 500000.0f : 10000.0f;
    TERN_TRY(get_real(r, r->root, "rope_theta", &s->rope_theta));
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const json_t *o = member(r->root, places[i]);
        if (!o) continue;
        if (!json_is_object(o)) return refuse(r, places[i], "must be an object");
        TERN_TRY(read_rope_scaling(r, places[i], o, s));
        TERN_TRY(get_real(r, o, "rope_theta", &s->rope_theta));
    }
    float part = 1.0f;
    TERN_TRY(get_real(r, r->root, "partial_rotary_factor", &part));
    if (part < 1.0f || part > 1.0f)
        return refuse(r, "partial_rotary_factor",
                      "only 1 is possible: tern turns all "
                      "pairs of a head");
    return TERN_OK;
}

/* A window that is as long as the context is none. Missing, it is 4096 for mistral. */
static tern_status check_window(const reader *r, const tern_spec *s)
{
    const bool mistral = strcmp(get_text(r->root, "model_type", ""), "mistral") == 0;
    const json_t *v = json_object_get(r->root, "sliding_window");
    const int64_t window = json_is_integer(v)                    ? json_integer_value(v)
                           : json_is_null(v) || (!v && !mistral) ? s->context
                                                                 : 4096;
    if (json_is_false(json_object_get(r->root, "use_sliding_window"))) return TERN_OK;
    if (window >= s->context) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "%s: field \"sliding_window\": is %" PRId64 ", less than "
                     "max_position_embeddings (%" PRId64 "), and tern attends to the "
                     "whole context; lower the latter, or set null if the model was "
                     "trained so",
                     r->path, window, s->context);
}

/* --- quantization --- */

static tern_status read_quantization(const reader *r, tern_hf_config *c)
{
    const json_t *q = member(r->root, "quantization_config");
    if (!q) return TERN_OK;
    const char *method = get_text(q, "quant_method", "");
    const char *class = get_text(q, "linear_class", "bitlinear");
    const char *mode = get_text(q, "quantization_mode", "offline");
    if (strcmp(method, "bitnet") != 0)
        return tern_fail(
            TERN_EFORMAT,
            "%s: field \"quantization_config.quant_method\": is \"%.64s\"; "
            "tern reads bitnet, and floats",
            r->path, method);
    if (json_is_true(json_object_get(q, "use_rms_norm")))
        return refuse(r, "quantization_config.use_rms_norm",
                      "a norm inside every layer is not in tern's graph; only false is "
                      "possible");
    const json_t *kept = member(q, "modules_to_not_convert");
    for (size_t i = 0; i < json_array_size(kept); i++) {
        const char *name = json_string_value(json_array_get(kept, i));
        if (name && strcmp(name, "lm_head") == 0) continue;
        return refuse(
            r, "quantization_config.modules_to_not_convert",
            "in tern every layer but embedding and head is ternary; only null "
            "or [\"lm_head\"] is possible");
    }
    c->spec.quant = TERN_QUANT_TERNARY;
    if (strcmp(class, "bitlinear") == 0)
        c->linear = TERN_HF_BITLINEAR;
    else if (strcmp(class, "autobitlinear") != 0)
        return refuse(r, "quantization_config.linear_class",
                      "must be bitlinear or autobitlinear");
    else if (strcmp(mode, "online") == 0)
        c->linear = TERN_HF_ONLINE;
    else if (strcmp(mode, "offline") == 0)
        c->linear = TERN_HF_AUTOBITLINEAR;
    else
        return refuse(r, "quantization_config.quantization_mode",
                      "must be offline or online");
    return TERN_OK;
}

/* --- the whole --- */

static tern_status check_biases(const reader *r)
{
    static const char *const keys[] = {"attention_bias", "mlp_bias", "bias",
                                       "qkv_bias"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_is_true(json_object_get(r->root, keys[i])))
            return refuse(r, keys[i],
                          "tern's layers have no biases; only false is "
                          "possible");
    return TERN_OK;
}

static tern_status read_tied(const reader *r, tern_hf_config *c)
{
    const json_t *v = member(r->root, "tie_word_embeddings");
    if (v && !json_is_boolean(v))
        return refuse(r, "tie_word_embeddings", "must be true or false");
    c->tied_known = v != NULL;
    c->spec.tied = json_is_true(v);
    return TERN_OK;
}

static tern_status read_all(const reader *r, tern_hf_config *c)
{
    tern_spec *s = &c->spec;
    if (!json_is_object(r->root))
        return tern_fail(TERN_EFORMAT, "%s: not a JSON object", r->path);
    s->embed = TERN_EMBED_F32;
    TERN_TRY(read_arch(r, c));
    TERN_TRY(read_activation(r, s));
    TERN_TRY(read_dimensions(r, s));
    TERN_TRY(read_rope(r, s));
    TERN_TRY(check_window(r, s));
    TERN_TRY(check_biases(r));
    s->norm_eps = s->arch == TERN_ARCH_BITNET ? 1e-5f : 1e-6f;
    TERN_TRY(get_real(r, r->root, "rms_norm_eps", &s->norm_eps));
    TERN_TRY(read_tied(r, c));
    TERN_TRY(read_quantization(r, c));
    tern_spec trial = *s; /* tied or not is settled when the tensors are known */
    trial.tied = true;
    return tern_spec_check(&trial, r->path);
}

/* dir/name, which becomes `path`. json_decref() the root. */
static tern_status load(const char *dir, const char *name, char path[TERN_PATH_MAX],
                        json_t **root)
{
    char *text;
    size_t bytes;
    json_error_t e;
    TERN_TRY(tern_path_join(path, dir, name));
    TERN_TRY(tern_file_read(path, MAX_CONFIG, &text, &bytes));
    *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &e);
    free(text);
    if (*root) return TERN_OK;
    return tern_fail(TERN_EFORMAT, "%s: line %d, column %d: %s", path, e.line, e.column,
                     e.text);
}

tern_status tern_hf_read_config(const char *dir, tern_hf_config *out)
{
    char path[TERN_PATH_MAX];
    json_t *root;
    tern_hf_config c = {0};
    TERN_TRY(load(dir, "config.json", path, &root));
    const reader r = {.path = path, .root = root};
    const tern_status s = read_all(&r, &c);
    json_decref(root);
    if (s == TERN_OK) *out = c;
    return s;
}

/* --- the chat template --- */

/* One text, or a list of {"name", "template"}, of which transformers takes "default"
 * unless it is told another. */
static const char *find_template(const json_t *v)
{
    if (json_is_string(v)) return json_string_value(v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        if (strcmp(get_text(one, "name", ""), "default") == 0)
            return get_text(one, "template", NULL);
    }
    return NULL;
}

tern_status tern_hf_read_chat_template(const char *dir, char path[TERN_PATH_MAX],
                                       char **out, size_t *bytes)
{
    json_t *root;
    *out = NULL;
    TERN_TRY(tern_path_join(path, dir, "chat_template.jinja"));
    if (tern_file_exists(path)) return tern_file_read(path, MAX_CONFIG, out, bytes);
    TERN_TRY(tern_path_join(path, dir, "tokenizer_config.json"));
    if (!tern_file_exists(path)) return TERN_OK;
    TERN_TRY(load(dir, "tokenizer_config.json", path, &root));
    const char *text = find_template(member(root, "chat_template"));
    if (text) *out = strdup(text);
    const bool lost = text && !*out;
    *bytes = *out ? strlen(*out) : 0;
    json_decref(root);
    return lost ? tern_fail(TERN_EMEM, "%s: out of memory", path) : TERN_OK;
}
