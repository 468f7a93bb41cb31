/* Into a file and back: every kind, with and without rows to spare, must keep its kind,
 * ids, roles and merges. The GPT-2 vocabulary of llama.cpp, where it is present, must
 * give llama.cpp's own ids for llama.cpp's own texts. */
#include "data/tokenizer_gguf.h"
#include "tests/data/tokenizer_help.h"

static char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];

static void setup(void)
{
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/t.gguf", dir);
}

static void teardown(void)
{
    tern_scratch_remove(dir);
}

TestSuite(tokenizer_gguf, .init = setup, .fini = teardown);

static tern_gguf *written(const tern_tokenizer *t, int64_t rows)
{
    tern_gguf *g = NULL;
    tern_gguf_writer *w = tern_gguf_writer_new();
    MUST(tern_tokenizer_to_gguf(t, rows, w));
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    MUST(tern_gguf_open(path, &g));
    return g;
}

static char *json_of(const tern_tokenizer *t)
{
    char *json = NULL;
    MUST(tern_tokenizer_json(t, &json));
    return json;
}

/* The tokenizer.json says everything there is to say. */
static void survives(tern_tokenizer *t, int64_t spare, bool with_json)
{
    const int64_t rows = tern_tokenizer_vocab(t) + spare;
    tern_gguf *g = written(t, rows);
    cr_expect(eq(int, tern_gguf_has(g, "tern.tokenizer"), with_json));
    tern_gguf_type type;
    size_t count = 0;
    MUST(tern_gguf_get_array(g, "tokenizer.ggml.tokens", &type, &count));
    cr_expect(eq(sz, count, (size_t)rows));
    tern_tokenizer *back = NULL;
    MUST(tern_tokenizer_from_gguf(g, &back));
    char *before = json_of(t), *after = json_of(back);
    cr_expect(eq(str, after, before));
    cr_expect(eq(int, tern_tokenizer_kind(back), tern_tokenizer_kind(t)));
    free(before), free(after);
    tern_tokenizer_free(back);
    tern_tokenizer_free(t);
    tern_gguf_close(g);
}

Test(tokenizer_gguf, byte)
{
    tern_tokenizer *t = NULL;
    MUST(tern_tokenizer_new_byte(&t));
    survives(t, 0, false);
    MUST(tern_tokenizer_new_byte(&t));
    survives(t, 3, true);
}

Test(tokenizer_gguf, chars)
{
    static const char text[] = "hello w\xc3\xb6rld \xe4\xb8\xad";
    tern_tokenizer *t = NULL;
    MUST(tern_tokenizer_new_char(text, sizeof text - 1, &t));
    survives(t, 0, false);
    MUST(tern_tokenizer_new_char(text, sizeof text - 1, &t));
    survives(t, 5, true);
}

Test(tokenizer_gguf, bpe)
{
    survives(small_bpe(TERN_PRETOK_GPT2), 0, false);
    survives(small_bpe(TERN_PRETOK_GPT2), 2, true);
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3);
    survives(t, 0, !tern_tokenizer_ignores_merges(t));
}

Test(tokenizer_gguf, what_other_programs_read)
{
    int64_t id = -1;
    bool add = true;
    tern_gguf_string s = {0};
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3);
    const int64_t vocab = tern_tokenizer_vocab(t);
    tern_gguf *g = written(t, vocab + 1);
    MUST(tern_gguf_get_string(g, "tokenizer.ggml.pre", &s));
    cr_expect(s.bytes == 9 && memcmp(s.data, "llama-bpe", 9) == 0);
    MUST(tern_gguf_get_int(g, "tokenizer.ggml.eos_token_id", &id));
    cr_expect(eq(i64, id, tern_tokenizer_eos(t)));
    MUST(tern_gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &add));
    cr_expect(not(add));
    s = tern_gguf_array_string(g, "tokenizer.ggml.tokens", (size_t)vocab);
    cr_expect(s.bytes == 8 && memcmp(s.data, "[PAD330]", 8) == 0);
    cr_expect(
        eq(i64, tern_gguf_array_int(g, "tokenizer.ggml.token_type", (size_t)vocab), 5));
    cr_expect(eq(i64, tern_gguf_array_int(g, "tokenizer.ggml.token_type", 0), 3));
    cr_expect(eq(i64, tern_gguf_array_int(g, "tokenizer.ggml.token_type", 2), 1));
    tern_gguf_close(g);
    tern_tokenizer_free(t);

    MUST(tern_tokenizer_new_byte(&t));
    g = written(t, 256);
    MUST(tern_gguf_get_int(g, "tokenizer.ggml.eos_token_id", &id));
    cr_expect(eq(i64, id, 255), "no end of text: the last id, not llama.cpp's 11");
    tern_gguf_close(g);
    tern_tokenizer_free(t);
}

Test(tokenizer_gguf, refuses_fewer_rows_than_ids)
{
    tern_tokenizer *t = NULL;
    tern_gguf_writer *w = tern_gguf_writer_new();
    MUST(tern_tokenizer_new_byte(&t));
    cr_expect(eq(int, tern_tokenizer_to_gguf(t, 255, w), TERN_ESHAPE));
    tern_gguf_writer_free(w);
    tern_tokenizer_free(t);
}

