/* Files made by hand from the format's description: what a right one holds, and that
 * each rule, broken alone, is noticed and named. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "base/file.h"
#include "tests/formats/craft_st.h"
#include "tests/support/scratch.h"
#include "tests/support/seed.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

Test(safetensors_read, everything_in_its_place)
{
    const craft_st c = craft_st_file(craft_st_all, CRAFT_ST_ALL_DATA);
    tern_safetensors *s;
    tern_test_seed("safetensors", c.data, c.bytes);
    OK(craft_st_parse(c.data, c.bytes, &s));
    cr_expect(eq(sz, tern_safetensors_count(s), 7));
    cr_expect(eq(str, (char *)tern_safetensors_metadata(s, "by"), "hand"));
    cr_expect(tern_safetensors_metadata(s, "nothing") == NULL);
    cr_expect(tern_safetensors_find(s, "__metadata__") == NULL);
    cr_expect(tern_safetensors_find(s, "f3") == NULL);

    const tern_st_tensor *t = tern_safetensors_find(s, "bf16");
    cr_assert(t != NULL);
    cr_expect(eq(int, t->type, TERN_ST_BF16));
    cr_expect(eq(int, t->rank, 1));
    cr_expect(eq(i64, t->dims[0], 3));
    cr_expect(eq(sz, t->bytes, 6));
    cr_expect(eq(int, t->data[0], 32), "the data begins behind the header");
    t = tern_safetensors_find(s, "scalar");
    cr_expect(t && t->rank == 0 && t->elements == 1 && t->data[0] == 24);
    t = tern_safetensors_find(s, "none");
    cr_expect(t && t->elements == 0 && t->bytes == 0 && t->dims[1] == 0);
    t = tern_safetensors_find(s, "f16");
    cr_expect(t && t->rank == 3 && t->dims[2] == 2 && t->data[0] == 38);
    craft_st_close(s);
}

/* 1.5 and -2 in each float type, at odd addresses, by their bits. */
Test(safetensors_read, floats_by_their_bits)
{
    craft_st c =
        craft_st_file("{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":"
                      "[0,1]},\"x\":{\"dtype\":\"F32\",\"shape\":[2],"
                      "\"data_offsets\":[1,9]},\"h\":{\"dtype\":\"F16\","
                      "\"shape\":[2],\"data_offsets\":[9,13]},\"g\":{\"dtype\":"
                      "\"BF16\",\"shape\":[2],\"data_offsets\":[13,17]}}",
                      17);
    static const uint8_t bits[16] = {0,    0,    0xc0, 0x3f, 0,    0,    0,    0xc0,
                                     0x00, 0x3e, 0x00, 0xc0, 0xc0, 0x3f, 0x00, 0xc0};
    memcpy(c.data + c.bytes - 16, bits, 16);
    tern_safetensors *s;
    tern_test_seed("safetensors", c.data, c.bytes);
    OK(craft_st_parse(c.data, c.bytes, &s));
    const char *const names[] = {"x", "h", "g"};
    for (int i = 0; i < 3; i++) {
        float x[2] = {0}, second = 0;
        const tern_st_tensor *t = tern_safetensors_find(s, names[i]);
        tern_st_get_floats(t, 0, 2, x);
        tern_st_get_floats(t, 1, 1, &second);
        cr_expect(eq(flt, x[0], 1.5f), "%s", names[i]);
        cr_expect(eq(flt, x[1], -2.0f), "%s", names[i]);
        cr_expect(eq(flt, second, -2.0f), "%s", names[i]);
    }
    craft_st_close(s);
}

typedef struct bad_file {
    const char *header;
    size_t data;
    tern_status status;
    const char *message;
} bad_file;

#define X(shape, offsets)                                                              \
    "{\"x\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(a, b)                                                                      \
    "{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" a                       \
    "},\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" b "}}"

