/* bitlinear: (a) the value has the bits of the definition, sum q t in int32, times the
 * float gamma / s, plus the residual; (b) its gradient equals finite differences of the
 * surrogate with codes and scales frozen:
 *
 *     y = (x + (x^ - x)) (W + (W^ - W))^T + residual,   in parentheses at the frozen
 * point
 *
 * with the gradient rounded to 16 or 8 bits it is as near as that allows; (c) golden
 * vectors: test_ste_golden.c. */
#include "tests/autograd/gradcheck.h"
#include "tests/autograd/ste_oracle.h"

enum { MAX_ROWS = 1100, MAX_COLS = 130 };

typedef struct bit_case {
    int n, k, m;
    bool residual;
} bit_case;

static bit_case cases[] = {{1, 1, 1, false},   {1, 33, 1, true},  {3, 16, 16, false},
                           {2, 31, 17, true},  {5, 64, 15, true}, {3, 65, 33, false},
                           {2, 130, 3, false}, {1, 128, 2, true}};

static tern_var *build(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user)
{
    const bit_case *c = user;
    return tern_op_bitlinear(t, tern_op_quantize(t, v[0]), p[1],
                             c->residual ? v[2] : NULL);
}

static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const bit_case *c = user;
    double mean = 0.0, x[MAX_COLS];
    for (int i = 0; i < c->m * c->k; i++) mean += fabs(at[1][i]);
    const float gamma =
        tern_round_to_half((float)fmax(mean / (double)(c->m * c->k), 1e-5));
    for (int i = 0; i < c->n; i++) {
        ste_dequantized_row(at[0] + i * c->k, c->k, x);
        for (int l = 0; l < c->k; l++)
            x[l] += in[0][i * c->k + l] - at[0][i * c->k + l];
        for (int j = 0; j < c->m; j++) {
            double y = c->residual ? in[2][i * c->m + j] : 0.0;
            for (int l = 0; l < c->k; l++) {
                const double w0 = at[1][j * c->k + l], w = in[1][j * c->k + l];
                y += x[l] *
                     (w + ((double)gamma * ste_weight_code((float)w0, gamma) - w0));
            }
            out[i * c->m + j] = y;
        }
    }
}

static gradcheck describe(const bit_case *b)
{
    return (gradcheck){.inputs = b->residual ? 3 : 2,
                       .in = {{.rows = b->n, .cols = b->k},
                              {.rows = b->m,
                               .cols = b->k,
                               .is_param = true,
                               .form = TERN_FORM_TERNARY},
                              {.rows = b->n, .cols = b->m}},
                       .rows = b->n,
                       .cols = b->m,
                       .build = build,
                       .oracle = oracle,
                       .user = b};
}

ParameterizedTestParameters(op_bitlinear, gradient_is_the_surrogates)
{
    return cr_make_param_array(bit_case, cases, sizeof cases / sizeof *cases);
}

/* Rounding to 16 bits is off by at most 1.5e-5 of the largest gradient per term, to 8
 * by 3.9e-3; the worst of these cases measures 2.1e-5 and 4e-3 of the tensor's largest
 * element. */
static void expect_integers(gradcheck c, const char *what)
{
    static const double tolerance[] = {
        [TERN_BACKWARD_INT16] = 5e-5, [TERN_BACKWARD_INT8] = 1e-2};
    for (int kind = TERN_BACKWARD_INT16; kind <= TERN_BACKWARD_INT8; kind++) {
        c.backward = (tern_backward)kind;
        const gradcheck_error e = gradcheck_run(&c);
        cr_log_info("%s: off by %.2e", what, e.gradient);
        cr_expect(lt(dbl, e.gradient, tolerance[kind]), "%s: backward kind %d", what,
                  kind);
    }
}

