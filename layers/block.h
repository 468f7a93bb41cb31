/* block.h - the parts of one transformer block. Internal to layers/.
 *
 * Every part adds its branch to the residual stream and returns the sum, so a block is
 * two calls. Values are released (tape.h) as soon as they have been used: what a model
 * holds is what its backward reads, and in evaluation next to nothing. Parameters are
 * named "layers.<index>.<part>" and added to the list in the order of the fields below.
 */
#ifndef TERN_LAYERS_BLOCK_H
#define TERN_LAYERS_BLOCK_H

#include "layers/layers.h"

/* What one forward pass of the model hands to every part. */
typedef struct tern_pass {
    tern_tape *tape;
    int64_t time;           /* rows of one sequence */
    const float *cos, *sin; /* rope table (context, D / 2) */
    float dropout;          /* at the end of each branch */
} tern_pass;

/* h + Wo sub(attention(rope(Wq n), rope(Wk n), Wv n)), n = norm(h) */
typedef struct tern_attn {
    int64_t heads, kv_heads, head_dim;
    tern_norm norm;
    tern_linear wq, wk, wv, wo;
    bool has_sub; /* arch bitnet */
    tern_norm sub;
} tern_attn;

bool tern_attn_init(tern_attn *a, tern_params *list, const tern_spec *s, int64_t index);
tern_var *tern_attn_forward(const tern_pass *p, const tern_attn *a, tern_var *h);

/* h + Wdown sub(f(Wgate n) . (Wup n)), n = norm(h) */
typedef struct tern_mlp {
    tern_activation activation;
    tern_norm norm;
    tern_linear gate, up, down;
    bool has_sub; /* arch bitnet */
    tern_norm sub;
} tern_mlp;

bool tern_mlp_init(tern_mlp *m, tern_params *list, const tern_spec *s, int64_t index);
tern_var *tern_mlp_forward(const tern_pass *p, const tern_mlp *m, tern_var *h);

typedef struct tern_block {
    tern_attn attn;
    tern_mlp mlp;
} tern_block;

bool tern_block_init(tern_block *b, tern_params *list, const tern_spec *s,
                     int64_t index);
/* Releases h. */
tern_var *tern_block_forward(const tern_pass *p, const tern_block *b, tern_var *h);

/* "layers.<index>.<part>" into `name`, for the parameters above; returns `name`. */
enum { TERN_PART_NAME = 64 };
const char *tern_part_name(char name[TERN_PART_NAME], int64_t index, const char *part);

#endif /* TERN_LAYERS_BLOCK_H */
