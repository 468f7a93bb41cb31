/* checkpoint.c - a run's state to HDF5 and back.
 *
 * Names in the file follow the parameters' names, dots becoming groups:
 * layers.0.attn.wq is /params/layers/0/attn/wq, and its AdamW mean is
 * /optim/m/layers/0/attn/wq. */
#include "train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/version.h"
#include "data/h5file.h"

static const char KIND[] = "checkpoint", FORMAT[] = "tern-checkpoint";
enum { VERSION = 1, NAME_BYTES = 192 };

struct tern_checkpoint {
    tern_h5 *file;
    tern_config config;
    tern_progress_state state;
    tern_tokenizer *tokenizer; /* or NULL */
    char version[32];
};

/* "optim/m/" + "layers.0.attn.wq" with groups for dots. */
static const char *tensor_path(char out[NAME_BYTES], const char *group,
                               const char *slot, const char *name)
{
    const int n = snprintf(out, NAME_BYTES, "%s/%s%s", group, slot, *slot ? "/" : "");
    snprintf(out + n, (size_t)(NAME_BYTES - n), "%s", name);
    for (char *p = out + n; *p; p++)
        if (*p == '.') *p = '/';
    return out;
}

static tern_h5_shape shape_of(const tern_param *p)
{
    return (tern_h5_shape){.type = TERN_H5_F32, .rank = 2, .dims = {p->rows, p->cols}};
}

/* --- writing --- */

static tern_status write_tensors(tern_h5 *f, tern_model *m, tern_optim *o)
{
    const tern_params *list = tern_model_params(m);
    const size_t slots = o ? tern_optim_slots(o) : 0;
    char path[NAME_BYTES];
    for (size_t i = 0; i < list->count; i++) {
        const tern_param *p = list->items[i];
        const tern_h5_shape shape = shape_of(p);
        tensor_path(path, "params", "", p->name);
        TERN_TRY(tern_h5_write(f, path, &shape, p->val));
        for (size_t s = 0; s < slots; s++) {
            if (!tern_optim_slot(o, s, i)) continue;
            tensor_path(path, "optim", tern_optim_slot_name(o, s), p->name);
            TERN_TRY(tern_h5_write(f, path, &shape, tern_optim_slot(o, s, i)));
        }
    }
    return TERN_OK;
}

static tern_status write_state(tern_h5 *f, const tern_progress_state *s)
{
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, s->dataset_fingerprint);
    TERN_TRY(tern_h5_set_int(f, "/", "step", s->step));
    TERN_TRY(tern_h5_set_int(f, "/", "tokens", s->tokens));
    TERN_TRY(tern_h5_set_real(f, "/", "val", s->val));
    TERN_TRY(tern_h5_set_real(f, "/", "best_val", s->best_val));
    TERN_TRY(tern_h5_set_real(f, "/", "entropy", s->entropy));
    return tern_h5_set_text(f, "/", "dataset_fingerprint", fingerprint);
}

static tern_status write_texts(tern_h5 *f, const tern_config *config,
                               const tern_tokenizer *tokenizer)
{
    char *text;
    TERN_TRY(tern_h5_set_text(f, "/", "format", FORMAT));
    TERN_TRY(tern_h5_set_int(f, "/", "version", VERSION));
    TERN_TRY(tern_h5_set_text(f, "/", "tern_version", TERN_VERSION));
    TERN_TRY(tern_h5_set_int(f, "/", "seed", (int64_t)config->seed));
    TERN_TRY(tern_config_yaml(config, &text));
    tern_status s = tern_h5_set_text(f, "/", "config", text);
    free(text);
    if (s != TERN_OK || !tokenizer) return s;

    char name[64];
    tern_tokenizer_describe(tokenizer, name);
    TERN_TRY(tern_h5_set_text(f, "/", "tokenizer_name", name));
    TERN_TRY(tern_tokenizer_json(tokenizer, &text));
    s = tern_h5_set_text(f, "/", "tokenizer", text);
    free(text);
    return s;
}

