/* The tape itself: graphs that branch and join, errors that stick, memory that comes
 * back. */
#include <sys/resource.h>

#include "base/clock.h"
#include "tests/autograd/gradcheck.h"

static const float six[6] = {1, 2, 3, 4, 5, 6};

/* --- graphs --- */

/* One var in many places: twice in one op, in a chain and around it, and in a branch
 * that leads nowhere. */
static tern_var *build_diamond(tern_tape *t, tern_var *const *v, tern_param *const *p,
                               const void *user)
{
    (void)p;
    (void)user;
    tern_var *a = tern_op_add(t, v[0], v[0]);
    tern_var *b = tern_op_mul(t, a, v[0]);
    tern_op_silu(t, b); /* never used: must not matter */
    tern_var *c = tern_op_add(t, tern_op_silu(t, b), tern_op_mul(t, b, v[0]));
    return tern_op_add(t, tern_op_add(t, c, b), v[0]);
}

static void oracle_diamond(const double *const *in, const double *const *at,
                           double *out, const void *user)
{
    (void)at;
    (void)user;
    for (int i = 0; i < 3 * 17; i++) {
        const double x = in[0][i], b = 2.0 * x * x;
        out[i] = b / (1.0 + exp(-b)) + b * x + b + x;
    }
}

Test(tape, diamonds_add_up)
{
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = 3, .cols = 17}},
                         .rows = 3,
                         .cols = 17,
                         .build = build_diamond,
                         .oracle = oracle_diamond};
    gradcheck_expect(&c, "diamond");
}

/* A residual stream whose branches hand their gradients over: each give and add of
 * tern_op_add() in both orders. */
static tern_var *build_stream(tern_tape *t, tern_var *const *v, tern_param *const *p,
                              const void *user)
{
    (void)p;
    (void)user;
    tern_var *h = tern_op_add(t, v[0], tern_op_silu(t, v[0]));
    h = tern_op_add(t, tern_op_silu(t, h), h);
    tern_var *k = tern_op_add(t, h, v[1]);
    return tern_op_add(t, tern_op_mul(t, k, h), tern_op_add(t, h, k));
}

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

static void oracle_stream(const double *const *in, const double *const *at, double *out,
                          const void *user)
{
    (void)at;
    (void)user;
    for (int i = 0; i < 20; i++) {
        double h = in[0][i] + silu(in[0][i]);
        h += silu(h);
        const double k = h + in[1][i];
        out[i] = k * h + h + k;
    }
}

Test(tape, a_residual_stream_adds_up)
{
    gradcheck c = {.inputs = 2,
                   .in = {{.rows = 4, .cols = 5}, {.rows = 4, .cols = 5}},
                   .rows = 4,
                   .cols = 5,
                   .build = build_stream,
                   .oracle = oracle_stream};
    gradcheck_expect(&c, "stream");
    c.in[1].constant = true;
    gradcheck_expect(&c, "stream, one input constant");
}

/* Tied embedding and head: one parameter in two ops, straight through its fp16 image.
 */
enum { VOCAB = 6, WIDTH = 19, IDS = 5 };
static const int32_t ids[IDS] = {2, 5, 2, 0, 1};

static tern_var *build_tied(tern_tape *t, tern_var *const *v, tern_param *const *p,
                            const void *user)
{
    (void)v;
    (void)user;
    return tern_op_head(t, tern_op_embedding(t, p[0], ids, IDS), p[0]);
}

static void oracle_tied(const double *const *in, const double *const *at, double *out,
                        const void *user)
{
    const bool half = *(const bool *)user;
    double e[VOCAB * WIDTH];
    for (int i = 0; i < VOCAB * WIDTH; i++) {
        const double x0 = at[0][i];
        const double seen = half ? nearbyint(ldexp(x0, 11 - ilogb(x0) - 1)) : 0.0;
        const double rounded = half ? ldexp(seen, ilogb(x0) + 1 - 11) : x0;
        e[i] = in[0][i] + (rounded - x0);
    }
    for (int i = 0; i < IDS; i++)
        for (int j = 0; j < VOCAB; j++) {
            out[i * VOCAB + j] = 0.0;
            for (int l = 0; l < WIDTH; l++)
                out[i * VOCAB + j] += e[ids[i] * WIDTH + l] * e[j * WIDTH + l];
        }
}

