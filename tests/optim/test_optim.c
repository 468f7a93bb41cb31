/* The optimizers against PyTorch's, computed there in double precision
 * (tests/golden/make_reference.py): eight steps on a matrix that decays and a gain that
 * does not, with clipping and a changing learning rate. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "optim/optim.h"
#include "tests/golden/golden.h"

enum { PARAMS = 2, STEPS = 8 };
static const int64_t shapes[PARAMS][2] = {{5, 7}, {1, 9}};

static size_t size_of(size_t i)
{
    return (size_t)(shapes[i][0] * shapes[i][1]);
}

typedef struct fixture {
    golden g;
    tern_param *params[PARAMS];
    tern_optim *o;
} fixture;

static bool open(fixture *f, tern_optim_config config)
{
    cr_assert(eq(int, tern_kernels_init(), TERN_OK), "%s", tern_error_message());
    if (!golden_open(&f->g, "optimizers")) return false;
    for (size_t i = 0; i < PARAMS; i++) {
        char name[16];
        snprintf(name, sizeof name, "start%zu", i);
        tern_param *p =
            tern_param_new(name, shapes[i][0], shapes[i][1], TERN_FORM_FLOAT);
        p->decay = i == 0;
        memcpy(p->val, golden_array(&f->g, name, "f32", NULL), 4 * size_of(i));
        f->params[i] = p;
    }
    cr_assert(eq(int, tern_optim_new(&config, f->params, PARAMS, &f->o), TERN_OK), "%s",
              tern_error_message());
    return true;
}

static void close(fixture *f)
{
    tern_optim_free(f->o);
    for (size_t i = 0; i < PARAMS; i++) tern_param_free(f->params[i]);
    golden_close(&f->g);
}

static void load_gradients(fixture *f, size_t step)
{
    for (size_t i = 0; i < PARAMS; i++) {
        char name[16];
        snprintf(name, sizeof name, "grad%zu", i);
        const float *all = golden_array(&f->g, name, "f32", NULL);
        memcpy(f->params[i]->grad, all + step * size_of(i), 4 * size_of(i));
    }
}

/* A float rounding of the result (6e-8 of values up to 3), plus those on the way. */
static const double TOL = 1e-6;

static void expect_as_pytorch(const char *name, tern_optim_config config, float decay)
{
    fixture f;
    if (!open(&f, config)) cr_skip_test("%s is absent", f.g.path);
    const double *lr = golden_array(&f.g, "lr", "f64", NULL);
    const double *norm = golden_array(&f.g, "norm", "f64", NULL);
    for (size_t step = 0; step < STEPS; step++) {
        load_gradients(&f, step);
        const double got_norm = tern_grad_norm(f.params, PARAMS);
        cr_expect(lt(dbl, fabs(got_norm / norm[step] - 1.0), 1e-6));
        cr_assert(eq(int,
                     tern_optim_step(f.o, (int64_t)step + 1, (float)lr[step], decay,
                                     tern_clip_scale(got_norm, 6.0f)),
                     TERN_OK));
        for (size_t i = 0; i < PARAMS; i++) {
            char key[32];
            snprintf(key, sizeof key, "%s%zu", name, i);
            const double *want = (const double *)golden_array(&f.g, key, "f64", NULL) +
                                 step * size_of(i);
            for (size_t j = 0; j < size_of(i); j++)
                cr_expect(lt(dbl, fabs((double)f.params[i]->val[j] - want[j]), TOL),
                          "%s, step %zu, element %zu", key, step, j);
        }
    }
    close(&f);
}

Test(optim, adamw_equals_pytorch)
{
    expect_as_pytorch(
        "adamw",
        (tern_optim_config){
            .kind = TERN_ADAMW, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f},
        0.1f);
}

Test(optim, adamw_with_large_eps_equals_pytorch)
{
    expect_as_pytorch(
        "adamw_eps",
        (tern_optim_config){
            .kind = TERN_ADAMW, .beta1 = 0.8f, .beta2 = 0.999f, .eps = 1e-2f},
        0.3f);
}

Test(optim, sgd_equals_pytorch)
{
    expect_as_pytorch("sgd", (tern_optim_config){.kind = TERN_SGD}, 0.1f);
}

Test(optim, momentum_equals_pytorch)
{
    expect_as_pytorch("momentum",
                      (tern_optim_config){.kind = TERN_SGD, .momentum = 0.9f}, 0.1f);
}

Test(optim, nesterov_equals_pytorch)
{
    expect_as_pytorch(
        "nesterov",
        (tern_optim_config){.kind = TERN_SGD, .momentum = 0.9f, .nesterov = 1}, 0.1f);
}

