/* Oracles: GPT-2's published vocabulary with the 46 vectors of llama.cpp; ids that
 * Hugging Face's tokenizers gave (golden_tokenizer.json); a plain loop over the list of
 * merges; and the text itself, which must come back. */
#include <jansson.h>
#include <pthread.h>

#include "data/pretokenize.h"
#include "tests/data/random_text.h"
#include "tests/data/tokenizer_help.h"
#include "tests/support/emulated.h"

/* --- byte --- */

Test(tokenizer, byte_ids_are_the_bytes)
{
    tern_tokenizer *t;
    MUST(tern_tokenizer_new_byte(&t));
    char text[512];
    int32_t want[512];
    for (int i = 0; i < 512; i++) text[i] = (char)(i * 7), want[i] = (i * 7) & 0xff;
    expect_ids(t, text, 512, true, want, 512);
    expect_round_trip(t, text, 512);
    cr_expect(eq(i64, tern_tokenizer_vocab(t), 256));
    cr_expect(eq(int, tern_tokenizer_kind(t), TERN_TOK_BYTE));
    cr_expect(eq(i32, tern_tokenizer_eos(t), -1));
    char words[64];
    tern_tokenizer_describe(t, words);
    cr_expect(eq(str, words, "byte"));
    tern_tokenizer_free(t);
}

/* --- char --- */

Test(tokenizer, char_ids_follow_the_code_points)
{
    tern_tokenizer *t;
    const char *text = "b\xc3\xa9"
                       "a\xe4\xb8\xad"
                       "b\xf0\x9f\xa6\x8a\n";
    MUST(tern_tokenizer_new_char(text, strlen(text), &t));
    const int32_t want[] = {2, 3, 1, 4, 2, 5, 0}; /* \n a b e' zhong fox */
    expect_ids(t, text, strlen(text), false, want, 7);
    expect_round_trip(t, text, strlen(text));
    cr_expect(eq(i64, tern_tokenizer_vocab(t), 6));
    cr_expect(eq(int, tern_tokenizer_kind(t), TERN_TOK_CHAR));
    char words[64];
    tern_tokenizer_describe(t, words);
    cr_expect(eq(str, words, "char (6)"));
    tern_tokenizer_free(t);
}

Test(tokenizer, char_refuses_what_it_does_not_know)
{
    tern_tokenizer *t;
    MUST(tern_tokenizer_new_char("abc\xc3\xa9", 5, &t));
    tern_ids ids = {0};
    MUST(tern_tokenizer_encode(t, "ab", 2, false, &ids));
    cr_expect(eq(int, tern_tokenizer_encode(t, "ab\xc3\xa9\xc3\xa8", 6, false, &ids),
                 TERN_EFORMAT));
    cr_expect(strstr(tern_error_message(), "U+00E8") != NULL, "%s",
              tern_error_message());
    cr_expect(strstr(tern_error_message(), "byte 4 ") != NULL, "%s",
              tern_error_message());
    cr_expect(
        eq(int, tern_tokenizer_encode(t, "ab\xff", 3, false, &ids), TERN_EFORMAT));
    cr_expect(strstr(tern_error_message(), "0xFF") != NULL, "%s", tern_error_message());
    cr_expect(eq(sz, ids.count, 2), "a refused text must leave the ids as they were");
    free(ids.data);
    tern_tokenizer_free(t);
    cr_expect(eq(int, tern_tokenizer_new_char("a\xc3(", 3, &t), TERN_EFORMAT));
    cr_expect(strstr(tern_error_message(), "byte 1") != NULL, "%s",
              tern_error_message());
    cr_expect(eq(int, tern_tokenizer_new_char("", 0, &t), TERN_EARG));
    cr_expect(eq(int, tern_tokenizer_new_char("a\0b", 3, &t), TERN_EFORMAT));
}