tern_status tern_checkpoint_save(const char *path, const tern_config *config,
                                 const tern_tokenizer *tokenizer, tern_model *model,
                                 tern_optim *optim, const tern_progress_state *state)
{
    tern_h5 *f;
    TERN_TRY(tern_h5_create(path, KIND, VERSION, &f));
    tern_status s = write_texts(f, config, tokenizer);
    if (s == TERN_OK) s = write_state(f, state);
    if (s == TERN_OK) s = write_tensors(f, model, optim);
    if (s == TERN_OK) return tern_h5_commit(f);
    tern_h5_close(f);
    return s;
}

/* --- reading --- */

static tern_status read_state(tern_h5 *f, tern_progress_state *s)
{
    char *fingerprint, *end;
    TERN_TRY(tern_h5_get_int(f, "/", "step", &s->step));
    TERN_TRY(tern_h5_get_int(f, "/", "tokens", &s->tokens));
    TERN_TRY(tern_h5_get_real(f, "/", "val", &s->val));
    TERN_TRY(tern_h5_get_real(f, "/", "best_val", &s->best_val));
    TERN_TRY(tern_h5_get_real(f, "/", "entropy", &s->entropy));
    if (s->step < 0 || s->tokens < 0)
        return tern_fail(TERN_ECORRUPT,
                         "%s: step %" PRId64 ", tokens %" PRId64 ": impossible",
                         tern_h5_path(f), s->step, s->tokens);
    TERN_TRY(tern_h5_get_text(f, "/", "dataset_fingerprint", &fingerprint));
    s->dataset_fingerprint = strtoull(fingerprint, &end, 16);
    const bool hex = *fingerprint && !*end;
    free(fingerprint);
    return hex ? TERN_OK
               : tern_fail(TERN_ECORRUPT, "%s: dataset_fingerprint is not hexadecimal",
                           tern_h5_path(f));
}

static tern_status read_texts(tern_h5 *f, tern_checkpoint *c)
{
    const char *path = tern_h5_path(f);
    char *text;
    TERN_TRY(tern_h5_get_text(f, "/", "tern_version", &text));
    snprintf(c->version, sizeof c->version, "%s", text);
    free(text);

    TERN_TRY(tern_h5_get_text(f, "/", "config", &text));
    tern_status s = tern_config_parse(text, strlen(text), path, NULL, 0, &c->config);
    free(text);
    if (s == TERN_OK) s = tern_config_resolve(&c->config, 0, path);
    if (s != TERN_OK || !tern_h5_has_attr(f, "/", "tokenizer")) return s;

    TERN_TRY(tern_h5_get_text(f, "/", "tokenizer", &text));
    s = tern_tokenizer_parse(text, strlen(text), path, &c->tokenizer);
    free(text);
    if (s != TERN_OK) return s;
    const int64_t vocab = tern_tokenizer_vocab(c->tokenizer);
    if (vocab > c->config.model.vocab) /* fewer is fine: rows nothing uses */
        return tern_fail(TERN_ECORRUPT,
                         "%s: the tokenizer has %" PRId64
                         " ids, the model only %" PRId64,
                         path, vocab, c->config.model.vocab);
    return TERN_OK;
}

/* Before anybody allocates what the config asks for. */
static tern_status check_size(const tern_checkpoint *c)
{
    const uint64_t bytes = tern_h5_bytes(c->file);
    const int64_t params = tern_spec_params(&c->config.model);
    if ((uint64_t)params <= bytes / sizeof(float)) return TERN_OK;
    return tern_fail(TERN_ECORRUPT,
                     "%s: has %" PRIu64 " bytes, and its config wants %" PRId64
                     " parameters of 4",
                     tern_h5_path(c->file), bytes, params);
}

tern_status tern_checkpoint_open(const char *path, tern_checkpoint **out)
{
    tern_checkpoint *c = calloc(1, sizeof *c);
    if (!c) return tern_fail(TERN_EMEM, "%s: out of memory", path);
    tern_status s = tern_h5_open(path, KIND, VERSION, &c->file);
    if (s == TERN_OK) s = read_texts(c->file, c);
    if (s == TERN_OK) s = check_size(c);
    if (s == TERN_OK) s = read_state(c->file, &c->state);
    if (s != TERN_OK) {
        tern_checkpoint_close(c);
        return s;
    }
    *out = c;
    return TERN_OK;
}

