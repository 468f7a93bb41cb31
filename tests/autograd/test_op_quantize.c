/* Straight-through quantisers: (a) codes, scales and sums equal the definition exactly;
 * (b) the gradient equals finite differences of x + (quantised(at) - at), the surrogate
 * with codes and scales frozen; (c) the fused forms have the bits of the unfused.
 * Golden vectors from PyTorch: test_ste_golden.c. */
#include "kernels/rows.h"
#include "tests/autograd/gradcheck.h"
#include "tests/autograd/ste_oracle.h"

enum { MAX_COLS = 130 };
static const float EPS = 1e-5f;

typedef struct shape {
    int rows, cols;
} shape;

static shape shapes[] = {{1, 5},  {3, 31}, {2, 32},  {3, 33},
                         {2, 64}, {4, 65}, {1, 127}, {3, 130}};

/* --- (a) --- */

ParameterizedTestParameters(op_quantize, codes_equal_the_definition)
{
    return cr_make_param_array(shape, shapes, sizeof shapes / sizeof *shapes);
}

ParameterizedTest(shape *s, op_quantize, codes_equal_the_definition)
{
    float x[4 * MAX_COLS];
    for (int i = 0; i < s->rows * s->cols; i++)
        x[i] = tern_test_rand(5, (size_t)i) * ldexpf(1.0f, 5 * (i / s->cols) - 8);
    tern_tape *t = tern_tape_new(1 << 16);
    const tern_var *y = tern_op_quantize(t, tern_input(t, s->rows, s->cols, x));
    cr_assert(ne(ptr, (void *)y, NULL));
    cr_expect(eq(ptr, y->val, NULL));
    const tern_qrows *q = y->codes;
    cr_assert(eq(sz, q->stride, tern_qrows_stride((size_t)s->cols)));
    for (int i = 0; i < s->rows; i++) {
        const float scale = ste_row_scale(x + i * s->cols, s->cols);
        int sum = 0;
        cr_expect(q->scale[i] == scale, "scale of row %d", i);
        for (size_t j = 0; j < q->stride; j++) {
            const int want = j < (size_t)s->cols
                                 ? ste_activation_code(x[i * s->cols + (int)j], scale)
                                 : 0;
            cr_expect(eq(int, q->codes[(size_t)i * q->stride + j], want));
            sum += want;
        }
        cr_expect(eq(int, q->sum[i], sum));
    }
    tern_tape_free(t);
}

/* --- (b) --- */

typedef struct ste_case {
    shape s;
    bool gain;
    tern_activation f;
} ste_case;

static tern_var *build_plain(tern_tape *t, tern_var *const *v, tern_param *const *p,
                             const void *user)
{
    (void)p;
    (void)user;
    return tern_op_quantize(t, v[0]);
}

static tern_var *build_norm(tern_tape *t, tern_var *const *v, tern_param *const *p,
                            const void *user)
{
    (void)user;
    return tern_op_rmsnorm_quantize(t, v[0], p[1], EPS);
}

static tern_var *build_glu(tern_tape *t, tern_var *const *v, tern_param *const *p,
                           const void *user)
{
    return tern_op_glu_rmsnorm_quantize(t, ((const ste_case *)user)->f, v[0], v[2],
                                        p[1], EPS);
}

/* y = f + (quantised(f0) - f0), where f0 is f at the frozen point. */
static void straight_through(double *f, double *f0, const shape *s)
{
    double q[MAX_COLS];
    for (int i = 0; i < s->rows; i++) {
        ste_dequantized_row(f0 + i * s->cols, s->cols, q);
        for (int j = 0; j < s->cols; j++)
            f[i * s->cols + j] += q[j] - f0[i * s->cols + j];
    }
}

static void norm(const double *x, const double *gain, const shape *s, double *y)
{
    for (int i = 0; i < s->rows; i++) {
        double square = 0.0;
        for (int j = 0; j < s->cols; j++)
            square += x[i * s->cols + j] * x[i * s->cols + j];
        for (int j = 0; j < s->cols; j++)
            y[i * s->cols + j] = x[i * s->cols + j] * (gain ? gain[j] : 1.0) /
                                 sqrt(square / s->cols + (double)EPS);
    }
}

static void oracle_plain(const double *const *in, const double *const *at, double *out,
                         const void *user)
{
    const shape *s = &((const ste_case *)user)->s;
    double x0[4 * MAX_COLS];
    for (int i = 0; i < s->rows * s->cols; i++) {
        out[i] = in[0][i];
        x0[i] = at[0][i];
    }
    straight_through(out, x0, s);
}

static void oracle_norm(const double *const *in, const double *const *at, double *out,
                        const void *user)
{
    const ste_case *c = user;
    double y0[4 * MAX_COLS];
    norm(in[0], c->gain ? in[1] : NULL, &c->s, out);
    norm(at[0], c->gain ? at[1] : NULL, &c->s, y0);
    straight_through(out, y0, &c->s);
}

static double gated(tern_activation f, double g, double u)
{
    if (f == TERN_SILU) return g / (1.0 + exp(-g)) * u;
    return g > 0.0 ? g * g * u : 0.0;
}

static void oracle_glu(const double *const *in, const double *const *at, double *out,
                       const void *user)
{
    const ste_case *c = user;
    double a[4 * MAX_COLS], a0[4 * MAX_COLS];
    for (int i = 0; i < c->s.rows * c->s.cols; i++) {
        a[i] = gated(c->f, in[0][i], in[2][i]);
        a0[i] = gated(c->f, at[0][i], at[2][i]);
    }
    const double *one[] = {a, in[1]}, *one0[] = {a0, at[1]};
    oracle_norm(one, one0, out, user);
}

