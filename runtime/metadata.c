/* metadata.c - from keys to a tern_spec. What the runtime would not honour is refused,
 * not ignored. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/blocks.h"
#include "runtime/model.h"

enum { KEY = 96 };

/* Other programs compute the factors in floats. */
static const float ROPE_TOLERANCE = 1e-5f;

/* Keys of one architecture. */
typedef struct reader {
    const tern_gguf *gguf;
    const char *path, *arch;
} reader;

static const char *full_name(const reader *r, const char *name, char key[KEY])
{
    (void)snprintf(key, KEY, "%s.%s", r->arch, name);
    return key;
}

static tern_status get_count(const reader *r, const char *name, int64_t *out)
{
    char key[KEY];
    int64_t v;
    TERN_TRY(tern_gguf_get_int(r->gguf, full_name(r, name, key), &v));
    if (v < 1 || v > INT32_MAX)
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is %" PRId64, r->path, key, v);
    *out = v;
    return TERN_OK;
}

/* *out stays as it is where the key is missing. */
static tern_status get_count_if(const reader *r, const char *name, int64_t *out)
{
    char key[KEY];
    return tern_gguf_has(r->gguf, full_name(r, name, key)) ? get_count(r, name, out)
                                                           : TERN_OK;
}

static tern_status get_float_if(const reader *r, const char *name, float *out)
{
    char key[KEY];
    double v;
    if (!tern_gguf_has(r->gguf, full_name(r, name, key))) return TERN_OK;
    TERN_TRY(tern_gguf_get_float(r->gguf, key, &v));
    *out = (float)v;
    return TERN_OK;
}

static bool is(tern_gguf_string s, const char *text)
{
    return s.bytes == strlen(text) && memcmp(s.data, text, s.bytes) == 0;
}

/* Text from a file as a message may show it. */
static const char *shown(tern_gguf_string s, char out[40])
{
    const size_t n = s.bytes < 39 ? s.bytes : 39;
    for (size_t i = 0; i < n; i++) out[i] = s.data[i] >= ' ' ? s.data[i] : '?';
    out[n] = '\0';
    return out;
}

/* The string `key` must be one of `count` names, names[0] if it is missing. */
static tern_status get_choice(const tern_gguf *g, const char *key,
                              const char *const *names, int count, int *out)
{
    tern_gguf_string s;
    char text[40];
    *out = 0;
    if (!tern_gguf_has(g, key)) return TERN_OK;
    TERN_TRY(tern_gguf_get_string(g, key, &s));
    for (int i = 0; i < count; i++)
        if (is(s, names[i])) {
            *out = i;
            return TERN_OK;
        }
    return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is \"%s\"; tern knows %s and %s",
                     tern_gguf_path(g), key, shown(s, text), names[0], names[1]);
}

static tern_status read_arch(reader *r, tern_spec *s)
{
    /* Two names for training's four kinds of graphs are bitnet.cpp's. llama.cpp has
     * no llama with relu2: under a name of our own it refuses what it would get wrong.
     */
    static const struct {
        const char *name;
        tern_arch arch;
        tern_activation activation;
    } archs[] = {{"llama", TERN_ARCH_LLAMA, TERN_SILU},
                 {"bitnet", TERN_ARCH_BITNET, TERN_SILU},
                 {"bitnet-b1.58", TERN_ARCH_BITNET, TERN_RELU2},
                 {"bitnet-25", TERN_ARCH_BITNET, TERN_RELU2},
                 {"llama-relu2", TERN_ARCH_LLAMA, TERN_RELU2}};
    tern_gguf_string name;
    char text[40];
    if (!tern_gguf_has(r->gguf, "general.architecture"))
        return tern_fail(TERN_EFORMAT,
                         "%s: key \"general.architecture\" is missing: not a model",
                         r->path);
    TERN_TRY(tern_gguf_get_string(r->gguf, "general.architecture", &name));
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        if (!is(name, archs[i].name)) continue;
        r->arch = archs[i].name;
        s->arch = archs[i].arch;
        s->activation = archs[i].activation;
        return TERN_OK;
    }
    return tern_fail(TERN_EFORMAT,
                     "%s: key \"general.architecture\" is \"%s\"; tern knows llama, "
                     "bitnet, bitnet-b1.58 and bitnet-25",
                     r->path, shown(name, text));
}

static tern_status refuse_other(const reader *r, const char *name, int64_t is_value,
                                int64_t must_be, const char *why)
{
    if (is_value == must_be) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "%s: key \"%s.%s\" is %" PRId64 ", must be %" PRId64 " (%s)",
                     r->path, r->arch, name, is_value, must_be, why);
}