/* Saving and restoring the slots continues the run bit for bit. */
Test(optim, slots_are_the_whole_state)
{
    const tern_optim_config config = {
        .kind = TERN_ADAMW, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f};
    fixture a, b;
    if (!open(&a, config) || !open(&b, config)) cr_skip_test("no golden file");
    cr_assert(eq(sz, tern_optim_slots(a.o), 2));
    cr_expect(eq(str, (char *)tern_optim_slot_name(a.o, 0), "m"));
    cr_expect(eq(str, (char *)tern_optim_slot_name(a.o, 1), "v"));
    for (size_t step = 0; step < STEPS; step++) {
        load_gradients(&a, step);
        load_gradients(&b, step);
        cr_assert(
            eq(int, tern_optim_step(a.o, (int64_t)step + 1, 0.1f, 0.1f, 1.0f), 0));
        if (step == 3) /* b takes over here */
            for (size_t i = 0; i < PARAMS; i++) {
                memcpy(b.params[i]->val, a.params[i]->val, 4 * size_of(i));
                for (size_t s = 0; s < 2; s++)
                    memcpy(tern_optim_slot(b.o, s, i), tern_optim_slot(a.o, s, i),
                           4 * size_of(i));
            }
        if (step <= 3) continue;
        cr_assert(
            eq(int, tern_optim_step(b.o, (int64_t)step + 1, 0.1f, 0.1f, 1.0f), 0));
        for (size_t i = 0; i < PARAMS; i++)
            cr_expect(
                eq(int, memcmp(a.params[i]->val, b.params[i]->val, 4 * size_of(i)), 0));
    }
    close(&a);
    close(&b);
}

Test(optim, refreshes_the_forward_image)
{
    tern_param *p = tern_param_new("w", 2, 8, TERN_FORM_TERNARY);
    for (size_t i = 0; i < 16; i++) p->val[i] = i % 2 ? 0.5f : -0.5f;
    cr_assert(eq(int, tern_param_refresh(p), TERN_OK));
    int64_t counts[3];
    tern_ternary_count(&p->ternary, counts);
    cr_assert(all(eq(i64, counts[0], 8), eq(i64, counts[2], 8)));
    tern_optim *o;
    const tern_optim_config config = {.kind = TERN_SGD};
    cr_assert(eq(int, tern_optim_new(&config, &p, 1, &o), TERN_OK));
    cr_expect(eq(sz, tern_optim_slots(o), 0));
    for (size_t i = 0; i < 4; i++) p->grad[2 * i] = -1.0f; /* four become +0.5 */
    cr_assert(eq(int, tern_optim_step(o, 1, 1.0f, 0.0f, 1.0f), TERN_OK));
    tern_ternary_count(&p->ternary, counts);
    cr_expect(all(eq(i64, counts[0], 4), eq(i64, counts[2], 12)));
    cr_expect(eq(i64, p->flips, 4));
    tern_optim_free(o);
    tern_param_free(p);
}

Test(optim, refuses_bad_options)
{
    const tern_optim_config bad[] = {
        {.kind = TERN_ADAMW, .beta1 = 1.0f, .beta2 = 0.99f, .eps = 1e-8f},
        {.kind = TERN_ADAMW, .beta1 = 0.9f, .beta2 = -0.1f, .eps = 1e-8f},
        {.kind = TERN_ADAMW, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 0.0f},
        {.kind = TERN_SGD, .momentum = 1.0f},
        {.kind = TERN_SGD, .momentum = 0.0f, .nesterov = 1},
        {.kind = (tern_optim_kind)77},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tern_optim *o = NULL;
        cr_expect(eq(int, tern_optim_new(&bad[i], NULL, 0, &o), TERN_EARG), "case %zu",
                  i);
        cr_expect(eq(ptr, o, NULL));
        cr_expect(ne(ptr, strstr(tern_error_message(), "optim."), NULL));
    }
}

Test(optim, a_step_that_is_not_finite_changes_nothing)
{
    fixture f;
    if (!open(&f, (tern_optim_config){.kind = TERN_SGD}))
        cr_skip_test("no golden file");
    float before[35];
    memcpy(before, f.params[0]->val, sizeof before);
    load_gradients(&f, 0);
    f.params[1]->grad[3] = NAN;
    const double norm = tern_grad_norm(f.params, PARAMS);
    cr_expect(isnan(norm));
    cr_expect(eq(int, tern_optim_step(f.o, 1, 0.1f, 0.0f, tern_clip_scale(norm, 1.0f)),
                 TERN_ENUMERIC));
    cr_expect(eq(int, tern_optim_step(f.o, 1, INFINITY, 0.0f, 1.0f), TERN_ENUMERIC));
    cr_expect(eq(int, tern_optim_step(f.o, 0, 0.1f, 0.0f, 1.0f), TERN_EARG));
    cr_expect(eq(int, memcmp(before, f.params[0]->val, sizeof before), 0));
    close(&f);
}

/* Without clipping the NaN reaches a parameter, and the message says which. */
Test(optim, names_the_parameter_that_holds_a_nan)
{
    fixture f;
    if (!open(&f, (tern_optim_config){.kind = TERN_SGD}))
        cr_skip_test("no golden file");
    f.params[1]->grad[3] = NAN;
    cr_expect(eq(int, tern_optim_step(f.o, 1, 0.1f, 0.0f, 1.0f), TERN_ENUMERIC));
    cr_expect(ne(ptr, strstr(tern_error_message(), "start1"), NULL), "%s",
              tern_error_message());
    close(&f);
}
