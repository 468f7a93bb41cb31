/* names.h - what our parameters are called elsewhere (inside export/). */
#ifndef TERN_EXPORT_NAMES_H
#define TERN_EXPORT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spec.h"

typedef enum tern_export_kind {
    TERN_EXPORT_GAIN,   /* a vector, always F32 */
    TERN_EXPORT_MATRIX, /* a linear layer */
    TERN_EXPORT_ROTARY, /* q or k: rows permuted for arch llama */
    TERN_EXPORT_EMBED   /* embedding or head */
} tern_export_kind;

enum { TERN_GGUF_NAME = 64, TERN_HF_NAME = 96 }; /* with the NUL */

/* tern_gguf_name() - "layers.3.attn.wq" -> "blk.3.attn_q.weight". false if there is no
 * such name in GGUF. */
bool tern_gguf_name(const char *ours, char theirs[TERN_GGUF_NAME],
                    tern_export_kind *kind);
/* tern_hf_name() - "layers.3.attn.wq" -> "model.layers.3.self_attn.q_proj.weight". */
bool tern_hf_name(const char *ours, char theirs[TERN_HF_NAME], tern_export_kind *kind);

#endif /* TERN_EXPORT_NAMES_H */
