/* llama2c_import.c - see llama2c_import.h. */
#include "export/llama2c_import.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/checkpoint.h"

/* --- names --- */

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

/* --- the run --- */

static tern_status make_config(const tern_llama2c *f, tern_config *c)
{
    tern_config_defaults(c);
    c->model = *tern_llama2c_spec(f);
    return tern_config_resolve(c, c->model.vocab, "model");
}

static tern_status write_config(const tern_config *c, const char *dir)
{
    char path[TERN_PATH_MAX], *yaml;
    TERN_TRY(tern_path_join(path, dir, "config.yaml"));
    TERN_TRY(tern_config_yaml(c, &yaml));
    const tern_status s = tern_file_write(path, yaml, strlen(yaml));
    free(yaml);
    return s;
}

static tern_status save(const tern_config *c, const tern_tokenizer *t,
                        tern_model *model, const char *dir, char path[TERN_PATH_MAX])
{
    const tern_progress_state state = {.val = (double)NAN, .best_val = (double)NAN};
    TERN_TRY(tern_path_join(path, dir, "checkpoints"));
    TERN_TRY(tern_make_dirs(path));
    TERN_TRY(tern_path_join(path, dir, "checkpoints/step-00000000.h5"));
    TERN_TRY(tern_checkpoint_save(path, c, t, model, NULL, &state));
    return write_config(c, dir); /* from now on it is a run */
}

static tern_status check(const tern_llama2c *f, const char *file,
                         const tern_tokenizer *t, const char *dir)
{
    char path[TERN_PATH_MAX];
    TERN_TRY(tern_path_join(path, dir, "config.yaml"));
    if (tern_file_exists(path))
        return tern_fail(TERN_EARG, "%s already holds a run; choose another directory",
                         dir);
    const int64_t rows = tern_llama2c_spec(f)->vocab;
    const int64_t vocab = t ? tern_tokenizer_vocab(t) : rows;
    if (vocab <= rows) return TERN_OK;
    return tern_fail(TERN_ESHAPE,
                     "%s: the model knows %" PRId64 " ids, the tokenizer has %" PRId64,
                     file, rows, vocab);
}

static tern_status import(const tern_llama2c *f, const char *file,
                          const tern_tokenizer *t, const char *dir,
                          char path[TERN_PATH_MAX])
{
    tern_config c;
    tern_model *model = NULL;
    TERN_TRY(check(f, file, t, dir));
    tern_status s = make_config(f, &c);
    if (s == TERN_OK) s = tern_llama2c_model(f, &c.model, &model);
    if (s != TERN_OK) s = tern_fail_in(s, file);
    if (s == TERN_OK) s = save(&c, t, model, dir, path);
    tern_model_free(model);
    return s;
}

tern_status tern_import_llama2c(const char *file, const tern_tokenizer *tokenizer,
                                const char *dir, char checkpoint[TERN_PATH_MAX])
{
    tern_llama2c *f;
    TERN_TRY(tern_llama2c_open(file, &f));
    const tern_status s = import(f, file, tokenizer, dir, checkpoint);
    tern_llama2c_close(f);
    return s;
}
