/* hf_import.c - see hf_import.h. */
#include "export/hf_import.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

static const char EMBED[] = "embed.weight", HEAD[] = "head.weight";

/* --- what config.json leaves open --- */

static bool same_bytes(const tern_st_tensor *a, const tern_st_tensor *b)
{
    return a->type == b->type && a->bytes == b->bytes &&
           memcmp(a->data, b->data, a->bytes) == 0;
}

/* A tied model may carry a copy of its head, which transformers does not read. */
static tern_status settle_head(const char *dir, const tern_hf_config *c,
                               tern_hf_import *i)
{
    const tern_st_tensor *embed = tern_hf_find(i->file, EMBED);
    const tern_st_tensor *head = tern_hf_find(i->file, HEAD);
    i->spec.tied = c->tied_known ? c->spec.tied : !head;
    if (i->spec.arch != TERN_ARCH_BITNET || i->spec.tied) return TERN_OK;
    i->spec.tied = embed && head && same_bytes(embed, head);
    if (i->spec.tied) return TERN_OK;
    return tern_fail(TERN_EFORMAT,
                     "%s/config.json: field \"tie_word_embeddings\": is false, and the "
                     "head is not the embedding; tern's arch bitnet ties them",
                     dir);
}

static bool fits_half(const tern_st_tensor *t)
{
    enum { PIECE = 256 };
    float x[PIECE];
    for (int64_t at = 0; at < t->elements; at += PIECE) {
        const int64_t left = t->elements - at, n = left < PIECE ? left : PIECE;
        tern_st_get_floats(t, (size_t)at, (size_t)n, x);
        for (int64_t k = 0; k < n; k++)
            if (tern_float_bits(tern_round_to_half(x[k])) != tern_float_bits(x[k]))
                return false;
    }
    return true;
}

/* F16 is tern's usual forward pass; here it must not change the model. */
static tern_embed choose_embed(const tern_hf_import *i)
{
    const char *const names[] = {EMBED, HEAD};
    for (size_t k = 0; k < (i->spec.tied ? 1 : 2); k++) {
        const tern_st_tensor *t = tern_hf_find(i->file, names[k]);
        if (t && (!tern_st_type_is_float(t->type) || !fits_half(t)))
            return TERN_EMBED_F32;
    }
    return TERN_EMBED_F16;
}

/* --- every tensor has a place --- */

static bool ends_with(const char *s, const char *end)
{
    const size_t a = strlen(s), b = strlen(end);
    return a >= b && strcmp(s + a - b, end) == 0;
}

/* Old checkpoints carry the rotary frequencies, which follow from rope_theta; tied ones
 * may carry the head. */
static bool is_derived(const tern_hf_import *i, const tern_st_tensor *t)
{
    return ends_with(t->name, "rotary_emb.inv_freq") ||
           (i->spec.tied && t == tern_hf_find(i->file, HEAD));
}

static void mark(const tern_hf_import *i, const tern_st_tensor *t, bool *used)
{
    if (t) used[t - tern_safetensors_at(i->file, 0)] = true;
}

static void mark_param(const tern_hf_import *i, const char *ours, bool *used)
{
    char scale[TERN_HF_SCALE_NAME];
    const tern_st_tensor *t = tern_hf_find(i->file, ours);
    mark(i, t, used);
    if (!t || !tern_hf_is_packed(i->linear)) return;
    tern_hf_scale_name(t->name, scale);
    mark(i, tern_safetensors_find(i->file, scale), used);
}