/* What an exporter writes must build every character from its bytes. */
Test(tokenizer, char_merges_build_characters)
{
    tern_tokenizer *t;
    const char *text = "a\xc3\xa9\xe4\xb8\xad\xe4\xb8\xae\xf0\x9f\xa6\x8a";
    MUST(tern_tokenizer_new_char(text, strlen(text), &t));
    cr_expect(eq(str, (char *)tern_tokenizer_token_text(t, 1), "\xc3\x83\xc2\xa9"));
    cr_expect(eq(str, (char *)tern_tokenizer_merge(t, 0), "\xc3\x83 \xc2\xa9"));
    /* 1 for e', 2 + 1 for the two that share their first two bytes, 3 for the fox */
    cr_expect(eq(sz, tern_tokenizer_merge_count(t), 7));
    cr_expect(eq(str, (char *)tern_tokenizer_merge(t, 99), ""));
    tern_tokenizer_free(t);
}

/* --- bpe against published ids --- */

static char *read_data(const char *name, size_t *bytes)
{
    char path[TERN_TEST_PATH], *text;
    if (!tern_test_data(name, path)) cr_skip_test("no %s", path);
    MUST(tern_file_read(path, 1 << 24, &text, bytes));
    return text;
}

static tern_tokenizer *gpt2(void)
{
    enum { VOCAB = 50257, MERGES = 50000 };
    size_t n;
    char *merges_text = read_data("tokenizers/gpt2_merges.txt", &n);
    char *vocab_text = read_data("tokenizers/gpt2_vocab.json", &n);
    json_t *vocab = json_loadb(vocab_text, n, 0, NULL), *id;
    const char **tokens = calloc(VOCAB, sizeof *tokens), *key;
    const char **merges = calloc(MERGES, sizeof *merges);
    bool *special = calloc(VOCAB, sizeof *special);
    json_object_foreach(vocab, key, id) tokens[json_integer_value(id)] = key;
    special[VOCAB - 1] = true;
    size_t count = 0;
    for (char *s = strtok(merges_text, "\n"); s; s = strtok(NULL, "\n"))
        merges[count++] = s;
    tern_tokenizer *t = NULL;
    MUST(tern_tokenizer_new_bpe(tokens, VOCAB, merges, count, special, TERN_PRETOK_GPT2,
                                &t));
    json_decref(vocab);
    free(tokens), free(merges), free(special), free(merges_text), free(vocab_text);
    return t;
}

static void expect_vectors(const tern_tokenizer *t)
{
    static const char between[] = "\n__ggml_vocab_test__\n";
    size_t in_bytes, out_bytes;
    char *in = read_data("tokenizers/gguf_vocab/ggml-vocab-gpt-2.gguf.inp", &in_bytes);
    char *out =
        read_data("tokenizers/gguf_vocab/ggml-vocab-gpt-2.gguf.out", &out_bytes);
    int texts = 0;
    char *line = out;
    for (char *s = in, *next; (next = strstr(s, between)); s = next + strlen(between)) {
        int32_t want[512];
        size_t count = 0;
        char *end = strchr(line, '\n'), *stop = line;
        *end = '\0';
        for (long id = strtol(line, &stop, 10); stop > line;
             id = strtol(line, &stop, 10))
            want[count++] = (int32_t)id, line = stop;
        expect_ids(t, s, (size_t)(next - s), false, want, count);
        expect_round_trip(t, s, (size_t)(next - s));
        line = end + 1;
        texts++;
    }
    cr_expect(eq(int, texts, 46));
    cr_expect(eq(i32, tern_tokenizer_eos(t), 50256));
    free(in), free(out);
}

Test(tokenizer, gpt2_vectors)
{
    tern_tokenizer *t = gpt2(), *back = NULL;
    expect_vectors(t);
    char *json;
    MUST(tern_tokenizer_json(t, &json));
    MUST(tern_tokenizer_parse(json, strlen(json), "tokenizer.json", &back));
    expect_vectors(back);
    free(json);
    tern_tokenizer_free(back);
    tern_tokenizer_free(t);
}