ParameterizedTest(bit_case *b, op_bitlinear, gradient_is_the_surrogates)
{
    gradcheck c = describe(b);
    gradcheck_expect(&c, "bitlinear");
    expect_integers(c, "bitlinear");
    c.in[0].constant = true;
    gradcheck_expect(&c, "on data");
    expect_integers(c, "on data");
}

/* Rows beyond one block of the backward. */
Test(op_bitlinear, weight_gradient_over_many_rows)
{
    const bit_case b = {MAX_ROWS, 5, 3, false};
    gradcheck c = describe(&b);
    c.in[0].constant = true;
    gradcheck_expect(&c, "1100 rows");
    expect_integers(c, "1100 rows");
}

ParameterizedTestParameters(op_bitlinear, value_has_the_bits_of_the_definition)
{
    return cr_make_param_array(bit_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(bit_case *b, op_bitlinear, value_has_the_bits_of_the_definition)
{
    float x[5 * MAX_COLS], r[5 * 33];
    for (int i = 0; i < b->n * b->k; i++) x[i] = tern_test_rand(1, (size_t)i);
    for (int i = 0; i < b->n * b->m; i++) r[i] = tern_test_rand(2, (size_t)i);
    tern_param *p = tern_param_new("w", b->m, b->k, TERN_FORM_TERNARY);
    for (int i = 0; i < b->m * b->k; i++) p->val[i] = tern_test_rand(3, (size_t)i);
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    tern_tape *t = tern_tape_new(1 << 16);
    tern_tape_set_inference(t, true);
    const tern_var *y =
        tern_op_bitlinear(t, tern_op_quantize(t, tern_input(t, b->n, b->k, x)), p,
                          b->residual ? tern_input(t, b->n, b->m, r) : NULL);
    cr_assert(ne(ptr, (void *)y, NULL), "%s", tern_tape_message(t));

    const float gamma = ste_gamma(p->val, (size_t)(b->m * b->k));
    cr_expect(p->ternary.scale == gamma);
    for (int i = 0; i < b->n; i++) {
        const float s = ste_row_scale(x + i * b->k, b->k);
        for (int j = 0; j < b->m; j++) {
            int32_t sum = 0;
            for (int l = 0; l < b->k; l++)
                sum += ste_activation_code(x[i * b->k + l], s) *
                       ste_weight_code(p->val[j * b->k + l], gamma);
            float want = (float)sum * (gamma / s);
            if (b->residual) want += r[i * b->m + j];
            cr_expect(y->val[i * b->m + j] == want, "row %d, column %d: %a, not %a", i,
                      j, (double)y->val[i * b->m + j], (double)want);
        }
    }
    tern_tape_free(t);
    tern_param_free(p);
}

/* q, k and v read one quantised var: its gradient is the sum of three products. */
static tern_var *build_shared(tern_tape *t, tern_var *const *v, tern_param *const *p,
                              const void *user)
{
    (void)user;
    tern_var *q = tern_op_quantize(t, v[0]);
    tern_var *a = tern_op_bitlinear(t, q, p[1], NULL);
    tern_var *b = tern_op_bitlinear(t, q, p[2], a);
    return tern_op_add(t, tern_op_bitlinear(t, q, p[1], NULL), b);
}

static void oracle_shared(const double *const *in, const double *const *at, double *out,
                          const void *user)
{
    double first[9 * 7], second[9 * 7];
    const double *in2[] = {in[0], in[2]}, *at2[] = {at[0], at[2]};
    oracle(in, at, first, user);
    oracle(in2, at2, second, user);
    for (int i = 0; i < 9 * 7; i++) out[i] = 2.0 * first[i] + second[i];
}

Test(op_bitlinear, several_read_one_quantised_var)
{
    const bit_case b = {9, 35, 7, false};
    gradcheck c = describe(&b);
    c.inputs = 3;
    c.in[2] = c.in[1];
    c.build = build_shared;
    c.oracle = oracle_shared;
    gradcheck_expect(&c, "shared input, one weight twice");
    expect_integers(c, "shared input, one weight twice");
}

/* More rows than are rounded at once: the sum of the gradients of the parts. */
static void goes_through_in_chunks(tern_backward kind)
{
    enum { ROWS = 2048 + 300, IN = 20, OUT = 9 };
    float *x = malloc(ROWS * IN * sizeof *x), *dy = malloc(ROWS * OUT * sizeof *dy);
    for (size_t i = 0; i < ROWS * IN; i++) x[i] = tern_test_rand(1, i);
    for (size_t i = 0; i < ROWS * OUT; i++) dy[i] = tern_test_rand(2, i);
    tern_param *p[2];
    float *dx[2];
    tern_tape *t[2];
    for (int i = 0; i < 2; i++) {
        p[i] = tern_param_new("w", OUT, IN, TERN_FORM_TERNARY);
        for (size_t j = 0; j < OUT * IN; j++) p[i]->val[j] = tern_test_rand(3, j);
        cr_assert(eq(int, tern_param_refresh(p[i]), TERN_OK));
        t[i] = tern_tape_new(1 << 16);
        tern_tape_set_backward(t[i], kind);
        dx[i] = malloc(ROWS * IN * sizeof **dx);
    }
    tern_var *in = tern_input_grad(t[0], ROWS, IN, x);
    tern_var *y = tern_op_bitlinear(t[0], tern_op_quantize(t[0], in), p[0], NULL);
    cr_assert(eq(int, tern_tape_backward_from(t[0], y, dy), TERN_OK));
    memcpy(dx[0], in->grad, ROWS * IN * sizeof **dx);
    for (int64_t at = 0; at < ROWS; at += 2048) { /* a multiple of the blocks */
        const int64_t rows = ROWS - at < 2048 ? ROWS - at : 2048;
        tern_tape_reset(t[1]);
        in = tern_input_grad(t[1], rows, IN, x + at * IN);
        y = tern_op_bitlinear(t[1], tern_op_quantize(t[1], in), p[1], NULL);
        cr_assert(eq(int, tern_tape_backward_from(t[1], y, dy + at * OUT), TERN_OK));
        memcpy(dx[1] + at * IN, in->grad, (size_t)(rows * IN) * sizeof **dx);
    }
    cr_expect(memcmp(dx[0], dx[1], ROWS * IN * sizeof **dx) == 0);
    cr_expect(memcmp(p[0]->grad, p[1]->grad, OUT * IN * sizeof(float)) == 0);
    for (int i = 0; i < 2; i++) {
        tern_param_free(p[i]);
        tern_tape_free(t[i]);
        free(dx[i]);
    }
    free(x);
    free(dy);
}

Test(op_bitlinear, many_rows_go_through_in_chunks)
{
    goes_through_in_chunks(TERN_BACKWARD_INT16);
    goes_through_in_chunks(TERN_BACKWARD_INT8);
}

/* The transposed codes follow the weights. */
Test(op_bitlinear, int8_reads_the_codes_of_now)
{
    enum { ROWS = 3, IN = 20, OUT = 17 };
    float x[ROWS * IN], dy[ROWS * OUT], first[ROWS * IN];
    for (size_t i = 0; i < ROWS * IN; i++) x[i] = tern_test_rand(1, i);
    for (size_t i = 0; i < ROWS * OUT; i++) dy[i] = tern_test_rand(2, i);
    tern_tape *t = tern_tape_new(1 << 14);
    tern_tape_set_backward(t, TERN_BACKWARD_INT8);
    tern_param *p = tern_param_new("w", OUT, IN, TERN_FORM_TERNARY);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t j = 0; j < OUT * IN; j++)
            p->val[j] = (pass ? -1.0f : 1.0f) * tern_test_rand(3, j);
        cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
        tern_tape_reset(t);
        tern_var *in = tern_input_grad(t, ROWS, IN, x);
        tern_var *y = tern_op_bitlinear(t, tern_op_quantize(t, in), p, NULL);
        cr_assert(eq(int, tern_tape_backward_from(t, y, dy), TERN_OK));
        if (!pass) memcpy(first, in->grad, sizeof first);
        for (int i = 0; pass && i < ROWS * IN; i++)
            cr_expect(in->grad[i] == -first[i]); /* the weights are negated */
    }
    tern_param_free(p);
    tern_tape_free(t);
}

