/* Every rule of the format has a file here that breaks it and nothing else. Files are
 * crafted byte by byte (craft.h); one was written by ggml itself (ggml_vectors.h), and
 * the GPT-2 vocabulary of llama.cpp is opened where it is present. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "tests/formats/craft.h"
#include "tests/formats/ggml_vectors.h"
#include "tests/support/scratch.h"
#include "tests/support/seed.h"

static void refused(const craft *c, tern_status status, const char *part)
{
    tern_gguf *g = NULL;
    tern_test_seed("gguf", c->data, c->bytes);
    const tern_status s = craft_parse(c, &g);
    cr_expect(eq(int, s, status), "%s", tern_error_message());
    cr_expect(eq(ptr, g, NULL));
    const char *m = tern_error_message();
    cr_expect(strstr(m, "crafted: ") == m && strstr(m, part),
              "message \"%s\" should begin with the file and hold \"%s\"", m, part);
}

static void accepted(const craft *c)
{
    tern_gguf *g = NULL;
    tern_test_seed("gguf", c->data, c->bytes);
    cr_expect(eq(int, craft_parse(c, &g), TERN_OK), "%s", tern_error_message());
    craft_close(g);
}

static bool is(tern_gguf_string s, const char *want)
{
    return s.bytes == strlen(want) && memcmp(s.data, want, s.bytes) == 0;
}

/* --- files that are right --- */

Test(gguf_read, file_written_by_ggml)
{
    tern_gguf *g;
    tern_test_seed("gguf", ggml_file, sizeof ggml_file);
    cr_assert(
        eq(int, tern_gguf_parse(ggml_file, sizeof ggml_file, "ggml", &g), TERN_OK),
        "%s", tern_error_message());
    cr_expect(eq(sz, tern_gguf_key_count(g), 9));
    cr_expect(is(tern_gguf_key_name(g, 1), "general.architecture"));
    int64_t i = 0;
    double d = 0.0;
    bool b = true;
    tern_gguf_string s = {0};
    cr_expect(tern_gguf_get_int(g, "x.u64", &i) == TERN_OK && i == (int64_t)1 << 40);
    cr_expect(tern_gguf_get_int(g, "x.i8", &i) == TERN_OK && i == -3);
    cr_expect(tern_gguf_get_float(g, "x.f64", &d) == TERN_OK && d == 0.1);
    cr_expect(tern_gguf_get_float(g, "llama.attention.layer_norm_rms_epsilon", &d) ==
                  TERN_OK &&
              d == (double)1e-5f);
    cr_expect(tern_gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &b) == TERN_OK &&
              !b);
    cr_expect(tern_gguf_get_string(g, "general.architecture", &s) == TERN_OK &&
              is(s, "llama"));
    tern_gguf_type type;
    size_t n = 0;
    cr_expect(tern_gguf_get_array(g, "tokenizer.ggml.tokens", &type, &n) == TERN_OK &&
              type == TERN_GGUF_STRING && n == 3);
    cr_expect(is(tern_gguf_array_string(g, "tokenizer.ggml.tokens", 2), "\xc4\xa0the"));
    cr_expect(tern_gguf_get_array(g, "tokenizer.ggml.token_type", &type, &n) ==
                  TERN_OK &&
              type == TERN_GGUF_I32 && n == 3);
    cr_expect(eq(i64, tern_gguf_array_int(g, "tokenizer.ggml.token_type", 2), -4));

    cr_expect(eq(sz, tern_gguf_tensor_count(g), 3));
    const tern_gguf_tensor *q = tern_gguf_find_tensor(g, "blk.0.attn_q.weight");
    cr_assert(ne(ptr, (void *)q, NULL));
    cr_expect(q->type == TERN_GGML_TQ2_0 && q->dims_count == 2 && q->dims[0] == 256 &&
              q->dims[1] == 2 && q->dims[2] == 1 && q->bytes == 132 &&
              q->elements == 512);
    cr_expect(eq(int, memcmp(q->data + 66, ggml_tq2, 66), 0));
    uint8_t unused[4]; /* there is no file */
    cr_expect(
        eq(ptr, (void *)tern_gguf_read(q, 66, 4, unused, 4), (void *)(q->data + 66)));
    const tern_gguf_tensor *e = tern_gguf_find_tensor(g, "token_embd.weight");
    cr_assert(ne(ptr, (void *)e, NULL));
    cr_expect(e == tern_gguf_tensor_at(g, 2) && e->bytes == 12 && e->data[11] == 0x41);
    cr_expect(eq(ptr, (void *)tern_gguf_find_tensor(g, "output.weight"), NULL));
    tern_gguf_close(g);
}

