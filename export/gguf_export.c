/* gguf_export.c - names, keys and encodings of the GGUF file.
 *
 * Nothing is converted: a ternary matrix already is codes and an fp16 scale, and the
 * encoders only put them in the file's order. Two architectures of llama.cpp fit
 * (their graphs are tern's, see docs/formats.md):
 *
 *     bitnet   rotary pairs (i, i + d/2), as here; head always tied
 *     llama    rotary pairs (2i, 2i+1): rows of q and k are permuted on the way out
 *
 * Both compute SiLU, whatever a key says. A model with relu2 gets another name, which
 * llama.cpp refuses: bitnet-b1.58, under which bitnet.cpp's forks of it know that
 * graph, or llama-relu2, which only tern knows. */
#include "export/gguf_export.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/version.h"
#include "data/tokenizer_gguf.h"
#include "export/names.h"
#include "formats/blocks.h"
#include "runtime/model.h"

/* One tensor on its way into the file. */
typedef struct tensor_job {
    const tern_param *param;
    tern_ggml_type type;
    int64_t head_dim; /* rows of q and k to permute within heads of this many; else 0 */
} tensor_job;

typedef struct export_job {
    tern_gguf_writer *writer;
    tern_model *model;
    const tern_spec *spec;
    tern_export_types types;
    tensor_job *jobs;
    size_t count;
} export_job;

int tern_export_type(const char *name)
{
    static const tern_ggml_type types[] = {
        TERN_GGML_F32,  TERN_GGML_F16,   TERN_GGML_Q8_0,  TERN_GGML_Q6_K,
        TERN_GGML_Q4_0, TERN_GGML_TQ1_0, TERN_GGML_TQ2_0, TERN_GGML_Q2_0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *a = tern_ggml_name(types[i]), *b = name;
        while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) a++, b++;
        if (!*a && !*b) return (int)types[i];
    }
    return -1;
}

/* --- tensors --- */

static tern_status fill_tensor(void *user, uint8_t *out, size_t bytes)
{
    const tensor_job *j = user;
    const tern_param *p = j->param;
    const size_t cols = (size_t)p->cols, row_bytes = bytes / (size_t)p->rows;
    int8_t *trits = malloc(cols);
    float *values = malloc(cols * sizeof *values);
    if (!trits || !values) {
        free(trits);
        free(values);
        return tern_fail(TERN_EMEM, "tensor %s: out of memory", p->name);
    }
    for (int64_t r = 0; r < p->rows; r++, out += row_bytes) {
        const size_t from = tern_gguf_rotary_row((size_t)r, (size_t)j->head_dim);
        if (p->form != TERN_FORM_TERNARY) {
            const float *row = tern_param_forward(p) + from * cols;
            tern_encode_floats(j->type, row, cols, out);
            continue;
        }
        tern_ternary_unpack_row(&p->ternary, from, trits);
        if (tern_ggml_is_ternary(j->type)) {
            tern_encode_trits(j->type, trits, cols, p->ternary.scale, out);
            continue;
        }
        for (size_t k = 0; k < cols; k++)
            values[k] = p->ternary.scale * (float)trits[k];
        tern_encode_floats(j->type, values, cols, out);
    }
    free(trits);
    free(values);
    return TERN_OK;
}

/* Does a row of `cols` weights divide into blocks? Says which type would do, if not. */
static tern_status check_blocks(const tern_param *p, tern_ggml_type type)
{
    const int64_t block = (int64_t)tern_ggml_block(type);
    if (p->cols % block == 0) return TERN_OK;
    const char *instead = p->form != TERN_FORM_TERNARY ? "f16"
                          : p->cols % 64 == 0          ? "q2_0"
                                                       : "f16";
    return tern_fail(TERN_EARG,
                     "tensor %s: rows of %" PRId64
                     " weights do not divide into %s blocks "
                     "of %" PRId64 "; use type %s, or train with widths that do",
                     p->name, p->cols, tern_ggml_name(type), block, instead);
}

static tern_status put_tensor(export_job *e, const tern_param *p)
{
    char theirs[TERN_GGUF_NAME];
    tern_export_kind kind;
    if (!tern_gguf_name(p->name, theirs, &kind))
        return tern_fail(TERN_ESHAPE, "parameter %s has no name in GGUF", p->name);
    const tern_ggml_type type = kind == TERN_EXPORT_GAIN    ? TERN_GGML_F32
                                : kind == TERN_EXPORT_EMBED ? e->types.embed
                                                            : e->types.linear;
    TERN_TRY(check_blocks(p, type));
    const bool permute = kind == TERN_EXPORT_ROTARY && e->spec->arch == TERN_ARCH_LLAMA;
    tensor_job *j = &e->jobs[e->count++];
    *j = (tensor_job){
        .param = p, .type = type, .head_dim = permute ? e->spec->head_dim : 0};
    tern_gguf_put_tensor(e->writer, theirs, type, p->cols,
                         kind == TERN_EXPORT_GAIN ? 0 : p->rows, fill_tensor, j);
    return TERN_OK;
}

