/* What is written must come back as the same tokenizer; what Hugging Face writes must
 * be understood; what tern cannot honour must be refused by name; and no text at all
 * may crash the reader. Ids as HF gives them: test_tokenizer.c. */
#include <jansson.h>

#include "tests/data/random_text.h"
#include "tests/data/tokenizer_help.h"
#include "tests/support/seed.h"

static tern_tokenizer *parse(const char *json)
{
    tern_tokenizer *t = NULL;
    tern_test_seed("tokenizer_json", json, strlen(json));
    MUST(tern_tokenizer_parse(json, strlen(json), "t.json", &t));
    return t;
}

/* --- out and in again --- */

static void expect_same_after_json(const tern_tokenizer *t)
{
    char *json, *again;
    MUST(tern_tokenizer_json(t, &json));
    tern_tokenizer *back = parse(json);
    MUST(tern_tokenizer_json(back, &again));
    cr_expect(eq(str, json, again));
    cr_expect(eq(int, tern_tokenizer_kind(back), tern_tokenizer_kind(t)));
    cr_expect(eq(int, tern_tokenizer_pretok(back), tern_tokenizer_pretok(t)));
    cr_expect(
        eq(int, tern_tokenizer_ignores_merges(back), tern_tokenizer_ignores_merges(t)));
    cr_assert(eq(i64, tern_tokenizer_vocab(back), tern_tokenizer_vocab(t)));
    cr_assert(eq(sz, tern_tokenizer_merge_count(back), tern_tokenizer_merge_count(t)));
    for (int32_t id = 0; id < tern_tokenizer_vocab(t); id++) {
        size_t a, b;
        const char *x = tern_tokenizer_piece(t, id, &a);
        const char *y = tern_tokenizer_piece(back, id, &b);
        cr_expect(a == b && memcmp(x, y, a) == 0, "id %d", (int)id);
        cr_expect(eq(int, tern_tokenizer_is_special(t, id),
                     tern_tokenizer_is_special(back, id)));
    }
    for (size_t i = 0; i < tern_tokenizer_merge_count(t); i++)
        cr_expect(eq(str, (char *)tern_tokenizer_merge(t, i),
                     (char *)tern_tokenizer_merge(back, i)));
    tern_tokenizer_free(back);
    free(json), free(again);
}

/* The way of GGUF: token texts, merges and the name of the pre-tokenizer. */
static void expect_same_after_parts(const tern_tokenizer *t)
{
    const size_t vocab = (size_t)tern_tokenizer_vocab(t);
    const size_t count = tern_tokenizer_merge_count(t);
    const char **tokens = calloc(vocab, sizeof *tokens);
    const char **merges = calloc(count + 1, sizeof *merges);
    bool *special = calloc(vocab, sizeof *special);
    for (size_t id = 0; id < vocab; id++) {
        tokens[id] = tern_tokenizer_token_text(t, (int32_t)id);
        special[id] = tern_tokenizer_is_special(t, (int32_t)id);
    }
    for (size_t i = 0; i < count; i++) merges[i] = tern_tokenizer_merge(t, i);
    tern_tokenizer *back;
    MUST(tern_tokenizer_new_bpe(tokens, vocab, merges, count, special,
                                tern_tokenizer_pretok(t), &back));
    char *x, *y;
    MUST(tern_tokenizer_json(t, &x));
    MUST(tern_tokenizer_json(back, &y));
    cr_expect(eq(str, x, y));
    free(x), free(y), free(tokens), free(merges), free(special);
    tern_tokenizer_free(back);
}

