/* The gradient of a batch in passes against the whole batch at once. */
#include <math.h>

#include "tests/train/small_run.h"
#include "train/gradients.h"

enum { BATCH = 7, CONTEXT = 16 };

static tern_config config;
static tern_tape *tape;
static tern_model *model;
static int32_t ids[BATCH * CONTEXT + 1];

static void init(void)
{
    setup();
    config = small_config();
    config.batch = BATCH;
    config.model.context = CONTEXT;
    OK(tern_config_resolve(&config, tern_tokenizer_vocab(tern_dataset_tokenizer(data)),
                           "test"));
    OK(tern_model_new(&config.model, &model));
    OK(tern_model_init(model, 0.3f, 1));
    OK(tern_dataset_read(data, TERN_TRAIN, 5, BATCH * CONTEXT + 1, ids));
    tape = tern_tape_new(0);
}

static void fini(void)
{
    tern_tape_free(tape);
    tern_model_free(model);
    teardown();
}

TestSuite(gradients, .init = init, .fini = fini);

/* The gradients of all parameters, one after the other; the caller frees. */
static double *gradients(int64_t micro_batch, double *loss)
{
    const tern_params *p = tern_model_params(model);
    double *all = malloc((size_t)tern_params_elements(p) * sizeof *all), *at = all;
    config.micro_batch = micro_batch;
    tern_params_zero_grad(tern_model_params(model));
    OK(tern_batch_gradients(tape, model, &config, 3, ids, ids + 1, loss, NULL));
    for (size_t i = 0; i < p->count; i++)
        for (int64_t j = 0; j < p->items[i]->rows * p->items[i]->cols; j++)
            *at++ = (double)p->items[i]->grad[j];
    return all;
}

static double norm(const double *x, const double *y, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = x[i] - (y ? y[i] : 0.0);
        sum += d * d;
    }
    return sqrt(sum);
}

Test(gradients, passes_make_the_batch)
{
    const int64_t n = tern_params_elements(tern_model_params(model));
    const int64_t passes[] = {7, 4, 3, 2};
    double loss;
    config.dropout = 0.0f;
    double *whole = gradients(BATCH, &loss);
    for (int64_t micro = 1; micro <= 4; micro++) {
        double part_loss;
        double *parts = gradients(micro, &part_loss);
        cr_expect(eq(i64, tern_batch_passes(&config), passes[micro - 1]));
        cr_expect(lt(dbl, fabs(part_loss - loss), 1e-6 * loss));
        cr_expect(lt(dbl, norm(parts, whole, n), 2e-4 * norm(whole, NULL, n)));
        free(parts);
    }
    free(whole);
}

/* Every pass of every batch drops other elements. */
Test(gradients, passes_have_random_numbers_of_their_own)
{
    double loss[4];
    config.dropout = 0.5f;
    config.micro_batch = 1;
    for (int i = 0; i < BATCH; i++) /* sequences that are alike */
        memcpy(ids + i * CONTEXT, ids, CONTEXT * sizeof *ids);
    config.batch = 2;
    for (uint64_t i = 0; i < 2; i++)
        OK(tern_batch_gradients(tape, model, &config, i, ids, ids + CONTEXT, &loss[i],
                                NULL));
    config.batch = 1;
    for (uint64_t i = 0; i < 2; i++)
        OK(tern_batch_gradients(tape, model, &config, i, ids, ids + CONTEXT,
                                &loss[2 + i], NULL));
    cr_expect(ne(dbl, loss[0], loss[1]));
    cr_expect(ne(dbl, loss[2], loss[3]));
    cr_expect(eq(dbl, loss[0], 0.5 * (loss[2] + loss[3]))); /* passes 0 and 1 */
}

Test(gradients, pass_of_512_tokens_unless_told)
{
    tern_config c = config;
    const struct {
        int64_t batch, context, passes;
    } cases[] = {{16, 256, 8}, {12, 64, 1},  {16, 64, 1}, {17, 64, 3},
                 {2, 4096, 2}, {1, 4096, 1}, {8, 512, 8}, {2, 512, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        c.batch = cases[i].batch;
        c.model.context = cases[i].context;
        c.micro_batch = 0;
        cr_expect(eq(i64, tern_batch_passes(&c), cases[i].passes), "%zu", i);
        c.micro_batch = 3;
        cr_expect(eq(i64, tern_batch_passes(&c), (cases[i].batch + 2) / 3));
    }
}