Test(gguf_read, values_as_text)
{
    tern_gguf *g;
    char line[100], small[8];
    cr_assert(tern_gguf_parse(ggml_file, sizeof ggml_file, "ggml", &g) == TERN_OK);
    static const char *const want[] = {"2",
                                       "llama",
                                       "1e-05",
                                       "false",
                                       "3 x string [a, bc, \xc4\xa0the]",
                                       "3 x i32 [1, 3, -4]",
                                       "1099511627776",
                                       "-3",
                                       "0.1"};
    for (size_t i = 0; i < 9; i++) {
        tern_gguf_key_print(g, i, line, sizeof line);
        cr_expect(eq(str, line, (char *)want[i]));
    }
    cr_expect(eq(int, tern_gguf_key_type(g, 1), TERN_GGUF_STRING));
    cr_expect(eq(int, tern_gguf_key_type(g, 2), TERN_GGUF_F32));
    cr_expect(eq(int, tern_gguf_key_type(g, 4), TERN_GGUF_ARRAY));
    tern_gguf_key_print(g, 4, small, sizeof small);
    cr_expect(eq(str, small, "3 x str"));
    tern_gguf_key_print(g, 4, small, 1);
    cr_expect(eq(str, small, ""));
    tern_gguf_close(g);
}

Test(gguf_read, vocabulary_file_of_llama_cpp)
{
    char path[TERN_TEST_PATH];
    if (!tern_test_data("tokenizers/gguf_vocab/ggml-vocab-gpt-2.gguf", path))
        cr_skip_test("optional data is absent");
    tern_gguf *g;
    cr_assert(eq(int, tern_gguf_open(path, &g), TERN_OK), "%s", tern_error_message());
    cr_expect(tern_is_gguf(path));
    cr_expect(eq(str, (char *)tern_gguf_path(g), path));
    tern_gguf_type type;
    size_t n = 0;
    cr_expect(tern_gguf_get_array(g, "tokenizer.ggml.tokens", &type, &n) == TERN_OK);
    cr_expect(eq(sz, n, 50257));
    cr_expect(
        is(tern_gguf_array_string(g, "tokenizer.ggml.tokens", 50256), "<|endoftext|>"));
    cr_expect(tern_gguf_get_array(g, "tokenizer.ggml.merges", &type, &n) == TERN_OK);
    cr_expect(eq(sz, n, 50000));
    tern_gguf_close(g);
}

Test(gguf_read, version_2_and_odd_but_legal_files)
{
    craft c = {0};
    craft_head(&c, 2, 0, 0);
    accepted(&c);
    c.bytes = 0; /* alignment of 1: no padding anywhere; bytes behind the data */
    craft_head(&c, 3, 2, 1);
    craft_key(&c, "general.alignment", TERN_GGUF_U32, 1, 4);
    craft_tensor(&c, "a", 3, 1, TERN_GGML_F16, 0);
    craft_tensor(&c, "b", 1, 1, TERN_GGML_F16, 6);
    craft_zeros(&c, 8 + 5);
    accepted(&c);
    c.bytes = 0; /* no elements, and no dimensions (one element) */
    craft_head(&c, 3, 2, 0);
    craft_tensor(&c, "empty", 0, 7, TERN_GGML_F32, 0);
    craft_text(&c, "scalar");
    craft_int(&c, 0, 4);
    craft_int(&c, TERN_GGML_F32, 4);
    craft_int(&c, 0, 8);
    craft_pad(&c, 32);
    craft_zeros(&c, 32);
    accepted(&c);
}

/* --- the header --- */

Test(gguf_read, refuses_wrong_header)
{
    craft c = {0};
    refused(&c, TERN_EFORMAT, "not a GGUF file");
    craft_raw(&c, "GGML\3\0\0\0", 8);
    refused(&c, TERN_EFORMAT, "not a GGUF file");
    c.bytes = 0;
    craft_head(&c, 1, 0, 0);
    refused(&c, TERN_EFORMAT, "version 1");
    c.bytes = 0;
    craft_head(&c, 4, 0, 0);
    refused(&c, TERN_EFORMAT, "version 4");
    c.bytes = 0;
    craft_head(&c, 0x03000000, 0, 0);
    refused(&c, TERN_EFORMAT, "big-endian");
    c.bytes = 0;
    craft_head(&c, 3, 0, 0);
    c.bytes = 23;
    refused(&c, TERN_ECORRUPT, "ends inside the header");
}