/* W + lambda (gamma T - W) in forward and backward, and at 1 the integers again. */
Test(op_bitlinear, part_of_the_way_to_the_codes)
{
    enum { ROWS = 600, IN = 20, OUT = 17 };
    float *x = tern_calloc(ROWS * IN, sizeof *x),
          *dy = tern_calloc(ROWS * OUT, sizeof *dy);
    float *add = tern_calloc(ROWS * OUT, sizeof *add), codes[OUT * IN];
    for (size_t i = 0; i < ROWS * IN; i++) x[i] = tern_test_rand(1, i);
    for (size_t i = 0; i < ROWS * OUT; i++) dy[i] = tern_test_rand(2, i);
    for (size_t i = 0; i < ROWS * OUT; i++) add[i] = tern_test_rand(4, i);
    tern_tape *t = tern_tape_new(1 << 14);
    tern_param *p = tern_param_new("w", OUT, IN, TERN_FORM_TERNARY);
    for (size_t j = 0; j < OUT * IN; j++) p->val[j] = tern_test_rand(3, j);
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    tern_ternary_expand(&p->ternary, codes);
    for (int residual = 0; residual < 2; residual++)
        for (float share = 0.0f; share <= 1.0f; share += 0.25f) {
            cr_assert(eq(int, tern_param_set_share(p, share), TERN_OK));
            tern_tape_reset(t);
            tern_param_zero_grad(p);
            tern_var *in = tern_input_grad(t, ROWS, IN, x);
            tern_var *q = tern_op_quantize(t, in);
            tern_var *y = tern_op_bitlinear(
                t, q, p, residual ? tern_input(t, ROWS, OUT, add) : NULL);
            double dx[IN], dw[OUT * IN] = {0}, w[OUT * IN];
            for (size_t j = 0; j < OUT * IN; j++)
                w[j] = (double)p->val[j] +
                       (double)share * ((double)p->ternary.scale * (double)codes[j] -
                                        (double)p->val[j]);
            for (int i = 0; i < ROWS; i++)
                for (int o = 0; o < OUT; o++) {
                    double want = residual ? (double)add[i * OUT + o] : 0.0, xs[IN];
                    double row[IN];
                    for (int k = 0; k < IN; k++) row[k] = (double)x[i * IN + k];
                    ste_dequantized_row(row, IN, xs);
                    for (int k = 0; k < IN; k++) {
                        want += xs[k] * w[o * IN + k];
                        dw[o * IN + k] += (double)dy[i * OUT + o] * xs[k];
                    }
                    cr_assert(lt(dbl, fabs((double)y->val[i * OUT + o] - want), 1e-5));
                }
            cr_assert(eq(int, tern_tape_backward_from(t, y, dy), TERN_OK));
            if (share == 1.0f) continue; /* in 8 and 16 bits again */
            for (int i = 0; i < ROWS; i++) {
                memset(dx, 0, sizeof dx);
                for (int o = 0; o < OUT; o++)
                    for (int k = 0; k < IN; k++)
                        dx[k] += (double)dy[i * OUT + o] * w[o * IN + k];
                for (int k = 0; k < IN; k++)
                    cr_assert(
                        lt(dbl, fabs((double)in->grad[i * IN + k] - dx[k]), 1e-5));
            }
            for (int j = 0; j < OUT * IN; j++)
                cr_assert(lt(dbl, fabs((double)p->grad[j] - dw[j]), 1e-3));
        }
    cr_expect(eq(ptr, p->image, NULL));
    tern_param_free(p);
    tern_tape_free(t);
    tern_free(x), tern_free(dy), tern_free(add);
}