Test(tokenizer_json, every_kind_comes_back)
{
    static const char *const special[] = {"<|endoftext|>", "<|\xc3\xa9|>", "\"\\\n"};
    const char *text =
        "a\"\\\n\t\x01\x7f\xc2\xa0\xc3\xa9\xe4\xb8\xad\xf0\x9f\xa6\x8a b";
    tern_tokenizer *t[6];
    MUST(tern_tokenizer_new_byte(&t[0]));
    MUST(tern_tokenizer_new_char(text, strlen(text), &t[1]));
    t[2] = small_bpe(TERN_PRETOK_GPT2);
    t[3] = small_bpe(TERN_PRETOK_LLAMA3);
    for (int i = 0; i < 2; i++) {
        const tern_tokenizer_training how = {.kind = i ? TERN_TOK_CHAR : TERN_TOK_BYTE,
                                             .special = special,
                                             .specials = 3};
        t[4 + i] = learn(text, strlen(text), &how);
    }
    for (int i = 0; i < 6; i++) {
        expect_same_after_json(t[i]);
        expect_same_after_parts(t[i]);
        tern_tokenizer_free(t[i]);
    }
}

Test(tokenizer_json, a_file_comes_back)
{
    char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 32];
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3), *back;
    MUST(tern_tokenizer_save(t, path));
    MUST(tern_tokenizer_load(path, &back));
    expect_round_trip(back, "the river\n", 10);
    cr_expect(eq(i64, tern_tokenizer_vocab(back), 330));
    tern_tokenizer_free(back);
    MUST(tern_file_write(path, "{", 1));
    cr_expect(eq(int, tern_tokenizer_load(path, &back), TERN_EFORMAT));
    cr_expect(
        eq(ptr, strstr(tern_error_message(), path), (void *)tern_error_message()));
    snprintf(path, sizeof path, "%s/none.json", dir);
    cr_expect(eq(int, tern_tokenizer_load(path, &back), TERN_EIO));
    snprintf(path, sizeof path, "%s/none/t.json", dir);
    cr_expect(eq(int, tern_tokenizer_save(t, path), TERN_EIO));
    tern_tokenizer_free(t);
    tern_scratch_remove(dir);
}

/* --- what others write --- */

/* A file with its parts in the places of %s. */
static char *file(const char *added, const char *pre, const char *decoder,
                  const char *model)
{
    char *out = malloc(8192);
    snprintf(out, 8192,
             "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
             "\"added_tokens\":%s,\"normalizer\":null,\"pre_tokenizer\":%s,"
             "\"post_processor\":null,\"decoder\":%s,\"model\":%s}",
             added, pre, decoder, model);
    return out;
}

#define BYTE_LEVEL                                                                     \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true}"
#define NO_REGEX                                                                       \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define LLAMA3                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1," \
    "3}|"                                                                              \
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|"    \
    "\\\\s+"
#define SPLIT(pattern, behavior, invert)                                               \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"      \
    "\"Regex\":\"" pattern "\"},\"behavior\":\"" behavior "\",\"invert\":" invert      \
    "}," NO_REGEX "]}"
#define DECODER "{\"type\":\"ByteLevel\"}"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xc4\xa0\":3}"
#define MODEL "{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\"]}"

static void expect_ab(const char *added, const char *pre, const char *model,
                      tern_pretok pretok)
{
    char *json = file(added, pre, DECODER, model);
    tern_tokenizer *t = parse(json);
    const int32_t want[] = {2, 3, 0};
    expect_ids(t, "ab a", 4, false, want, 3);
    cr_expect(eq(int, tern_tokenizer_pretok(t), pretok));
    tern_tokenizer_free(t);
    free(json);
}

Test(tokenizer_json, spellings_of_hugging_face)
{
    expect_ab("[]", BYTE_LEVEL, MODEL, TERN_PRETOK_GPT2);
    expect_ab("null", BYTE_LEVEL, MODEL, TERN_PRETOK_GPT2);
    /* merges as pairs; the model of GPT-2's own file has no type, and empty affixes */
    expect_ab("[]", BYTE_LEVEL,
              "{\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":\"\","
              "\"end_of_word_suffix\":\"\",\"fuse_unk\":false," VOCAB
              ",\"merges\":[[\"a\",\"b\"]]}",
              TERN_PRETOK_GPT2);
    expect_ab("[]", SPLIT(LLAMA3, "Isolated", "false"), MODEL, TERN_PRETOK_LLAMA3);
    expect_ab("[]", SPLIT(LLAMA3, "Removed", "true"), MODEL, TERN_PRETOK_LLAMA3);
    /* special both in the vocabulary and added, or only added */
    expect_ab("[{\"id\":4,\"content\":\"<e>\",\"special\":true}]", BYTE_LEVEL,
              "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xc4\xa0\":3,"
              "\"<e>\":4},\"merges\":[\"a b\"]}",
              TERN_PRETOK_GPT2);
    expect_ab("[{\"id\":4,\"content\":\"<e>\",\"special\":true}]", BYTE_LEVEL, MODEL,
              TERN_PRETOK_GPT2);
}

