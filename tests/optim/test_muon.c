/* Muon against the published iteration in double precision (tests/golden/
 * make_reference.py): six steps on a wide, a square and a tall matrix that decay, and a
 * gain, which AdamW updates. And what makes it Muon: all directions of the update are
 * about equally long, whatever the gradient's were. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "optim/optim.h"
#include "tests/golden/golden.h"
#include "tests/support/numeric.h"

enum { PARAMS = 4, STEPS = 6, GAIN = 3 };
static const int64_t shapes[PARAMS][2] = {{5, 7}, {6, 6}, {9, 4}, {1, 9}};
static const tern_optim_config nesterov = {.kind = TERN_MUON,
                                           .beta1 = 0.9f,
                                           .beta2 = 0.99f,
                                           .eps = 1e-8f,
                                           .momentum = 0.95f,
                                           .nesterov = 1};

static size_t size_of(size_t i)
{
    return (size_t)(shapes[i][0] * shapes[i][1]);
}

static tern_optim *make(const tern_optim_config *c, tern_param *const *params, size_t n)
{
    tern_optim *o;
    cr_assert(eq(int, tern_kernels_init(), TERN_OK), "%s", tern_error_message());
    cr_assert(eq(int, tern_optim_new(c, params, n, &o), TERN_OK), "%s",
              tern_error_message());
    return o;
}

static tern_param *start(const golden *g, size_t i)
{
    char name[16];
    snprintf(name, sizeof name, "start%zu", i);
    tern_param *p = tern_param_new(name, shapes[i][0], shapes[i][1], TERN_FORM_FLOAT);
    p->hidden = i != GAIN;
    memcpy(p->val, golden_array(g, name, "f32", NULL), 4 * size_of(i));
    return p;
}

/* Five iterations in float: the smallest direction has grown by up to 3.4^5 and with it
 * the rounding, which the learning rate (0.01) makes small again. */
static const double TOL = 2e-6;

static void expect_as_published(const char *name, const tern_optim_config *config)
{
    golden g;
    if (!golden_open(&g, "muon")) cr_skip_test("%s is absent", g.path);
    tern_param *p[PARAMS];
    for (size_t i = 0; i < PARAMS; i++) p[i] = start(&g, i);
    tern_optim *o = make(config, p, PARAMS);
    const double *lr = golden_array(&g, "lr", "f64", NULL);
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < PARAMS; i++) {
            char key[16];
            snprintf(key, sizeof key, "grad%zu", i);
            const float *all = golden_array(&g, key, "f32", NULL);
            memcpy(p[i]->grad, all + step * size_of(i), 4 * size_of(i));
        }
        cr_assert(eq(int,
                     tern_optim_step(o, (int64_t)step + 1, (float)lr[step], 0.1f, 1.0f),
                     0));
        for (size_t i = 0; i < PARAMS; i++) {
            char key[32];
            snprintf(key, sizeof key, "%s%zu", name, i);
            const double *want = golden_array(&g, key, "f64", NULL);
            for (size_t j = 0; j < size_of(i); j++)
                cr_expect(lt(dbl,
                             fabs((double)p[i]->val[j] - want[step * size_of(i) + j]),
                             TOL),
                          "%s, step %zu, element %zu", key, step, j);
        }
    }
    tern_optim_free(o);
    for (size_t i = 0; i < PARAMS; i++) tern_param_free(p[i]);
    golden_close(&g);
}

Test(muon, equals_the_published_iteration)
{
    expect_as_published("muon", &nesterov);
}

Test(muon, without_nesterov_too)
{
    tern_optim_config plain = nesterov;
    plain.nesterov = 0;
    expect_as_published("muon_plain", &plain);
}

