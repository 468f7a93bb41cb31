/* Cutting a text must not show in its ids: pieces of every size are compared with the
 * whole, on texts made to be hard to cut. */
#include <math.h>

#include "base/rng.h"
#include "data/corpus.h"
#include "data/tokenizer.h"
#include "tests/data/check.h"

TestSuite(corpus, .init = setup, .fini = teardown);

/* Bits of text that meet in all orders: what regexes and UTF-8 find hard. */
static const char *const bits[] = {"a",
                                   "Bc",
                                   " ",
                                   "  ",
                                   "\n",
                                   "\n\n",
                                   "\r\n",
                                   "\t",
                                   "12",
                                   "1234",
                                   "'s",
                                   "'RE",
                                   "!",
                                   "?!",
                                   "-",
                                   "caf\xc3\xa9",
                                   "_",
                                   ". ",
                                   ".\n",
                                   "\xe3\x80\x80",
                                   "\xe4\xb8\xad\xe6\x96\x87",
                                   "\xc2\xa0",
                                   "\xe3\x80\x82\n",
                                   "e\xcc\x81",
                                   "\xf0\x9f\x98\x80",
                                   "<|endoftext|>",
                                   "<|a b|>",
                                   "<|a",
                                   "b|>",
                                   "the river "};
static const char *const broken[] = {"\xff", "\xe4\xb8", "\x80\x80", "\xf0\x9f"};
enum { BITS = sizeof bits / sizeof *bits, BROKEN = sizeof broken / sizeof *broken };

/* Random bits, one in twelve of them not UTF-8 if `bad`. Returns the length. */
static size_t compose(uint64_t seed, size_t count, bool bad, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t r = tern_rand_u64(seed, TERN_STREAM_TEST, i);
        const bool odd = bad && r % 12 == 0;
        const char *bit = odd ? broken[(r >> 8) % BROKEN] : bits[(r >> 8) % BITS];
        n += (size_t)sprintf(out + n, "%s", bit);
    }
    return n;
}

static tern_tokenizer *bpe(tern_pretok pretok)
{
    static const char *const special[] = {"<|endoftext|>", "<|a b|>"};
    const char text[] =
        "the river the other river then there they never the then over\n\n"
        "it's there, isn't it?! we're here.\n\n\n  \xe4\xb8\xad\xe6\x96\x87"
        "\xe4\xb8\xad\xe6\x96\x87 ?! ?! 12 1234 12 1234 the the\r\n\r\n  \n  \n";
    const tern_tokenizer_training how = {.kind = TERN_TOK_BPE,
                                         .vocab = 300,
                                         .pretok = pretok,
                                         .special = special,
                                         .specials = 2};
    const char *path = in_dir("learn.txt");
    tern_tokenizer *t = NULL;
    OK(tern_file_write(path, text, sizeof text - 1));
    OK(tern_tokenizer_train(&path, 1, &how, &t));
    return t;
}

/* Read the file in pieces and append the ids of each. */
static size_t encode_pieces(const char *path, const tern_tokenizer *t, size_t piece,
                            const char *whole, tern_ids *ids)
{
    tern_corpus *c;
    const char *text;
    size_t bytes, at = 0, count = 0;
    OK(tern_corpus_open(path, t, piece, &c));
    for (;; count++) {
        OK(tern_corpus_next(c, &text, &bytes));
        if (bytes == 0) break;
        cr_assert(eq(i64, tern_corpus_offset(c), (int64_t)at));
        cr_assert(memcmp(text, whole + at, bytes) == 0);
        OK(tern_tokenizer_encode(t, text, bytes, true, ids));
        at += bytes;
    }
    cr_assert(eq(i64, tern_corpus_size(c), (int64_t)at));
    tern_corpus_close(c);
    return count;
}

static void pieces_equal_whole(const tern_tokenizer *t, bool bad)
{
    static char text[1 << 16];
    static const size_t sizes[] = {1, 2, 5, 13, 40, 200, 1000};
    size_t cuts = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        const size_t n = compose(seed, 300, bad, text);
        const char *path = in_dir("text.txt");
        tern_ids whole = {0};
        OK(tern_file_write(path, text, n));
        OK(tern_tokenizer_encode(t, text, n, true, &whole));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            tern_ids ids = {0};
            cuts += encode_pieces(path, t, sizes[i], text, &ids) - 1;
            cr_assert(eq(sz, ids.count, whole.count), "seed %d, piece %zu", (int)seed,
                      sizes[i]);
            cr_assert(memcmp(ids.data, whole.data, ids.count * sizeof *ids.data) == 0);
            free(ids.data);
        }
        free(whole.data);
    }
    cr_expect(gt(sz, cuts, 2000)); /* it did cut */
}

Test(corpus, gpt2_ids_do_not_depend_on_the_pieces)
{
    tern_tokenizer *t = bpe(TERN_PRETOK_GPT2);
    pieces_equal_whole(t, false);
    pieces_equal_whole(t, true);
    tern_tokenizer_free(t);
}

