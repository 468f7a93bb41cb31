/* A model that somebody else trained: stories260K of llama2.c, whose page gives the
 * text that it writes greedily. The ids of that text are from a double-precision
 * program of the format's description, and spell the page's text.
 *
 * The copy of the file among the test data has been through a tool that transposes each
 * matrix in place without changing its shape, and an odd number of times; five more
 * turns put it right. Its bytes tell which file it is. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/llama2c_import.h"
#include "tests/support/scratch.h"

#define MUST(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

static const uint64_t TURNED = 0x6a6812ca8fc2f805u, RIGHT = 0xdc04c7aeb45e4651u;

enum { LAYERS = 5, C = 64, KV = 32, F = 172, HEADER = 28, FLOAT = 4 };

static void turn(uint8_t *at, size_t rows, size_t cols)
{
    uint8_t *copy = malloc(rows * cols * FLOAT);
    memcpy(copy, at, rows * cols * FLOAT);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            memcpy(at + FLOAT * (c * rows + r), copy + FLOAT * (r * cols + c), FLOAT);
    free(copy);
}

static void put_right(uint8_t *file)
{
    static const size_t shapes[][2] = {{C, C}, {KV, C}, {KV, C}, {C, C},
                                       {1, C}, {F, C},  {C, F},  {F, C}};
    uint8_t *at = file + HEADER + FLOAT * (512 * C + LAYERS * C);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int layer = 0; layer < LAYERS; layer++) {
            for (int k = 0; k < 5; k++) turn(at, shapes[i][0], shapes[i][1]);
            at += FLOAT * shapes[i][0] * shapes[i][1];
        }
}

/* FNV-1a */
static uint64_t hash(const uint8_t *data, size_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ data[i]) * 0x100000001b3u;
    return h;
}

static uint8_t *read_right(const char *path, size_t *bytes)
{
    char *text;
    MUST(tern_file_read(path, 1 << 24, &text, bytes));
    uint8_t *data = (uint8_t *)text;
    if (hash(data, *bytes) == TURNED) put_right(data);
    cr_assert(eq(u64, hash(data, *bytes), RIGHT), "another file: %s", path);
    return data;
}

Test(llama2c_import, greedy_text_of_stories260k, .timeout = 200)
{
    static const int32_t want[] = {
        1,   403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317,
        426, 338, 401, 396, 267, 337, 410, 408, 419, 292, 411, 322, 265, 282, 295,
        433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388};
    enum { COUNT = sizeof want / sizeof *want };
    char from[TERN_TEST_PATH];
    if (!tern_test_data("stories260K/stories260K.bin", from))
        cr_skip_test("optional data is absent");
    size_t bytes;
    uint8_t *data = read_right(from, &bytes);
    tern_llama2c *f;
    tern_model *model;
    MUST(tern_llama2c_parse(data, bytes, from, &f));
    MUST(tern_llama2c_model(f, tern_llama2c_spec(f), &model));
    tern_tape *tape = tern_tape_new(0);
    tern_tape_set_inference(tape, true);
    const tern_var *logits = tern_model_logits(tape, model, want, 1, COUNT, 0.0f);
    cr_assert(ne(ptr, (void *)logits, NULL), "%s", tern_tape_message(tape));
    for (int i = 0; i + 1 < COUNT; i++) {
        const float *row = logits->val + i * logits->cols;
        int32_t best = 0;
        for (int32_t id = 1; id < 512; id++)
            if (row[id] > row[best]) best = id;
        cr_expect(eq(i32, best, want[i + 1]), "position %d", i);
    }
    tern_tape_free(tape);
    tern_model_free(model);
    tern_llama2c_close(f);
    free(data);
}

Test(llama2c_import, another_arch_is_refused)
{
    uint8_t file[4096] = {0};
    const int32_t numbers[7] = {4, 4, 1, 1, 1, 4, 2};
    memcpy(file, numbers, sizeof numbers); /* the file is little-endian, as we are */
    const size_t floats = 4 * 4 + 4 + 4 * 16 + 4 + 3 * 16 + 4 + 2 * 4;
    tern_llama2c *f;
    MUST(tern_llama2c_parse(file, 28 + 4 * floats, "m.bin", &f));
    tern_spec spec = *tern_llama2c_spec(f);
    tern_model *model = NULL;
    spec.arch = TERN_ARCH_BITNET;
    cr_expect(eq(int, tern_llama2c_model(f, &spec, &model), TERN_ESHAPE));
    cr_expect(strstr(tern_error_message(), "attn_sub_norm") != NULL);
    cr_expect(eq(ptr, (void *)model, NULL));
    tern_llama2c_close(f);
}