Test(gguf_read, refuses_counts_beyond_the_file)
{
    craft c = {0};
    craft_head(&c, 3, 0, UINT64_MAX);
    craft_zeros(&c, 100);
    refused(&c, TERN_ECORRUPT, "keys");
    c.bytes = 0;
    craft_head(&c, 3, (uint64_t)1 << 63, 0);
    craft_zeros(&c, 100);
    refused(&c, TERN_ECORRUPT, "tensors");
}

/* --- keys --- */

Test(gguf_read, refuses_wrong_keys)
{
    craft c = {0};
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "", TERN_GGUF_U32, 1, 4);
    refused(&c, TERN_ECORRUPT, "key 0 has no name");
    c.bytes = 0;
    craft_head(&c, 3, 0, 2);
    craft_key(&c, "twin", TERN_GGUF_U32, 1, 4);
    craft_key(&c, "twin", TERN_GGUF_U8, 1, 1);
    refused(&c, TERN_ECORRUPT, "\"twin\" stands twice");
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "odd", 13, 1, 4);
    refused(&c, TERN_EFORMAT, "\"odd\": value of unknown type 13");
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "short", TERN_GGUF_U64, 1, 7);
    refused(&c, TERN_ECORRUPT, "inside key \"short\"");
    c.bytes = 0; /* a name with a line break cannot forge lines of a log */
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "two\nlines", 99, 1, 4);
    refused(&c, TERN_EFORMAT, "\"two lines\"");
}

Test(gguf_read, refuses_lengths_beyond_the_file)
{
    craft c = {0};
    craft_head(&c, 3, 0, 1);
    craft_int(&c, 1000, 8);
    craft_zeros(&c, 50);
    refused(&c, TERN_ECORRUPT, "key 0: a text of 1000 bytes");
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "s", TERN_GGUF_STRING, UINT64_MAX, 8);
    refused(&c, TERN_ECORRUPT, "key \"s\": a text of");
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "a", TERN_GGUF_ARRAY, TERN_GGUF_U16, 4);
    craft_int(&c, (uint64_t)1 << 62, 8);
    craft_zeros(&c, 64);
    refused(&c, TERN_ECORRUPT, "key \"a\": an array of");
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "a", TERN_GGUF_ARRAY, TERN_GGUF_U64, 4);
    craft_int(&c, 9, 8);
    craft_zeros(&c, 64);
    refused(&c, TERN_ECORRUPT, "key \"a\": an array of 9");
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "a", TERN_GGUF_ARRAY, TERN_GGUF_STRING, 4);
    craft_int(&c, 2, 8);
    craft_text(&c, "fits");
    craft_int(&c, 5, 8);
    craft_raw(&c, "four", 4);
    refused(&c, TERN_ECORRUPT, "key \"a\": a text of 5 bytes, but 4 are left");
}

Test(gguf_read, refuses_arrays_of_arrays)
{
    craft c = {0};
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "nest", TERN_GGUF_ARRAY, TERN_GGUF_ARRAY, 4);
    craft_int(&c, 0, 8);
    refused(&c, TERN_EFORMAT, "\"nest\": array of type 9");
}

/* * the alignment */
Test(gguf_read, refuses_impossible_alignments)
{
    static const uint32_t wrong[] = {0, 3, 48, UINT32_MAX};
    craft c = {0};
    for (size_t i = 0; i < 4; i++) {
        c.bytes = 0;
        craft_head(&c, 3, 0, 1);
        craft_key(&c, "general.alignment", TERN_GGUF_U32, wrong[i], 4);
        refused(&c, TERN_EFORMAT, "not a power of two");
    }
    c.bytes = 0;
    craft_head(&c, 3, 0, 1);
    craft_key(&c, "general.alignment", TERN_GGUF_U64, 32, 8);
    refused(&c, TERN_EFORMAT, "\"general.alignment\" is u64, not u32");
}

/* --- tensors --- */

/* One F32 tensor of 8 and what comes after it, up to the data. */
static void two_tensors(craft *c, const char *name, uint64_t cols, uint64_t rows,
                        uint32_t type, uint64_t offset)
{
    c->bytes = 0;
    craft_head(c, 3, 2, 0);
    craft_tensor(c, "first", 8, 1, TERN_GGML_F32, 0);
    craft_tensor(c, name, cols, rows, type, offset);
    craft_pad(c, 32);
    craft_zeros(c, 4096);
}