Test(tape, a_parameter_may_be_used_twice)
{
    for (int half = 0; half < 2; half++) {
        const bool user = half;
        const gradcheck c = {.inputs = 1,
                             .in = {{.rows = VOCAB,
                                     .cols = WIDTH,
                                     .is_param = true,
                                     .form = half ? TERN_FORM_HALF : TERN_FORM_FLOAT}},
                             .rows = IDS,
                             .cols = VOCAB,
                             .build = build_tied,
                             .oracle = oracle_tied,
                             .user = &user};
        gradcheck_expect(&c, half ? "tied, fp16" : "tied");
    }
}

/* A parameter as a var: mean(w . w), weight decay as a loss. */
static tern_var *build_penalty(tern_tape *t, tern_var *const *v, tern_param *const *p,
                               const void *user)
{
    (void)v;
    (void)user;
    tern_var *w = tern_input_param(t, p[0]);
    return tern_op_mean(t, tern_op_mul(t, w, w));
}

static void oracle_penalty(const double *const *in, const double *const *at,
                           double *out, const void *user)
{
    (void)at;
    (void)user;
    out[0] = 0.0;
    for (int i = 0; i < 12; i++) out[0] += in[0][i] * in[0][i] / 12.0;
}

Test(tape, a_parameter_may_be_a_var)
{
    const gradcheck c = {.inputs = 1,
                         .in = {{.rows = 3, .cols = 4, .is_param = true}},
                         .rows = 1,
                         .cols = 1,
                         .dy = 30.0f,
                         .build = build_penalty,
                         .oracle = oracle_penalty};
    gradcheck_expect(&c, "penalty");
}

Test(tape, scaled_backward_accumulates_micro_batches)
{
    float grad[6];
    tern_tape *t = tern_tape_new(1 << 12);
    tern_param *p = tern_param_new("w", 2, 3, TERN_FORM_FLOAT);
    memcpy(p->val, six, sizeof six);
    for (int whole = 1; whole >= 0; whole--) {
        tern_param_zero_grad(p);
        for (int micro = 0; micro < (whole ? 1 : 2); micro++) {
            tern_tape_reset(t);
            tern_var *w = tern_input_param(t, p);
            tern_var *loss = tern_op_mean(t, tern_op_mul(t, w, w));
            const tern_status s = whole ? tern_tape_backward(t, loss)
                                        : tern_tape_backward_scaled(t, loss, 0.5f);
            cr_assert(eq(int, s, TERN_OK));
        }
        for (int i = 0; i < 6; i++)
            if (whole)
                grad[i] = p->grad[i];
            else
                cr_expect(lt(dbl, fabs((double)(p->grad[i] - grad[i])), 1e-6));
    }
    cr_expect(grad[0] != 0.0f);
    tern_param_free(p);
    tern_tape_free(t);
}

/* --- errors --- */

Test(tape, the_first_failure_sticks)
{
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *a = tern_input_grad(t, 2, 3, six), *b = tern_input(t, 3, 2, six);
    tern_var *y = tern_op_add(t, tern_op_silu(t, a), b);
    cr_expect(eq(ptr, y, NULL));
    cr_expect(eq(ptr, tern_op_matmul(t, y, y), NULL));
    cr_expect(eq(ptr, tern_op_matmul(t, a, a), NULL)); /* wrong too, but later */
    cr_expect(eq(ptr, tern_op_silu(t, a), NULL));
    cr_expect(eq(ptr, tern_input(t, 1, 1, six), NULL));
    cr_expect(eq(int, tern_tape_status(t), TERN_ESHAPE));
    cr_expect(eq(str, (char *)tern_tape_message(t),
                 "add: (2, 3) and (3, 2): shapes must be equal"));
    tern_fail(TERN_EIO, "something else went wrong meanwhile");
    cr_expect(eq(int, tern_tape_backward(t, a), TERN_ESHAPE)); /* not (1, 1) either */
    cr_expect(eq(int, tern_tape_backward(t, y), TERN_ESHAPE));
    cr_expect(eq(str, (char *)tern_error_message(),
                 "add: (2, 3) and (3, 2): shapes must be equal"));
    tern_tape_reset(t);
    cr_expect(eq(int, tern_tape_status(t), TERN_OK));
    cr_expect(eq(str, (char *)tern_tape_message(t), ""));
    a = tern_input_grad(t, 2, 3, six);
    cr_expect(eq(int, tern_tape_backward(t, tern_op_mean(t, a)), TERN_OK));
    tern_tape_free(t);
}