/* Added, but not special: recognised without being asked, kept by skip_special. */
Test(tokenizer_json, added_tokens_that_are_not_special)
{
    char *json = file("[{\"id\":5,\"content\":\"<s>\",\"special\":true},"
                      "{\"id\":4,\"content\":\"a b\",\"special\":false}]",
                      BYTE_LEVEL, DECODER, MODEL);
    tern_tokenizer *t = parse(json);
    const int32_t want[] = {2, 4, 1};
    expect_ids(t, "aba bb", 6, false, want, 3);
    char *text;
    MUST(tern_tokenizer_decode(t, (int32_t[]){4, 5}, 2, true, &text, NULL));
    cr_expect(eq(str, text, "a b"));
    free(text);
    expect_same_after_json(t);
    tern_tokenizer_free(t);
    free(json);
}

Test(tokenizer_json, ignore_merges_is_honoured)
{
    for (int ignore = 0; ignore < 2; ignore++) {
        char model[256];
        snprintf(model, sizeof model,
                 "{\"type\":\"BPE\",\"ignore_merges\":%s,\"vocab\":{\"a\":0,\"b\":1,"
                 "\"ba\":2,\"ab\":3},\"merges\":[\"b a\"]}",
                 ignore ? "true" : "false");
        char *json = file("[]", BYTE_LEVEL, DECODER, model);
        tern_tokenizer *t = parse(json);
        static const int32_t whole[] = {3}, parts[] = {0, 1};
        expect_ids(t, "ab", 2, false, ignore ? whole : parts, ignore ? 1 : 2);
        tern_tokenizer_free(t);
        free(json);
    }
}

/* Llama 3 writes its post-processor so, and the model reads what it puts first. */
Test(tokenizer_json, a_template_names_the_first_token)
{
    char json[2048];
    snprintf(json, sizeof json,
             "{\"added_tokens\":[{\"id\":4,\"content\":\"<b>\",\"special\":true}],"
             "\"pre_tokenizer\":" BYTE_LEVEL ",\"post_processor\":{\"type\":"
             "\"Sequence\",\"processors\":[" BYTE_LEVEL ",{\"type\":"
             "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<b>\","
             "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]}]},"
             "\"decoder\":" DECODER ",\"model\":" MODEL "}");
    tern_tokenizer *t = parse(json);
    cr_expect(eq(i32, tern_tokenizer_begin(t), 4));
    const int32_t want[] = {2};
    expect_ids(t, "ab", 2, false, want, 1); /* encoding adds nothing */
    expect_same_after_json(t);
    char *again;
    MUST(tern_tokenizer_json(t, &again));
    tern_tokenizer_free(t);
    t = parse(again);
    cr_expect(eq(i32, tern_tokenizer_begin(t), 4));
    free(again);
    tern_tokenizer_free(t);
}

/* --- SentencePiece's BPE, as Hugging Face writes it --- */

#define MARK "\xe2\x96\x81"
#define PREPEND "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"}"
#define REPLACE                                                                        \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"
#define BOTH "{\"type\":\"Sequence\",\"normalizers\":[" PREPEND "," REPLACE "]}"
#define METASPACE(scheme)                                                              \
    "{\"type\":\"Metaspace\",\"replacement\":\"" MARK                                  \
    "\",\"prepend_scheme\":\"" scheme "\",\"split\":false}"
#define SPM_VOCAB                                                                      \
    "\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"" MARK "\":3,\"ab\":4,\"" MARK "a\":5}"
#define SPM_MODEL                                                                      \
    "{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true," SPM_VOCAB           \
    ",\"merges\":[\"a b\",\"" MARK " a\"]}"