static tern_status fill_rope_factors(void *spec, uint8_t *out, size_t bytes)
{
    float factors[TERN_HEAD_DIM_MAX / 2];
    tern_spec_rope_factors(spec, factors);
    memcpy(out, factors, bytes);
    return TERN_OK;
}

static tern_status put_tensors(export_job *e)
{
    const tern_params *params = tern_model_params(e->model);
    if (e->spec->rope_scaling == TERN_ROPE_LLAMA3)
        tern_gguf_put_tensor(e->writer, TERN_ROPE_FACTORS, TERN_GGML_F32,
                             e->spec->head_dim / 2, 0, fill_rope_factors,
                             (void *)(uintptr_t)e->spec);
    for (size_t i = 0; i < params->count; i++)
        TERN_TRY(put_tensor(e, params->items[i]));
    return TERN_OK;
}

/* --- keys --- */

/* llama.cpp's numbers for "mostly this type"; informative only. */
static uint32_t file_type(tern_ggml_type linear)
{
    switch (linear) {
    case TERN_GGML_F32:
        return 0;
    case TERN_GGML_Q4_0:
        return 2;
    case TERN_GGML_Q8_0:
        return 7;
    case TERN_GGML_Q6_K:
        return 18;
    case TERN_GGML_TQ1_0:
        return 36;
    case TERN_GGML_TQ2_0:
        return 37;
    case TERN_GGML_Q2_0:
        return 41;
    default:
        return 1;
    }
}

static const char *arch_name(const tern_spec *s)
{
    if (s->activation == TERN_SILU) return tern_arch_name(s->arch);
    return s->arch == TERN_ARCH_BITNET ? "bitnet-b1.58" : "llama-relu2";
}

/* llama.cpp knows a common factor by its keys, Llama 3.1's rule by its results. */
static void put_rope_scaling(const export_job *e, const char *arch)
{
    const tern_spec *s = e->spec;
    char key[96];
    if (s->rope_scaling == TERN_ROPE_LINEAR) {
        snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
        tern_gguf_put_string(e->writer, key, "linear");
        snprintf(key, sizeof key, "%s.rope.scaling.factor", arch);
        tern_gguf_put_f32(e->writer, key, s->rope_factor);
    }
    if (s->rope_scaling == TERN_ROPE_LLAMA3) {
        tern_gguf_put_f32(e->writer, "tern.rope_factor", s->rope_factor);
        tern_gguf_put_f32(e->writer, "tern.rope_low", s->rope_low);
        tern_gguf_put_f32(e->writer, "tern.rope_high", s->rope_high);
        tern_gguf_put_u32(e->writer, "tern.rope_original", (uint32_t)s->rope_original);
    }
}

static void put_dimensions(const export_job *e)
{
    const tern_spec *s = e->spec;
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {
        {"context_length", s->context},
        {"embedding_length", s->width},
        {"block_count", s->layers},
        {"feed_forward_length", s->ffn},
        {"attention.head_count", s->heads},
        {"attention.head_count_kv", s->kv_heads},
        {"rope.dimension_count", s->head_dim},
        {"vocab_size", s->vocab},
    };
    const char *arch = arch_name(s);
    char key[96];
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, counts[i].key);
        tern_gguf_put_u32(e->writer, key, (uint32_t)counts[i].value);
    }
    if (s->heads * s->head_dim != s->width) {
        snprintf(key, sizeof key, "%s.attention.key_length", arch);
        tern_gguf_put_u32(e->writer, key, (uint32_t)s->head_dim);
        snprintf(key, sizeof key, "%s.attention.value_length", arch);
        tern_gguf_put_u32(e->writer, key, (uint32_t)s->head_dim);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch);
    tern_gguf_put_f32(e->writer, key, s->norm_eps);
    snprintf(key, sizeof key, "%s.rope.freq_base", arch);
    tern_gguf_put_f32(e->writer, key, s->rope_theta);
    put_rope_scaling(e, arch);
}

