/* golden_model.h - the model of a golden file, with its weights. */
#ifndef TERN_TESTS_GOLDEN_GOLDEN_MODEL_H
#define TERN_TESTS_GOLDEN_GOLDEN_MODEL_H

#include <math.h>

#include "kernels/cpu.h"
#include "layers/model.h"
#include "tests/golden/golden.h"

/* Names of the model files, for parameterised tests. */
enum { GOLDEN_NAME = 32 };
static const char golden_models[][GOLDEN_NAME] = {
    "bitnet_float",    "bitnet_ternary", "bitnet_ternary_gqa_relu2",
    "llama_float_gqa", "llama_ternary",  "llama_ternary_gqa_tied",
};

static inline tern_spec golden_spec(const golden *g)
{
    const bool bitnet = golden_integer(g, "bitnet") != 0;
    return (tern_spec){
        .arch = bitnet ? TERN_ARCH_BITNET : TERN_ARCH_LLAMA,
        .quant = golden_integer(g, "ternary") ? TERN_QUANT_TERNARY : TERN_QUANT_NONE,
        .activation = golden_integer(g, "relu2") ? TERN_RELU2 : TERN_SILU,
        .embed = TERN_EMBED_F32, /* the reference does not round */
        .tied = golden_integer(g, "tied") != 0,
        .vocab = golden_integer(g, "vocab"),
        .width = golden_integer(g, "width"),
        .layers = golden_integer(g, "layers"),
        .heads = golden_integer(g, "heads"),
        .kv_heads = golden_integer(g, "kv_heads"),
        .head_dim = golden_integer(g, "head_dim"),
        .ffn = golden_integer(g, "ffn"),
        .context = golden_integer(g, "context"),
        .rope_theta = (float)golden_number(g, "theta"),
        .norm_eps = 1e-5f};
}

/* A new model with the file's weights, at the level that TERN_CPU names or the best. */
static inline tern_model *golden_model(const golden *g)
{
    const tern_spec spec = golden_spec(g);
    tern_model *m;
    cr_assert(eq(int, tern_kernels_init(), TERN_OK), "%s", tern_error_message());
    cr_assert(eq(int, tern_model_new(&spec, &m), TERN_OK), "%s", tern_error_message());
    tern_params *list = tern_model_params(m);
    for (size_t i = 0; i < list->count; i++) {
        tern_param *p = list->items[i];
        const size_t n = (size_t)(p->rows * p->cols);
        memcpy(p->val, golden_tensor(g, "w", p->name, n), n * sizeof(float));
    }
    cr_assert(eq(int, tern_params_refresh(list), TERN_OK), "%s", tern_error_message());
    return m;
}

/* |got - want| / |want|, Euclidean norms over the tensor. */
static inline double golden_distance(const float *got, const float *want, size_t n)
{
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)got[i] - (double)want[i];
        error += d * d;
        size += (double)want[i] * (double)want[i];
    }
    return size > 0.0 ? sqrt(error / size) : sqrt(error);
}

#endif /* TERN_TESTS_GOLDEN_GOLDEN_MODEL_H */
