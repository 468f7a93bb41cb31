/* The writer against bytes laid out by hand, and against what its users promise: an
 * aligned order, shards below the limit, nothing left behind by a failure. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "formats/safetensors.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

static char dir[TERN_TEST_PATH];

static void init(void)
{
    cr_assert(tern_scratch_new(dir));
}

static void fini(void)
{
    tern_scratch_remove(dir);
}

TestSuite(safetensors_write, .init = init, .fini = fini);

static tern_status fill_with(void *user, uint8_t *out, size_t bytes)
{
    memset(out, *(const int *)user, bytes);
    return TERN_OK;
}

static tern_status fill_fails(void *user, uint8_t *out, size_t bytes)
{
    (void)user;
    (void)out;
    (void)bytes;
    return tern_fail(TERN_ENUMERIC, "no numbers today");
}

static void put(tern_st_writer *w, const char *name, tern_st_type type, int64_t n,
                int *value)
{
    tern_st_put_tensor(w, name, type, 1, &n, fill_with, value);
}

static char *read_file(const char *name, size_t *bytes)
{
    char path[TERN_PATH_MAX], *text;
    OK(tern_path_join(path, dir, name));
    OK(tern_file_read(path, 1 << 20, &text, bytes));
    return text;
}

/* Widest type first, then by name; header padded to 8; the data without holes. */
Test(safetensors_write, the_bytes_of_a_small_file)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        "\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[4,8]},"
        "\"c\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[8,10]},"
        "\"z\":{\"dtype\":\"U8\",\"shape\":[3,1],\"data_offsets\":[10,13]}}";
    int values[4] = {1, 2, 3, 4};
    const int64_t shape[2] = {3, 1};
    tern_st_writer *w = tern_st_writer_new();
    tern_st_put_tensor(w, "z", TERN_ST_U8, 2, shape, fill_with, &values[0]);
    put(w, "c", TERN_ST_F16, 1, &values[1]);
    put(w, "b", TERN_ST_F32, 1, &values[2]);
    put(w, "a", TERN_ST_F16, 2, &values[3]);
    OK(tern_st_write_dir(w, dir, 1000));
    tern_st_writer_free(w);

    size_t bytes;
    char *file = read_file("model.safetensors", &bytes);
    const size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    static const uint8_t data[13] = {3, 3, 3, 3, 4, 4, 4, 4, 2, 2, 1, 1, 1};
    cr_assert(eq(sz, bytes, 8 + padded + sizeof data));
    cr_expect(eq(int, (uint8_t)file[0] | (uint8_t)file[1] << 8, (int)padded));
    cr_expect(memcmp(file + 8, header, sizeof header - 1) == 0, "%.*s", (int)padded,
              file + 8);
    for (size_t i = sizeof header - 1; i < padded; i++) cr_expect(file[8 + i] == ' ');
    cr_expect(memcmp(file + 8 + padded, data, sizeof data) == 0);
    free(file);
}

Test(safetensors_write, values_round_to_nearest_even)
{
    static const float x[4] = {1.0f, 1.00390625f, -65504.0f, 0x1.01p0f};
    uint8_t out[16];
    tern_st_put_floats(TERN_ST_BF16, x, 4, out); /* 1 + 2^-8 is a tie: to even, 1 */
    static const uint8_t bf16[8] = {0x80, 0x3f, 0x80, 0x3f, 0x80, 0xc7, 0x80, 0x3f};
    cr_expect(memcmp(out, bf16, 8) == 0);
    tern_st_put_floats(TERN_ST_F16, x, 4, out);
    static const uint8_t f16[8] = {0x00, 0x3c, 0x04, 0x3c, 0xff, 0xfb, 0x04, 0x3c};
    cr_expect(memcmp(out, f16, 8) == 0);
    tern_st_put_floats(TERN_ST_F32, x, 2, out);
    static const uint8_t f32[8] = {0, 0, 0x80, 0x3f, 0, 0x80, 0x80, 0x3f};
    cr_expect(memcmp(out, f32, 8) == 0);
}

Test(safetensors_write, shards_below_the_limit)
{
    int values[5] = {1, 2, 3, 4, 5};
    const char *const names[5] = {"e", "d", "c", "b", "a"};
    const int64_t sizes[5] = {6, 4, 11, 3, 7};
    tern_st_writer *w = tern_st_writer_new();
    for (int i = 0; i < 5; i++) put(w, names[i], TERN_ST_U8, sizes[i], &values[i]);
    OK(tern_st_write_dir(w, dir, 10)); /* e d | c (too large, alone) | b a */
    tern_st_writer_free(w);

    size_t bytes;
    char *index = read_file("model.safetensors.index.json", &bytes);
    cr_expect(strstr(index, "\"total_size\": 31") != NULL, "%s", index);
    free(index);
    tern_safetensors *s;
    OK(tern_safetensors_open_dir(dir, &s));
    static const char *const files[5] = {"1-of-00003", "1-of-00003", "2-of-00003",
                                         "3-of-00003", "3-of-00003"};
    for (int i = 0; i < 5; i++) {
        const tern_st_tensor *t = tern_safetensors_find(s, names[i]);
        cr_assert(t != NULL);
        cr_expect(eq(i64, t->elements, sizes[i]));
        cr_expect(eq(int, t->data[sizes[i] - 1], i + 1));
        cr_expect(strstr(tern_safetensors_file(s, t), files[i]) != NULL, "%s in %s",
                  names[i], tern_safetensors_file(s, t));
    }
    tern_safetensors_close(s);
}

static void expect_refused(tern_st_writer *w, tern_status status, const char *message)
{
    cr_expect(eq(int, tern_st_write_dir(w, dir, 1000), status));
    cr_expect(strstr(tern_error_message(), message) != NULL, "no \"%s\": %s", message,
              tern_error_message());
    tern_st_writer_free(w);
}

Test(safetensors_write, what_a_reader_would_refuse)
{
    int value = 1;
    const int64_t negative = -1, huge[2] = {INT64_MAX / 2, 4};
    tern_st_writer *w = tern_st_writer_new();
    put(w, "a", TERN_ST_U8, 1, &value);
    put(w, "a", TERN_ST_U8, 1, &value);
    expect_refused(w, TERN_EARG, "\"a\" is put twice");
    w = tern_st_writer_new();
    put(w, "__metadata__", TERN_ST_U8, 1, &value);
    expect_refused(w, TERN_EARG, "cannot be the name");
    w = tern_st_writer_new();
    tern_st_put_tensor(w, "n", TERN_ST_U8, 1, &negative, fill_with, &value);
    expect_refused(w, TERN_ESHAPE, "impossible dimension -1");
    w = tern_st_writer_new();
    tern_st_put_tensor(w, "h", TERN_ST_F32, 2, huge, fill_with, &value);
    expect_refused(w, TERN_ESHAPE, "impossible dimension 4");
}

Test(safetensors_write, a_failure_leaves_nothing)
{
    int value = 1, entries = 0;
    const int64_t n = 4;
    tern_st_writer *w = tern_st_writer_new();
    put(w, "a", TERN_ST_F32, 4, &value);
    tern_st_put_tensor(w, "b", TERN_ST_F16, 1, &n, fill_fails, NULL);
    expect_refused(w, TERN_ENUMERIC, "no numbers today");
    DIR *d = opendir(dir);
    cr_assert(d != NULL);
    while (readdir(d)) entries++;
    closedir(d);
    cr_expect(eq(int, entries, 2), "only . and ..");
}