static const bad_file bad_files[] = {
    {"[]", 0, TERN_EFORMAT, "does not begin with {"},
    {" {}", 0, TERN_EFORMAT, "does not begin with {"},
    {"{", 0, TERN_EFORMAT, "header: column"},
    {"{} x", 0, TERN_EFORMAT, "header: column"},
    {"{\"x\":1}", 0, TERN_EFORMAT, "must have \"dtype\""},
    {"{\"__metadata__\":[]}", 0, TERN_EFORMAT, "must be an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, TERN_EFORMAT, "must be a text"},
    {X("[1]", "[0,4],\"more\":1"), 4, TERN_EFORMAT, "nothing else"},
    {"{\"x\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, TERN_EFORMAT,
     "\"dtype\" must be a text"},
    {"{\"x\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     TERN_EFORMAT, "dtype \"F31\""},
    {"{\"x\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     TERN_EFORMAT, "dtype \"f32\""},
    {X("3", "[0,4]"), 4, TERN_EFORMAT, "\"shape\" must be a list"},
    {X("[-1]", "[0,4]"), 4, TERN_EFORMAT, "whole number, 0 or more"},
    {X("[1.0]", "[0,4]"), 4, TERN_EFORMAT, "whole number, 0 or more"},
    {X("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, TERN_EFORMAT, "more than 8 dimensions"},
    {X("[4294967296,4294967296]", "[0,4]"), 4, TERN_EFORMAT, "2^63 elements"},
    {X("[4611686018427387904]", "[0,0]"), 0, TERN_EFORMAT, "2^64 bytes"},
    {X("[9223372036854775808]", "[0,4]"), 4, TERN_EFORMAT, "header: column"},
    {X("[1]", "[0]"), 4, TERN_EFORMAT, "two whole numbers"},
    {X("[1]", "[0,4,8]"), 4, TERN_EFORMAT, "two whole numbers"},
    {X("[1]", "[0,4.0]"), 4, TERN_EFORMAT, "two whole numbers"},
    {X("[1]", "[-4,0]"), 4, TERN_EFORMAT, "end before they begin"},
    {X("[1]", "[4,0]"), 4, TERN_EFORMAT, "end before they begin"},
    {X("[1]", "[0,4]"), 3, TERN_ECORRUPT, "truncated"},
    {X("[2]", "[0,4]"), 4, TERN_ECORRUPT, "but its type and shape need 8"},
    {X("[1]", "[0,8]"), 8, TERN_ECORRUPT, "but its type and shape need 4"},
    {X("[1]", "[0,4]"), 5, TERN_ECORRUPT, "1 bytes behind the last tensor"},
    {X("[1]", "[1,5]"), 5, TERN_ECORRUPT, "begins at byte 1 of the data, not 0"},
    {TWO("[0,4]", "[5,9]"), 9, TERN_ECORRUPT, "begins at byte 5 of the data, not 4"},
    {TWO("[0,4]", "[3,7]"), 7, TERN_ECORRUPT, "begins at byte 3 of the data, not 4"},
    {TWO("[0,4]", "[0,4]"), 4, TERN_ECORRUPT, "begins at byte 0 of the data, not 4"},
    {"{}", 1, TERN_ECORRUPT, "1 bytes behind the last tensor"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
     "\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
     0, TERN_EFORMAT, "duplicate"},
    {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
     TERN_EFORMAT, "header: column"},
    {"{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
     TERN_EFORMAT, "header: column"},
};

static void expect_refused(const craft_st *c, tern_status status, const char *message)
{
    tern_safetensors *s;
    tern_test_seed("safetensors", c->data, c->bytes);
    const tern_status got = craft_st_parse(c->data, c->bytes, &s);
    cr_expect(eq(int, got, status), "%s", c->data + 8);
    if (got == TERN_OK) {
        craft_st_close(s);
        return;
    }
    cr_expect(strncmp(tern_error_message(), "crafted: ", 9) == 0);
    cr_expect(strstr(tern_error_message(), message) != NULL, "no \"%s\": %s", message,
              tern_error_message());
}

Test(safetensors_read, each_rule_broken_alone)
{
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        const craft_st c = craft_st_file(bad_files[i].header, bad_files[i].data);
        expect_refused(&c, bad_files[i].status, bad_files[i].message);
    }
}

Test(safetensors_read, lengths_that_lie)
{
    craft_st c = craft_st_file("{}", 0);
    const size_t whole = c.bytes;
    c.bytes = 7;
    expect_refused(&c, TERN_EFORMAT, "7 bytes");
    c.bytes = 0;
    expect_refused(&c, TERN_EFORMAT, "0 bytes");
    c.bytes = whole;
    c.data[0] = 3;
    expect_refused(&c, TERN_ECORRUPT, "a header of 3 bytes, but 2 are left");
    c.data[0] = 0;
    expect_refused(&c, TERN_EFORMAT, "does not begin with {");
    memset(c.data, 0xff, 8);
    expect_refused(&c, TERN_EFORMAT, "18446744073709551615");
    /* Every cut of a whole file. */
    c = craft_st_file(craft_st_all, CRAFT_ST_ALL_DATA);
    for (size_t n = 0; n < c.bytes; n++) {
        tern_safetensors *s;
        cr_expect(ne(int, craft_st_parse(c.data, n, &s), TERN_OK), "%zu bytes", n);
    }
}

/* --- shards --- */

static char dir[TERN_TEST_PATH];

static void write_file(const char *name, const void *data, size_t bytes)
{
    char path[TERN_PATH_MAX];
    OK(tern_path_join(path, dir, name));
    OK(tern_file_write(path, data, bytes));
}

static void write_shards(const char *index)
{
    const craft_st a = craft_st_file("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
                                     "\"data_offsets\":[0,4]}}",
                                     4);
    const craft_st b = craft_st_file("{\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
                                     "\"data_offsets\":[0,2]},\"c\":{\"dtype\":\"U8\","
                                     "\"shape\":[1],\"data_offsets\":[2,3]}}",
                                     3);
    write_file("one", a.data, a.bytes);
    write_file("two", b.data, b.bytes);
    write_file("copy", b.data, b.bytes);
    write_file("model.safetensors.index.json", index, strlen(index));
}

Test(safetensors_read, shards_are_one_model)
{
    tern_safetensors *s;
    cr_assert(tern_scratch_new(dir));
    cr_expect(eq(int, tern_safetensors_open_dir(dir, &s), TERN_EIO));
    cr_expect(strstr(tern_error_message(), "neither model.safetensors nor") != NULL);
    write_shards("{\"metadata\":{\"total_size\":7},\"weight_map\":{\"b\":\"two\","
                 "\"a\":\"one\",\"c\":\"two\"}}");
    OK(tern_safetensors_open_dir(dir, &s));
    cr_expect(eq(sz, tern_safetensors_count(s), 3));
    const tern_st_tensor *c = tern_safetensors_find(s, "c");
    cr_assert(c != NULL);
    cr_expect(eq(int, c->data[0], 2));
    cr_expect(strstr(tern_safetensors_file(s, c), "/two") != NULL);
    tern_safetensors_release(s, c);
    cr_expect(eq(int, c->data[0], 2));
    tern_safetensors_close(s);
    tern_scratch_remove(dir);
}

static const struct {
    const char *index, *message;
} bad_indices[] = {
    {"{\"weight_map\":{\"a\":\"one\"", "line 1"},
    {"{\"map\":{}}", "has no \"weight_map\""},
    {"{\"weight_map\":{\"a\":1}}", "\"a\" must be the name of a file"},
    {"{\"weight_map\":{\"a\":\"../one\"}}", "\"a\" must be the name of a file"},
    {"{\"weight_map\":{\"a\":\"..\"}}", "\"a\" must be the name of a file"},
    {"{\"weight_map\":{\"a\":\"\"}}", "\"a\" must be the name of a file"},
    {"{\"weight_map\":{\"a\":\"three\"}}", "three: No such file"},
    {"{\"weight_map\":{\"a\":\"one\",\"x\":\"one\"}}", "\"x\" is not in one"},
    {"{\"weight_map\":{\"b\":\"two\"}}", "\"c\" is in "},
    {"{\"weight_map\":{\"a\":\"one\",\"b\":\"one\",\"c\":\"two\"}}", "\"b\" is in "},
    {"{\"weight_map\":{\"b\":\"two\",\"c\":\"copy\"}}", "two files have a tensor"},
};

Test(safetensors_read, an_index_that_lies)
{
    cr_assert(tern_scratch_new(dir));
    for (size_t i = 0; i < sizeof bad_indices / sizeof *bad_indices; i++) {
        tern_safetensors *s;
        write_shards(bad_indices[i].index);
        const tern_status got = tern_safetensors_open_dir(dir, &s);
        cr_expect(ne(int, got, TERN_OK), "%s", bad_indices[i].index);
        if (got == TERN_OK) tern_safetensors_close(s);
        cr_expect(strstr(tern_error_message(), bad_indices[i].message) != NULL,
                  "no \"%s\": %s", bad_indices[i].message, tern_error_message());
    }
    tern_scratch_remove(dir);
}
