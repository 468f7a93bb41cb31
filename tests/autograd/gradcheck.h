/* gradcheck.h - one op against an oracle in double that shares no code with it.
 *
 * A test describes the op's inputs and gives two functions: `build` calls the op,
 * `oracle` computes the same from the paper's formula in plain double loops. The check
 * then measures two errors, each over a whole tensor (tern_test_tensor_err):
 *
 *     value      the op's output against the oracle's
 *     gradient   the op's backward for a random dy, against central differences of
 *                sum dy . oracle: float noise is not in them, so a flipped sign or a
 *                missing term is off by O(1) where the tolerance is 1e-5
 *
 * All gradients start at 1, not 0: an op that assigns instead of adding is caught.
 * Where they are small, `dy` is made larger, so that the rounding of that 1 does not
 * matter.
 *
 * Straight-through ops: the oracle gets the point `at` where codes and scales are made
 * next to the inputs `in` that vary. Written as x + (quantised(at) - at), it is
 * the "detach" formulation, whose derivative is the straight-through one.
 */
#ifndef TERN_TESTS_AUTOGRAD_GRADCHECK_H
#define TERN_TESTS_AUTOGRAD_GRADCHECK_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "kernels/cpu.h"
#include "tests/support/numeric.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1 /* gcc */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1 /* clang */
#endif
#endif

enum { GRADCHECK_INPUTS = 4 };

typedef struct gradcheck_input {
    int64_t rows, cols;
    bool is_param; /* a tern_param of this form; else a var */
    tern_form form;
    bool constant; /* a var that needs no gradient */
    float shift;   /* values are uniform in shift + (-1, 1) */
} gradcheck_input;

typedef struct gradcheck {
    int inputs;
    gradcheck_input in[GRADCHECK_INPUTS];
    int64_t rows, cols; /* of the output */
    float dy;           /* size of its random gradient; 0 stands for 1 */
    tern_backward backward;
    tern_var *(*build)(tern_tape *t, tern_var *const *v, tern_param *const *p,
                       const void *user);
    void (*oracle)(const double *const *in, const double *const *at, double *out,
                   const void *user);
    const void *user;
} gradcheck;

typedef struct gradcheck_error {
    double value, gradient;
} gradcheck_error;

/* Everything the check allocates. */
typedef struct gradcheck_state {
    float *f[GRADCHECK_INPUTS];             /* inputs as the op sees them */
    double *x[GRADCHECK_INPUTS];            /* the same in double */
    const double *varied[GRADCHECK_INPUTS]; /* x, or the copy being varied */
    tern_param *p[GRADCHECK_INPUTS];
    tern_var *v[GRADCHECK_INPUTS];
    float *dy, *y;
    double *want;
    tern_tape *tape;
} gradcheck_state;

static inline size_t gradcheck_count(const gradcheck *c, int i)
{
    return (size_t)(c->in[i].rows * c->in[i].cols);
}

static inline void *gradcheck_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    cr_assert(ne(ptr, p, NULL));
    return p;
}

static inline void gradcheck_make_input(const gradcheck *c, gradcheck_state *s, int i)
{
    const gradcheck_input *in = &c->in[i];
    const size_t n = gradcheck_count(c, i);
    s->f[i] = (float *)gradcheck_alloc(n, sizeof(float));
    s->x[i] = (double *)gradcheck_alloc(n, sizeof(double));
    s->varied[i] = s->x[i];
    for (size_t j = 0; j < n; j++) {
        s->f[i][j] = in->shift + tern_test_rand(10 + (uint64_t)i, j);
        s->x[i][j] = (double)s->f[i][j];
    }
    if (in->is_param) {
        s->p[i] = tern_param_new("weight", in->rows, in->cols, in->form);
        cr_assert(ne(ptr, s->p[i], NULL));
        memcpy(s->p[i]->val, s->f[i], n * sizeof(float));
        for (size_t j = 0; j < n; j++) s->p[i]->grad[j] = 1.0f;
        cr_assert(eq(int, tern_param_refresh(s->p[i]), TERN_OK));
    } else if (in->constant) {
        s->v[i] = tern_input(s->tape, in->rows, in->cols, s->f[i]);
    } else {
        s->v[i] = tern_input_grad(s->tape, in->rows, in->cols, s->f[i]);
        float *g = tern_tape_grad(s->tape, s->v[i]);
        for (size_t j = 0; j < n; j++) g[j] = 1.0f;
    }
}

/* The op's output as floats; codes are taken for what they stand for. */
static inline void gradcheck_read_output(const gradcheck *c, gradcheck_state *s,
                                         const tern_var *y)
{
    const size_t n = (size_t)(c->rows * c->cols);
    s->y = (float *)gradcheck_alloc(n, sizeof(float));
    if (y->val) {
        memcpy(s->y, y->val, n * sizeof(float));
        return;
    }
    for (size_t i = 0; i < y->codes->rows; i++)
        for (size_t j = 0; j < y->codes->cols; j++)
            s->y[i * y->codes->cols + j] =
                (float)y->codes->codes[i * y->codes->stride + j] / y->codes->scale[i];
}