static tern_status read_dimensions(const reader *r, tern_spec *s)
{
    TERN_TRY(get_count(r, "context_length", &s->context));
    TERN_TRY(get_count(r, "embedding_length", &s->width));
    TERN_TRY(get_count(r, "block_count", &s->layers));
    TERN_TRY(get_count(r, "feed_forward_length", &s->ffn));
    TERN_TRY(get_count(r, "attention.head_count", &s->heads));
    s->kv_heads = s->heads;
    TERN_TRY(get_count_if(r, "attention.head_count_kv", &s->kv_heads));

    char key[KEY];
    const bool given =
        tern_gguf_has(r->gguf, full_name(r, "attention.key_length", key));
    if (!given && s->width % s->heads)
        return tern_fail(TERN_EFORMAT,
                         "%s: key \"%s.embedding_length\" (%" PRId64
                         ") is no multiple of \"%s.attention.head_count\" (%" PRId64
                         ")",
                         r->path, r->arch, s->width, r->arch, s->heads);
    s->head_dim = s->width / s->heads;
    TERN_TRY(get_count_if(r, "attention.key_length", &s->head_dim));
    int64_t value = s->head_dim, rotated = s->head_dim;
    TERN_TRY(get_count_if(r, "attention.value_length", &value));
    TERN_TRY(refuse_other(r, "attention.value_length", value, s->head_dim,
                          "the width of a head"));
    TERN_TRY(get_count_if(r, "rope.dimension_count", &rotated));
    return refuse_other(r, "rope.dimension_count", rotated, s->head_dim,
                        "the width of a head: all of it is rotated");
}

/* Positions divided by a factor, as llama.cpp's keys say it. */
static tern_status read_linear_scaling(const reader *r, tern_spec *s)
{
    static const char *const kinds[] = {"none", "linear"};
    char key[KEY];
    int kind;
    float factor = 1.0f, old = 1.0f;
    full_name(r, "rope.scaling.type", key);
    TERN_TRY(get_choice(r->gguf, key, kinds, 2, &kind));
    TERN_TRY(get_float_if(r, "rope.scaling.factor", &factor));
    TERN_TRY(get_float_if(r, "rope.scale_linear", &old));
    if (old != 1.0f) factor = old;
    if (factor == 1.0f || (tern_gguf_has(r->gguf, key) && kind == 0)) return TERN_OK;
    s->rope_scaling = TERN_ROPE_LINEAR;
    s->rope_factor = factor;
    return TERN_OK;
}

/* Llama 3.1's rule stands in a file as its result, one factor for each frequency; its
 * numbers are Meta's unless tern's keys say others, and must give these factors. */
static tern_status read_llama3_scaling(const reader *r, tern_spec *s)
{
    const tern_gguf_tensor *t = tern_gguf_find_tensor(r->gguf, TERN_ROPE_FACTORS);
    float file[TERN_HEAD_DIM_MAX / 2], ours[TERN_HEAD_DIM_MAX / 2], most = 1.0f;
    const size_t n = (size_t)s->head_dim / 2;
    if (!t) return TERN_OK;
    if (s->head_dim > TERN_HEAD_DIM_MAX || t->type != TERN_GGML_F32 ||
        t->dims[0] != s->head_dim / 2 || t->dims[1] != 1)
        return tern_fail(TERN_EFORMAT,
                         "%s: tensor \"%s\" must be F32, one for each of the %" PRId64
                         " frequencies",
                         r->path, t->name, s->head_dim / 2);
    memcpy(file, t->data, n * sizeof *file);
    for (size_t i = 0; i < n; i++)
        if (file[i] > most) most = file[i];
    double low = 1.0, high = 4.0, factor = (double)most;
    s->rope_scaling = TERN_ROPE_LLAMA3;
    s->rope_original = 8192;
    if (tern_gguf_has(r->gguf, "tern.rope_original"))
        TERN_TRY(tern_gguf_get_int(r->gguf, "tern.rope_original", &s->rope_original));
    if (tern_gguf_has(r->gguf, "tern.rope_low"))
        TERN_TRY(tern_gguf_get_float(r->gguf, "tern.rope_low", &low));
    if (tern_gguf_has(r->gguf, "tern.rope_high"))
        TERN_TRY(tern_gguf_get_float(r->gguf, "tern.rope_high", &high));
    if (tern_gguf_has(r->gguf, "tern.rope_factor"))
        TERN_TRY(tern_gguf_get_float(r->gguf, "tern.rope_factor", &factor));
    s->rope_low = (float)low;
    s->rope_high = (float)high;
    s->rope_factor = (float)factor;
    tern_spec_rope_factors(s, ours);
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(file[i] - ours[i]) <= ROPE_TOLERANCE * ours[i]))
            return tern_fail(TERN_EFORMAT,
                             "%s: tensor \"%s\": element %zu is %g, but Llama 3.1's "
                             "rule (factor %g, low %g, high %g, original context "
                             "%" PRId64 ") gives %g; tern knows no other",
                             r->path, t->name, i, (double)file[i], factor, low, high,
                             s->rope_original, (double)ours[i]);
    return TERN_OK;
}

