#include <criterion/criterion.h>
#include <criterion/new/assert.h>
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
