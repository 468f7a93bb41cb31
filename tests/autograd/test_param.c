#include "autograd/param.h"
#include "base/half.h"
#include "tests/autograd/gradcheck.h"
#include "tests/autograd/ste_oracle.h"

static void fill(tern_param *p, uint64_t seed)
{
    for (int64_t i = 0; i < p->rows * p->cols; i++)
        p->val[i] = tern_test_rand(seed, (size_t)i);
}

Test(param, starts_at_zero)
{
    tern_param *p = tern_param_new("layers.0.attn.wq", 3, 5, TERN_FORM_FLOAT);
    cr_expect(eq(str, p->name, "layers.0.attn.wq"));
    cr_expect(p->rows == 3 && p->cols == 5 && p->decay);
    for (int i = 0; i < 15; i++) cr_expect(p->val[i] == 0.0f && p->grad[i] == 0.0f);
    cr_expect(p->image == NULL && p->half == NULL && p->ternary.codes == NULL);
    cr_expect(eq(ptr, (void *)tern_param_forward(p), p->val));
    tern_param_free(p);
    tern_param *gain = tern_param_new("norm", 1, 5, TERN_FORM_FLOAT);
    cr_expect(gain->decay == false);
    tern_param_free(gain);
    tern_param_free(NULL);
}

Test(param, refuses_impossible_shapes)
{
    const int64_t huge = (int64_t)1 << 40;
    cr_expect(eq(ptr, tern_param_new("p", 0, 5, TERN_FORM_FLOAT), NULL));
    cr_expect(eq(ptr, tern_param_new("p", 5, -1, TERN_FORM_HALF), NULL));
    cr_expect(eq(ptr, tern_param_new("p", huge, huge, TERN_FORM_TERNARY), NULL));
    cr_expect(ne(ptr, strstr(tern_error_message(), "\"p\""), NULL));
}

Test(param, long_names_are_cut)
{
    char name[200];
    memset(name, 'x', sizeof name);
    name[199] = '\0';
    tern_param *p = tern_param_new(name, 1, 1, TERN_FORM_FLOAT);
    cr_expect(eq(sz, strlen(p->name), sizeof p->name - 1));
    tern_param_free(p);
}

Test(param, half_image_is_rounded)
{
    tern_param *p = tern_param_new("embed", 7, 33, TERN_FORM_HALF);
    fill(p, 1);
    p->val[0] = 1.0f + 0x1p-11f;     /* a tie: to even, 1 */
    p->val[1] = 1.0f + 3 * 0x1p-11f; /* a tie: to even, 1 + 2^-9 */
    p->val[2] = -0x1p-24f;           /* the smallest subnormal */
    p->val[3] = 65504.0f;            /* the largest number */
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    const float want[4] = {1.0f, 1.0f + 0x1p-9f, -0x1p-24f, 65504.0f};
    for (int i = 0; i < 4; i++) cr_expect(p->image[i] == want[i], "%d", i);
    for (int i = 0; i < 7 * 33; i++) {
        cr_expect(p->image[i] == tern_round_to_half(p->val[i]));
        cr_expect(tern_float_from_half(p->half[i]) == p->image[i]);
    }
    cr_expect(eq(ptr, (void *)tern_param_forward(p), p->image));
    tern_param_free(p);
}

Test(param, ternary_image_is_the_quantisers)
{
    tern_param *p = tern_param_new("wq", 19, 37, TERN_FORM_TERNARY);
    fill(p, 2);
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    cr_expect(eq(i64, p->flips, 0)); /* nothing was there before */
    const float gamma = ste_gamma(p->val, 19 * 37);
    cr_expect(p->ternary.scale == gamma);
    for (size_t i = 0; i < 19; i++) {
        int8_t row[37];
        tern_ternary_unpack_row(&p->ternary, i, row);
        for (size_t j = 0; j < 37; j++)
            cr_expect(eq(int, row[j], ste_weight_code(p->val[i * 37 + j], gamma)));
    }
    cr_expect(eq(ptr, (void *)tern_param_forward(p), NULL));
    tern_param_free(p);
}

Test(param, flips_are_counted)
{
    tern_param *p = tern_param_new("wq", 4, 8, TERN_FORM_TERNARY);
    for (int i = 0; i < 32; i++) p->val[i] = i % 2 ? 1.0f : -1.0f;
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    p->val[0] = 1.0f;  /* -1 -> +1 */
    p->val[5] = -1.0f; /* +1 -> -1 */
    p->val[7] = 0.1f;  /* +1 -> 0 */
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    cr_expect(eq(i64, p->flips, 3));
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    cr_expect(eq(i64, p->flips, 0));
    tern_param_free(p);
}

Test(param, not_finite_is_refused_by_name)
{
    const tern_form forms[] = {TERN_FORM_FLOAT, TERN_FORM_HALF, TERN_FORM_TERNARY};
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int f = 0; f < 3; f++)
        for (int b = 0; b < 3; b++) {
            tern_param *p = tern_param_new("layers.5.ffn.up", 6, 40, forms[f]);
            fill(p, 3);
            cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
            const float scale = p->ternary.scale;
            p->val[177] = bad[b];
            cr_expect(eq(int, tern_param_refresh(p), TERN_ENUMERIC));
            cr_expect(ne(ptr, strstr(tern_error_message(), "layers.5.ffn.up"), NULL));
            cr_expect(p->ternary.scale == scale);
            tern_param_free(p);
        }
}

Test(param, half_form_refuses_what_fp16_cannot_hold)
{
    tern_param *p = tern_param_new("embed", 2, 2, TERN_FORM_HALF);
    p->val[3] = 65520.0f;
    cr_expect(eq(int, tern_param_refresh(p), TERN_ENUMERIC));
    cr_expect(ne(ptr, strstr(tern_error_message(), "65504"), NULL));
    tern_param_free(p);
}

Test(param, large_finite_numbers_are_fine)
{
    tern_param *p = tern_param_new("w", 2, 2, TERN_FORM_FLOAT);
    for (int i = 0; i < 4; i++) p->val[i] = 3e38f; /* the square overflows a float */
    cr_expect(eq(int, tern_param_refresh(p), TERN_OK));
    tern_param_free(p);
}

Test(param, zero_grad)
{
    tern_param *p = tern_param_new("w", 3, 3, TERN_FORM_FLOAT);
    for (int i = 0; i < 9; i++) p->grad[i] = 5.0f;
    tern_param_zero_grad(p);
    for (int i = 0; i < 9; i++) cr_expect(p->grad[i] == 0.0f);
    tern_param_free(p);
}