Test(tape, backward_refuses_what_it_cannot_do)
{
    tern_tape *t = tern_tape_new(1 << 12);
    cr_expect(eq(int, tern_tape_backward(t, NULL), TERN_EARG));
    tern_tape_reset(t);
    cr_expect(
        eq(int, tern_tape_backward(t, tern_input_grad(t, 2, 3, six)), TERN_ESHAPE));
    cr_expect(ne(ptr, strstr(tern_tape_message(t), "(2, 3)"), NULL));
    tern_tape_reset(t);
    cr_expect(eq(int, tern_tape_backward(t, tern_op_mean(t, tern_input(t, 2, 3, six))),
                 TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_tape_message(t), "nothing here needs"), NULL));
    tern_tape_reset(t);
    tern_var *loss = tern_op_mean(t, tern_input_grad(t, 2, 3, six));
    cr_expect(eq(int, tern_tape_backward(t, loss), TERN_OK));
    cr_expect(eq(int, tern_tape_backward(t, loss), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_tape_message(t), "twice"), NULL));
    tern_tape_free(t);
}

Test(tape, inputs_are_checked)
{
    tern_tape *t = tern_tape_new(1 << 12);
    const int64_t huge = (int64_t)1 << 33;
    gradcheck_expect_failure(t, tern_input(t, 0, 3, six), TERN_ESHAPE, "input",
                             "(0, 3)");
    gradcheck_expect_failure(t, tern_input(t, 2, -3, six), TERN_ESHAPE, "input",
                             "(2, -3)");
    gradcheck_expect_failure(t, tern_input(t, huge, huge, six), TERN_ESHAPE, "input",
                             "8589934592");
    gradcheck_expect_failure(t, tern_input(t, 2, 3, NULL), TERN_EARG, "input", "NULL");
    gradcheck_expect_failure(t, tern_input_param(t, NULL), TERN_EARG, "input", "NULL");
    tern_tape_free(t);
}

/* The limit is needed where the system promises memory that it does not have; address
 * sanitizer needs terabytes of addresses, there the promise is refused anyway. */
Test(tape, too_large_is_out_of_memory)
{
#ifndef HAS_ASAN
    const rlim_t most = (rlim_t)8 << 30;
    setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
#endif
    static float column[1 << 19];
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *a = tern_input(t, 1 << 19, 1, column);
    tern_var *b = tern_input(t, 1, 1 << 19, column);
    tern_var *y = tern_op_matmul(t, a, b); /* 2^38 floats: a terabyte */
    gradcheck_expect_failure(t, y, TERN_EMEM, "matmul", "(524288, 524288)");
    tern_tape_free(t);
    tern_tape_free(NULL);
}

/* --- memory --- */

Test(tape, inference_records_nothing)
{
    tern_tape *t = tern_tape_new(1 << 12);
    tern_tape_set_inference(t, true);
    tern_var *x = tern_input_grad(t, 2, 3, six);
    tern_var *y = tern_op_mean(t, tern_op_silu(t, x));
    cr_expect(y->needs_grad == false);
    cr_expect(eq(int, tern_tape_backward(t, y), TERN_EARG));
    tern_tape_reset(t);
    cr_expect(tern_op_silu(t, tern_input_grad(t, 2, 3, six))->needs_grad == false);
    tern_tape_set_inference(t, false);
    cr_expect(tern_op_silu(t, tern_input_grad(t, 2, 3, six))->needs_grad);
    tern_tape_free(t);
}

Test(tape, inputs_get_no_gradients)
{
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *x = tern_input(t, 2, 3, six), *w = tern_input_grad(t, 2, 3, six);
    tern_var *y = tern_op_mul(t, x, w);
    cr_expect(eq(int, tern_tape_backward(t, tern_op_mean(t, y)), TERN_OK));
    cr_expect(eq(ptr, x->grad, NULL));
    cr_expect(eq(ptr, y->grad, NULL)); /* given back */
    cr_expect(ne(ptr, w->grad, NULL));
    tern_tape_free(t);
}

Test(tape, a_released_value_is_used_again)
{
    static float big[4096];
    tern_tape *t = tern_tape_new(1 << 16);
    tern_tape_set_inference(t, true);
    tern_var *x = tern_op_silu(t, tern_input(t, 1, 4096, big));
    const float *memory = x->val;
    tern_var *y = tern_op_silu(t, x);
    tern_tape_release(t, x);
    tern_var *z = tern_op_silu(t, y);
    cr_expect(eq(ptr, (void *)z->val, (void *)memory));
    gradcheck_expect_failure(t, tern_op_silu(t, x), TERN_EARG, "silu",
                             "(1, 4096) was released");
    tern_tape_release(t, NULL);
    tern_tape_free(t);
}