Test(gguf_read, refuses_wrong_names)
{
    char name[66];
    craft c;
    memset(name, 'n', 65);
    name[63] = '\0';
    two_tensors(&c, name, 8, 1, TERN_GGML_F32, 32);
    accepted(&c);
    name[63] = 'n';
    name[64] = '\0';
    two_tensors(&c, name, 8, 1, TERN_GGML_F32, 32);
    refused(&c, TERN_ECORRUPT, "has 64 bytes, at most 63");
    two_tensors(&c, "first", 8, 1, TERN_GGML_F32, 32);
    refused(&c, TERN_ECORRUPT, "tensor \"first\" stands twice");
    two_tensors(&c, "with zero", 8, 1, TERN_GGML_F32, 32);
    for (size_t i = 0; i < c.bytes - 9; i++)
        if (memcmp(c.data + i, "with zero", 9) == 0) c.data[i + 4] = 0;
    refused(&c, TERN_ECORRUPT, "zero byte");
}

Test(gguf_read, refuses_wrong_shapes)
{
    craft c = {0};
    craft_head(&c, 3, 1, 0);
    craft_text(&c, "deep");
    craft_int(&c, 5, 4);
    craft_zeros(&c, 64);
    refused(&c, TERN_ECORRUPT, "\"deep\" has 5 dimensions");
    two_tensors(&c, "neg", (uint64_t)-8, 1, TERN_GGML_F32, 32);
    refused(&c, TERN_ECORRUPT, "\"neg\": dimension 0 is negative");
    two_tensors(&c, "many", (uint64_t)1 << 33, (uint64_t)1 << 33, TERN_GGML_F32, 32);
    refused(&c, TERN_ECORRUPT, "\"many\" has more than 2^63 elements");
    two_tensors(&c, "big", (uint64_t)1 << 62, 1, TERN_GGML_F32, 32);
    refused(&c, TERN_ECORRUPT, "\"big\" has more than 2^64 bytes");
}

/* * types: beyond the table, removed ones, among them bitnet.cpp's TL1 and TL2 */
Test(gguf_read, refuses_unknown_types)
{
    static const uint32_t gone[] = {4, 5, 31, 32, 33, 37, 38, 43, 134, UINT32_MAX};
    craft c;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        two_tensors(&c, "t", 256, 1, gone[i], 32);
        refused(&c, TERN_EFORMAT, "tensor \"t\" has type");
    }
    two_tensors(&c, "t", 256, 1, 37, 32);
    refused(&c, TERN_EFORMAT, "TL1");
}

/* * bitnet.cpp's I2_S, which ggml does not have: 2 bits each and 32 bytes */
Test(gguf_read, measures_i2s)
{
    craft c;
    two_tensors(&c, "t", 64, 2, TERN_GGML_I2_S, 32);
    accepted(&c);
    two_tensors(&c, "t", 64, 3, TERN_GGML_I2_S, 32);
    refused(&c, TERN_ECORRUPT, "192 elements, no multiple of I2_S's 128");
}

/* * rows that are no whole number of blocks */
Test(gguf_read, refuses_rows_that_break_a_block)
{
    craft c;
    two_tensors(&c, "t", 256, 4, TERN_GGML_TQ2_0, 32);
    accepted(&c);
    two_tensors(&c, "t", 128, 4, TERN_GGML_TQ2_0, 32);
    refused(&c, TERN_ECORRUPT,
            "rows of 128 elements, no multiple of TQ2_0's block of 256");
    two_tensors(&c, "t", 96, 2, TERN_GGML_Q2_0, 32);
    refused(&c, TERN_ECORRUPT, "Q2_0");
}

/* * offsets: no gap, no overlap, no other order */
Test(gguf_read, refuses_offsets_that_are_not_the_running_sum)
{
    static const uint64_t wrong[] = {0, 31, 33, 64, (uint64_t)1 << 40, UINT64_MAX};
    craft c;
    for (size_t i = 0; i < 6; i++) {
        two_tensors(&c, "t", 8, 1, TERN_GGML_F32, wrong[i]);
        refused(&c, TERN_ECORRUPT, "tensor \"t\" begins at offset");
    }
    c.bytes = 0;
    craft_head(&c, 3, 1, 0);
    craft_tensor(&c, "t", 8, 1, TERN_GGML_F32, 32);
    craft_pad(&c, 32);
    craft_zeros(&c, 64);
    refused(&c, TERN_ECORRUPT, "begins at offset 32 of the data, not 0");
}