static void golden(const char *which)
{
    json_t *all = json_load_file(TERN_SOURCE_DIR "/tests/data/golden_tokenizer.json",
                                 JSON_ALLOW_NUL, NULL);
    const json_t *part = json_object_get(all, which), *text;
    char *json = json_dumps(json_object_get(part, "tokenizer"), 0);
    tern_tokenizer *t = NULL;
    MUST(tern_tokenizer_parse(json, strlen(json), which, &t));
    size_t i;
    json_array_foreach(json_object_get(all, "texts"), i, text)
    {
        const json_t *ids = json_array_get(json_object_get(part, "ids"), i);
        int32_t want[256];
        const size_t count = json_array_size(ids);
        for (size_t k = 0; k < count; k++)
            want[k] = (int32_t)json_integer_value(json_array_get(ids, k));
        expect_ids(t, json_string_value(text), json_string_length(text), true, want,
                   count);
        expect_round_trip(t, json_string_value(text), json_string_length(text));
    }
    cr_expect(eq(sz, i, 28));
    free(json);
    json_decref(all);
    tern_tokenizer_free(t);
}

Test(tokenizer, ids_of_hugging_face_gpt2)
{
    golden("gpt2");
}

Test(tokenizer, ids_of_hugging_face_llama3)
{
    golden("llama3");
}

/* --- bpe against a plain loop --- */

/* Pieces of a word, merged by looking through the whole list again and again. */
static size_t oracle_word(const tern_tokenizer *t, const char *word, size_t bytes,
                          int32_t *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        for (int32_t id = 0; id < tern_tokenizer_vocab(t); id++) {
            size_t len;
            const char *piece = tern_tokenizer_piece(t, id, &len);
            if (len == 1 && *piece == word[i]) ids[n++] = id;
        }
    for (size_t rank = 0; rank < tern_tokenizer_merge_count(t);) {
        const char *merge = tern_tokenizer_merge(t, rank);
        size_t i = 0;
        char pair[256], joined[256];
        for (; i + 1 < n; i++) {
            snprintf(pair, sizeof pair, "%s %s", tern_tokenizer_token_text(t, ids[i]),
                     tern_tokenizer_token_text(t, ids[i + 1]));
            if (strcmp(pair, merge) == 0) break;
        }
        if (i + 1 >= n) {
            rank++;
            continue;
        }
        snprintf(joined, sizeof joined, "%s%s", tern_tokenizer_token_text(t, ids[i]),
                 tern_tokenizer_token_text(t, ids[i + 1]));
        int32_t id = 0;
        while (strcmp(tern_tokenizer_token_text(t, id), joined) != 0) id++;
        ids[i] = id;
        for (size_t k = i + 1; k + 1 < n; k++) ids[k] = ids[k + 1];
        n--;
        rank = 0; /* the new pairs may be of a lower rank */
    }
    return n;
}

Test(tokenizer, merges_equal_a_plain_loop)
{
    tern_tokenizer *t = small_bpe(TERN_PRETOK_GPT2);
    random_text r = {.seed = 3};
    static const char *const scraps[] = {"a",  "b",  "t", "h",  "e",    "r",
                                         "aa", "ab", "n", "ve", "over", "iv"};
    for (int round = 0; round < TERN_ROUNDS(300); round++) {
        char word[160]; /* letters only: one pre-token; short and long ones */
        size_t n = 0;
        const size_t length = 1 + random_below(&r, round % 3 ? 45 : 150);
        while (n < length) {
            const char *s = scraps[random_below(&r, round % 2 ? 12 : 2)];
            memcpy(word + n, s, strlen(s));
            n += strlen(s);
        }
        int32_t want[160];
        const size_t count = oracle_word(t, word, n, want);
        expect_ids(t, word, n, false, want, count);
    }
    tern_tokenizer_free(t);
}

/* All strings of up to four of "abc", and all ways to make them in random order: nearly
 * every merge takes a pair away that waits for its turn. */