static char *spm_file(const char *normalizer, const char *pre, const char *model)
{
    char *out = malloc(4096);
    snprintf(out, 4096,
             "{\"added_tokens\":[{\"id\":6,\"content\":\"<s>\",\"special\":true}],"
             "\"normalizer\":%s,\"pre_tokenizer\":%s,\"decoder\":{\"type\":"
             "\"Metaspace\"},\"model\":%s}",
             normalizer, pre, model);
    return out;
}

static void expect_spm(const char *normalizer, const char *pre, const char *model,
                       const int32_t *want, size_t count)
{
    char *json = spm_file(normalizer, pre, model);
    tern_tokenizer *t = parse(json);
    cr_expect(eq(int, tern_tokenizer_kind(t), TERN_TOK_SPM));
    expect_ids(t, "ab a<s>a\xc3\xa9\xc3\xa9", 12, true, want, count);
    expect_same_after_json(t);
    tern_tokenizer_free(t);
    free(json);
}

Test(tokenizer_json, spaces_of_sentencepiece)
{
    static const int32_t twice[] = {3, 4, 5, 6, 5, 0}; /* unknown ones are one */
    static const int32_t once[] = {3, 4, 5, 6, 1, 0}, never[] = {4, 5, 6, 1, 0};
    expect_spm(BOTH, "null", SPM_MODEL, twice, 6);
    expect_spm("null", METASPACE("always"), SPM_MODEL, twice, 6);
    expect_spm("null", METASPACE("first"), SPM_MODEL, once, 6);
    expect_spm(REPLACE, "null", SPM_MODEL, never, 5);
    expect_spm("null", METASPACE("never"), SPM_MODEL, never, 5);
}

/* Merges that follow from no scores are taken as they are listed. */
Test(tokenizer_json, listed_merges_stay)
{
    static const int32_t want[] = {5, 2, 5, 6, 5, 0};
    expect_spm(BOTH, "null",
               "{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true," SPM_VOCAB
               ",\"merges\":[[\"" MARK "\",\"a\"]]}",
               want, 6);
}

static void expect_refused(const char *json, const char *says);

Test(tokenizer_json, what_sentencepiece_does_not_do_is_refused)
{
    static const struct {
        const char *normalizer, *pre, *model, *says;
    } cases[] = {
        {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}," REPLACE "]}",
         "null", SPM_MODEL, "normalizer"},
        {BOTH, BYTE_LEVEL, SPM_MODEL, "pre_tokenizer"},
        {BOTH, METASPACE("always"), SPM_MODEL, "normalizer"},
        {"null", METASPACE("often"), SPM_MODEL, "prepend_scheme"},
        {"null", "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\"}", SPM_MODEL,
         "pre_tokenizer.split"},
        {"null", "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"split\":false}",
         SPM_MODEL, "pre_tokenizer.replacement"},
        {BOTH, "null", "{\"type\":\"BPE\"," SPM_VOCAB ",\"merges\":[]}",
         "model.fuse_unk"},
        {BOTH, "null",
         "{\"type\":\"BPE\",\"fuse_unk\":true," SPM_VOCAB ",\"merges\":[\"a x\"]}",
         "model.merges[0]\": the right part"},
        {BOTH, "null",
         "{\"type\":\"BPE\",\"fuse_unk\":true," SPM_VOCAB ",\"merges\":[7]}",
         "model.merges[0]\": neither"},
        {BOTH, "null",
         "{\"type\":\"BPE\",\"fuse_unk\":true,\"ignore_merges\":true," SPM_VOCAB
         ",\"merges\":[]}",
         "model.ignore_merges"},
        {BOTH, "null",
         "{\"type\":\"BPE\",\"fuse_unk\":true,\"unk_token\":\"?\"," SPM_VOCAB
         ",\"merges\":[]}",
         "model.unk_token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = spm_file(cases[i].normalizer, cases[i].pre, cases[i].model);
        expect_refused(json, cases[i].says);
        free(json);
    }
}

/* --- what tern refuses --- */