/* A NaN that comes in goes out, in every arithmetic: the trainer looks for it. */
Test(op_bitlinear, nan_goes_through)
{
    enum { ROWS = 5, IN = 7, OUT = 3 };
    float x[ROWS * IN], dy[ROWS * OUT];
    for (size_t i = 0; i < ROWS * IN; i++) x[i] = tern_test_rand(1, i);
    for (size_t i = 0; i < ROWS * OUT; i++) dy[i] = tern_test_rand(2, i);
    dy[2 * OUT + 1] = NAN;
    tern_tape *t = tern_tape_new(1 << 14);
    for (int kind = 0; kind <= TERN_BACKWARD_INT8; kind++) {
        tern_param *p = tern_param_new("w", OUT, IN, TERN_FORM_TERNARY);
        for (size_t j = 0; j < OUT * IN; j++) p->val[j] = tern_test_rand(3, j);
        cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
        tern_tape_reset(t);
        tern_tape_set_backward(t, (tern_backward)kind);
        tern_var *in = tern_input_grad(t, ROWS, IN, x);
        tern_var *y = tern_op_bitlinear(t, tern_op_quantize(t, in), p, NULL);
        cr_assert(eq(int, tern_tape_backward_from(t, y, dy), TERN_OK));
        for (int i = 0; i < ROWS * IN; i++)
            cr_expect(eq(int, isnan(in->grad[i]), i / IN == 2), "dx %d", i);
        for (int i = 0; i < OUT * IN; i++)
            cr_expect(eq(int, isnan(p->grad[i]), i / IN == 1), "dw %d", i);
        tern_param_free(p);
    }
    tern_tape_free(t);
}

