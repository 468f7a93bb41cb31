/* norm.c - RMSNorm, alone or fused with the quantiser of the BitLinear that follows. */
#include "layers/layers.h"

bool tern_norm_init(tern_norm *n, tern_params *list, const char *name, int64_t width,
                    float eps)
{
    n->eps = eps;
    n->gain = tern_params_add(list, name, 1, width, TERN_FORM_FLOAT);
    if (!n->gain) return false;
    n->gain->decay = false;
    for (int64_t i = 0; i < width; i++) n->gain->val[i] = 1.0f;
    return true;
}

tern_var *tern_norm_forward(tern_tape *t, const tern_norm *n, tern_var *x)
{
    return tern_op_rmsnorm(t, x, n->gain, n->eps);
}

tern_var *tern_norm_for(tern_tape *t, const tern_norm *n, tern_var *x, tern_quant quant)
{
    if (quant == TERN_QUANT_TERNARY)
        return tern_op_rmsnorm_quantize(t, x, n->gain, n->eps);
    return tern_norm_forward(t, n, x);
}
