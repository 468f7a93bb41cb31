/* layers.h - modules: parameters with the function that uses them.
 *
 * A module is a plain struct whose parameters belong to a tern_params list; its forward
 * is an ordinary function over vars (autograd/ops.h). BitLinear is a drop-in for
 * Linear: both are tern_linear, and `quant` says which arithmetic.
 */
#ifndef TERN_LAYERS_LAYERS_H
#define TERN_LAYERS_LAYERS_H

#include "autograd/ops.h"
#include "base/spec.h"

/* --- the parameters of a model, in a fixed order --- */
typedef struct tern_params {
    tern_param **items;
    size_t count, capacity;
} tern_params; /* zero-initialise */

/* New parameter at the end of the list, which owns it; NULL if out of memory. */
tern_param *tern_params_add(tern_params *list, const char *name, int64_t rows,
                            int64_t cols, tern_form form);
void tern_params_free(tern_params *list);
tern_param *tern_params_find(const tern_params *list, const char *name); /* or NULL */
tern_status tern_params_refresh(tern_params *list); /* all forward images */
/* tern_param_set_share() of every one. */
tern_status tern_params_set_share(tern_params *list, float share);
void tern_params_zero_grad(tern_params *list);
int64_t tern_params_elements(const tern_params *list);

/* --- Linear and BitLinear --- */
typedef struct tern_linear {
    tern_quant quant;
    tern_param *weight; /* (out, in): TERNARY or FLOAT form */
} tern_linear;

/* `name` becomes the weight's name. false if out of memory. */
bool tern_linear_init(tern_linear *l, tern_params *list, const char *name, int64_t in,
                      int64_t out, tern_quant quant);

/* y = x W^T (+ residual). For BitLinear x may be quantised already (one quantised var
 * serves several layers), or float: then it is quantised here. */
tern_var *tern_linear_forward(tern_tape *t, const tern_linear *l, tern_var *x,
                              tern_var *residual);

/* residual + dropout(x W^T): the end of a branch. With dropout 0 it is one op. */
tern_var *tern_linear_branch(tern_tape *t, const tern_linear *l, tern_var *x,
                             tern_var *residual, float dropout);

/* --- RMSNorm, and norm plus quantiser for what feeds a BitLinear --- */
typedef struct tern_norm {
    tern_param *gain; /* (1, n) */
    float eps;
} tern_norm;
bool tern_norm_init(tern_norm *n, tern_params *list, const char *name, int64_t width,
                    float eps);
tern_var *tern_norm_forward(tern_tape *t, const tern_norm *n, tern_var *x);
/* Normalised input for a linear layer: quantised if quant is ternary, float if not. */
tern_var *tern_norm_for(tern_tape *t, const tern_norm *n, tern_var *x,
                        tern_quant quant);

#endif /* TERN_LAYERS_LAYERS_H */
