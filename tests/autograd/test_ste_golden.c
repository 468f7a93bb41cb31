/* glu -> rmsnorm -> quantise -> bitlinear + residual against PyTorch's autograd on the
 * published "detach" formulation (tests/golden/make_ste.py). Codes must be equal; the
 * rest differs by float rounding only. */
#include "tests/autograd/gradcheck.h"
#include "tests/golden/ste.inc"

typedef enum form { FUSED, HALF_FUSED, UNFUSED } form;

static double distance(const float *got, const float *want, size_t n)
{
    double wide[GOLDEN_OUT * GOLDEN_COLS];
    cr_assert(le(sz, n, sizeof wide / sizeof *wide));
    for (size_t i = 0; i < n; i++) wide[i] = (double)want[i];
    return tern_test_tensor_err(got, wide, n);
}

static tern_param *param(int64_t rows, int64_t cols, tern_form f, const float *val)
{
    tern_param *p = tern_param_new("p", rows, cols, f);
    memcpy(p->val, val, (size_t)(rows * cols) * sizeof *val);
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    return p;
}

static tern_var *quantised(tern_tape *t, form f, tern_var *gate, tern_var *up,
                           tern_param *gain)
{
    if (f == FUSED)
        return tern_op_glu_rmsnorm_quantize(t, TERN_SILU, gate, up, gain, 1e-5f);
    tern_var *a = tern_op_glu(t, TERN_SILU, gate, up);
    if (f == HALF_FUSED) return tern_op_rmsnorm_quantize(t, a, gain, 1e-5f);
    return tern_op_quantize(t, tern_op_rmsnorm(t, a, gain, 1e-5f));
}

/* INT16 rounds the gradient that comes in: measured 2.7e-5. */
static void check_with(form f, tern_backward backward, double tolerance)
{
    enum { R = GOLDEN_ROWS, C = GOLDEN_COLS, O = GOLDEN_OUT };
    tern_tape *t = tern_tape_new(1 << 16);
    tern_tape_set_backward(t, backward);
    tern_param *gain = param(1, C, TERN_FORM_FLOAT, golden_gain);
    tern_param *w = param(O, C, TERN_FORM_TERNARY, golden_w);
    tern_var *gate = tern_input_grad(t, R, C, golden_gate);
    tern_var *up = tern_input_grad(t, R, C, golden_up);
    tern_var *residual = tern_input_grad(t, R, O, golden_residual);
    tern_var *q = quantised(t, f, gate, up, gain);
    tern_var *y = tern_op_bitlinear(t, q, w, residual);
    cr_assert(ne(ptr, y, NULL), "%s", tern_tape_message(t));

    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < C; j++)
            cr_expect(eq(int, q->codes->codes[i * q->codes->stride + j],
                         golden_q[i * C + j]));
    cr_expect(w->ternary.scale == golden_gamma[0]);
    for (size_t i = 0; i < O; i++) {
        int8_t row[C];
        tern_ternary_unpack_row(&w->ternary, i, row);
        for (size_t j = 0; j < C; j++) cr_expect(eq(int, row[j], golden_t[i * C + j]));
    }
    cr_expect(lt(dbl, distance(y->val, golden_y, R * O), 1e-6));

    cr_assert(eq(int, tern_tape_backward_from(t, y, golden_dy), TERN_OK));
    cr_expect(lt(dbl, distance(gate->grad, golden_dgate, R * C), tolerance));
    cr_expect(lt(dbl, distance(up->grad, golden_dup, R * C), tolerance));
    cr_expect(lt(dbl, distance(gain->grad, golden_dgain, C), tolerance));
    cr_expect(lt(dbl, distance(w->grad, golden_dw, O * C), tolerance));
    cr_expect(lt(dbl, distance(residual->grad, golden_dresidual, R * O), 1e-7));
    tern_param_free(gain);
    tern_param_free(w);
    tern_tape_free(t);
}

static void check(form f)
{
    check_with(f, TERN_BACKWARD_FLOAT32, 2e-6);
    check_with(f, TERN_BACKWARD_INT16, 4e-5);
    check_with(f, TERN_BACKWARD_INT8, 2e-2);
}

Test(ste_golden, fused_equals_pytorch)
{
    check(FUSED);
}

Test(ste_golden, half_fused_equals_pytorch)
{
    check(HALF_FUSED);
}

Test(ste_golden, unfused_equals_pytorch)
{
    check(UNFUSED);
}