Test(tape, a_released_value_waits_for_backward)
{
    tern_tape *t = tern_tape_new(1 << 12);
    tern_var *x = tern_input_grad(t, 2, 3, six);
    tern_var *a = tern_op_scale(t, x, 0.5f); /* read by silu's backward */
    tern_var *b = tern_op_silu(t, a);        /* read by nobody's */
    tern_var *y = tern_op_mean(t, tern_op_add(t, b, b));
    tern_tape_release(t, x); /* an input: nothing happens */
    tern_tape_release(t, a);
    tern_tape_release(t, b);
    cr_expect(ne(ptr, a->val, NULL));
    cr_expect(eq(ptr, b->val, NULL));
    cr_expect(eq(int, tern_tape_backward(t, y), TERN_OK));
    cr_expect(eq(ptr, a->val, NULL));
    for (int i = 0; i < 6; i++) {
        const double v = 0.5 * (double)six[i], s = 1.0 / (1.0 + exp(-v));
        cr_expect(
            lt(dbl, fabs((double)x->grad[i] - s * (1.0 + v * (1.0 - s)) / 6.0), 1e-7));
    }
    tern_tape_free(t);
}

Test(tape, reset_keeps_the_memory)
{
    static float big[4096];
    tern_tape *t = tern_tape_new(1 << 12);
    size_t reserved = 0, used = 0;
    for (int step = 0; step < 5; step++) {
        tern_tape_reset(t);
        tern_var *x = tern_input_grad(t, 64, 64, big);
        for (int i = 0; i < 10; i++) x = tern_op_silu(t, x);
        cr_assert(eq(int, tern_tape_backward(t, tern_op_mean(t, x)), TERN_OK));
        cr_expect(step == 0 || tern_tape_reserved(t) == reserved);
        cr_expect(step == 0 || tern_tape_bytes(t) == used);
        reserved = tern_tape_reserved(t);
        used = tern_tape_bytes(t);
    }
    /* 10 values, and the two gradients that exist at once (and the input's). */
    cr_expect(lt(sz, used, 14 * sizeof big));
    cr_expect(ge(sz, reserved, used));
    tern_tape_free(t);
}

/* One step, and what it took; the clock's sum of it. */
static double clocked_step(tern_tape *t, tern_tape_clock *clock, double *sum)
{
    static float big[1 << 16];
    *clock = (tern_tape_clock){0};
    tern_tape_reset(t);
    tern_tape_set_clock(t, clock);
    const double began = tern_seconds();
    tern_var *x = tern_input_grad(t, 256, 256, big);
    for (int i = 0; i < 3; i++) x = tern_op_silu(t, tern_op_scale(t, x, 2.0f));
    cr_assert(eq(int, tern_tape_backward(t, tern_op_mean(t, x)), TERN_OK));
    const double took = tern_seconds() - began;
    *sum = 0.0;
    for (size_t i = 0; i < clock->count; i++)
        *sum += clock->ops[i].forward + clock->ops[i].backward;
    return took;
}

/* Every op has its line, in the order of first calls, forward and backward; nothing is
 * counted twice, and little not at all. This process may be put aside between two ops,
 * but not in every step. */
Test(tape, the_clock_knows_where_time_went)
{
    static float big[1 << 16];
    tern_tape *t = tern_tape_new(1 << 22);
    tern_tape_clock clock;
    static const char *const names[] = {"scale", "silu", "mean"};
    double sum, took;
    int tries = 0;
    do {
        took = clocked_step(t, &clock, &sum);
        cr_assert(le(dbl, sum, took));
    } while (sum <= 0.8 * took && ++tries < 20);
    cr_expect(gt(dbl, sum, 0.8 * took), "%g of %g", sum, took);
    cr_assert(eq(sz, clock.count, 3));
    for (size_t i = 0; i < 3; i++) {
        cr_expect(eq(str, (char *)clock.ops[i].name, (char *)names[i]));
        cr_expect(gt(dbl, clock.ops[i].forward, 0.0));
        cr_expect(gt(dbl, clock.ops[i].backward, 0.0));
    }

    tern_tape_set_clock(t, NULL);
    const tern_tape_clock before = clock;
    tern_tape_reset(t);
    tern_op_silu(t, tern_input(t, 256, 256, big));
    cr_expect(eq(int, memcmp(&before, &clock, sizeof clock), 0));
    tern_tape_free(t);
}
