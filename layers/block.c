/* block.c - one pre-norm transformer block: attention, then MLP. */
#include "layers/block.h"

#include <inttypes.h>
#include <stdio.h>

const char *tern_part_name(char name[TERN_PART_NAME], int64_t index, const char *part)
{
    snprintf(name, TERN_PART_NAME, "layers.%" PRId64 ".%s", index, part);
    return name;
}

bool tern_block_init(tern_block *b, tern_params *list, const tern_spec *s,
                     int64_t index)
{
    return tern_attn_init(&b->attn, list, s, index) &&
           tern_mlp_init(&b->mlp, list, s, index);
}

tern_var *tern_block_forward(const tern_pass *p, const tern_block *b, tern_var *h)
{
    tern_var *middle = tern_attn_forward(p, &b->attn, h);
    tern_tape_release(p->tape, h);
    tern_var *y = tern_mlp_forward(p, &b->mlp, middle);
    tern_tape_release(p->tape, middle);
    return y;
}
