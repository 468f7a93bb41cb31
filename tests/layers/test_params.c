#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "layers/layers.h"

Test(params, keeps_order_and_finds_names)
{
    tern_params list = {0};
    char name[16];
    for (int i = 0; i < 40; i++) { /* past several reallocations */
        snprintf(name, sizeof name, "p%d", i);
        cr_assert(
            ne(ptr, tern_params_add(&list, name, 2, i + 1, TERN_FORM_FLOAT), NULL));
    }
    cr_expect(eq(sz, list.count, 40));
    cr_expect(eq(str, list.items[7]->name, "p7"));
    cr_expect(eq(ptr, tern_params_find(&list, "p39"), list.items[39]));
    cr_expect(eq(ptr, tern_params_find(&list, "p40"), NULL));
    cr_expect(eq(i64, tern_params_elements(&list), 2 * 40 * 41 / 2));
    tern_params_free(&list);
    cr_expect(eq(sz, list.count, 0));
    tern_params_free(&list); /* of an empty list is fine */
}

Test(params, zero_grad_clears_all)
{
    tern_params list = {0};
    tern_param *a = tern_params_add(&list, "a", 3, 5, TERN_FORM_FLOAT);
    tern_param *b = tern_params_add(&list, "b", 1, 4, TERN_FORM_TERNARY);
    for (int i = 0; i < 15; i++) a->grad[i] = 1.0f;
    for (int i = 0; i < 4; i++) b->grad[i] = -1.0f;
    tern_params_zero_grad(&list);
    for (int i = 0; i < 15; i++) cr_expect(eq(flt, a->grad[i], 0.0f));
    for (int i = 0; i < 4; i++) cr_expect(eq(flt, b->grad[i], 0.0f));
    tern_params_free(&list);
}

Test(params, refresh_names_the_parameter_with_a_nan)
{
    tern_params list = {0};
    tern_params_add(&list, "good", 2, 2, TERN_FORM_TERNARY);
    tern_param *bad =
        tern_params_add(&list, "layers.1.attn.wq", 2, 2, TERN_FORM_TERNARY);
    cr_assert(eq(int, tern_params_refresh(&list), TERN_OK));
    bad->val[3] = 0.0f / 0.0f;
    cr_expect(eq(int, tern_params_refresh(&list), TERN_ENUMERIC));
    cr_expect(ne(ptr, strstr(tern_error_message(), "layers.1.attn.wq"), NULL), "%s",
              tern_error_message());
    tern_params_free(&list);
}
