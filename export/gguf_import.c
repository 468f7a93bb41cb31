/* gguf_import.c - see gguf_import.h. The runtime has read and checked the file, and
 * holds its matrices in tern's order of rows. */
#include "export/gguf_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "runtime/model.h"

/* --- where a parameter is --- */

static const struct {
    const char *ours;
    size_t matrix; /* in tern_layer */
} layer_matrices[] = {
    {"attn.wq", offsetof(tern_layer, q)},     {"attn.wk", offsetof(tern_layer, k)},
    {"attn.wv", offsetof(tern_layer, v)},     {"attn.wo", offsetof(tern_layer, o)},
    {"ffn.gate", offsetof(tern_layer, gate)}, {"ffn.up", offsetof(tern_layer, up)},
    {"ffn.down", offsetof(tern_layer, down)},
};

static const struct {
    const char *ours;
    size_t gain; /* in tern_layer */
} layer_gains[] = {
    {"attn_norm", offsetof(tern_layer, attn_norm)},
    {"attn_sub_norm", offsetof(tern_layer, attn_sub_norm)},
    {"ffn_norm", offsetof(tern_layer, ffn_norm)},
    {"ffn_sub_norm", offsetof(tern_layer, ffn_sub_norm)},
};

/* One of the two; neither if the runtime has no such parameter. */
typedef struct source {
    const tern_matrix *matrix;
    const float *gain;
} source;

static source in_layer(const tern_layer *w, const char *name)
{
    source s = {0};
    for (size_t i = 0; i < sizeof layer_matrices / sizeof *layer_matrices; i++)
        if (strcmp(name, layer_matrices[i].ours) == 0)
            s.matrix =
                (const tern_matrix *)((const char *)w + layer_matrices[i].matrix);
    for (size_t i = 0; i < sizeof layer_gains / sizeof *layer_gains; i++)
        if (strcmp(name, layer_gains[i].ours) == 0)
            memcpy(&s.gain, (const char *)w + layer_gains[i].gain, sizeof s.gain);
    return s;
}

static source find_source(const tern_runtime *r, const char *name)
{
    int layer, used = 0;
    if (strcmp(name, "embed.weight") == 0) return (source){.matrix = &r->embed};
    if (strcmp(name, "head.weight") == 0) return (source){.matrix = r->head};
    if (strcmp(name, "norm") == 0) return (source){.gain = r->norm};
    const bool found = sscanf(name, "layers.%d.%n", &layer, &used) == 1 && used &&
                       layer >= 0 && layer < r->spec.layers;
    return found ? in_layer(&r->layers[layer], name + used) : (source){0};
}

/* --- masters --- */

static int64_t count_nonzero(const float *x, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += x[i] != 0.0f;
    return count;
}

/* gamma * t, and where p is ternary gamma / density * t. */
static void fill_codes(const tern_matrix *w, tern_param *p, tern_gguf_notes *notes)
{
    const size_t n = w->rows * w->cols;
    const float gamma = w->ternary.scale;
    notes->ternary++;
    notes->scales_rounded += tern_round_to_half(gamma) != gamma;
    if (p->form != TERN_FORM_TERNARY) return;
    const int64_t nonzero = count_nonzero(p->val, n);
    if (nonzero == 0) return;
    const float master = (float)((double)gamma * (double)n / (double)nonzero);
    for (size_t i = 0; i < n; i++)
        if (p->val[i] != 0.0f) p->val[i] = p->val[i] > 0.0f ? master : -master;
}

static tern_status fill_param(const tern_runtime *r, tern_param *p,
                              tern_gguf_notes *notes)
{
    const source s = find_source(r, p->name);
    const size_t rows = (size_t)p->rows, cols = (size_t)p->cols;
    if (!s.gain && (!s.matrix || s.matrix->rows != rows || s.matrix->cols != cols))
        return tern_fail(TERN_ESHAPE, "parameter %s is not in the file in this shape",
                         p->name);
    if (s.gain) {
        memcpy(p->val, s.gain, cols * sizeof *p->val);
        return tern_param_refresh(p);
    }
    for (size_t i = 0; i < rows; i++) tern_matrix_row(s.matrix, i, p->val + i * cols);
    if (s.matrix->form == TERN_MATRIX_TERNARY) fill_codes(s.matrix, p, notes);
    return tern_param_refresh(p);
}

tern_status tern_gguf_import_model(const tern_runtime *r, const tern_spec *spec,
                                   tern_gguf_notes *notes, tern_model **out)
{
    tern_model *m = NULL;
    *notes = (tern_gguf_notes){0};
    TERN_TRY(tern_model_new(spec, &m));
    const tern_params *list = tern_model_params(m);
    tern_status s = TERN_OK;
    for (size_t i = 0; i < list->count && s == TERN_OK; i++)
        s = fill_param(r, list->items[i], notes);
    if (s == TERN_OK) {
        *out = m;
        return TERN_OK;
    }
    tern_model_free(m);
    return tern_fail_in(s, tern_gguf_path(r->gguf));
}

/* --- config --- */

static tern_status own_config(const tern_runtime *r, tern_config *c)
{
    tern_gguf_string yaml;
    tern_config_defaults(c);
    if (!tern_gguf_has(r->gguf, "tern.config")) return TERN_OK;
    TERN_TRY(tern_gguf_get_string(r->gguf, "tern.config", &yaml));
    return tern_config_parse(yaml.data, yaml.bytes, tern_gguf_path(r->gguf), NULL, 0,
                             c);
}

tern_status tern_gguf_import_config(const tern_runtime *r, const char *const *sets,
                                    size_t count, tern_config *out)
{
    const char *path = tern_gguf_path(r->gguf);
    tern_config c;
    char *yaml = NULL;
    TERN_TRY(own_config(r, &c));
    c.model = r->spec;
    TERN_TRY(tern_config_yaml(&c, &yaml));
    const tern_status s = tern_config_parse(yaml, strlen(yaml), path, sets, count, out);
    free(yaml);
    return s == TERN_OK ? tern_config_resolve(out, 0, path) : s;
}
