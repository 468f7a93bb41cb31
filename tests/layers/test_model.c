/* The model as a whole: names, shapes, errors, causality, and that no bit depends on
 * threads or instruction sets. Its numbers are checked in test_reference.c. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "base/rng.h"
#include "kernels/cpu.h"
#include "layers/model.h"

enum { BATCH = 3, TIME = 16, ROWS = BATCH * TIME, VOCAB = 29 };

static tern_spec small_spec(tern_arch arch, tern_quant quant)
{
    return (tern_spec){.arch = arch,
                       .quant = quant,
                       .activation = TERN_SILU,
                       .embed = TERN_EMBED_F16,
                       .tied = arch == TERN_ARCH_BITNET,
                       .vocab = VOCAB,
                       .width = 96,
                       .layers = 2,
                       .heads = 4,
                       .kv_heads = 2,
                       .head_dim = 24,
                       .ffn = 160,
                       .context = TIME,
                       .rope_theta = 10000.0f,
                       .norm_eps = 1e-5f};
}

static tern_model *new_model(tern_arch arch, tern_quant quant)
{
    const tern_spec spec = small_spec(arch, quant);
    tern_model *m;
    cr_assert(eq(int, tern_kernels_init(), TERN_OK), "%s", tern_error_message());
    cr_assert(eq(int, tern_model_new(&spec, &m), TERN_OK), "%s", tern_error_message());
    cr_assert(eq(int, tern_model_init(m, 0.05f, 3), TERN_OK), "%s",
              tern_error_message());
    return m;
}

static void random_ids(int32_t *ids, uint64_t seed)
{
    for (size_t i = 0; i < ROWS; i++)
        ids[i] = (int32_t)tern_rand_below(seed, TERN_STREAM_TEST, i, VOCAB);
}

Test(model, parameters_stand_in_the_promised_order)
{
    static const char *const bitnet[] = {
        "embed.weight",           "layers.0.attn_norm", "layers.0.attn.wq",
        "layers.0.attn.wk",       "layers.0.attn.wv",   "layers.0.attn.wo",
        "layers.0.attn_sub_norm", "layers.0.ffn_norm",  "layers.0.ffn.gate",
        "layers.0.ffn.up",        "layers.0.ffn.down",  "layers.0.ffn_sub_norm",
        "layers.1.attn_norm"};
    tern_model *m = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY);
    const tern_params *list = tern_model_params(m);
    for (size_t i = 0; i < sizeof bitnet / sizeof *bitnet; i++)
        cr_expect(eq(str, list->items[i]->name, (char *)bitnet[i]));
    cr_expect(eq(str, list->items[list->count - 1]->name, "norm"));
    cr_expect(
        eq(i64, tern_params_elements(list), tern_spec_params(tern_model_spec(m))));

    const tern_param *wk = tern_params_find(list, "layers.1.attn.wk");
    cr_expect(all(eq(i64, wk->rows, 48), eq(i64, wk->cols, 96)));
    cr_expect(wk->decay && wk->form == TERN_FORM_TERNARY);
    cr_expect(list->items[0]->decay && list->items[0]->form == TERN_FORM_HALF);
    cr_expect(not(tern_params_find(list, "norm")->decay));
    tern_model_free(m);
}

Test(model, llama_has_no_sub_norms_and_its_own_head)
{
    tern_model *m = new_model(TERN_ARCH_LLAMA, TERN_QUANT_NONE);
    const tern_params *list = tern_model_params(m);
    cr_expect(eq(sz, list->count, 1 + 2 * 9 + 1 + 1));
    cr_expect(eq(str, list->items[list->count - 1]->name, "head.weight"));
    cr_expect(
        eq(i64, tern_params_elements(list), tern_spec_params(tern_model_spec(m))));
    cr_expect(eq(ptr, tern_params_find(list, "layers.0.attn_sub_norm"), NULL));
    tern_model_free(m);
}

Test(model, refuses_what_it_cannot_run)
{
    int32_t ids[ROWS];
    random_ids(ids, 1);
    tern_model *m = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY);
    tern_tape *t = tern_tape_new(0);

    cr_expect(eq(ptr, tern_model_logits(t, m, ids, 1, TIME + 1, 0.0f), NULL));
    cr_expect(eq(int, tern_tape_status(t), TERN_ESHAPE));
    cr_expect(ne(ptr, strstr(tern_tape_message(t), "context"), NULL));
    tern_tape_reset(t);
    cr_expect(eq(ptr, tern_model_logits(t, m, ids, 0, TIME, 0.0f), NULL));
    tern_tape_reset(t);
    ids[5] = VOCAB;
    cr_expect(eq(ptr, tern_model_loss(t, m, ids, ids, BATCH, TIME, 0.0f), NULL));
    cr_expect(ne(int, tern_tape_status(t), TERN_OK));
    tern_tape_reset(t);
    ids[5] = 0;
    cr_expect(ne(ptr, tern_model_loss(t, m, ids, ids, BATCH, TIME, 0.0f), NULL));
    cr_expect(eq(int, tern_tape_status(t), TERN_OK), "%s", tern_tape_message(t));

    tern_spec bad = small_spec(TERN_ARCH_BITNET, TERN_QUANT_TERNARY);
    bad.kv_heads = 3;
    tern_model *none = NULL;
    cr_expect(eq(int, tern_model_new(&bad, &none), TERN_EARG));
    cr_expect(eq(ptr, none, NULL));
    cr_expect(eq(int, tern_model_init(m, -1.0f, 1), TERN_EARG));
    tern_tape_free(t);
    tern_model_free(m);
}

/* A token must not see what follows it, nor its neighbours in the batch. */
Test(model, is_causal)
{
    int32_t ids[ROWS];
    float before[TIME * VOCAB];
    random_ids(ids, 1);
    for (int q = 0; q < 2; q++) {
        tern_model *m =
            new_model(TERN_ARCH_BITNET, q ? TERN_QUANT_TERNARY : TERN_QUANT_NONE);
        tern_tape *t = tern_tape_new(0);
        const tern_var *y = tern_model_logits(t, m, ids, BATCH, TIME, 0.0f);
        memcpy(before, y->val, sizeof before);
        ids[TIME - 1] = (ids[TIME - 1] + 1) % VOCAB; /* last of sequence 0 */
        ids[TIME] = (ids[TIME] + 1) % VOCAB;         /* first of sequence 1 */
        tern_tape_reset(t);
        y = tern_model_logits(t, m, ids, BATCH, TIME, 0.0f);
        const size_t same = (TIME - 1) * VOCAB;
        cr_expect(eq(int, memcmp(y->val, before, same * sizeof(float)), 0));
        cr_expect(ne(int, memcmp(y->val + same, before + same, VOCAB * 4), 0));
        tern_tape_free(t);
        tern_model_free(m);
    }
}