static tern_status put_keys(const export_job *e, tern_checkpoint *c,
                            const tern_export_options *o, const char *name)
{
    tern_gguf_put_string(e->writer, "general.architecture", arch_name(e->spec));
    tern_gguf_put_string(e->writer, "general.name", name);
    tern_gguf_put_u32(e->writer, "general.file_type", file_type(e->types.linear));
    tern_gguf_put_u32(e->writer, "general.quantization_version", 2);
    put_dimensions(e);
    tern_gguf_put_string(e->writer, "tern.version", TERN_VERSION);
    tern_gguf_put_string(e->writer, "tern.quant",
                         e->spec->quant == TERN_QUANT_TERNARY ? "ternary" : "none");
    tern_gguf_put_string(e->writer, "tern.activation",
                         tern_activation_name(e->spec->activation));
    tern_gguf_put_string(e->writer, "tern.embed",
                         e->spec->embed == TERN_EMBED_F16 ? "f16" : "f32");
    char *yaml;
    TERN_TRY(tern_config_yaml(tern_checkpoint_config(c), &yaml));
    tern_gguf_put_string(e->writer, "tern.config", yaml);
    free(yaml);
    if (o->chat) tern_gguf_put_string(e->writer, "tokenizer.chat_template", o->chat);
    const tern_tokenizer *t = tern_checkpoint_tokenizer(c);
    return t ? tern_tokenizer_to_gguf(t, e->spec->vocab, e->writer) : TERN_OK;
}

/* --- the whole --- */

static tern_ggml_type densest(const tern_spec *s)
{
    const int64_t q = s->heads * s->head_dim;
    if (s->quant == TERN_QUANT_NONE) return TERN_GGML_F32;
    if (s->width % 256 == 0 && s->ffn % 256 == 0 && q % 256 == 0)
        return TERN_GGML_TQ2_0;
    if (s->width % 64 == 0 && s->ffn % 64 == 0 && q % 64 == 0) return TERN_GGML_Q2_0;
    return TERN_GGML_F16;
}

static tern_status check_types(const tern_spec *s, int type, int embed)
{
    if (s->quant == TERN_QUANT_NONE && tern_ggml_is_ternary((uint32_t)type))
        return tern_fail(TERN_EARG,
                         "this model's weights are float (model.quant: none): type %s "
                         "cannot hold them, use f16, f32, q8_0, q6_k or q4_0",
                         tern_ggml_name((uint32_t)type));
    if (s->quant == TERN_QUANT_TERNARY && !tern_ggml_is_ternary((uint32_t)type) &&
        type != TERN_GGML_F16)
        return tern_fail(TERN_EARG,
                         "type %s is not for ternary layers; use tq2_0, tq1_0, "
                         "q2_0 or f16",
                         tern_ggml_name((uint32_t)type));
    if (embed != TERN_GGML_F16 && embed != TERN_GGML_F32 && embed != TERN_GGML_Q8_0 &&
        embed != TERN_GGML_Q6_K && embed != TERN_GGML_Q4_0)
        return tern_fail(TERN_EARG,
                         "embeddings cannot be %s; use f16, q8_0, q6_k, q4_0 or f32",
                         tern_ggml_name((uint32_t)embed));
    return TERN_OK;
}

tern_status tern_export_choose(const tern_spec *s, const tern_export_options *options,
                               tern_export_types *out)
{
    const int exact = s->embed == TERN_EMBED_F32 ? TERN_GGML_F32 : TERN_GGML_F16;
    const int type =
        options->type == TERN_EXPORT_AUTO ? (int)densest(s) : options->type;
    const int embed = options->embed == TERN_EXPORT_AUTO ? exact : options->embed;
    TERN_TRY(check_types(s, type, embed));
    *out = (tern_export_types){(tern_ggml_type)type, (tern_ggml_type)embed};
    return TERN_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

tern_status tern_export_gguf(tern_checkpoint *c, tern_model *model,
                             const tern_export_options *options, const char *path)
{
    tern_export_types types;
    TERN_TRY(tern_export_choose(tern_model_spec(model), options, &types));

    export_job e = {.writer = tern_gguf_writer_new(),
                    .model = model,
                    .spec = tern_model_spec(model),
                    .types = types};
    e.jobs = calloc(tern_model_params(model)->count, sizeof *e.jobs);
    tern_status status =
        e.writer && e.jobs ? TERN_OK : tern_fail(TERN_EMEM, "%s: out of memory", path);
    if (status == TERN_OK)
        status =
            put_keys(&e, c, options, options->name ? options->name : base_name(path));
    if (status == TERN_OK) {
        status = put_tensors(&e);
        if (status != TERN_OK) status = tern_fail_in(status, path);
    }
    if (status == TERN_OK)
        status = tern_gguf_write_checked(e.writer, path, options->check, options->user);
    tern_gguf_writer_free(e.writer);
    free(e.jobs);
    return status;
}
