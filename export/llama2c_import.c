/* llama2c_import.c - see llama2c_import.h. */
#include "export/llama2c_import.h"

#include <stdlib.h>
#include <string.h>

/* The tensor of one of our parameters, and its layer. false: there is none. */
static bool find_tensor(const char *name, tern_llama2c_tensor *tensor, int64_t *layer)
{
    static const struct {
        const char *name;
        tern_llama2c_tensor tensor;
    } names[] = {
        {"embed.weight", TERN_L2C_EMBED}, {"norm", TERN_L2C_NORM},
        {"head.weight", TERN_L2C_HEAD},   {"attn_norm", TERN_L2C_ATTN_NORM},
        {"attn.wq", TERN_L2C_WQ},         {"attn.wk", TERN_L2C_WK},
        {"attn.wv", TERN_L2C_WV},         {"attn.wo", TERN_L2C_WO},
        {"ffn_norm", TERN_L2C_FFN_NORM},  {"ffn.gate", TERN_L2C_W1},
        {"ffn.down", TERN_L2C_W2},        {"ffn.up", TERN_L2C_W3},
    };
    const char prefix[] = "layers.";
    *layer = 0;
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
        char *rest;
        *layer = strtol(name + sizeof prefix - 1, &rest, 10);
        name = rest + 1; /* behind the dot */
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) {
            *tensor = names[i].tensor;
            return true;
        }
    return false;
}

static tern_status fill(const tern_llama2c *f, tern_model *model)
{
    tern_params *list = tern_model_params(model);
    for (size_t i = 0; i < list->count; i++) {
        tern_param *p = list->items[i];
        tern_llama2c_tensor tensor;
        int64_t layer;
        if (!find_tensor(p->name, &tensor, &layer))
            return tern_fail(TERN_ESHAPE, "parameter %s has no tensor in llama2.c",
                             p->name);
        for (int64_t r = 0; r < p->rows; r++)
            tern_llama2c_row(f, tensor, layer, r, p->val + r * p->cols);
    }
    return tern_params_refresh(list);
}

tern_status tern_llama2c_model(const tern_llama2c *f, const tern_spec *spec,
                               tern_model **out)
{
    tern_model *model;
    TERN_TRY(tern_model_new(spec, &model));
    const tern_status s = fill(f, model);
    if (s == TERN_OK)
        *out = model;
    else
        tern_model_free(model);
    return s;
}
