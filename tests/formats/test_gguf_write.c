/* What the writer makes, the reader reads (and test_gguf_read.c shows that the reader
 * reads what ggml makes); the bytes of one small file are also compared with a file
 * crafted by hand. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/file.h"
#include "formats/blocks.h"
#include "tests/formats/craft.h"
#include "tests/support/scratch.h"

static char dir[TERN_TEST_PATH];

static void setup(void)
{
    cr_assert(tern_scratch_new(dir));
}

static void teardown(void)
{
    tern_scratch_remove(dir);
}

TestSuite(gguf_write, .init = setup, .fini = teardown);

static const char *in_dir(const char *name)
{
    static char path[TERN_TEST_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static tern_status fill_count(void *user, uint8_t *out, size_t bytes)
{
    const uint8_t first = *(const uint8_t *)user;
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(first + i);
    return TERN_OK;
}

static tern_status fill_fails(void *user, uint8_t *out, size_t bytes)
{
    (void)user, (void)out, (void)bytes;
    return tern_fail(TERN_ENUMERIC, "tensor \"t\": a NaN");
}

static size_t files_in_dir(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

Test(gguf_write, same_bytes_as_by_hand)
{
    static uint8_t one = 1, two = 2;
    static const char *const words[] = {"a", "", "bc"};
    static const int32_t numbers[] = {-1, 70000};
    tern_gguf_writer *w = tern_gguf_writer_new();
    tern_gguf_put_u32(w, "u", 7);
    tern_gguf_put_f32(w, "f", 1.0f);
    tern_gguf_put_bool(w, "b", true);
    tern_gguf_put_string(w, "s", "text");
    tern_gguf_put_strings(w, "ss", words, 3);
    tern_gguf_put_i32s(w, "is", numbers, 2);
    tern_gguf_put_tensor(w, "m", TERN_GGML_F16, 3, 2, fill_count, &one);
    tern_gguf_put_tensor(w, "v", TERN_GGML_Q8_0, 32, 0, fill_count, &two);
    cr_assert(eq(int, tern_gguf_write(w, in_dir("x.gguf")), TERN_OK), "%s",
              tern_error_message());
    tern_gguf_writer_free(w);

    craft c = {0};
    craft_head(&c, 3, 2, 6);
    craft_key(&c, "u", 4, 7, 4);
    craft_key(&c, "f", 6, 0x3f800000, 4);
    craft_key(&c, "b", 7, 1, 1);
    craft_key(&c, "s", 8, 4, 8);
    craft_raw(&c, "text", 4);
    craft_key(&c, "ss", 9, 8, 4);
    craft_int(&c, 3, 8);
    craft_text(&c, "a");
    craft_text(&c, "");
    craft_text(&c, "bc");
    craft_key(&c, "is", 9, 5, 4);
    craft_int(&c, 2, 8);
    craft_int(&c, (uint32_t)-1, 4);
    craft_int(&c, 70000, 4);
    craft_tensor(&c, "m", 3, 2, 1, 0);
    craft_text(&c, "v");
    craft_int(&c, 1, 4);
    craft_int(&c, 32, 8);
    craft_int(&c, 8, 4);
    craft_int(&c, 32, 8);
    craft_pad(&c, 32);
    for (size_t i = 0; i < 12; i++) craft_int(&c, 1 + i, 1);
    craft_pad(&c, 32);
    for (size_t i = 0; i < 34; i++) craft_int(&c, 2 + i, 1);
    craft_pad(&c, 32);

    tern_map m;
    cr_assert(tern_map_open(in_dir("x.gguf"), &m) == TERN_OK);
    cr_expect(eq(sz, m.bytes, c.bytes));
    cr_expect(eq(int, memcmp(m.data, c.data, c.bytes), 0));
    tern_map_close(&m);
    tern_gguf *g;
    cr_assert(eq(int, tern_gguf_open(in_dir("x.gguf"), &g), TERN_OK), "%s",
              tern_error_message());
    cr_expect(tern_is_gguf(in_dir("x.gguf")));
    uint8_t got[4];
    const tern_gguf_tensor *t = tern_gguf_tensor_at(g, 0);
    cr_expect(eq(ptr, (void *)tern_gguf_read(t, 2, 4, got, 4), got));
    cr_expect(eq(int, memcmp(got, t->data + 2, 4), 0));
    tern_gguf_close(g);
}

/* Put one wrong thing into a writer that is fine otherwise. */
static void refused(void (*wrong)(tern_gguf_writer *), tern_status status,
                    const char *part)
{
    tern_gguf_writer *w = tern_gguf_writer_new();
    static uint8_t zero;
    tern_gguf_put_u32(w, "k", 1);
    tern_gguf_put_tensor(w, "t", TERN_GGML_F32, 4, 4, fill_count, &zero);
    wrong(w);
    tern_gguf_put_u32(w, "more", 1); /* does nothing any more */
    cr_expect(eq(int, tern_gguf_write(w, in_dir("x.gguf")), status));
    cr_expect(ne(ptr, strstr(tern_error_message(), part), NULL), "%s",
              tern_error_message());
    cr_expect(ne(ptr, strstr(tern_error_message(), "x.gguf"), NULL));
    cr_expect(eq(sz, files_in_dir(), 0), "no file is left");
    tern_gguf_writer_free(w);
}

