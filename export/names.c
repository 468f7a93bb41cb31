/* names.c - see names.h. */
#include "export/names.h"

#include <stdio.h>
#include <string.h>

typedef struct name_row {
    const char *ours, *gguf, *hf;
    tern_export_kind kind;
} name_row;

static const name_row layer_names[] = {
    {"attn_norm", "attn_norm", "input_layernorm", TERN_EXPORT_GAIN},
    {"attn.wq", "attn_q", "self_attn.q_proj", TERN_EXPORT_ROTARY},
    {"attn.wk", "attn_k", "self_attn.k_proj", TERN_EXPORT_ROTARY},
    {"attn.wv", "attn_v", "self_attn.v_proj", TERN_EXPORT_MATRIX},
    {"attn.wo", "attn_output", "self_attn.o_proj", TERN_EXPORT_MATRIX},
    {"attn_sub_norm", "attn_sub_norm", "self_attn.attn_sub_norm", TERN_EXPORT_GAIN},
    {"ffn_norm", "ffn_norm", "post_attention_layernorm", TERN_EXPORT_GAIN},
    {"ffn.gate", "ffn_gate", "mlp.gate_proj", TERN_EXPORT_MATRIX},
    {"ffn.up", "ffn_up", "mlp.up_proj", TERN_EXPORT_MATRIX},
    {"ffn.down", "ffn_down", "mlp.down_proj", TERN_EXPORT_MATRIX},
    {"ffn_sub_norm", "ffn_sub_norm", "mlp.ffn_sub_norm", TERN_EXPORT_GAIN},
};

static const name_row model_names[] = {
    {"embed.weight", "token_embd.weight", "model.embed_tokens.weight",
     TERN_EXPORT_EMBED},
    {"norm", "output_norm.weight", "model.norm.weight", TERN_EXPORT_GAIN},
    {"head.weight", "output.weight", "lm_head.weight", TERN_EXPORT_EMBED},
};

/* The row of a parameter, and the layer it stands in (-1: in none). NULL: no such name.
 */
static const name_row *find_row(const char *ours, int *layer)
{
    *layer = -1;
    for (size_t i = 0; i < sizeof model_names / sizeof *model_names; i++)
        if (strcmp(ours, model_names[i].ours) == 0) return &model_names[i];
    int used = 0;
    if (sscanf(ours, "layers.%d.%n", layer, &used) != 1 || !used) return NULL;
    for (size_t i = 0; i < sizeof layer_names / sizeof *layer_names; i++)
        if (strcmp(ours + used, layer_names[i].ours) == 0) return &layer_names[i];
    return NULL;
}

bool tern_gguf_name(const char *ours, char theirs[TERN_GGUF_NAME],
                    tern_export_kind *kind)
{
    int layer;
    const name_row *row = find_row(ours, &layer);
    if (!row) return false;
    *kind = row->kind;
    if (layer < 0)
        snprintf(theirs, TERN_GGUF_NAME, "%s", row->gguf);
    else
        snprintf(theirs, TERN_GGUF_NAME, "blk.%d.%s.weight", layer, row->gguf);
    return true;
}

bool tern_hf_name(const char *ours, char theirs[TERN_HF_NAME], tern_export_kind *kind)
{
    int layer;
    const name_row *row = find_row(ours, &layer);
    if (!row) return false;
    *kind = row->kind;
    if (layer < 0)
        snprintf(theirs, TERN_HF_NAME, "%s", row->hf);
    else
        snprintf(theirs, TERN_HF_NAME, "model.layers.%d.%s.weight", layer, row->hf);
    return true;
}
