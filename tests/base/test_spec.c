#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "base/spec.h"

static tern_spec nano(void)
{
    return (tern_spec){.arch = TERN_ARCH_BITNET,
                       .quant = TERN_QUANT_TERNARY,
                       .tied = true,
                       .vocab = 65,
                       .width = 384,
                       .layers = 6,
                       .heads = 6,
                       .kv_heads = 6,
                       .head_dim = 64,
                       .ffn = 1024,
                       .context = 256,
                       .rope_theta = 10000.0f,
                       .norm_eps = 1e-5f};
}

Test(spec, counts_parameters)
{
    tern_spec s = nano();
    cr_assert(eq(int, tern_spec_check(&s, "x"), TERN_OK), "%s", tern_error_message());
    const int64_t layer = 4 * 384 * 384 + 3 * 384 * 1024;
    cr_expect(eq(i64, tern_spec_ternary_params(&s), 6 * layer));
    cr_expect(
        eq(i64, tern_spec_params(&s), 6 * (layer + 3 * 384 + 1024) + 65 * 384 + 384));
    s.arch = TERN_ARCH_LLAMA;
    s.tied = false;
    s.quant = TERN_QUANT_NONE;
    cr_expect(eq(i64, tern_spec_ternary_params(&s), 0));
    cr_expect(
        eq(i64, tern_spec_params(&s), 6 * (layer + 2 * 384) + 2 * 65 * 384 + 384));
}

static void refuses(const tern_spec *s, const char *word)
{
    cr_expect(eq(int, tern_spec_check(s, "some.yaml"), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "some.yaml"), NULL));
    cr_expect(ne(ptr, strstr(tern_error_message(), word), NULL), "\"%s\" lacks \"%s\"",
              tern_error_message(), word);
}

Test(spec, refuses_what_cannot_be)
{
    tern_spec s = nano();
    s.width = 0;
    refuses(&s, "model.width");
    s = nano();
    s.kv_heads = 4;
    refuses(&s, "kv_heads");
    s = nano();
    s.head_dim = 63;
    refuses(&s, "even");
    s = nano();
    s.head_dim = 32;
    refuses(&s, "heads * head_dim");
    s = nano();
    s.tied = false;
    refuses(&s, "tied");
    s = nano();
    s.norm_eps = 0.0f;
    refuses(&s, "norm_eps");
    s = nano();
    s.vocab = (int64_t)1 << 40;
    refuses(&s, "vocab");
}

/* Numbers from Hugging Face's formula, in Python's doubles, for Llama 3.1 8B and Llama
 * 3.2 1B. */
Test(spec, rope_factors_of_llama3)
{
    static const struct {
        int64_t head_dim;
        float factor;
        size_t kept; /* the first frequencies; then these; the rest is divided */
        size_t blended;
        double want[6];
    } models[] = {
        {128, 8.0f, 29, 6, {1.207484, 1.553415, 2.026313, 2.69453, 3.684253, 5.257327}},
        {64, 32.0f, 15, 3, {1.651329, 3.292262, 9.666729}},
    };
    for (size_t m = 0; m < 2; m++) {
        tern_spec s = nano();
        float f[TERN_HEAD_DIM_MAX / 2];
        s.head_dim = models[m].head_dim;
        s.rope_theta = 500000.0f;
        s.rope_scaling = TERN_ROPE_LLAMA3;
        s.rope_factor = models[m].factor;
        s.rope_low = 1.0f;
        s.rope_high = 4.0f;
        s.rope_original = 8192;
        tern_spec_rope_factors(&s, f);
        for (size_t i = 0; i < (size_t)s.head_dim / 2; i++) {
            const size_t at = i - models[m].kept;
            const double want = i < models[m].kept       ? 1.0
                                : at < models[m].blended ? models[m].want[at]
                                                         : (double)s.rope_factor;
            cr_expect(lt(dbl, fabs((double)f[i] - want), 1e-5), "%zu: %g", i,
                      (double)f[i]);
        }
        s.rope_scaling = TERN_ROPE_LINEAR;
        tern_spec_rope_factors(&s, f);
        cr_expect(eq(flt, f[0], s.rope_factor));
        s.rope_scaling = TERN_ROPE_NONE;
        tern_spec_rope_factors(&s, f);
        cr_expect(eq(flt, f[s.head_dim / 2 - 1], 1.0f));
    }
}

Test(spec, refuses_impossible_rope_scaling)
{
    tern_spec s = nano();
    s.rope_scaling = TERN_ROPE_LINEAR;
    refuses(&s, "rope_factor");
    s.rope_factor = NAN;
    refuses(&s, "rope_factor");
    s.rope_factor = 4.0f;
    cr_expect(eq(int, tern_spec_check(&s, "x"), TERN_OK));
    s.rope_scaling = TERN_ROPE_LLAMA3;
    refuses(&s, "rope_low");
    s.rope_low = 4.0f;
    s.rope_high = 4.0f;
    refuses(&s, "rope_high");
    s.rope_high = 8.0f;
    refuses(&s, "rope_original");
}