Test(corpus, llama3_ids_do_not_depend_on_the_pieces)
{
    tern_tokenizer *t = bpe(TERN_PRETOK_LLAMA3);
    pieces_equal_whole(t, false);
    pieces_equal_whole(t, true);
    tern_tokenizer_free(t);
}

Test(corpus, byte_and_char_ids_do_not_depend_on_the_pieces)
{
    static char text[1 << 16];
    tern_tokenizer *byte, *one;
    const size_t n = compose(1, 3000, false, text);
    OK(tern_tokenizer_new_byte(&byte));
    OK(tern_tokenizer_new_char(text, n, &one));
    pieces_equal_whole(byte, true);
    pieces_equal_whole(one, false);
    tern_tokenizer_free(byte);
    tern_tokenizer_free(one);
}

/* A text that cannot be cut for 16 MiB is cut there, whatever the piece. */
Test(corpus, endless_words_stay_within_memory)
{
    const size_t n = (size_t)2 * TERN_CORPUS_RUN + 12345;
    char *text = malloc(n);
    memset(text, 'x', n);
    text[1000] = ' ';
    const char *path = in_dir("endless.txt");
    OK(tern_file_write(path, text, n));
    tern_tokenizer *t = bpe(TERN_PRETOK_LLAMA3);
    for (size_t piece = 500; piece <= TERN_CORPUS_RUN; piece *= 8192) {
        static const int64_t want[] = {0, 1000, 1000 + TERN_CORPUS_RUN,
                                       1000 + 2 * (int64_t)TERN_CORPUS_RUN};
        tern_corpus *c;
        const char *at;
        size_t bytes, i = 0;
        OK(tern_corpus_open(path, t, piece, &c));
        for (;; i++) {
            OK(tern_corpus_next(c, &at, &bytes));
            if (bytes == 0) break;
            cr_assert(i < 4 && tern_corpus_offset(c) == want[i], "piece %zu, part %zu",
                      piece, i);
        }
        cr_expect(eq(sz, i, 4));
        tern_corpus_close(c);
    }
    tern_tokenizer_free(t);
    free(text);
}

Test(corpus, names_files_it_cannot_read)
{
    tern_corpus *c;
    tern_tokenizer *t;
    OK(tern_tokenizer_new_byte(&t));
    FAILS(tern_corpus_open(in_dir("none.txt"), t, 0, &c), TERN_EIO, "none.txt");
    FAILS(tern_corpus_open(dir, t, 0, &c), TERN_EIO, "not a regular file");
    OK(tern_file_write(in_dir("empty.txt"), "", 0));
    FAILS(tern_corpus_open(in_dir("empty.txt"), t, 0, &c), TERN_EFORMAT, "empty.txt");
    tern_tokenizer_free(t);
}

Test(corpus, a_file_that_shrinks_is_noticed)
{
    tern_corpus *c;
    tern_tokenizer *t;
    const char *path = in_dir("text.txt"), *text;
    size_t bytes = 1;
    OK(tern_tokenizer_new_byte(&t));
    char *long_text = calloc(1, 100000);
    OK(tern_file_write(path, long_text, 100000));
    free(long_text);
    OK(tern_corpus_open(path, t, 4, &c));
    OK(tern_corpus_next(c, &text, &bytes));
    FILE *f = fopen(path, "w");
    fclose(f);
    tern_status s = TERN_OK;
    while (s == TERN_OK && bytes > 0) s = tern_corpus_next(c, &text, &bytes);
    cr_expect(eq(int, s, TERN_EIO));
    tern_corpus_close(c);
    tern_tokenizer_free(t);
}

Test(corpus, notes_hold_for_their_file_only)
{
    const char *path = in_dir("tales.txt"), *note = in_dir("tales.txt.json");
    const tern_corpus_note n = {.bytes = 5, .stories = 1, .entropy = 0.25};
    OK(tern_file_write(path, "tales", 5));
    cr_expect(eq(dbl, tern_corpus_entropy(path), 0.0));
    OK(tern_corpus_note_write(path, &n));
    cr_expect(eq(dbl, tern_corpus_entropy(path), 0.25));
    OK(tern_file_write(path, "other tales", 11));
    cr_expect(eq(dbl, tern_corpus_entropy(path), 0.0));
    OK(tern_file_write(path, "tales", 5));
    static const char *const bad[] = {
        "",
        "{",
        "[1, 2]",
        "{\"bytes\": 5}",
        "{\"bytes\": \"5\", \"entropy_nats_per_byte\": 1}",
        "{\"bytes\": 5, \"entropy_nats_per_byte\": -1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OK(tern_file_write(note, bad[i], strlen(bad[i])));
        cr_expect(eq(dbl, tern_corpus_entropy(path), 0.0), "%s", bad[i]);
    }
}