Test(tokenizer, any_order_of_merges_equals_a_plain_loop)
{
    enum { TOKENS = 3 + 9 + 27 + 81, MERGES = 9 + 2 * 27 + 3 * 81 };
    static char texts[TOKENS][5], pairs[MERGES][6];
    const char *tokens[TOKENS], *merges[MERGES];
    size_t n = 0, m = 0;
    for (size_t bytes = 1, many = 3; bytes <= 4; bytes++, many *= 3)
        for (size_t code = 0; code < many; code++, n++) {
            for (size_t i = 0, c = code; i < bytes; i++, c /= 3)
                texts[n][i] = (char)('a' + c % 3);
            tokens[n] = texts[n];
            for (size_t at = 1; at < bytes; at++, m++)
                snprintf(pairs[m], sizeof pairs[m], "%.*s %s", (int)at, texts[n],
                         texts[n] + at);
        }
    cr_assert(n == TOKENS && m == MERGES);
    random_text r = {.seed = 17};
    for (int round = 0; round < TERN_ROUNDS(40); round++) {
        for (size_t i = 0; i < MERGES; i++) merges[i] = pairs[i];
        for (size_t i = MERGES - 1; i > 0; i--) {
            const size_t k = random_below(&r, i + 1);
            const char *keep = merges[i];
            merges[i] = merges[k];
            merges[k] = keep;
        }
        tern_tokenizer *t;
        MUST(tern_tokenizer_new_bpe(tokens, TOKENS, merges, MERGES, NULL,
                                    TERN_PRETOK_GPT2, &t));
        char word[150];
        const size_t length = round % 2 ? 30 : sizeof word; /* short and long ones */
        for (size_t i = 0; i < length; i++) word[i] = (char)('a' + random_below(&r, 3));
        int32_t want[160];
        const size_t count = oracle_word(t, word, length, want);
        expect_ids(t, word, length, false, want, count);
        tern_tokenizer_free(t);
    }
}

/* A megabyte without a break must not take the square of its length. */
Test(tokenizer, one_very_long_word)
{
    enum { N = TERN_ROUNDS(1 << 20) };
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3);
    char *text = malloc(N);
    memset(text, 'a', N);
    expect_round_trip(t, text, N);
    memset(text, ' ', N);
    expect_round_trip(t, text, N);
    for (size_t i = 0; i < N; i++) text[i] = "ther"[i * i % 7 % 4];
    expect_round_trip(t, text, N);
    for (size_t i = 0; i + 2 <= N; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    expect_round_trip(t, text, N);
    free(text);
    tern_tokenizer_free(t);
}

/* Words come from the cache after their first time: the ids must stay the same. */
Test(tokenizer, repetition_changes_nothing)
{
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3);
    random_text r = {.seed = 5};
    char once[512], *many = malloc(512 * 200);
    for (int round = 0; round < 50; round++) {
        size_t n = random_fill(&r, once, 500, round % 2 ? 30 : 0);
        once[n++] = 'x'; /* where copies meet there is a border between words */
        memmove(once + 1, once, n++);
        once[0] = ' ';
        tern_ids a = {0}, b = {0};
        for (int i = 0; i < 200; i++) memcpy(many + (size_t)i * n, once, n);
        MUST(tern_tokenizer_encode(t, once, n, false, &a));
        MUST(tern_tokenizer_encode(t, many, n * 200, false, &b));
        cr_assert(eq(sz, b.count, a.count * 200));
        for (size_t i = 0; i < b.count; i++)
            cr_assert(eq(i32, b.data[i], a.data[i % a.count]));
        free(a.data), free(b.data);
    }
    free(many);
    tern_tokenizer_free(t);
}

Test(tokenizer, any_bytes_come_back)
{
    random_text r = {.seed = 6};
    for (int which = 0; which < 2; which++) {
        tern_tokenizer *t = small_bpe((tern_pretok)which);
        char text[4096];
        for (int round = 0; round < 200; round++) {
            const size_t n = random_below(&r, sizeof text);
            for (size_t i = 0; i < n; i++) text[i] = (char)random_below(&r, 256);
            expect_round_trip(t, text, n);
            expect_round_trip(t, text, random_fill(&r, text, n + 8, 4));
        }
        tern_tokenizer_free(t);
    }
}