void tern_checkpoint_close(tern_checkpoint *c)
{
    if (!c) return;
    tern_tokenizer_free(c->tokenizer);
    tern_h5_close(c->file);
    free(c);
}

const tern_config *tern_checkpoint_config(const tern_checkpoint *c)
{
    return &c->config;
}

const tern_progress_state *tern_checkpoint_state(const tern_checkpoint *c)
{
    return &c->state;
}

const tern_tokenizer *tern_checkpoint_tokenizer(const tern_checkpoint *c)
{
    return c->tokenizer;
}

const char *tern_checkpoint_path(const tern_checkpoint *c)
{
    return tern_h5_path(c->file);
}

const char *tern_checkpoint_version(const tern_checkpoint *c)
{
    return c->version;
}

/* One tensor into `to`, after its shape has been compared: a shape is the model's
 * mistake, anything else the file's. */
static tern_status read_tensor(tern_h5 *f, const char *path, const tern_param *p,
                               float *to)
{
    const tern_h5_shape want = shape_of(p);
    tern_h5_shape have;
    TERN_TRY(tern_h5_info(f, path, &have));
    if (have.rank != 2 || have.dims[0] != p->rows || have.dims[1] != p->cols)
        return tern_fail(TERN_ESHAPE,
                         "%s: tensor %s is not (%" PRId64 ", %" PRId64
                         ") as the model needs",
                         tern_h5_path(f), path, p->rows, p->cols);
    TERN_TRY(tern_h5_read(f, path, &want, to));
    for (int64_t i = 0; i < p->rows * p->cols; i++)
        if (!isfinite(to[i]))
            return tern_fail(TERN_ECORRUPT,
                             "%s: tensor %s holds a number that is not finite",
                             tern_h5_path(f), path);
    return TERN_OK;
}

static tern_status read_slots(tern_checkpoint *c, const tern_params *list,
                              tern_optim *o)
{
    char path[NAME_BYTES];
    if (!tern_h5_has(c->file, "optim") && tern_optim_slots(o) > 0)
        return tern_fail(TERN_EFORMAT,
                         "%s: has no optimizer state, so no training can go on from it",
                         tern_h5_path(c->file));
    for (size_t s = 0; s < tern_optim_slots(o); s++) {
        for (size_t i = 0; i < list->count; i++) {
            const tern_param *p = list->items[i];
            if (!tern_optim_slot(o, s, i)) continue;
            tensor_path(path, "optim", tern_optim_slot_name(o, s), p->name);
            TERN_TRY(read_tensor(c->file, path, p, tern_optim_slot(o, s, i)));
        }
    }
    return TERN_OK;
}

tern_status tern_checkpoint_read(tern_checkpoint *c, tern_model *model,
                                 tern_optim *optim)
{
    tern_params *list = tern_model_params(model);
    char path[NAME_BYTES];
    for (size_t i = 0; i < list->count; i++) {
        tern_param *p = list->items[i];
        tensor_path(path, "params", "", p->name);
        TERN_TRY(read_tensor(c->file, path, p, p->val));
    }
    if (optim) TERN_TRY(read_slots(c, list, optim));
    const tern_status s = tern_params_refresh(list);
    return s == TERN_OK ? TERN_OK : tern_fail_in(s, tern_h5_path(c->file));
}

tern_status tern_checkpoint_model(tern_checkpoint *c, tern_model **out)
{
    tern_model *m;
    TERN_TRY(tern_model_new(&c->config.model, &m));
    const tern_status s = tern_checkpoint_read(c, m, NULL);
    if (s != TERN_OK) {
        tern_model_free(m);
        return s;
    }
    *out = m;
    return TERN_OK;
}

bool tern_is_checkpoint(const char *path)
{
    tern_h5_seal seal;
    return tern_h5_peek(path, &seal) == TERN_OK && strcmp(seal.kind, KIND) == 0;
}