static void key_twice(tern_gguf_writer *w)
{
    tern_gguf_put_bool(w, "k", true);
}

static void key_nameless(tern_gguf_writer *w)
{
    tern_gguf_put_bool(w, "", true);
}

static void key_alignment(tern_gguf_writer *w)
{
    tern_gguf_put_u32(w, "general.alignment", 64);
}

static void tensor_twice(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(w, "t", TERN_GGML_F32, 1, 0, fill_fails, NULL);
}

static void tensor_name_long(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(
        w, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        TERN_GGML_F32, 1, 0, fill_fails, NULL);
}

static void tensor_breaks_block(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(w, "q", TERN_GGML_TQ2_0, 320, 2, fill_fails, NULL);
}

static void tensor_empty(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(w, "q", TERN_GGML_F32, 0, 2, fill_fails, NULL);
}

static void tensor_huge(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(w, "q", TERN_GGML_F32, (int64_t)1 << 40, (int64_t)1 << 40,
                         fill_fails, NULL);
}

static void tensor_type(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(w, "q", (tern_ggml_type)37, 256, 2, fill_fails, NULL);
}

static void tensor_fails(tern_gguf_writer *w)
{
    tern_gguf_put_tensor(w, "u", TERN_GGML_F32, 4, 2, fill_fails, NULL);
}

Test(gguf_write, refuses_what_a_reader_would)
{
    refused(key_twice, TERN_EARG, "key \"k\" is put twice");
    refused(key_nameless, TERN_EARG, "without a name");
    refused(key_alignment, TERN_EARG, "general.alignment");
    refused(tensor_twice, TERN_EARG, "tensor \"t\" is put twice");
    refused(tensor_name_long, TERN_EARG, "not 64");
    refused(tensor_breaks_block, TERN_ESHAPE, "Q2_0 has blocks of 64");
    refused(tensor_empty, TERN_ESHAPE, "impossible shape");
    refused(tensor_huge, TERN_ESHAPE, "impossible shape");
    refused(tensor_type, TERN_EARG, "type 37");
}

Test(gguf_write, failing_tensor_leaves_the_old_file)
{
    cr_assert(tern_file_write(in_dir("x.gguf"), "old", 3) == TERN_OK);
    tern_gguf_writer *w = tern_gguf_writer_new();
    tensor_fails(w);
    cr_expect(eq(int, tern_gguf_write(w, in_dir("x.gguf")), TERN_ENUMERIC));
    cr_expect(ne(ptr, strstr(tern_error_message(), "a NaN"), NULL));
    tern_gguf_writer_free(w);
    char *text;
    cr_assert(tern_file_read(in_dir("x.gguf"), 100, &text, NULL) == TERN_OK);
    cr_expect(eq(str, text, "old"));
    cr_expect(eq(sz, files_in_dir(), 1));
    free(text);
}

Test(gguf_write, full_disk_and_missing_directory)
{
    static uint8_t zero;
    tern_gguf_writer *w = tern_gguf_writer_new();
    tern_gguf_put_tensor(w, "t", TERN_GGML_F32, 1 << 16, 0, fill_count, &zero);
    cr_expect(eq(int, tern_gguf_write(w, in_dir("none/x.gguf")), TERN_EIO));

    /* A limit on the size of files stands for the full disk. */
    struct rlimit limit;
    cr_assert(eq(int, getrlimit(RLIMIT_FSIZE, &limit), 0));
    const struct rlimit small = {.rlim_cur = 100000, .rlim_max = limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    cr_expect(eq(int, tern_gguf_write(w, in_dir("x.gguf")), TERN_EIO));
    cr_expect(ne(ptr, strstr(tern_error_message(), "x.gguf: cannot write"), NULL), "%s",
              tern_error_message());
    cr_expect(eq(sz, files_in_dir(), 0));

    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    cr_expect(eq(int, tern_gguf_write(w, in_dir("x.gguf")), TERN_OK), "a second try");
    tern_gguf_writer_free(w);
}
