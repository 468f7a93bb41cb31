/* spec.c - is this a model that can exist? */
#include "base/spec.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

static tern_status check_range(const char *who, const char *name, int64_t value,
                               int64_t low, int64_t high)
{
    if (value >= low && value <= high) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "%s: model.%s is %" PRId64 ", must be %" PRId64 " to %" PRId64,
                     who, name, value, low, high);
}

static tern_status check_ranges(const tern_spec *s, const char *who)
{
    TERN_TRY(check_range(who, "vocab", s->vocab, 2, 1 << 24));
    TERN_TRY(check_range(who, "width", s->width, 1, 1 << 16));
    TERN_TRY(check_range(who, "layers", s->layers, 1, 1024));
    TERN_TRY(check_range(who, "heads", s->heads, 1, 1024));
    TERN_TRY(check_range(who, "kv_heads", s->kv_heads, 1, s->heads));
    TERN_TRY(check_range(who, "head_dim", s->head_dim, 2, TERN_HEAD_DIM_MAX));
    TERN_TRY(check_range(who, "ffn", s->ffn, 1, 1 << 18));
    return check_range(who, "context", s->context, 1, 1 << 20);
}

static tern_status check_rope(const tern_spec *s, const char *who)
{
    if (!(s->rope_theta > 1.0f && s->rope_theta < 1e12f))
        return tern_fail(TERN_EARG, "%s: model.rope_theta is %g, must be above 1", who,
                         (double)s->rope_theta);
    if (s->rope_scaling == TERN_ROPE_NONE) return TERN_OK;
    if (!(s->rope_factor >= 1.0f && s->rope_factor <= 1e6f))
        return tern_fail(TERN_EARG, "%s: model.rope_factor is %g, must be 1 to 1e6",
                         who, (double)s->rope_factor);
    if (s->rope_scaling == TERN_ROPE_LINEAR) return TERN_OK;
    if (!(s->rope_low > 0.0f && s->rope_low < s->rope_high && s->rope_high <= 1e6f))
        return tern_fail(TERN_EARG,
                         "%s: model.rope_low is %g and model.rope_high %g, must be "
                         "above 0 and above rope_low",
                         who, (double)s->rope_low, (double)s->rope_high);
    return check_range(who, "rope_original", s->rope_original, 1, 1 << 24);
}

tern_status tern_spec_check(const tern_spec *s, const char *who)
{
    TERN_TRY(check_ranges(s, who));
    if (s->heads % s->kv_heads)
        return tern_fail(TERN_EARG,
                         "%s: model.kv_heads (%" PRId64 ") must divide model.heads "
                         "(%" PRId64 ")",
                         who, s->kv_heads, s->heads);
    if (s->head_dim % 2)
        return tern_fail(TERN_EARG,
                         "%s: the head width is %" PRId64
                         ", must be even (rotary positions turn pairs)",
                         who, s->head_dim);
    if (s->arch == TERN_ARCH_BITNET && s->heads * s->head_dim != s->width)
        return tern_fail(TERN_EARG,
                         "%s: arch bitnet needs heads * head_dim = width, but %" PRId64
                         " * %" PRId64 " is not %" PRId64,
                         who, s->heads, s->head_dim, s->width);
    if (s->arch == TERN_ARCH_BITNET && !s->tied)
        return tern_fail(
            TERN_EARG,
            "%s: arch bitnet ties head and embedding; set model.tied: true "
            "or model.arch: llama",
            who);
    TERN_TRY(check_rope(s, who));
    if (!(s->norm_eps > 0.0f && s->norm_eps < 1.0f))
        return tern_fail(TERN_EARG, "%s: model.norm_eps is %g, must be in (0, 1)", who,
                         (double)s->norm_eps);
    if (tern_spec_params(s) > (int64_t)1 << 40)
        return tern_fail(TERN_EARG, "%s: the model has more than 2^40 parameters", who);
    return TERN_OK;
}

/* Llama 3.1's rule: a frequency whose wave fits `turns` times into the original context
 * is kept from high on, divided by factor up to low, and blended in between. */
static double llama3_factor(const tern_spec *s, double frequency)
{
    const double turns = (double)s->rope_original * frequency / (2.0 * acos(-1.0));
    const double low = (double)s->rope_low, high = (double)s->rope_high;
    if (turns > high) return 1.0;
    if (turns < low) return (double)s->rope_factor;
    const double kept = (turns - low) / (high - low);
    return 1.0 / ((1.0 - kept) / (double)s->rope_factor + kept);
}

void tern_spec_rope_factors(const tern_spec *s, float *factors)
{
    for (int64_t i = 0; i < s->head_dim / 2; i++) {
        const double power = -2.0 * (double)i / (double)s->head_dim;
        double factor = 1.0;
        if (s->rope_scaling == TERN_ROPE_LINEAR) factor = (double)s->rope_factor;
        if (s->rope_scaling == TERN_ROPE_LLAMA3)
            factor = llama3_factor(s, pow((double)s->rope_theta, power));
        factors[i] = (float)factor;
    }
}

static int64_t layer_matrices(const tern_spec *s)
{
    const int64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    return s->width * (2 * q + 2 * kv + 3 * s->ffn);
}

int64_t tern_spec_params(const tern_spec *s)
{
    const int64_t q = s->heads * s->head_dim;
    const int64_t sub = s->arch == TERN_ARCH_BITNET ? q + s->ffn : 0;
    return s->layers * (layer_matrices(s) + 2 * s->width + sub) +
           s->vocab * s->width * (s->tied ? 1 : 2) + s->width;
}

int64_t tern_spec_ternary_params(const tern_spec *s)
{
    return s->quant == TERN_QUANT_TERNARY ? s->layers * layer_matrices(s) : 0;
}

const char *tern_arch_name(tern_arch a)
{
    return a == TERN_ARCH_BITNET ? "bitnet" : "llama";
}

const char *tern_activation_name(tern_activation a)
{
    return a == TERN_SILU ? "silu" : "relu2";
}