/* A megabyte of random bytes, and characters of every plane. */
Test(tokenizer, a_megabyte_comes_back)
{
    enum { N = 1 << 20 };
    random_text r = {.seed = 16};
    char *text = malloc(N);
    for (int which = 0; which < 2; which++) {
        tern_tokenizer *t = small_bpe((tern_pretok)which);
        for (size_t i = 0; i < N; i++) text[i] = (char)random_below(&r, 256);
        expect_round_trip(t, text, N);
        size_t n = 0;
        uint32_t cp = 1;
        for (; cp < 0x110000 && n + 4 <= N; cp += 1 + cp % 11)
            if (cp < 0xd800 || cp > 0xdfff) n += tern_utf8_encode(cp, text + n);
        cr_expect(cp >= 0x110000, "the last plane must fit");
        expect_round_trip(t, text, n);
        tern_tokenizer_free(t);
    }
    free(text);
}

/* --- special tokens --- */

Test(tokenizer, specials_only_on_request)
{
    tern_tokenizer *t = small_bpe(TERN_PRETOK_GPT2);
    const char *text = "the<|endoftext|><|end|> x";
    tern_ids plain = {0}, parsed = {0};
    MUST(tern_tokenizer_encode(t, text, strlen(text), false, &plain));
    MUST(tern_tokenizer_encode(t, text, strlen(text), true, &parsed));
    for (size_t i = 0; i < plain.count; i++)
        cr_expect(eq(int, tern_tokenizer_is_special(t, plain.data[i]), false));
    int specials = 0;
    for (size_t i = 0; i < parsed.count; i++)
        specials += tern_tokenizer_is_special(t, parsed.data[i]);
    cr_expect(eq(int, specials, 2));
    char *back;
    size_t n;
    MUST(tern_tokenizer_decode(t, parsed.data, parsed.count, false, &back, &n));
    cr_expect(eq(str, back, (char *)text));
    free(back);
    MUST(tern_tokenizer_decode(t, parsed.data, parsed.count, true, &back, NULL));
    cr_expect(eq(str, back, "the x"));
    free(back);
    cr_expect(eq(i32, tern_tokenizer_eos(t), 0));
    cr_expect(tern_tokenizer_ends(t, 0) && tern_tokenizer_ends(t, 1));
    cr_expect(not(tern_tokenizer_ends(t, 2) || tern_tokenizer_ends(t, -1)));
    cr_expect(not(tern_tokenizer_ends(t, INT32_MAX)));
    cr_expect(eq(i32, tern_tokenizer_special_id(t, "<|end|>"), 1));
    cr_expect(eq(i32, tern_tokenizer_special_id(t, "the"), -1));
    cr_expect(eq(i32, tern_tokenizer_special_id(t, "<|none|>"), -1));
    free(plain.data), free(parsed.data);
    tern_tokenizer_free(t);
}

Test(tokenizer, the_longest_special_wins)
{
    static const char *const tokens[] = {"a", "b", "<", "<x", "<xy>", ">"};
    static const bool special[] = {false, false, false, true, true, false};
    tern_tokenizer *t;
    MUST(tern_tokenizer_new_bpe(tokens, 6, NULL, 0, special, TERN_PRETOK_GPT2, &t));
    const int32_t want[] = {0, 4, 3, 0, 2, 1};
    expect_ids(t, "a<xy><xa<b", 10, true, want, 6);
    tern_tokenizer_free(t);
}

/* --- ids and pieces --- */

Test(tokenizer, ids_out_of_range_are_empty)
{
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3);
    const int32_t ids[] = {-1, 2, INT32_MAX, INT32_MIN, 3, 330};
    char *text;
    size_t n;
    MUST(tern_tokenizer_decode(t, ids, 6, false, &text, &n));
    cr_expect(eq(sz, n, 2)); /* ids 2 and 3 are bytes */
    free(text);
    cr_expect(eq(str, (char *)tern_tokenizer_token_text(t, -1), ""));
    cr_expect(eq(int, tern_tokenizer_is_special(t, -1), false));
    cr_expect(eq(int, tern_tokenizer_is_special(t, 330), false));
    char words[64];
    tern_tokenizer_describe(t, words);
    cr_expect(eq(str, words, "bpe (330, llama-3)"));
    cr_expect(tern_tokenizer_ignores_merges(t));
    tern_tokenizer_free(t);
}

