/* The loss of a split against the same windows scored one at a time, added up here. */
#include <math.h>

#include "tests/train/small_run.h"

static tern_model *model;
static tern_tape *tape;
static tern_config config;

static void init(void)
{
    setup();
    config = small_config();
    OK(tern_config_resolve(&config, tern_tokenizer_vocab(tern_dataset_tokenizer(data)),
                           "test"));
    OK(tern_model_new(&config.model, &model));
    OK(tern_model_init(model, 0.3f, 1)); /* large: far from the uniform loss */
    tape = tern_tape_new(0);
}

static void fini(void)
{
    tern_tape_free(tape);
    tern_model_free(model);
    teardown();
}

TestSuite(eval, .init = init, .fini = fini);

static double window_nats(int64_t start, int64_t time)
{
    int32_t ids[65];
    OK(tern_dataset_read(data, TERN_VAL, start, time + 1, ids));
    tern_tape_reset(tape);
    tern_var *loss = tern_model_loss(tape, model, ids, ids + 1, 1, time, 0.0f);
    cr_assert(ne(ptr, loss, NULL), "%s", tern_tape_message(tape));
    return (double)loss->val[0] * (double)time;
}

static double fractions[512];
static int calls;

static void note(double fraction, void *user)
{
    cr_expect(eq(ptr, user, (void *)fractions));
    fractions[calls++] = fraction;
}

Test(eval, every_token_once_in_its_window)
{
    const int64_t have = tern_dataset_tokens(data, TERN_VAL) - 1;
    cr_assert(ne(i64, have % 16, 0)); /* the last window is a shorter one */
    const int64_t counts[] = {1, 15, 16, 17, 100, have, 0, have + 1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const int64_t tokens = counts[i] > 0 && counts[i] < have ? counts[i] : have;
        double nats = 0.0;
        for (int64_t at = 0; at < tokens; at += 16)
            nats += window_nats(at, at + 16 <= tokens ? 16 : tokens - at);
        tern_eval_result r;
        calls = 0;
        OK(tern_eval(tape, model, data, TERN_VAL, counts[i], 0, note, fractions, &r));
        cr_expect(eq(i64, r.tokens, tokens));
        cr_expect(eq(i64, r.bytes, tokens)); /* a character is a byte here */
        cr_expect(lt(dbl, fabs(r.loss - nats / (double)tokens), 1e-5 * r.loss));
        cr_expect(eq(dbl, r.perplexity, exp(r.loss)));
        cr_expect(lt(dbl, fabs(r.bits_per_byte - r.loss / log(2.0)),
                     1e-12 * r.bits_per_byte));
        cr_expect(gt(int, calls, 0));
        cr_expect(eq(dbl, fractions[calls - 1], 1.0));
    }
}

/* With a stride every token but those of the first window has at least context - stride
 * tokens before it. window_nats() scores a whole window, so what a window adds is the
 * difference of two: with and without its fresh part. */
Test(eval, a_shorter_stride_gives_tokens_more_context)
{
    const int64_t have = tern_dataset_tokens(data, TERN_VAL) - 1, strides[] = {1, 5, 8};
    const int64_t counts[] = {7, 16, 17, 100};
    for (size_t s = 0; s < sizeof strides / sizeof *strides; s++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            const int64_t tokens = counts[i], stride = strides[s];
            cr_assert(lt(i64, tokens, have));
            double nats = window_nats(0, tokens < 16 ? tokens : 16);
            for (int64_t at = 16; at < tokens; at += stride) {
                const int64_t n = at + stride <= tokens ? stride : tokens - at;
                const int64_t begin = at + stride - 16;
                nats += window_nats(begin, 16 - stride + n) -
                        window_nats(begin, 16 - stride);
            }
            tern_eval_result r;
            OK(tern_eval(tape, model, data, TERN_VAL, tokens, stride, NULL, NULL, &r));
            cr_expect(lt(dbl, fabs(r.loss - nats / (double)tokens), 1e-5 * r.loss),
                      "%d tokens, stride %d", (int)tokens, (int)stride);
        }
    tern_eval_result r;
    FAILS(tern_eval(tape, model, data, TERN_VAL, 0, 17, NULL, NULL, &r), TERN_EARG,
          "must be 1 to the model's context (16)");
}

Test(eval, is_the_same_every_time)
{
    tern_eval_result a, b;
    OK(tern_eval(tape, model, data, TERN_TRAIN, 0, 0, NULL, NULL, &a));
    OK(tern_eval(tape, model, data, TERN_TRAIN, 0, 0, NULL, NULL, &b));
    cr_expect(eq(int, memcmp(&a, &b, sizeof a), 0));
}

/* Characters of two bytes. Pieces are added up; the dataset knows the whole. */
Test(eval, bytes_are_those_of_the_text)
{
    FILE *f = fopen(in_dir("greek.txt"), "w");
    for (int i = 0; i < 400; i++) fputs("\xce\xb1\xce\xb2\xce\xb3 d", f);
    fclose(f);
    tern_dataset_free(data);
    data = make_data(in_dir("greek.txt"), 0.1);
    tern_model *m;
    tern_spec spec = config.model;
    tern_eval_result r;
    spec.vocab = 5;
    OK(tern_model_new(&spec, &m));
    OK(tern_model_init(m, 0.02f, 1));
    const int64_t n = tern_dataset_tokens(data, TERN_VAL);
    int32_t ids[4000];
    OK(tern_dataset_read(data, TERN_VAL, 0, n, ids));
    for (int64_t tokens = n - 8; tokens < n; tokens++) {
        int64_t bytes = 0;
        for (int64_t i = 1; i <= tokens; i++) {
            size_t piece;
            tern_tokenizer_piece(tern_dataset_tokenizer(data), ids[i], &piece);
            bytes += (int64_t)piece;
        }
        OK(tern_eval(tape, m, data, TERN_VAL, tokens, 0, NULL, NULL, &r));
        cr_expect(eq(i64, r.bytes, bytes));
        OK(tern_eval(tape, m, data, TERN_VAL, tokens, 3, NULL, NULL, &r));
        cr_expect(eq(i64, r.bytes, bytes), "windows that overlap count once");
    }
    size_t first;
    tern_tokenizer_piece(tern_dataset_tokenizer(data), ids[0], &first);
    cr_expect(eq(i64, r.bytes, tern_dataset_bytes(data, TERN_VAL) - (int64_t)first));
    tern_model_free(m);
}

Test(eval, says_what_does_not_fit)
{
    tern_eval_result r;
    tern_model *m;
    tern_spec spec = config.model;
    spec.vocab--;
    OK(tern_model_new(&spec, &m));
    OK(tern_model_init(m, 0.02f, 1));
    FAILS(tern_eval(tape, m, data, TERN_VAL, 0, 0, NULL, NULL, &r), TERN_EARG,
          "made with the model's tokenizer");
    tern_model_free(m);
    tern_dataset_free(data);
    data = make_data(in_dir("corpus.txt"), 1.0 / 3000.0);
    FAILS(tern_eval(tape, model, data, TERN_VAL, 0, 0, NULL, NULL, &r), TERN_EARG,
          "has 1 tokens, and scoring needs 2");
}
