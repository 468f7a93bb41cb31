/* hf_tensor.c - see hf_tensor.h. */
#include "export/hf_tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

enum { CODES = 4 }; /* in a byte */

void tern_hf_scale_name(const char *weight, char out[TERN_HF_SCALE_NAME])
{
    snprintf(out, TERN_HF_SCALE_NAME, "%s_scale", weight); /* q_proj.weight_scale */
}

void tern_hf_pack(const tern_ternary *w, int8_t *trits, uint8_t *out)
{
    const size_t quarter = w->rows / CODES;
    memset(out, 0, quarter * w->cols);
    for (size_t r = 0; r < quarter * CODES; r++) {
        uint8_t *to = out + r % quarter * w->cols;
        tern_ternary_unpack_row(w, r, trits);
        for (size_t c = 0; c < w->cols; c++)
            to[c] = (uint8_t)(to[c] | (trits[c] + 1) << 2 * (r / quarter));
    }
}

/* --- finding --- */

/* 1bitLLM's names of the two extra norms. */
static const struct {
    const char *usual, *other;
} aliases[] = {
    {"self_attn.attn_sub_norm", "self_attn.inner_attn_ln"},
    {"mlp.ffn_sub_norm", "mlp.ffn_layernorm"},
};

const tern_st_tensor *tern_hf_find(const tern_safetensors *f, const char *ours)
{
    char name[TERN_HF_NAME], other[2 * TERN_HF_NAME];
    tern_export_kind kind;
    if (!tern_hf_name(ours, name, &kind)) return NULL;
    const tern_st_tensor *t = tern_safetensors_find(f, name);
    for (size_t i = 0; !t && i < sizeof aliases / sizeof *aliases; i++) {
        char *at = strstr(name, aliases[i].usual);
        if (!at) continue;
        snprintf(other, sizeof other, "%.*s%s%s", (int)(at - name), name,
                 aliases[i].other, at + strlen(aliases[i].usual));
        t = tern_safetensors_find(f, other);
    }
    return t;
}

static tern_status missing(const tern_safetensors *f, const char *name)
{
    return tern_fail(TERN_EFORMAT, "%s: tensor \"%s\" is missing",
                     tern_safetensors_path(f), name);
}

static tern_status check_shape(const tern_safetensors *f, const tern_st_tensor *t,
                               int64_t rows, int64_t cols)
{
    const int64_t have_rows = t->rank == 1 ? 1 : t->dims[0];
    const int64_t have_cols = t->rank == 1 ? t->dims[0] : t->dims[1];
    const bool flat = t->rank == 1 || t->rank == 2;
    if (flat && have_rows == rows && have_cols == cols) return TERN_OK;
    return tern_fail(TERN_ESHAPE,
                     "%s: tensor \"%s\" is (%" PRId64 ", %" PRId64
                     "), but by config.json it must be (%" PRId64 ", %" PRId64 ")",
                     tern_safetensors_file(f, t), t->name, flat ? have_rows : t->rank,
                     flat ? have_cols : 0, rows, cols);
}

/* --- floats --- */

static tern_status read_floats(const tern_safetensors *f, const tern_st_tensor *t,
                               size_t count, float *out)
{
    if (!tern_st_type_is_float(t->type))
        return tern_fail(
            TERN_EFORMAT, "%s: tensor \"%s\" is %s; here tern reads F32, F16 and BF16",
            tern_safetensors_file(f, t), t->name, tern_st_type_name(t->type));
    tern_st_get_floats(t, 0, count, out);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(out[i]))
            return tern_fail(TERN_ECORRUPT,
                             "%s: tensor \"%s\" holds a number that is not finite",
                             tern_safetensors_file(f, t), t->name);
    return TERN_OK;
}

/* --- codes --- */