ParameterizedTestParameters(op_quantize, gradient_goes_straight_through)
{
    return cr_make_param_array(shape, shapes, sizeof shapes / sizeof *shapes);
}

ParameterizedTest(shape *s, op_quantize, gradient_goes_straight_through)
{
    ste_case user = {.s = *s};
    gradcheck c = {.inputs = 1,
                   .in = {{.rows = s->rows, .cols = s->cols},
                          {.rows = 1, .cols = s->cols, .is_param = true, .shift = 1.5f},
                          {.rows = s->rows, .cols = s->cols}},
                   .rows = s->rows,
                   .cols = s->cols,
                   .build = build_plain,
                   .oracle = oracle_plain,
                   .user = &user};
    gradcheck_expect(&c, "quantize");
    c.build = build_norm;
    c.oracle = oracle_norm;
    gradcheck_expect(&c, "rmsnorm_quantize without gain");
    user.gain = true;
    c.inputs = 2;
    gradcheck_expect(&c, "rmsnorm_quantize");
    c.build = build_glu;
    c.oracle = oracle_glu;
    c.inputs = 3;
    gradcheck_expect(&c, "glu_rmsnorm_quantize, silu");
    c.in[0].constant = true;
    gradcheck_expect(&c, "glu_rmsnorm_quantize, gate constant");
    c.in[0].constant = false;
    c.in[0].shift = 0.5f;
    user.f = TERN_RELU2;
    gradcheck_expect(&c, "glu_rmsnorm_quantize, relu2");
}

/* --- (c) --- */

enum { ROWS = 300, COLS = 70 }; /* more rows than two blocks of the fused op */

static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) x[i] = tern_test_rand(seed, i);
}

static void expect_same_codes(const tern_var *a, const tern_var *b)
{
    cr_assert(a && b);
    cr_expect(memcmp(a->codes->codes, b->codes->codes,
                     a->codes->rows * a->codes->stride) == 0);
    cr_expect(memcmp(a->codes->scale, b->codes->scale, a->codes->rows * 4) == 0);
    cr_expect(memcmp(a->codes->sum, b->codes->sum, a->codes->rows * 4) == 0);
}

static double distance(const float *got, const float *want, size_t n)
{
    static double wide[ROWS * COLS];
    for (size_t i = 0; i < n; i++) wide[i] = (double)want[i];
    return tern_test_tensor_err(got, wide, n);
}

Test(op_quantize, fused_forms_have_the_bits_of_the_unfused)
{
    static float gate[ROWS * COLS], up[ROWS * COLS], dy[ROWS * COLS];
    fill(gate, ROWS * COLS, 1);
    fill(up, ROWS * COLS, 2);
    fill(dy, ROWS * COLS, 3);
    tern_param *g1 = tern_param_new("one", 1, COLS, TERN_FORM_FLOAT);
    tern_param *g2 = tern_param_new("two", 1, COLS, TERN_FORM_FLOAT);
    for (int i = 0; i < COLS; i++)
        g1->val[i] = g2->val[i] = 1.0f + 0.5f * tern_test_rand(4, (size_t)i);
    tern_tape *t1 = tern_tape_new(1 << 20), *t2 = tern_tape_new(1 << 20);
    tern_var *gate1 = tern_input_grad(t1, ROWS, COLS, gate),
             *up1 = tern_input_grad(t1, ROWS, COLS, up);
    tern_var *gate2 = tern_input_grad(t2, ROWS, COLS, gate),
             *up2 = tern_input_grad(t2, ROWS, COLS, up);

    tern_var *a = tern_op_glu(t1, TERN_SILU, gate1, up1);
    tern_var *y1 = tern_op_quantize(t1, tern_op_rmsnorm(t1, a, g1, EPS));
    tern_var *y2 = tern_op_glu_rmsnorm_quantize(t2, TERN_SILU, gate2, up2, g2, EPS);
    expect_same_codes(y1, y2);
    expect_same_codes(y1, tern_op_rmsnorm_quantize(t1, a, g1, EPS));

    cr_assert(eq(int, tern_tape_backward_from(t1, y1, dy), TERN_OK));
    cr_assert(eq(int, tern_tape_backward_from(t2, y2, dy), TERN_OK));
    cr_expect(lt(dbl, distance(gate2->grad, gate1->grad, ROWS * COLS), 1e-6));
    cr_expect(lt(dbl, distance(up2->grad, up1->grad, ROWS * COLS), 1e-6));
    cr_expect(lt(dbl, distance(g2->grad, g1->grad, COLS), 1e-5));
    tern_param_free(g1);
    tern_param_free(g2);
    tern_tape_free(t1);
    tern_tape_free(t2);
}

Test(op_quantize, refuses_codes_and_misfits)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *q = tern_op_quantize(t, tern_input(t, 2, 3, x));
    gradcheck_expect_failure(t, tern_op_quantize(t, q), TERN_EARG, "quantize",
                             "(2, 3) is quantised");
    tern_var *y = tern_op_glu_rmsnorm_quantize(t, TERN_SILU, tern_input(t, 2, 3, x),
                                               tern_input(t, 3, 2, x), NULL, EPS);
    gradcheck_expect_failure(t, y, TERN_ESHAPE, "glu_rmsnorm_quantize",
                             "(2, 3) and (3, 2)");
    y = tern_op_glu_rmsnorm_quantize(t, TERN_SILU, tern_input(t, 2, 3, x),
                                     tern_input(t, 2, 3, x), NULL, -1.0f);
    gradcheck_expect_failure(t, y, TERN_EARG, "glu_rmsnorm_quantize", "eps is -1");
    tern_tape_free(t);
}