static inline double gradcheck_loss(const gradcheck *c, const gradcheck_state *s)
{
    const double *at[GRADCHECK_INPUTS];
    for (int i = 0; i < GRADCHECK_INPUTS; i++) at[i] = s->x[i];
    c->oracle(s->varied, at, s->want, c->user);
    double loss = 0.0;
    for (size_t i = 0; i < (size_t)(c->rows * c->cols); i++)
        loss += (double)s->dy[i] * s->want[i];
    return loss;
}

/* The error of the gradient of input i, which started at 1. */
static inline double gradcheck_input_error(const gradcheck *c, gradcheck_state *s,
                                           int i)
{
    const double h = 1e-5;
    const size_t n = gradcheck_count(c, i);
    const float *grad = c->in[i].is_param ? s->p[i]->grad : s->v[i]->grad;
    double *x = (double *)gradcheck_alloc(n, sizeof(double));
    double *want = (double *)gradcheck_alloc(n, sizeof(double));
    float *got = (float *)gradcheck_alloc(n, sizeof(float));
    memcpy(x, s->x[i], n * sizeof(double));
    s->varied[i] = x;
    for (size_t j = 0; j < n; j++) {
        x[j] = s->x[i][j] + h;
        const double up = gradcheck_loss(c, s);
        x[j] = s->x[i][j] - h;
        const double down = gradcheck_loss(c, s);
        x[j] = s->x[i][j];
        want[j] = (up - down) / (2 * h);
        got[j] = grad[j] - 1.0f;
    }
    s->varied[i] = s->x[i];
    const double error = tern_test_tensor_err(got, want, n);
    free(x);
    free(want);
    free(got);
    return error;
}

static inline void gradcheck_free(gradcheck_state *s)
{
    for (int i = 0; i < GRADCHECK_INPUTS; i++) {
        free(s->f[i]);
        free(s->x[i]);
        tern_param_free(s->p[i]);
    }
    free(s->dy);
    free(s->y);
    free(s->want);
    tern_tape_free(s->tape);
}

static inline gradcheck_error gradcheck_run(const gradcheck *c)
{
    gradcheck_state s = {0};
    gradcheck_error e = {0.0, 0.0};
    const size_t n = (size_t)(c->rows * c->cols);
    cr_assert(eq(int, tern_kernels_init(), TERN_OK));
    s.tape = tern_tape_new(1 << 16);
    tern_tape_set_backward(s.tape, c->backward);
    s.dy = (float *)gradcheck_alloc(n, sizeof(float));
    s.want = (double *)gradcheck_alloc(n, sizeof(double));
    for (int i = 0; i < c->inputs; i++) gradcheck_make_input(c, &s, i);
    for (size_t i = 0; i < n; i++)
        s.dy[i] = (c->dy != 0.0f ? c->dy : 1.0f) * tern_test_rand(2, i);

    tern_var *y = c->build(s.tape, s.v, s.p, c->user);
    cr_assert(ne(ptr, y, NULL), "%s", tern_tape_message(s.tape));
    cr_assert(y->rows == c->rows && y->cols == c->cols);
    gradcheck_read_output(c, &s, y);
    gradcheck_loss(c, &s);
    e.value = tern_test_tensor_err(s.y, s.want, n);

    cr_assert(eq(int, tern_tape_backward_from(s.tape, y, s.dy), TERN_OK));
    for (int i = 0; i < c->inputs; i++)
        if (!c->in[i].constant)
            e.gradient = fmax(e.gradient, gradcheck_input_error(c, &s, i));
    gradcheck_free(&s);
    return e;
}

/* The usual assertion: float rounding in the value, a little more in the gradient. */
static inline void gradcheck_expect(const gradcheck *c, const char *what)
{
    const gradcheck_error e = gradcheck_run(c);
    cr_expect(lt(dbl, e.value, 1e-5), "%s: value", what);
    cr_expect(lt(dbl, e.gradient, 1e-5), "%s: gradient", what);
}

/* A failed op: NULL, the status, and a message that holds both texts. */
static inline void gradcheck_expect_failure(tern_tape *t, const tern_var *y,
                                            tern_status s, const char *op,
                                            const char *detail)
{
    cr_expect(eq(ptr, (void *)y, NULL));
    cr_expect(eq(int, tern_tape_status(t), s));
    const char *message = tern_tape_message(t);
    cr_expect(strstr(message, op) == message, "\"%s\" must start with %s", message, op);
    cr_expect(ne(ptr, strstr(message, detail), NULL), "\"%s\" must name %s", message,
              detail);
    cr_expect(eq(ptr, tern_op_silu(t, tern_input(t, 1, 1, &(float){1.0f})), NULL),
              "the failure must stay");
    tern_tape_reset(t);
    cr_expect(eq(int, tern_tape_status(t), TERN_OK));
}

#endif /* TERN_TESTS_AUTOGRAD_GRADCHECK_H */
