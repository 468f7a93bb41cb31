/* The checker itself: it must pass what is right and catch each kind of mistake that a
 * backward can have. The mistakes are made in the oracle, whose op is x . x + y. */
#include "tests/autograd/gradcheck.h"

enum { ROWS = 3, COLS = 7, N = ROWS * COLS };

static tern_var *square_plus(tern_tape *t, tern_var *const *v, tern_param *const *p,
                             const void *user)
{
    (void)p;
    (void)user;
    return tern_op_add(t, tern_op_mul(t, v[0], v[0]), v[1]);
}

/* user: how much of x^2 depends on x; 1 is the truth. */
static void oracle(const double *const *in, const double *const *at, double *out,
                   const void *user)
{
    const double part = *(const double *)user;
    for (int i = 0; i < N; i++) {
        const double x0 = at[0][i], x = in[0][i];
        out[i] = x0 * x0 + part * (x * x - x0 * x0) + in[1][i];
    }
}

static gradcheck_error check(double part)
{
    const gradcheck c = {
        .inputs = 2,
        .in = {{.rows = ROWS, .cols = COLS}, {.rows = ROWS, .cols = COLS}},
        .rows = ROWS,
        .cols = COLS,
        .build = square_plus,
        .oracle = oracle,
        .user = &part};
    return gradcheck_run(&c);
}

Test(gradcheck, passes_a_right_gradient)
{
    const gradcheck_error e = check(1.0);
    cr_expect(lt(dbl, e.value, 1e-6));
    cr_expect(lt(dbl, e.gradient, 1e-6));
}

Test(gradcheck, catches_wrong_gradients)
{
    /* Flipped sign, dropped factor 2, nothing at all, one percent too small. */
    const double parts[] = {-1.0, 0.5, 0.0, 0.99};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const gradcheck_error e = check(parts[i]);
        cr_expect(lt(dbl, e.value, 1e-6));
        cr_expect(gt(dbl, e.gradient, 5e-3), "part %g was not caught", parts[i]);
    }
}