/* * the data section is complete, the last padding with it, at every length */
Test(gguf_read, refuses_every_truncation)
{
    craft c = {0}, cut;
    craft_head(&c, 3, 2, 1);
    craft_key(&c, "a", TERN_GGUF_ARRAY, TERN_GGUF_STRING, 4);
    craft_int(&c, 2, 8);
    craft_text(&c, "one");
    craft_text(&c, "two");
    craft_tensor(&c, "first", 9, 1, TERN_GGML_F32, 0);
    craft_tensor(&c, "second", 3, 1, TERN_GGML_F16, 64);
    craft_pad(&c, 32);
    craft_zeros(&c, 96);
    accepted(&c);
    for (size_t n = 0; n < c.bytes; n++) {
        tern_gguf *g;
        cut = c;
        cut.bytes = n;
        cr_expect(ne(int, craft_parse(&cut, &g), TERN_OK), "cut to %zu bytes", n);
    }
}

/* --- lookups --- */

Test(gguf_read, lookups_name_what_is_missing)
{
    tern_gguf *g;
    int64_t i = 7;
    double d;
    tern_gguf_string s;
    tern_gguf_type type;
    size_t n;
    craft c = {0};
    craft_head(&c, 3, 0, 3);
    craft_key(&c, "big", TERN_GGUF_U64, UINT64_MAX, 8);
    craft_key(&c, "yes", TERN_GGUF_BOOL, 1, 1);
    craft_key(&c, "list", TERN_GGUF_ARRAY, TERN_GGUF_U8, 4);
    craft_int(&c, 0, 8);
    tern_test_seed("gguf", c.data, c.bytes);
    cr_assert(eq(int, craft_parse(&c, &g), TERN_OK));
    cr_expect(tern_gguf_has(g, "yes") && !tern_gguf_has(g, "no"));
    cr_expect(eq(int, tern_gguf_get_int(g, "no", &i), TERN_EFORMAT));
    cr_expect(eq(str, (char *)tern_error_message(), "crafted: key \"no\" is missing"));
    cr_expect(eq(int, tern_gguf_get_int(g, "yes", &i), TERN_EFORMAT));
    cr_expect(eq(str, (char *)tern_error_message(),
                 "crafted: key \"yes\" is bool, not an integer"));
    cr_expect(eq(int, tern_gguf_get_int(g, "list", &i), TERN_EFORMAT));
    cr_expect(eq(int, tern_gguf_get_int(g, "big", &i), TERN_EFORMAT));
    cr_expect(eq(i64, i, 7), "outputs are untouched on failure");
    cr_expect(eq(int, tern_gguf_get_float(g, "big", &d), TERN_EFORMAT));
    cr_expect(eq(int, tern_gguf_get_string(g, "yes", &s), TERN_EFORMAT));
    cr_expect(eq(int, tern_gguf_get_array(g, "yes", &type, &n), TERN_EFORMAT));
    cr_expect(eq(int, tern_gguf_get_array(g, "list", &type, &n), TERN_OK));
    cr_expect(eq(sz, n, 0));
    craft_close(g);
}

Test(gguf_read, finds_each_of_many_names)
{
    enum { MANY = 120 };
    craft c = {0};
    char name[32];
    craft_head(&c, 3, MANY, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "key.%u", i);
        craft_key(&c, name, TERN_GGUF_U32, i, 4);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "tensor.%u", i);
        craft_tensor(&c, name, 1, 1, TERN_GGML_F32, 32 * i);
    }
    craft_pad(&c, 32);
    for (uint32_t i = 0; i < MANY; i++) {
        craft_int(&c, i, 4);
        craft_zeros(&c, 28);
    }
    tern_gguf *g;
    tern_test_seed("gguf", c.data, c.bytes);
    cr_assert(eq(int, craft_parse(&c, &g), TERN_OK), "%s", tern_error_message());
    for (uint32_t i = 0; i < MANY; i++) {
        int64_t v = -1;
        snprintf(name, sizeof name, "key.%u", i);
        cr_expect(tern_gguf_get_int(g, name, &v) == TERN_OK && v == i);
        snprintf(name, sizeof name, "tensor.%u", i);
        const tern_gguf_tensor *t = tern_gguf_find_tensor(g, name);
        cr_assert(ne(ptr, (void *)t, NULL));
        cr_expect(eq(int, t->data[0], (int)i));
    }
    craft_close(g);
}

Test(gguf_read, open_names_the_file)
{
    tern_gguf *g = NULL;
    cr_expect(eq(int, tern_gguf_open("/nonexistent/x.gguf", &g), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), "/nonexistent/x.gguf"), NULL));
    cr_expect(not(tern_is_gguf("/nonexistent/x.gguf")));
    tern_gguf_close(NULL);
}