/* A matrix keeps the momentum only; a gain what AdamW keeps. */
Test(muon, keeps_no_second_moment_of_a_matrix)
{
    tern_param *p[2] = {tern_param_new("w", 3, 3, TERN_FORM_FLOAT),
                        tern_param_new("g", 1, 3, TERN_FORM_FLOAT)};
    p[0]->hidden = true;
    tern_optim *o = make(&nesterov, p, 2);
    cr_assert(eq(sz, tern_optim_slots(o), 2));
    cr_expect(ne(ptr, tern_optim_slot(o, 0, 0), NULL));
    cr_expect(eq(ptr, tern_optim_slot(o, 1, 0), NULL));
    cr_expect(ne(ptr, tern_optim_slot(o, 1, 1), NULL));
    tern_optim_free(o);
    tern_param_free(p[0]);
    tern_param_free(p[1]);
}

/* Rows of a gradient that are orthogonal and of lengths 1 to 100 leave an update whose
 * rows are all 0.68 to 1.2 times 0.2 sqrt(8) long: the range of Jordan's coefficients.
 */
Test(muon, moves_all_directions_equally_far)
{
    enum { N = 8 };
    tern_param *p = tern_param_new("w", N, N, TERN_FORM_FLOAT);
    p->hidden = true;
    for (size_t i = 0; i < N; i++)
        p->grad[i * N + (i + 3) % N] = powf(100.0f, (float)i / (N - 1));
    tern_optim *o = make(&nesterov, &p, 1);
    cr_assert(eq(int, tern_optim_step(o, 1, 1.0f, 0.0f, 1.0f), TERN_OK));
    for (size_t i = 0; i < N; i++) {
        const double moved = -(double)p->val[i * N + (i + 3) % N] / (0.2 * sqrt(N));
        cr_expect(all(gt(dbl, moved, 0.68), lt(dbl, moved, 1.2)), "row %zu: %g", i,
                  moved);
    }
    tern_optim_free(o);
    tern_param_free(p);
}

/* No gradient, no update, and no division by its length. */
Test(muon, a_zero_gradient_moves_nothing)
{
    tern_param *p = tern_param_new("w", 4, 6, TERN_FORM_FLOAT);
    p->hidden = true;
    for (size_t i = 0; i < 24; i++) p->val[i] = tern_test_rand(1, i);
    float before[24];
    memcpy(before, p->val, sizeof before);
    tern_optim *o = make(&nesterov, &p, 1);
    cr_assert(eq(int, tern_optim_step(o, 1, 0.1f, 0.0f, 1.0f), TERN_OK));
    cr_expect(eq(int, memcmp(before, p->val, sizeof before), 0));
    tern_optim_free(o);
    tern_param_free(p);
}

/* Small matrices go beside each other, the large one in blocks: the same bits always.
 */
Test(muon, threads_do_not_change_a_bit)
{
    enum { N = 6 };
    static const int64_t shape[N][2] = {{40, 90},  {130, 64},    {64, 64},
                                        {300, 10}, {1040, 1020}, {16, 200}};
    float *first[N] = {NULL};
    for (int threads = 1; threads <= 3; threads += 2) {
        tern_threads_set(threads);
        tern_param *p[N];
        for (size_t i = 0; i < N; i++) {
            p[i] = tern_param_new("w", shape[i][0], shape[i][1], TERN_FORM_TERNARY);
            p[i]->hidden = true;
            const size_t size = (size_t)(shape[i][0] * shape[i][1]);
            for (size_t j = 0; j < size; j++) {
                p[i]->val[j] = tern_test_rand(1, j);
                p[i]->grad[j] = tern_test_rand(2 + i, j);
            }
        }
        tern_optim *o = make(&nesterov, p, N);
        cr_assert(eq(int, tern_optim_step(o, 1, 0.1f, 0.1f, 1.0f), TERN_OK));
        tern_optim_free(o);
        for (size_t i = 0; i < N; i++) {
            const size_t bytes = (size_t)(shape[i][0] * shape[i][1]) * sizeof(float);
            if (threads == 1) {
                first[i] = malloc(bytes);
                memcpy(first[i], p[i]->val, bytes);
            }
            cr_expect(eq(int, memcmp(first[i], p[i]->val, bytes), 0),
                      "matrix %zu, %d threads", i, threads);
            if (threads == 3) free(first[i]);
            tern_param_free(p[i]);
        }
    }
}
