/* Initial weights: the moments of a normal distribution, reproducible, and the same
 * whatever the model is made into. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "kernels/cpu.h"
#include "layers/model.h"

static tern_model *new_model(tern_arch arch, tern_quant quant, uint64_t seed)
{
    const tern_spec spec = {.arch = arch,
                            .quant = quant,
                            .embed = TERN_EMBED_F32,
                            .tied = arch == TERN_ARCH_BITNET,
                            .vocab = 300,
                            .width = 128,
                            .layers = 8,
                            .heads = 4,
                            .kv_heads = 4,
                            .head_dim = 32,
                            .ffn = 256,
                            .context = 8,
                            .rope_theta = 10000.0f,
                            .norm_eps = 1e-5f};
    tern_model *m;
    cr_assert(eq(int, tern_model_new(&spec, &m), TERN_OK));
    cr_assert(eq(int, tern_model_init(m, 0.02f, seed), TERN_OK));
    return m;
}

/* Mean, deviation and excess kurtosis of n normal numbers, each within 4 sigma. */
static void expect_normal(const tern_param *p, double std)
{
    const double n = (double)(p->rows * p->cols);
    double m1 = 0.0, m2 = 0.0, m4 = 0.0;
    for (int64_t i = 0; i < p->rows * p->cols; i++) {
        const double z = (double)p->val[i] / std;
        m1 += z / n;
        m2 += z * z / n;
        m4 += z * z * z * z / n;
    }
    cr_expect(lt(dbl, fabs(m1), 4.0 / sqrt(n)), "%s: mean", p->name);
    cr_expect(lt(dbl, fabs(m2 - 1.0), 4.0 * sqrt(2.0 / n)), "%s: variance", p->name);
    cr_expect(lt(dbl, fabs(m4 - 3.0), 4.0 * sqrt(96.0 / n)), "%s: kurtosis", p->name);
}

Test(init, matrices_are_normal_and_gains_one)
{
    tern_model *m = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY, 11);
    const tern_params *list = tern_model_params(m);
    for (size_t i = 0; i < list->count; i++) {
        const tern_param *p = list->items[i];
        const bool out = strstr(p->name, "wo") || strstr(p->name, "down");
        if (p->decay)
            expect_normal(p, out ? 0.02 / 4.0 : 0.02); /* sqrt(2 * 8) = 4 */
        else
            for (int64_t j = 0; j < p->cols; j++) cr_expect(eq(flt, p->val[j], 1.0f));
    }
    tern_model_free(m);
}

static double difference(const tern_model *a, const tern_model *b, const char *name)
{
    const tern_param *p = tern_params_find(tern_model_params((tern_model *)a), name);
    const tern_param *q = tern_params_find(tern_model_params((tern_model *)b), name);
    double most = 0.0;
    for (int64_t i = 0; i < p->rows * p->cols; i++)
        most = fmax(most, fabs((double)p->val[i] - (double)q->val[i]));
    return most;
}

Test(init, is_a_function_of_the_seed_alone)
{
    tern_threads_set(2);
    tern_model *a = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY, 1);
    tern_threads_set(1);
    tern_model *b = new_model(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 1);
    tern_model *c = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY, 2);
    const char *const names[] = {"embed.weight", "layers.0.attn.wq",
                                 "layers.7.ffn.down"};
    for (size_t i = 0; i < 3; i++) {
        cr_expect(eq(dbl, difference(a, b, names[i]), 0.0), "%s", names[i]);
        cr_expect(gt(dbl, difference(a, c, names[i]), 0.01), "%s", names[i]);
    }
    tern_model_free(a);
    tern_model_free(b);
    tern_model_free(c);
}

/* Also up to a factor: wo and down have another deviation. */
Test(init, matrices_differ_from_each_other)
{
    tern_model *m = new_model(TERN_ARCH_LLAMA, TERN_QUANT_NONE, 1);
    const tern_params *list = tern_model_params(m);
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < i; j++) {
            const tern_param *p = list->items[i], *q = list->items[j];
            if (!p->decay || !q->decay) continue;
            const double a = (double)p->val[0] * (double)q->val[1];
            const double b = (double)p->val[1] * (double)q->val[0];
            cr_expect(gt(dbl, fabs(a - b), 1e-3 * fabs(a)), "%s and %s", p->name,
                      q->name);
        }
    tern_model_free(m);
}