Test(op_bitlinear, refuses_what_does_not_fit)
{
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    tern_tape *t = tern_tape_new(1 << 12);
    tern_param *w = tern_param_new("wq", 4, 3, TERN_FORM_TERNARY);
    tern_param *dense = tern_param_new("dense", 4, 3, TERN_FORM_FLOAT);
    tern_var *xq = tern_op_quantize(t, tern_input(t, 2, 3, x));
    gradcheck_expect_failure(t, tern_op_bitlinear(t, xq, w, NULL), TERN_EARG,
                             "bitlinear", "\"wq\" has no codes yet");
    cr_assert(eq(int, tern_param_refresh(w), TERN_OK));
    xq = tern_op_quantize(t, tern_input(t, 2, 4, x));
    gradcheck_expect_failure(t, tern_op_bitlinear(t, xq, w, NULL), TERN_ESHAPE,
                             "bitlinear", "(2, 4) and \"wq\" (4, 3)");
    xq = tern_op_quantize(t, tern_input(t, 2, 3, x));
    gradcheck_expect_failure(t, tern_op_bitlinear(t, xq, dense, NULL), TERN_EARG,
                             "bitlinear", "\"dense\" is not in ternary form");
    xq = tern_op_quantize(t, tern_input(t, 2, 3, x));
    gradcheck_expect_failure(t, tern_op_bitlinear(t, xq, NULL, NULL), TERN_EARG,
                             "bitlinear", "NULL");
    gradcheck_expect_failure(t, tern_op_bitlinear(t, tern_input(t, 2, 3, x), w, NULL),
                             TERN_EARG, "bitlinear", "(2, 3) is not quantised");
    xq = tern_op_quantize(t, tern_input(t, 2, 3, x));
    gradcheck_expect_failure(t, tern_op_bitlinear(t, xq, w, tern_input(t, 2, 3, x)),
                             TERN_ESHAPE, "bitlinear", "(2, 3) and \"wq\" (4, 3)");
    tern_param_free(w);
    tern_param_free(dense);
    tern_tape_free(t);
}
