/* Oracle: SentencePiece itself. golden_sentencepiece.json holds four small models that
 * its trainer made and the ids that it gives (make_sentencepiece.py). Where
 * TERN_TEST_SPM names a folder with llama.cpp's ggml-vocab-llama-spm.gguf, .inp and
 * .out, its 46 texts are tried as well. */
#include <jansson.h>

#include "data/sentencepiece.h"
#include "data/tokenizer_gguf.h"
#include "tests/data/random_text.h"
#include "tests/data/tokenizer_help.h"
#include "tests/support/seed.h"

static json_t *golden(void)
{
    json_t *all = json_load_file(
        TERN_SOURCE_DIR "/tests/data/golden_sentencepiece.json", 0, NULL);
    cr_assert(ne(ptr, all, NULL));
    return all;
}

/* The bytes of a model, which are written in hexadecimal. */
static char *model_bytes(const json_t *all, const char *name, size_t *bytes)
{
    const char *hex = json_string_value(json_object_get(
        json_object_get(json_object_get(all, "models"), name), "model"));
    *bytes = strlen(hex) / 2;
    char *out = malloc(*bytes);
    for (size_t i = 0; i < *bytes; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (char)strtol(pair, NULL, 16);
    }
    return out;
}

static tern_tokenizer *model(const char *name)
{
    json_t *all = golden();
    size_t bytes;
    char *data = model_bytes(all, name, &bytes);
    tern_tokenizer *t = NULL;
    tern_test_seed("sentencepiece", data, bytes);
    MUST(tern_sentencepiece_parse(data, bytes, name, &t));
    free(data);
    json_decref(all);
    return t;
}

static void expect_golden(const tern_tokenizer *t, const char *name)
{
    json_t *all = golden(), *text;
    const json_t *list =
        json_object_get(json_object_get(json_object_get(all, "models"), name), "ids");
    size_t i;
    json_array_foreach(json_object_get(all, "texts"), i, text)
    {
        int32_t want[256];
        const json_t *ids = json_array_get(list, i);
        const size_t count = json_array_size(ids);
        for (size_t k = 0; k < count; k++)
            want[k] = (int32_t)json_integer_value(json_array_get(ids, k));
        expect_ids(t, json_string_value(text), json_string_length(text), false, want,
                   count);
    }
    cr_expect(eq(sz, i, 55));
    json_decref(all);
}

static tern_tokenizer *through_json(tern_tokenizer *t)
{
    char *json, *again;
    tern_tokenizer *back = NULL;
    MUST(tern_tokenizer_json(t, &json));
    tern_test_seed("tokenizer_json", json, strlen(json));
    MUST(tern_tokenizer_parse(json, strlen(json), "t.json", &back));
    MUST(tern_tokenizer_json(back, &again));
    cr_expect(eq(str, json, again));
    free(json), free(again);
    cr_expect(eq(i32, tern_tokenizer_begin(back), tern_tokenizer_begin(t)));
    tern_tokenizer_free(t);
    return back;
}

static tern_tokenizer *through_gguf(tern_tokenizer *t)
{
    char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/t.gguf", dir);
    tern_gguf_writer *w = tern_gguf_writer_new();
    MUST(tern_tokenizer_to_gguf(t, tern_tokenizer_vocab(t), w));
    MUST(tern_gguf_write(w, path));
    tern_gguf_writer_free(w);
    tern_gguf *g;
    MUST(tern_gguf_open(path, &g));
    cr_expect(not(tern_gguf_has(g, "tern.tokenizer")), "the keys say everything");
    tern_tokenizer *back = NULL;
    MUST(tern_tokenizer_from_gguf(g, &back));
    cr_expect(eq(i32, tern_tokenizer_begin(back), tern_tokenizer_begin(t)));
    cr_expect(eq(i32, tern_tokenizer_eos(back), tern_tokenizer_eos(t)));
    tern_gguf_close(g);
    tern_tokenizer_free(t);
    tern_scratch_remove(dir);
    return back;
}

static void all_ways(const char *name)
{
    tern_tokenizer *t = model(name);
    expect_golden(t, name);
    t = through_gguf(t);
    expect_golden(t, name);
    t = through_json(t);
    expect_golden(t, name);
    t = through_gguf(t);
    expect_golden(t, name);
    tern_tokenizer_free(t);
}

Test(spm, ids_of_sentencepiece)
{
    all_ways("llama");
    all_ways("no_prefix");
    all_ways("crosses"); /* tokens of several words */
    all_ways("no_bytes");
}

Test(spm, what_the_model_says)
{
    tern_tokenizer *t = model("llama");
    char words[64];
    tern_tokenizer_describe(t, words);
    cr_expect(eq(str, words, "sentencepiece (360)"));
    cr_expect(eq(int, tern_tokenizer_kind(t), TERN_TOK_SPM));
    cr_expect(eq(i32, tern_tokenizer_begin(t), 1));
    cr_expect(eq(i32, tern_tokenizer_eos(t), 2));
    cr_expect(tern_tokenizer_is_special(t, 1));
    cr_expect(not(tern_tokenizer_is_special(t, 3)), "user-defined is text");
    tern_tokenizer_free(t);
}

