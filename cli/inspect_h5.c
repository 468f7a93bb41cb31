/* inspect_h5.c - what is in a checkpoint or a dataset. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inspect.h"
#include "data/dataset.h"
#include "layers/model.h"
#include "train/checkpoint.h"

static json_t *describe_param(const tern_param *p)
{
    static const char *const forms[] = {"float", "half", "ternary"};
    json_t *o =
        json_pack("{s:s, s:s, s:[I, I], s:I}", "name", p->name, "type", forms[p->form],
                  "shape", (json_int_t)p->rows, (json_int_t)p->cols, "bytes",
                  (json_int_t)(4 * p->rows * p->cols));
    if (p->form == TERN_FORM_TERNARY) {
        int64_t c[3];
        const double n = (double)(p->rows * p->cols);
        tern_ternary_count(&p->ternary, c);
        json_object_set_new(o, "gamma", json_real((double)p->ternary.scale));
        json_object_set_new(o, "minus", json_real((double)c[0] / n));
        json_object_set_new(o, "zero", json_real((double)c[1] / n));
        json_object_set_new(o, "plus", json_real((double)c[2] / n));
    }
    return o;
}

static tern_status describe_checkpoint(tern_checkpoint *c, json_t **out)
{
    tern_model *model;
    char *yaml, tokenizer[64] = "none";
    const tern_progress_state *s = tern_checkpoint_state(c);
    TERN_TRY(tern_config_yaml(tern_checkpoint_config(c), &yaml));
    const tern_status status = tern_checkpoint_model(c, &model);
    if (status != TERN_OK) {
        free(yaml);
        return status;
    }
    json_t *tensors = json_array();
    const tern_params *params = tern_model_params(model);
    for (size_t i = 0; i < params->count; i++)
        json_array_append_new(tensors, describe_param(params->items[i]));
    if (tern_checkpoint_tokenizer(c))
        tern_tokenizer_describe(tern_checkpoint_tokenizer(c), tokenizer);
    const tern_spec *spec = tern_model_spec(model);
    *out = json_pack(
        "{s:o, s:s, s:s, s:I, s:I, s:o, s:o, s:s, s:I, s:I, s:s, s:o}", "file",
        tern_json_text(tern_checkpoint_path(c)), "kind", "checkpoint", "tern_version",
        tern_checkpoint_version(c), "step", (json_int_t)s->step, "tokens",
        (json_int_t)s->tokens, "val_loss", tern_json_number(s->val), "best_val_loss",
        tern_json_number(s->best_val), "tokenizer", tokenizer, "parameters",
        (json_int_t)tern_spec_params(spec), "ternary_parameters",
        (json_int_t)tern_spec_ternary_params(spec), "config", yaml, "tensors", tensors);
    tern_model_free(model);
    free(yaml);
    return *out ? TERN_OK : tern_fail(TERN_EMEM, "out of memory");
}

tern_status tern_inspect_checkpoint(const char *path, json_t **out)
{
    tern_checkpoint *c;
    TERN_TRY(tern_checkpoint_open(path, &c));
    const tern_status s = describe_checkpoint(c, out);
    tern_checkpoint_close(c);
    return s;
}

static json_t *list_sources(const char *lines)
{
    json_t *list = json_array();
    while (*lines) {
        const size_t n = strcspn(lines, "\n");
        json_array_append_new(list, tern_json_bytes(lines, n));
        lines += n + (lines[n] == '\n');
    }
    return list;
}

tern_status tern_inspect_dataset(const char *path, json_t **out)
{
    tern_dataset *d;
    char tokenizer[64], hex[17];
    TERN_TRY(tern_dataset_open_within(path, 0, &d));
    const tern_tokenizer *t = tern_dataset_tokenizer(d);
    const double entropy = tern_dataset_entropy(d);
    tern_tokenizer_describe(t, tokenizer);
    snprintf(hex, sizeof hex, "%016" PRIx64, tern_dataset_fingerprint(d));
    *out = json_pack(
        "{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "file",
        tern_json_text(path), "kind", "dataset", "fingerprint", hex, "tokenizer",
        tokenizer, "vocab", (json_int_t)tern_tokenizer_vocab(t), "train_tokens",
        (json_int_t)tern_dataset_tokens(d, TERN_TRAIN), "train_bytes",
        (json_int_t)tern_dataset_bytes(d, TERN_TRAIN), "val_tokens",
        (json_int_t)tern_dataset_tokens(d, TERN_VAL), "val_bytes",
        (json_int_t)tern_dataset_bytes(d, TERN_VAL), "entropy_nats_per_byte",
        entropy > 0.0 ? json_real(entropy) : json_null(), "sources",
        list_sources(tern_dataset_sources(d)));
    tern_dataset_free(d);
    return *out ? TERN_OK : tern_fail(TERN_EMEM, "out of memory");
}
