/* Models that are damaged, or want what tern does not do: refused by name, and no bytes
 * whatever crash the reader (the sanitizers watch). */
#include <jansson.h>

#include "data/sentencepiece.h"
#include "tests/data/random_text.h"
#include "tests/data/tokenizer_help.h"
#include "tests/support/seed.h"

/* --- messages by hand --- */

typedef struct message {
    char bytes[512];
    size_t count;
} message;

static void put(message *m, const char *bytes, size_t count)
{
    memcpy(m->bytes + m->count, bytes, count);
    m->count += count;
}

static void put_number(message *m, int field, int value)
{
    const char bytes[] = {(char)(field << 3 & 0x7f), (char)(field >> 4), (char)value};
    if (field < 16)
        put(m, (char[]){(char)(field << 3), (char)value}, 2);
    else
        put(m, (char[]){(char)(bytes[0] | 0x80), bytes[1], bytes[2]}, 3);
}

static void put_bytes(message *m, int field, const void *bytes, size_t count)
{
    put(m, (char[]){(char)(field << 3 | 2), (char)count}, 2);
    put(m, bytes, count);
}

static void put_piece(message *m, const char *text, int type)
{
    message piece = {0};
    put_bytes(&piece, 1, text, strlen(text));
    put(&piece, "\x15\0\0\0\xbf", 5); /* score -0.5 */
    put_number(&piece, 3, type);
    put_bytes(m, 1, piece.bytes, piece.count);
}

static message begin(void)
{
    message m = {0};
    put_piece(&m, "<unk>", 2);
    put_piece(&m, "a", 1);
    return m;
}

static void put_trainer(message *m, int type)
{
    message trainer = {0};
    put_number(&trainer, 3, type);
    put_bytes(m, 2, trainer.bytes, trainer.count);
}

static void refused(const message *m, const char *says)
{
    tern_tokenizer *t = NULL;
    tern_test_seed("sentencepiece", m->bytes, m->count);
    cr_expect(eq(int, tern_sentencepiece_parse(m->bytes, m->count, "t.model", &t),
                 TERN_EFORMAT));
    const char *said = tern_error_message();
    cr_expect(strstr(said, "t.model: ") == said && strstr(said, says),
              "\"%s\" lacks \"%s\"", said, says);
}

static void refused_normalizer(int field, int number, const char *says)
{
    message m = begin(), inner = {0};
    put_trainer(&m, 2);
    if (field == 2)
        put_bytes(&inner, 2, "x", 1);
    else
        put_number(&inner, field, number);
    put_bytes(&m, 3, inner.bytes, inner.count);
    refused(&m, says);
}

Test(sentencepiece, what_tern_does_not_do_is_refused_by_name)
{
    message m = begin();
    refused(&m, "trainer_spec.model_type\" is UNIGRAM"); /* what silence means */
    put_trainer(&m, 4);
    refused(&m, "model_type\" is CHAR");
    refused_normalizer(2, 0, "normalizer_spec.precompiled_charsmap");
    refused_normalizer(5, 0, "normalizer_spec.escape_whitespaces");
    m = begin();
    message trainer = {0};
    put_number(&trainer, 3, 2);
    put_number(&trainer, 24, 1);
    put_bytes(&m, 2, trainer.bytes, trainer.count);
    refused(&m, "treat_whitespace_as_suffix");
}

Test(sentencepiece, impossible_pieces_are_refused)
{
    message m = {0};
    put_trainer(&m, 2);
    refused(&m, "vocabulary is empty");
    m = begin();
    put_piece(&m, "a", 1);
    refused(&m, "\"a\" appears twice");
    m = begin();
    put_piece(&m, "b", 7);
    refused(&m, "piece 2 is of a type");
    m = begin();
    put_piece(&m, "<u>", 2);
    refused(&m, "both of type UNKNOWN");
    m = begin();
    put_piece(&m, "", 1);
    refused(&m, "token 2 is empty");
    m = (message){0};
    put_number(&m, 1, 5);
    refused(&m, "wrong type");
    m = (message){0};
    put(&m, "\x0b\x00", 2); /* a group */
    refused(&m, "type 3");
    m = (message){0};
    put(&m, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    refused(&m, "longer than 64 bits");
    m = (message){0};
    put(&m,
        "\x0a\x05"
        "ab",
        4);
    refused(&m, "ends in the middle");
}

Test(sentencepiece, a_byte_must_look_like_one)
{
    message m = begin(), trainer = {0};
    put_piece(&m, "<0x4g>", 6);
    put_number(&trainer, 3, 2);
    put_number(&trainer, 35, 1);
    put_bytes(&m, 2, trainer.bytes, trainer.count);
    refused(&m, "is a byte but not written like");
}

/* It is found before a space is put before the text, and would have to begin with it.
 */
Test(sentencepiece, a_user_defined_token_cannot_begin_with_the_first_space)
{
    message m = begin();
    put_piece(&m, "\xe2\x96\x81x", 4);
    put_trainer(&m, 2);
    refused(&m, "user-defined and begins with a space");
}

Test(sentencepiece, json_is_told_apart)
{
    cr_expect(not(tern_is_sentencepiece("{\"a\":1}", 7)));
    cr_expect(not(tern_is_sentencepiece("\n{\n}\n", 5)));
    const message m = begin();
    cr_expect(tern_is_sentencepiece(m.bytes, m.count));
    cr_expect(not(tern_is_sentencepiece("", 0)));
}

Test(sentencepiece, a_character_without_tokens_is_named)
{
    message m = {0};
    tern_tokenizer *t;
    tern_ids ids = {0};
    put_piece(&m, "a", 1);
    put_piece(&m, "\xe2\x96\x81", 1);
    put_trainer(&m, 2);
    MUST(tern_sentencepiece_parse(m.bytes, m.count, "t.model", &t));
    cr_expect(
        eq(int, tern_tokenizer_encode(t, "a\xc3\xa9", 3, false, &ids), TERN_EFORMAT));
    cr_expect(ne(ptr, strstr(tern_error_message(), "0xC3 0xA9"), NULL));
    cr_expect(eq(sz, ids.count, 0));
    free(ids.data);
    tern_tokenizer_free(t);
}

/* Every truncation, and random damage: any outcome but a crash. */
Test(sentencepiece, damage_never_crashes, .timeout = 200)
{
    json_t *all = json_load_file(
        TERN_SOURCE_DIR "/tests/data/golden_sentencepiece.json", 0, NULL);
    const char *hex = json_string_value(json_object_get(
        json_object_get(json_object_get(all, "models"), "no_bytes"), "model"));
    const size_t n = strlen(hex) / 2;
    char *good = malloc(n), *bad = malloc(n);
    for (size_t i = 0; i < n; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        good[i] = (char)strtol(pair, NULL, 16);
    }
    random_text r = {.seed = 23};
    for (int round = 0; round < 3000; round++) {
        memcpy(bad, good, n);
        const size_t bytes = round < 1000 ? random_below(&r, n) : n;
        for (int k = 0; round >= 1000 && k < 3; k++)
            bad[random_below(&r, n)] = (char)random_below(&r, 256);
        tern_tokenizer *t = NULL;
        if (tern_sentencepiece_parse(bad, bytes, "t.model", &t) != TERN_OK) continue;
        tern_ids ids = {0};
        (void)tern_tokenizer_encode(t, "the river <tool>\xff", 17, true, &ids);
        free(ids.data);
        tern_tokenizer_free(t);
    }
    free(good), free(bad);
    json_decref(all);
}