/* Logits, loss and every gradient of one batch into one buffer; its length. */
static size_t everything(tern_model *m, float *out)
{
    int32_t ids[ROWS + 1];
    random_ids(ids, 7);
    ids[ROWS] = 0;
    size_t n = 0;
    tern_tape *t = tern_tape_new(0);
    tern_params *list = tern_model_params(m);
    tern_params_zero_grad(list);
    tern_tape_set_random(t, 5, 1, true);
    tern_var *logits = tern_model_logits(t, m, ids, BATCH, TIME, 0.1f);
    tern_var *loss = tern_op_cross_entropy(t, logits, ids + 1);
    cr_assert(eq(int, tern_tape_status(t), TERN_OK), "%s", tern_tape_message(t));
    memcpy(out, logits->val, ROWS * VOCAB * sizeof(float));
    n += ROWS * VOCAB;
    out[n++] = loss->val[0];
    cr_assert(eq(int, tern_tape_backward(t, loss), TERN_OK));
    for (size_t i = 0; i < list->count; i++) {
        const size_t size = (size_t)(list->items[i]->rows * list->items[i]->cols);
        memcpy(out + n, list->items[i]->grad, size * sizeof(float));
        n += size;
    }
    tern_tape_free(t);
    return n;
}

static float *new_everything(const tern_model *m)
{
    const size_t n = (size_t)tern_spec_params(tern_model_spec(m)) + ROWS * VOCAB + 1;
    return malloc(n * sizeof(float));
}

Test(model, bits_do_not_depend_on_threads)
{
    for (int q = 0; q < 2; q++) {
        tern_model *m =
            new_model(TERN_ARCH_LLAMA, q ? TERN_QUANT_TERNARY : TERN_QUANT_NONE);
        float *one = new_everything(m), *other = new_everything(m);
        tern_threads_set(1);
        const size_t n = everything(m, one);
        for (int threads = 2; threads <= 3; threads++) {
            tern_threads_set(threads);
            cr_assert(eq(sz, everything(m, other), n));
            cr_expect(eq(int, memcmp(one, other, n * sizeof(float)), 0),
                      "1 and %d threads differ, quant %d", threads, q);
        }
        free(one);
        free(other);
        tern_model_free(m);
    }
}

static void use_level(tern_model *m, tern_level level)
{
    cr_assert(eq(int, tern_kernels_force(level), TERN_OK), "%s", tern_error_message());
    cr_assert(eq(int, tern_params_refresh(tern_model_params(m)), TERN_OK));
}

Test(model, bits_do_not_depend_on_the_instruction_set)
{
    for (int q = 0; q < 2; q++) {
        tern_model *m =
            new_model(TERN_ARCH_BITNET, q ? TERN_QUANT_TERNARY : TERN_QUANT_NONE);
        float *scalar = new_everything(m), *other = new_everything(m);
        use_level(m, TERN_LEVEL_SCALAR);
        const size_t n = everything(m, scalar);
        for (int i = TERN_LEVEL_SCALAR + 1; i <= (int)tern_level_best(); i++) {
            if (!tern_level_within((tern_level)i, tern_level_best())) continue;
            use_level(m, (tern_level)i);
            cr_assert(eq(sz, everything(m, other), n));
            cr_expect(eq(int, memcmp(scalar, other, n * sizeof(float)), 0),
                      "scalar and %s differ, quant %d", tern_level_name((tern_level)i),
                      q);
        }
        free(scalar);
        free(other);
        tern_model_free(m);
    }
}