/* U+2581 alone is not kept: it means a space. */
Test(spm, any_bytes_come_back)
{
    tern_tokenizer *t = model("llama");
    random_text r = {.seed = 21};
    enum { N = 1 << 20 };
    char *text = malloc(N);
    for (size_t i = 0; i < N; i++) text[i] = (char)random_below(&r, 256);
    for (size_t i = 0; i + 3 <= N; i++)
        if (memcmp(text + i, "\xe2\x96\x81", 3) == 0) text[i] = 'x';
    expect_round_trip(t, text, N);
    size_t n = 0; /* a part of every plane */
    uint32_t cp = 1;
    for (; cp < 0x110000 && n + 4 <= N; cp += 1 + cp % 11)
        if ((cp < 0xd800 || cp > 0xdfff) && cp != 0x2581)
            n += tern_utf8_encode(cp, text + n);
    cr_expect(cp >= 0x110000, "the last plane must fit");
    expect_round_trip(t, text, n);
    memset(text, ' ', N);
    expect_round_trip(t, text, N);
    free(text);
    tern_tokenizer_free(t);
}

/* Behind a control token a text begins, with a space of its own. */
Test(spm, control_tokens_begin_texts)
{
    tern_tokenizer *t = model("llama");
    tern_ids whole = {0}, one = {0};
    MUST(tern_tokenizer_encode(t, "the<s>river</s>", 15, true, &whole));
    MUST(tern_tokenizer_encode(t, "the", 3, true, &one));
    one.data[one.count++] = 1;
    MUST(tern_tokenizer_encode(t, "river", 5, true, &one));
    cr_assert(eq(sz, whole.count, one.count + 1));
    for (size_t i = 0; i < one.count; i++)
        cr_expect(eq(i32, whole.data[i], one.data[i]));
    cr_expect(eq(i32, whole.data[one.count], 2));
    char *back;
    MUST(tern_tokenizer_decode(t, whole.data, whole.count, false, &back, NULL));
    cr_expect(eq(str, back, "the<s>river</s>"));
    free(back), free(whole.data), free(one.data);
    tern_tokenizer_free(t);
}

Test(spm, pieces_give_the_ids_of_the_whole)
{
    static const char *const scraps[] = {"the ",   "river", "  ",       "<s>",
                                         "<tool>", "\n",    "\xc3\xa9", "a",
                                         " x",     "</s>",  "<",        "\xff"};
    tern_tokenizer *t = model("llama");
    random_text r = {.seed = 22};
    for (int round = 0; round < 2000; round++) {
        char text[256];
        size_t n = 0;
        while (n < 150) {
            const char *s = scraps[random_below(&r, 12)];
            memcpy(text + n, s, strlen(s));
            n += strlen(s);
        }
        tern_ids whole = {0}, parts = {0};
        MUST(tern_tokenizer_encode(t, text, n, true, &whole));
        const size_t seen = 1 + random_below(&r, n);
        const size_t cut = tern_tokenizer_cut(t, text, seen, true);
        cr_assert(le(sz, cut, seen));
        MUST(tern_tokenizer_encode(t, text, cut, true, &parts));
        MUST((cut ? tern_tokenizer_encode_more
                  : tern_tokenizer_encode)(t, text + cut, n - cut, true, &parts));
        bool same = whole.count == parts.count;
        for (size_t i = 0; same && i < whole.count; i++)
            same = whole.data[i] == parts.data[i];
        cr_assert(same, "cut at %zu of \"%.*s\"", cut, (int)n, text);
        free(whole.data), free(parts.data);
    }
    tern_tokenizer_free(t);
}

static char *read_whole(const char *folder, const char *name)
{
    char path[TERN_TEST_PATH], *text = NULL;
    snprintf(path, sizeof path, "%s/ggml-vocab-llama-spm.gguf%s", folder, name);
    MUST(tern_file_read(path, 1 << 24, &text, NULL));
    return text;
}

Test(spm, ids_of_llama_cpp)
{
    static const char between[] = "\n__ggml_vocab_test__\n";
    const char *folder = getenv("TERN_TEST_SPM");
    if (!folder) cr_skip_test("TERN_TEST_SPM names no folder");
    char path[TERN_TEST_PATH];
    char *in = read_whole(folder, ".inp"), *out = read_whole(folder, ".out");
    tern_gguf *g;
    tern_tokenizer *t;
    snprintf(path, sizeof path, "%s/ggml-vocab-llama-spm.gguf", folder);
    MUST(tern_gguf_open(path, &g));
    MUST(tern_tokenizer_from_gguf(g, &t));
    tern_gguf_close(g);
    int texts = 0;
    char *line = out;
    for (char *s = in, *next; (next = strstr(s, between)); s = next + strlen(between)) {
        int32_t want[512];
        size_t count = 0;
        char *stop = line;
        for (; *line != '\n'; line = stop + strspn(stop, " "))
            want[count++] = (int32_t)strtol(line, &stop, 10);
        expect_ids(t, s, (size_t)(next - s), false, want, count);
        expect_round_trip(t, s, (size_t)(next - s));
        line++;
        texts++;
    }
    cr_expect(eq(int, texts, 46));
    free(in), free(out);
    tern_tokenizer_free(t);
}