/* --- files of others --- */

static void refused(tern_gguf_writer *w, const char *part)
{
    tern_gguf *g = NULL;
    tern_tokenizer *t = NULL;
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    MUST(tern_gguf_open(path, &g));
    cr_expect(eq(int, tern_tokenizer_from_gguf(g, &t), TERN_EFORMAT));
    const char *m = tern_error_message();
    cr_expect(strstr(m, path) == m && strstr(m, part), "message: %s", m);
    tern_gguf_close(g);
}

static tern_gguf_writer *begin(const char *model, const char *pre)
{
    tern_gguf_writer *w = tern_gguf_writer_new();
    tern_gguf_put_string(w, "tokenizer.ggml.model", model);
    if (pre) tern_gguf_put_string(w, "tokenizer.ggml.pre", pre);
    return w;
}

Test(tokenizer_gguf, refuses_and_says_which_key)
{
    static const char *const tokens[] = {"a", "b", "a"}, *const merge[] = {"a c"};
    static const int32_t types[] = {1, 1};
    refused(tern_gguf_writer_new(), "\"tokenizer.ggml.model\" is missing");
    refused(begin("t5", "default"), "is neither \"gpt2\" nor \"llama\"");
    refused(begin("llama", "default"), "\"tokenizer.ggml.tokens\" is missing");
    tern_gguf_writer *w = begin("llama", NULL);
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 2);
    refused(w, "\"tokenizer.ggml.token_type\" is missing");
    w = begin("llama", NULL);
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 2);
    tern_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, 2);
    tern_gguf_put_f32s(w, "tokenizer.ggml.scores", (const float[]){0.0f}, 1);
    refused(w, "\"tokenizer.ggml.scores\" is no array of 2 f32");
    w = begin("llama", NULL);
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 2);
    tern_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, 2);
    tern_gguf_put_f32s(w, "tokenizer.ggml.scores", (const float[]){0.0f, -1.0f}, 2);
    tern_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 2);
    refused(w, "\"tokenizer.ggml.bos_token_id\" names no token");
    refused(begin("gpt2", NULL), "\"tokenizer.ggml.pre\" is missing");
    refused(begin("gpt2", "qwen2"), "\"tokenizer.ggml.pre\"");
    refused(begin("gpt2", "gpt-2"), "\"tokenizer.ggml.tokens\" is missing");
    w = begin("gpt2", "gpt-2");
    tern_gguf_put_i32s(w, "tokenizer.ggml.tokens", types, 2);
    refused(w, "\"tokenizer.ggml.tokens\" is no array of strings");
    w = begin("gpt2", "gpt-2");
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 2);
    refused(w, "\"tokenizer.ggml.merges\" is missing");
    w = begin("gpt2", "gpt-2");
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 1);
    tern_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, 2);
    refused(w, "\"tokenizer.ggml.token_type\"");
    w = begin("gpt2", "gpt-2");
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 3);
    refused(w, "appears twice");
    w = begin("gpt2", "gpt-2");
    tern_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 2);
    tern_gguf_put_strings(w, "tokenizer.ggml.merges", merge, 1);
    refused(w, "is not a token");
    w = begin("gpt2", "gpt-2");
    tern_gguf_put_string(w, "tern.tokenizer", "{");
    refused(w, "t.gguf");
}

static char *read_data(const char *name)
{
    char file[TERN_TEST_PATH];
    char *text = NULL;
    if (!tern_test_data(name, file)) cr_skip_test("optional data is absent");
    MUST(tern_file_read(file, 1 << 24, &text, NULL));
    return text;
}

Test(tokenizer_gguf, ids_of_llama_cpp)
{
    static const char between[] = "\n__ggml_vocab_test__\n";
    char *in = read_data("tokenizers/gguf_vocab/ggml-vocab-gpt-2.gguf.inp");
    char *out = read_data("tokenizers/gguf_vocab/ggml-vocab-gpt-2.gguf.out");
    char file[TERN_TEST_PATH];
    cr_assert(tern_test_data("tokenizers/gguf_vocab/ggml-vocab-gpt-2.gguf", file));
    tern_gguf *g = NULL;
    tern_tokenizer *t = NULL;
    MUST(tern_gguf_open(file, &g));
    MUST(tern_tokenizer_from_gguf(g, &t));
    tern_gguf_close(g);
    cr_expect(eq(i32, tern_tokenizer_eos(t), 50256));
    int texts = 0;
    char *line = out;
    for (char *s = in, *next; (next = strstr(s, between)); s = next + strlen(between)) {
        int32_t want[512];
        size_t count = 0;
        char *stop = line;
        for (; *line != '\n'; line = stop + strspn(stop, " "))
            want[count++] = (int32_t)strtol(line, &stop, 10);
        expect_ids(t, s, (size_t)(next - s), false, want, count);
        line++;
        texts++;
    }
    cr_expect(eq(int, texts, 46));
    free(in), free(out);
    tern_tokenizer_free(t);
}