Test(tokenizer, a_missing_byte_is_named)
{
    static const char *const tokens[] = {"ab", "a", "b"};
    static const char *const merges[] = {"a b"};
    tern_tokenizer *t;
    MUST(tern_tokenizer_new_bpe(tokens, 3, merges, 1, NULL, TERN_PRETOK_GPT2, &t));
    const int32_t want[] = {0, 1};
    expect_ids(t, "aba", 3, false, want, 2);
    tern_ids ids = {0};
    cr_expect(
        eq(int, tern_tokenizer_encode(t, "ab abc", 6, false, &ids), TERN_EFORMAT));
    cr_expect(strstr(tern_error_message(), "0x20 at byte 2") != NULL, "%s",
              tern_error_message());
    cr_expect(eq(sz, ids.count, 0));
    free(ids.data);
    tern_tokenizer_free(t);
}

/* ignore_merges: a word of the vocabulary is taken whole, even if no merge makes it. */
Test(tokenizer, whole_words_come_first_with_llama3)
{
    static const char *const tokens[] = {"a", "b", "c", "bc", "abc"};
    static const char *const merges[] = {"b c"};
    static const int32_t whole[] = {4}, parts[] = {0, 3};
    tern_tokenizer *t;
    MUST(tern_tokenizer_new_bpe(tokens, 5, merges, 1, NULL, TERN_PRETOK_LLAMA3, &t));
    expect_ids(t, "abc", 3, false, whole, 1);
    tern_tokenizer_free(t);
    MUST(tern_tokenizer_new_bpe(tokens, 5, merges, 1, NULL, TERN_PRETOK_GPT2, &t));
    expect_ids(t, "abc", 3, false, parts, 2);
    tern_tokenizer_free(t);
}

