/* names.c - see names.h. */
#include "export/names.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *ours, *theirs;
    tern_export_kind kind;
} layer_names[] = {
    {"attn_norm", "attn_norm", TERN_EXPORT_GAIN},
    {"attn.wq", "attn_q", TERN_EXPORT_ROTARY},
    {"attn.wk", "attn_k", TERN_EXPORT_ROTARY},
    {"attn.wv", "attn_v", TERN_EXPORT_MATRIX},
    {"attn.wo", "attn_output", TERN_EXPORT_MATRIX},
    {"attn_sub_norm", "attn_sub_norm", TERN_EXPORT_GAIN},
    {"ffn_norm", "ffn_norm", TERN_EXPORT_GAIN},
    {"ffn.gate", "ffn_gate", TERN_EXPORT_MATRIX},
    {"ffn.up", "ffn_up", TERN_EXPORT_MATRIX},
    {"ffn.down", "ffn_down", TERN_EXPORT_MATRIX},
    {"ffn_sub_norm", "ffn_sub_norm", TERN_EXPORT_GAIN},
};

static const struct {
    const char *ours, *theirs;
    tern_export_kind kind;
} model_names[] = {
    {"embed.weight", "token_embd.weight", TERN_EXPORT_EMBED},
    {"norm", "output_norm.weight", TERN_EXPORT_GAIN},
    {"head.weight", "output.weight", TERN_EXPORT_EMBED},
};

bool tern_gguf_name(const char *ours, char theirs[TERN_GGUF_NAME],
                    tern_export_kind *kind)
{
    for (size_t i = 0; i < sizeof model_names / sizeof *model_names; i++) {
        if (strcmp(ours, model_names[i].ours) != 0) continue;
        snprintf(theirs, TERN_GGUF_NAME, "%s", model_names[i].theirs);
        *kind = model_names[i].kind;
        return true;
    }
    int layer, used = 0;
    if (sscanf(ours, "layers.%d.%n", &layer, &used) != 1 || !used) return false;
    for (size_t i = 0; i < sizeof layer_names / sizeof *layer_names; i++) {
        if (strcmp(ours + used, layer_names[i].ours) != 0) continue;
        snprintf(theirs, TERN_GGUF_NAME, "blk.%d.%s.weight", layer,
                 layer_names[i].theirs);
        *kind = layer_names[i].kind;
        return true;
    }
    return false;
}