/* gamma of the matrix `weight`, rounded to fp16 as every scale of tern's is. */
static tern_status read_scale(const tern_safetensors *f, tern_hf_linear linear,
                              const char *weight, float *gamma, tern_hf_notes *notes)
{
    char name[TERN_HF_SCALE_NAME];
    float stored = 0.0f;
    tern_hf_scale_name(weight, name);
    const tern_st_tensor *t = tern_safetensors_find(f, name);
    if (!t) return missing(f, name);
    if (t->elements != 1)
        return tern_fail(TERN_ESHAPE,
                         "%s: tensor \"%s\" has %" PRId64
                         " numbers; tern has one scale for a whole matrix",
                         tern_safetensors_file(f, t), name, t->elements);
    TERN_TRY(read_floats(f, t, 1, &stored));
    /* 1 / gamma in float, inverted again, is gamma but for the last bit, which fp16
     * does not have. */
    const float value = linear == TERN_HF_BITLINEAR ? 1.0f / stored : stored;
    *gamma = tern_round_to_half(value);
    if (!(stored > 0.0f) || !isfinite(*gamma) || *gamma < 1e-5f)
        return tern_fail(TERN_ECORRUPT,
                         "%s: tensor \"%s\" is %g, which would make gamma %g; possible "
                         "are 1e-5 to 65504",
                         tern_safetensors_file(f, t), name, (double)stored,
                         (double)value);
    notes->packed++;
    notes->scales_rounded += fabsf(*gamma - value) > 1e-6f * value;
    return TERN_OK;
}

/* Codes as floats -1, 0, 1; *nonzero counts those that are not 0. */
static tern_status unpack(const tern_safetensors *f, const tern_st_tensor *t,
                          size_t cols, float *out, size_t *nonzero)
{
    const size_t bytes = t->bytes, quarter = bytes / cols;
    *nonzero = 0;
    for (size_t i = 0; i < CODES; i++) {
        float *to = out + i * quarter * cols;
        for (size_t k = 0; k < bytes; k++) {
            const int u = t->data[k] >> 2 * i & 3;
            if (u == 3)
                return tern_fail(
                    TERN_ECORRUPT,
                    "%s: tensor \"%s\", row %zu, column %zu: code 3, where "
                    "only 0, 1 and 2 are possible",
                    tern_safetensors_file(f, t), t->name, i * quarter + k / cols,
                    k % cols);
            to[k] = (float)(u - 1);
            *nonzero += u != 1;
        }
    }
    return TERN_OK;
}

static tern_status read_packed(const tern_safetensors *f, const tern_st_tensor *t,
                               tern_hf_linear linear, tern_param *p,
                               tern_hf_notes *notes)
{
    const size_t n = (size_t)p->rows * (size_t)p->cols;
    size_t nonzero = 0;
    float gamma = 0.0f;
    if (t->type != TERN_ST_U8)
        return tern_fail(
            TERN_EFORMAT,
            "%s: tensor \"%s\" is %s, but config.json says that layers are "
            "packed, which is U8",
            tern_safetensors_file(f, t), t->name, tern_st_type_name(t->type));
    if (p->rows % CODES)
        return tern_fail(TERN_ESHAPE,
                         "%s: tensor \"%s\": %" PRId64 " rows cannot be packed by four",
                         tern_safetensors_file(f, t), t->name, p->rows);
    TERN_TRY(check_shape(f, t, p->rows / CODES, p->cols));
    TERN_TRY(read_scale(f, linear, t->name, &gamma, notes));
    TERN_TRY(unpack(f, t, (size_t)p->cols, p->val, &nonzero));
    const double unit = p->form == TERN_FORM_TERNARY && nonzero
                            ? (double)gamma * (double)n / (double)nonzero
                            : (double)gamma;
    for (size_t i = 0; i < n; i++) p->val[i] *= (float)unit;
    return TERN_OK;
}

tern_status tern_hf_read_param(const tern_safetensors *f, tern_hf_linear linear,
                               tern_param *p, tern_hf_notes *notes)
{
    char name[TERN_HF_NAME];
    tern_export_kind kind;
    if (!tern_hf_name(p->name, name, &kind))
        return tern_fail(TERN_ESHAPE, "parameter %s has no name there", p->name);
    const tern_st_tensor *t = tern_hf_find(f, p->name);
    if (!t) return missing(f, name);
    const bool layer = kind == TERN_EXPORT_MATRIX || kind == TERN_EXPORT_ROTARY;
    if (layer && tern_hf_is_packed(linear)) return read_packed(f, t, linear, p, notes);
    TERN_TRY(check_shape(f, t, p->rows, p->cols));
    return read_floats(f, t, (size_t)(p->rows * p->cols), p->val);
}