Test(tokenizer, bad_parts_are_named)
{
    static const char *const twice[] = {"a", "b", "a"};
    static const char *const empty[] = {"a", ""};
    static const char *const good[] = {"a", "b", "ab"};
    static const char *const no_result[] = {"b a"}, *const no_left[] = {"x b"};
    static const char *const one[] = {"ab"}, *const again[] = {"a b", "a b"};
    const struct {
        const char *const *tokens;
        size_t vocab;
        const char *const *merges;
        size_t count;
        const char *says;
    } cases[] = {
        {twice, 3, NULL, 0, "\"a\" appears twice"},
        {empty, 2, NULL, 0, "token 1 is empty"},
        {good, 0, NULL, 0, "vocabulary is empty"},
        {good, 3, no_result, 1, "the result is not a token"},
        {good, 3, no_left, 1, "the left part is not a token"},
        {good, 3, one, 1, "merge 0"},
        {good, 3, again, 2, "merge 1 repeats merge 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_tokenizer *t = NULL;
        cr_expect(
            eq(int,
               tern_tokenizer_new_bpe(cases[i].tokens, cases[i].vocab, cases[i].merges,
                                      cases[i].count, NULL, TERN_PRETOK_GPT2, &t),
               TERN_EFORMAT));
        cr_expect(strstr(tern_error_message(), cases[i].says) != NULL, "case %zu: %s",
                  i, tern_error_message());
        cr_expect(eq(ptr, t, NULL));
    }
}

/* --- cutting --- */

static void expect_cut_changes_nothing(const tern_tokenizer *t, const char *text,
                                       size_t bytes, size_t window, bool parse)
{
    tern_ids whole = {0}, parts = {0};
    MUST(tern_tokenizer_encode(t, text, bytes, parse, &whole));
    for (size_t at = 0, have = window; at < bytes;) {
        const size_t seen = have < bytes - at ? have : bytes - at;
        size_t cut =
            at + seen == bytes ? seen : tern_tokenizer_cut(t, text + at, seen, parse);
        cr_assert(le(sz, cut, seen));
        have = cut ? window : 2 * have;
        MUST(tern_tokenizer_encode(t, text + at, cut, parse, &parts));
        at += cut;
    }
    bool same = whole.count == parts.count;
    for (size_t i = 0; same && i < whole.count; i++)
        same = whole.data[i] == parts.data[i];
    cr_assert(same, "window %zu, %zu ids for %zu, text \"%.*s\"", window, parts.count,
              whole.count, (int)bytes, text);
    free(whole.data), free(parts.data);
}

/* The tokenizer has learnt from text of the same sort, so that nearly every wrong place
 * separates two bytes that it merges. */
Test(tokenizer, pieces_give_the_ids_of_the_whole, .timeout = 120)
{
    static const char *const specials[] = {
        "<|endoftext|>", "<|end|>", "<|end|>\n", "3 x", "<|e", "\xc3\xa9\xc3\xa9"};
    static const size_t windows[] = {1, 2, 3, 5, 8, 13, 40, 100};
    static char corpus[300000];
    random_text r = {.seed = 8};
    const size_t corpus_bytes = random_fill(&r, corpus, sizeof corpus, 0);
    for (int which = 0; which < 2; which++) {
        const tern_tokenizer_training how = {.kind = TERN_TOK_BPE,
                                             .vocab = 6000,
                                             .pretok = (tern_pretok)which,
                                             .special = specials,
                                             .specials = 6};
        tern_tokenizer *t = learn(corpus, corpus_bytes, &how);
        for (int round = 0; round < TERN_ROUNDS(12000); round++) {
            char text[220];
            size_t n =
                random_fill(&r, text, 20 + random_below(&r, 130), round % 4 ? 0 : 9);
            for (int i = 0; i < 2; i++) { /* a special, or the beginning of one */
                const char *s = specials[random_below(&r, 6)];
                const size_t m = random_below(&r, 2) ? strlen(s) : 1;
                const size_t at = random_below(&r, n + 1);
                memmove(text + at + m, text + at, n - at);
                memcpy(text + at, s, m);
                n += m;
            }
            expect_cut_changes_nothing(t, text, n, windows[round % 8], round % 3 > 0);
        }
        tern_tokenizer_free(t);
    }
}

Test(tokenizer, cutting_bytes_and_characters)
{
    tern_tokenizer *bytes, *chars;
    const char *text = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\xa6\x8a z";
    const size_t n = strlen(text);
    MUST(tern_tokenizer_new_byte(&bytes));
    MUST(tern_tokenizer_new_char(text, n, &chars));
    for (size_t window = 1; window < n; window++) {
        cr_expect(eq(sz, tern_tokenizer_cut(bytes, text, window, false), window));
        expect_cut_changes_nothing(chars, text, n, window, false);
    }
    tern_tokenizer_free(bytes);
    tern_tokenizer_free(chars);
}

/* --- threads --- */

static void *encode_often(void *arg)
{
    const tern_tokenizer *t = arg;
    random_text r = {.seed = 9};
    char text[2000];
    uint64_t sum = 0;
    for (int i = 0; i < 100; i++) {
        tern_ids ids = {0};
        const size_t n = random_fill(&r, text, sizeof text, 50);
        if (tern_tokenizer_encode(t, text, n, true, &ids) != TERN_OK) return NULL;
        for (size_t k = 0; k < ids.count; k++) sum = sum * 31 + (uint64_t)ids.data[k];
        free(ids.data);
    }
    return (void *)(uintptr_t)(sum | 1);
}

Test(tokenizer, threads_share_one)
{
    tern_tokenizer *t = small_bpe(TERN_PRETOK_LLAMA3);
    pthread_t threads[4];
    void *got[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, encode_often, t);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], &got[i]);
    void *want = encode_often(t);
    cr_expect(ne(ptr, want, NULL));
    for (int i = 0; i < 4; i++) cr_expect(eq(ptr, got[i], want));
    tern_tokenizer_free(t);
}