static tern_status check_all_used(const tern_hf_import *i, tern_arch arch,
                                  const tern_params *list)
{
    const size_t count = tern_safetensors_count(i->file);
    bool *used = calloc(count ? count : 1, sizeof *used);
    if (!used) return tern_fail(TERN_EMEM, "out of memory");
    for (size_t k = 0; k < list->count; k++) mark_param(i, list->items[k]->name, used);
    const tern_st_tensor *odd = NULL;
    for (size_t k = 0; k < count && !odd; k++) {
        const tern_st_tensor *t = tern_safetensors_at(i->file, k);
        if (!used[k] && !is_derived(i, t)) odd = t;
    }
    free(used);
    if (!odd) return TERN_OK;
    return tern_fail(
        TERN_EFORMAT, "%s: tensor \"%.80s\" has no place in tern's graph (arch %s)%s",
        tern_safetensors_file(i->file, odd), odd->name, tern_arch_name(arch),
        ends_with(odd->name, ".bias") ? ", which has no biases" : "");
}

/* --- the whole --- */

static tern_status open_files(const char *dir, tern_hf_import *i)
{
    tern_hf_config c;
    TERN_TRY(tern_hf_read_config(dir, &c));
    TERN_TRY(tern_safetensors_open_dir(dir, &i->file));
    i->spec = c.spec;
    i->linear = c.linear;
    TERN_TRY(settle_head(dir, &c, i));
    i->spec.embed = choose_embed(i);
    return TERN_OK;
}

tern_status tern_hf_import_open(const char *dir, tern_hf_import *out)
{
    tern_hf_import i = {0};
    const tern_status s = open_files(dir, &i);
    if (s != TERN_OK) {
        tern_hf_import_close(&i);
        return s;
    }
    *out = i;
    return TERN_OK;
}

void tern_hf_import_close(tern_hf_import *i)
{
    tern_safetensors_close(i->file);
    *i = (tern_hf_import){0};
}

/* A norm that the checkpoint was trained without. */
static bool is_added(const tern_hf_import *i, const tern_param *p)
{
    return ends_with(p->name, "_sub_norm") && i->spec.arch == TERN_ARCH_LLAMA;
}

static tern_status fill_param(tern_hf_import *i, tern_param *p)
{
    if (!is_added(i, p)) {
        TERN_TRY(tern_hf_read_param(i->file, i->linear, p, &i->notes));
        const tern_st_tensor *t = tern_hf_find(i->file, p->name);
        if (t) tern_safetensors_release(i->file, t);
        return tern_param_refresh(p);
    }
    for (int64_t k = 0; k < p->cols; k++) p->val[k] = 1.0f;
    return tern_param_refresh(p);
}

/* Before memory is taken for a model: config.json may say anything, but what it
 * describes must be in the files, give or take what a message will name. */
static tern_status check_size(const tern_hf_import *i, const tern_spec *spec)
{
    enum { SLACK = 1 << 20, TIMES = 4 };
    int64_t have = 0;
    for (size_t k = 0; k < tern_safetensors_count(i->file); k++) {
        const tern_st_tensor *t = tern_safetensors_at(i->file, k);
        have += (int64_t)(t->type == TERN_ST_U8 ? 4 * t->bytes : t->bytes / 2);
    }
    TERN_TRY(tern_spec_check(spec, tern_safetensors_path(i->file)));
    const int64_t need = tern_spec_params(spec);
    if (need <= TIMES * have + SLACK) return TERN_OK;
    return tern_fail(TERN_ESHAPE,
                     "%s: config.json describes a model of %" PRId64
                     " parameters, but the tensors hold %" PRId64 " at most",
                     tern_safetensors_path(i->file), need, have);
}

tern_status tern_hf_import_model(tern_hf_import *i, const tern_spec *spec,
                                 tern_model **out)
{
    tern_model *m = NULL;
    i->notes = (tern_hf_notes){0};
    TERN_TRY(check_size(i, spec));
    TERN_TRY(tern_model_new(spec, &m));
    const tern_params *list = tern_model_params(m);
    tern_status s = check_all_used(i, spec->arch, list);
    for (size_t k = 0; k < list->count && s == TERN_OK; k++)
        s = fill_param(i, list->items[k]);
    if (s == TERN_OK)
        *out = m;
    else
        tern_model_free(m);
    return s;
}