static void expect_refused(const char *json, const char *says)
{
    tern_tokenizer *t = NULL;
    tern_test_seed("tokenizer_json", json, strlen(json));
    cr_expect(
        eq(int, tern_tokenizer_parse(json, strlen(json), "t.json", &t), TERN_EFORMAT),
        "%s was accepted", json);
    cr_expect(ne(ptr, strstr(tern_error_message(), says), NULL), "\"%s\" lacks \"%s\"",
              tern_error_message(), says);
    cr_expect(eq(ptr, strstr(tern_error_message(), "t.json: "),
                 (void *)tern_error_message()));
    cr_expect(eq(ptr, t, NULL));
}

Test(tokenizer_json, fields_that_change_ids_are_refused)
{
    static const struct {
        const char *added, *pre, *decoder, *model, *says;
    } cases[] = {
        {"[]", "null", DECODER, MODEL, "pre_tokenizer"},
        {"[]", "{\"type\":\"Whitespace\"}", DECODER, MODEL, "pre_tokenizer"},
        {"[]", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", DECODER, MODEL,
         "add_prefix_space"},
        {"[]", NO_REGEX, DECODER, MODEL, "pre_tokenizer"},
        {"[]", SPLIT("x", "Isolated", "false"), DECODER, MODEL,
         "pre_tokenizer.pattern"},
        {"[]", SPLIT(LLAMA3, "Removed", "false"), DECODER, MODEL, "behavior"},
        {"[]", "{\"type\":\"Sequence\",\"pretokenizers\":[]}", DECODER, MODEL, "empty"},
        {"[]", BYTE_LEVEL, "{\"type\":\"WordPiece\"}", MODEL, "decoder"},
        {"[]", BYTE_LEVEL, "null", MODEL, "decoder"},
        {"[]", BYTE_LEVEL, DECODER, "null", "model"},
        {"[]", BYTE_LEVEL, DECODER, "{\"type\":\"Unigram\"}", "model.type"},
        {"[]", BYTE_LEVEL, DECODER, "{\"type\":\"BPE\",\"merges\":[]}", "model.vocab"},
        {"[]", BYTE_LEVEL, DECODER, "{\"type\":\"BPE\"," VOCAB "}", "model.merges"},
        {"[]", BYTE_LEVEL, DECODER,
         "{\"type\":\"BPE\",\"dropout\":0.1," VOCAB ",\"merges\":[]}", "model.dropout"},
        {"[]", BYTE_LEVEL, DECODER,
         "{\"type\":\"BPE\",\"byte_fallback\":true," VOCAB ",\"merges\":[]}",
         "model.byte_fallback"},
        {"[]", BYTE_LEVEL, DECODER,
         "{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\"," VOCAB ",\"merges\":[]}",
         "model.end_of_word_suffix"},
        {"[{\"id\":4,\"content\":\"<e>\",\"lstrip\":true}]", BYTE_LEVEL, DECODER, MODEL,
         "added_tokens[0].lstrip"},
        {"[{\"id\":4}]", BYTE_LEVEL, DECODER, MODEL, "added_tokens[0].content"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json =
            file(cases[i].added, cases[i].pre, cases[i].decoder, cases[i].model);
        expect_refused(json, cases[i].says);
        free(json);
    }
    expect_refused("{\"normalizer\":{\"type\":\"NFC\"}}", "normalizer");
    expect_refused("{\"truncation\":{\"max_length\":5}}", "truncation");
    expect_refused("{\"padding\":{\"length\":5}}", "padding");
    expect_refused("{\"flavour\":1}", "flavour");
    expect_refused("[1]", "not a JSON object");
}

Test(tokenizer_json, impossible_ids_and_merges_are_refused)
{
    static const struct {
        const char *added, *vocab, *merges, *says;
    } cases[] = {
        {"[]", "{}", "[]", "empty"},
        {"[]", "{\"a\":0,\"b\":2}", "[]", "\"b\": its id"},
        {"[]", "{\"a\":0,\"b\":0}", "[]", "id 0 stands for"},
        {"[]", "{\"a\":-1}", "[]", "its id"},
        {"[]", "{\"a\":99999999999999}", "[]", "its id"},
        {"[]", "{\"a\":0.5}", "[]", "its id"},
        {"[]", "{\"a\":\"0\"}", "[]", "its id"},
        {"[]", "{\"a\":0,\"a\":1}", "[]", "duplicate"},
        {"[]", "{\"\":0}", "[]", "token 0 is empty"},
        {"[]", "{\"a\":0,\"b\":1}", "[\"a b\"]", "the result is not a token"},
        {"[]", "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a b\",\"a b\"]", "repeats"},
        {"[]", "{\"a\":0,\"b\":1,\"ab\":2}", "[[\"a\",\"b\",\"c\"]]",
         "model.merges[0]"},
        {"[]", "{\"a\":0,\"b\":1,\"ab\":2}", "[7]", "model.merges[0]"},
        {"[]", "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a  b\"]", "merge 0"},
        {"[]", "{\"a\":0,\"b\":1,\"ab\":2}", "[[\"a \",\"b\"]]", "merge 0"},
        {"[{\"id\":0,\"content\":\"<e>\"}]", "{\"a\":0}", "[]", "id 0 stands for"},
        {"[{\"id\":1,\"content\":\"<e>\"},{\"id\":1,\"content\":\"<e>\"}]", "{\"a\":0}",
         "[]", "no token has the id 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char model[512];
        snprintf(model, sizeof model, "{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s}",
                 cases[i].vocab, cases[i].merges);
        char *json = file(cases[i].added, BYTE_LEVEL, DECODER, model);
        expect_refused(json, cases[i].says);
        free(json);
    }
    char *json = file("[]", "null", "{\"type\":\"Fuse\"}",
                      "{\"type\":\"BPE\",\"vocab\":{\"b\":0,\"a\":1},\"merges\":[]}");
    expect_refused(json, "increasing order");
    free(json);
    json = file("[]", "null", "{\"type\":\"Fuse\"}",
                "{\"type\":\"BPE\",\"vocab\":{\"ab\":0},\"merges\":[]}");
    expect_refused(json, "\"ab\" is not one character");
    free(json);
}

Test(tokenizer_json, hostile_text_is_refused)
{
    enum { DEEP = 1 << 20 };
    char *deep = malloc(DEEP + 1);
    memset(deep, '[', DEEP);
    deep[DEEP] = '\0';
    expect_refused(deep, "depth");
    free(deep);
    expect_refused("", "line 1");
    expect_refused("{\"version\":\"\xff\"}", "unable to decode");
    expect_refused("{\"version\":\"\\u0000\"}", "u0000");
    expect_refused("{} x", "line 1");
}

/* Random damage: any outcome but a crash (the sanitizers watch); and if a damaged text
 * is accepted, the tokenizer must work. */
Test(tokenizer_json, damaged_text_never_crashes, .timeout = 120)
{
    random_text r = {.seed = 31};
    const char *text = "a\xc3\xa9\xe4\xb8\xad b";
    tern_tokenizer *good[3];
    MUST(tern_tokenizer_new_char(text, strlen(text), &good[0]));
    good[1] = small_bpe(TERN_PRETOK_LLAMA3);
    MUST(tern_tokenizer_new_byte(&good[2]));
    for (int round = 0; round < 3000; round++) {
        char *json;
        MUST(tern_tokenizer_json(good[round % 3], &json));
        const size_t bytes = strlen(json);
        for (size_t i = 0, n = 1 + random_below(&r, 3); i < n; i++) {
            static const char marks[] = "0123456789\"[]{},: ab";
            json[random_below(&r, bytes)] = marks[random_below(&r, sizeof marks - 1)];
        }
        tern_tokenizer *t = NULL;
        const size_t kept = random_below(&r, 10) ? bytes : random_below(&r, bytes);
        if (tern_tokenizer_parse(json, kept, "damaged", &t) == TERN_OK) {
            tern_ids ids = {0};
            (void)tern_tokenizer_encode(t, "the river", 9, true, &ids);
            free(ids.data);
        }
        tern_tokenizer_free(t);
        free(json);
    }
    for (int i = 0; i < 3; i++) tern_tokenizer_free(good[i]);
}