static tern_status read_rope(const reader *r, tern_spec *s)
{
    TERN_TRY(get_float_if(r, "rope.freq_base", &s->rope_theta));
    TERN_TRY(read_linear_scaling(r, s));
    if (s->rope_scaling == TERN_ROPE_NONE) return read_llama3_scaling(r, s);
    if (!tern_gguf_find_tensor(r->gguf, TERN_ROPE_FACTORS)) return TERN_OK;
    return tern_fail(
        TERN_EFORMAT,
        "%s: rotary positions are scaled twice, by key \"%s.rope.scaling.*\" "
        "and by tensor \"%s\"; tern does one",
        r->path, r->arch, TERN_ROPE_FACTORS);
}

/* Experts change the computation: only their absence is run. */
static tern_status refuse_variants(const reader *r)
{
    char key[KEY];
    if (tern_gguf_has(r->gguf, full_name(r, "expert_count", key))) {
        int64_t experts;
        TERN_TRY(tern_gguf_get_int(r->gguf, key, &experts));
        TERN_TRY(refuse_other(r, "expert_count", experts, 0, "tern runs no mixtures"));
    }
    return TERN_OK;
}

static tern_status read_vocab(const reader *r, tern_spec *s)
{
    const tern_gguf_tensor *embed = tern_gguf_find_tensor(r->gguf, "token_embd.weight");
    if (!embed)
        return tern_fail(TERN_EFORMAT, "%s: tensor \"token_embd.weight\" is missing",
                         r->path);
    s->vocab = embed->dims[1];
    int64_t said = s->vocab;
    TERN_TRY(get_count_if(r, "vocab_size", &said));
    TERN_TRY(
        refuse_other(r, "vocab_size", said, s->vocab, "the rows of token_embd.weight"));
    if (!tern_gguf_has(r->gguf, "tokenizer.ggml.tokens")) return TERN_OK;
    tern_gguf_type type;
    size_t tokens;
    TERN_TRY(tern_gguf_get_array(r->gguf, "tokenizer.ggml.tokens", &type, &tokens));
    if (tokens != (size_t)s->vocab)
        return tern_fail(TERN_EFORMAT,
                         "%s: key \"tokenizer.ggml.tokens\" has %zu tokens, but "
                         "token_embd.weight %" PRId64 " rows",
                         r->path, tokens, s->vocab);
    return TERN_OK;
}

/* quant, activation and embed: from tern's keys, or from what other files imply. */
static tern_status read_arithmetic(const reader *r, tern_spec *s, tern_claim *claim)
{
    static const char *const quants[] = {"ternary", "none"};
    static const char *const activations[] = {"silu", "relu2"};
    const tern_gguf_tensor *q = tern_gguf_find_tensor(r->gguf, "blk.0.attn_q.weight");
    const tern_gguf_tensor *embed = tern_gguf_find_tensor(r->gguf, "token_embd.weight");
    int quant, activation;
    TERN_TRY(get_choice(r->gguf, "tern.quant", quants, 2, &quant));
    *claim = quant ? TERN_CLAIM_FLOAT : TERN_CLAIM_TERNARY;
    if (!tern_gguf_has(r->gguf, "tern.quant")) {
        *claim = TERN_CLAIM_NOTHING;
        quant =
            q && (tern_ggml_is_ternary(q->type) || q->type == TERN_GGML_I2_S) ? 0 : 1;
    }
    TERN_TRY(get_choice(r->gguf, "tern.activation", activations, 2, &activation));
    s->quant = quant ? TERN_QUANT_NONE : TERN_QUANT_TERNARY;
    if (tern_gguf_has(r->gguf, "tern.activation"))
        s->activation = activation ? TERN_RELU2 : TERN_SILU;
    s->embed = embed->type == TERN_GGML_F16 ? TERN_EMBED_F16 : TERN_EMBED_F32;
    return TERN_OK;
}

tern_status tern_read_spec(const tern_gguf *g, tern_spec *out, tern_claim *claim)
{
    reader r = {.gguf = g, .path = tern_gguf_path(g)};
    tern_spec s = {.rope_theta = 10000.0f};
    char key[KEY];
    TERN_TRY(read_arch(&r, &s));
    TERN_TRY(read_dimensions(&r, &s));
    TERN_TRY(refuse_variants(&r));
    full_name(&r, "attention.layer_norm_rms_epsilon", key);
    if (!tern_gguf_has(g, key))
        return tern_fail(TERN_EFORMAT, "%s: key \"%s\" is missing", r.path, key);
    TERN_TRY(get_float_if(&r, "attention.layer_norm_rms_epsilon", &s.norm_eps));
    TERN_TRY(read_rope(&r, &s));
    TERN_TRY(read_vocab(&r, &s));
    TERN_TRY(read_arithmetic(&r, &s, claim));
    s.tied = s.arch == TERN_ARCH_BITNET || !tern_gguf_find_tensor(g, "output.weight");
    if (tern_spec_check(&s, r.path) != TERN_OK) return TERN_EFORMAT;
    *out = s;
    return TERN_OK;
}