/* Logits of one batch, and the arena bytes that they took. */
static size_t logits(tern_model *m, bool inference, float *out)
{
    int32_t ids[ROWS];
    random_ids(ids, 4);
    tern_tape *t = tern_tape_new(0);
    tern_tape_set_inference(t, inference);
    const tern_var *y = tern_model_logits(t, m, ids, BATCH, TIME, 0.1f);
    cr_assert(eq(int, tern_tape_status(t), TERN_OK), "%s", tern_tape_message(t));
    memcpy(out, y->val, ROWS * VOCAB * sizeof(float));
    const size_t bytes = tern_tape_bytes(t);
    tern_tape_free(t);
    return bytes;
}

/* Evaluation computes the same bits and, since every value is released when it has been
 * used, holds no more for six layers than for two. */
Test(model, evaluation_keeps_nothing)
{
    float training[ROWS * VOCAB], evaluation[ROWS * VOCAB];
    for (int i = 0; i < 4; i++) {
        tern_spec spec = small_spec(i & 1 ? TERN_ARCH_LLAMA : TERN_ARCH_BITNET,
                                    i & 2 ? TERN_QUANT_TERNARY : TERN_QUANT_NONE);
        size_t bytes[2];
        for (int deep = 0; deep < 2; deep++) {
            tern_model *m;
            spec.layers = deep ? 6 : 2;
            cr_assert(eq(int, tern_model_new(&spec, &m), TERN_OK));
            cr_assert(eq(int, tern_model_init(m, 0.05f, 3), TERN_OK));
            const size_t kept = logits(m, false, training);
            bytes[deep] = logits(m, true, evaluation);
            cr_expect(eq(int, memcmp(training, evaluation, sizeof training), 0));
            cr_expect(lt(sz, bytes[deep], kept / 2));
            tern_model_free(m);
        }
        /* Six layers have more vars, a hundred bytes each, but no more values. */
        cr_expect(lt(sz, bytes[1], bytes[0] + bytes[0] / 4), "%zu and %zu bytes",
                  bytes[0], bytes[1]);
    }
}

/* From the second step on a tape has all the memory that it needs. */
Test(model, steps_reach_a_steady_state)
{
    int32_t ids[ROWS];
    random_ids(ids, 4);
    tern_model *m = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY);
    tern_tape *t = tern_tape_new(1 << 16);
    size_t reserved = 0;
    for (int step = 0; step < 5; step++) {
        tern_tape_reset(t);
        tern_var *loss = tern_model_loss(t, m, ids, ids, BATCH, TIME, 0.1f);
        cr_assert(eq(int, tern_tape_backward(t, loss), TERN_OK));
        if (step == 1) reserved = tern_tape_reserved(t);
    }
    cr_expect(eq(sz, tern_tape_reserved(t), reserved));
    tern_tape_free(t);
    tern_model_free(m);
}

/* The embedding in fp16 is the embedding that fp16 holds: rounding it changes nothing,
 * and the gradient goes to the unrounded master. */
Test(model, half_embedding_rounds_the_forward_only)
{
    int32_t ids[ROWS];
    random_ids(ids, 2);
    tern_spec spec = small_spec(TERN_ARCH_BITNET, TERN_QUANT_TERNARY);
    spec.embed = TERN_EMBED_F32;
    tern_model *half = new_model(TERN_ARCH_BITNET, TERN_QUANT_TERNARY), *full;
    cr_assert(eq(int, tern_model_new(&spec, &full), TERN_OK));
    cr_assert(eq(int, tern_model_init(full, 0.05f, 3), TERN_OK));
    tern_param *a = tern_model_params(half)->items[0];
    tern_param *b = tern_model_params(full)->items[0];
    cr_expect(eq(int, memcmp(a->val, b->val, VOCAB * 96 * 4), 0));
    memcpy(b->val, a->image, VOCAB * 96 * 4);
    cr_assert(eq(int, tern_params_refresh(tern_model_params(full)), TERN_OK));

    tern_tape *t = tern_tape_new(0);
    tern_var *x = tern_model_logits(t, half, ids, BATCH, TIME, 0.0f);
    tern_var *y = tern_model_logits(t, full, ids, BATCH, TIME, 0.0f);
    cr_assert(eq(int, tern_tape_status(t), TERN_OK), "%s", tern_tape_message(t));
    cr_expect(eq(int, memcmp(x->val, y->val, ROWS * VOCAB * 4), 0));
    tern_tape_free(t);
    tern_model_free(half);
    tern_model_free(full);
}
