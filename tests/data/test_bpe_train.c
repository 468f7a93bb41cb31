/* Oracles: the reference of Stanford's CS336 (merges and vocabulary of corpus.en); and
 * a trainer that counts all pairs again before every merge, as in Sennrich et al. 2016,
 * Algorithm 1. */
#include <jansson.h>

#include "data/pretokenize.h"
#include "data/tokenizer_train.h"
#include "tests/data/random_text.h"
#include "tests/data/tokenizer_help.h"

static const char *const eot[] = {"<|endoftext|>"};

/* --- the published reference --- */

Test(bpe_train, cs336_merges_and_vocabulary_exactly)
{
    char path[TERN_TEST_PATH], merges[TERN_TEST_PATH], vocab[TERN_TEST_PATH];
    if (!tern_test_data("tokenizers/cs336_bpe/corpus.en", path) ||
        !tern_test_data("tokenizers/cs336_bpe/train-bpe-reference-merges.txt",
                        merges) ||
        !tern_test_data("tokenizers/cs336_bpe/train-bpe-reference-vocab.json", vocab))
        cr_skip_test("no %s", path);
    const tern_tokenizer_training how = {.kind = TERN_TOK_BPE,
                                         .vocab = 500,
                                         .pretok = TERN_PRETOK_GPT2,
                                         .special = eot,
                                         .specials = 1};
    const char *paths[] = {path};
    tern_tokenizer *t;
    MUST(tern_tokenizer_train(paths, 1, &how, &t));

    char *text;
    MUST(tern_file_read(merges, 1 << 20, &text, NULL));
    size_t rank = 0;
    for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n"))
        cr_expect(eq(str, (char *)tern_tokenizer_merge(t, rank++), s));
    cr_expect(eq(sz, tern_tokenizer_merge_count(t), rank));
    free(text);

    json_t *want = json_load_file(vocab, 0, NULL), *id;
    const char *token;
    cr_expect(eq(i64, tern_tokenizer_vocab(t), (int64_t)json_object_size(want)));
    json_object_foreach(want, token, id)
    {
        const int32_t n = (int32_t)json_integer_value(id);
        cr_expect(eq(str, (char *)tern_tokenizer_token_text(t, n), (char *)token));
    }
    json_decref(want);
    tern_tokenizer_free(t);
}

/* --- the slow trainer --- */

enum { MAX_TOKENS = 400, MAX_SYMBOLS = 4096, TOKEN_BYTES = 256 };

typedef struct slow {
    char token[MAX_TOKENS][TOKEN_BYTES]; /* bytes */
    size_t bytes[MAX_TOKENS];
    int tokens;
    int row[MAX_SYMBOLS]; /* all words of the text, -1 between them */
    size_t symbols;
} slow;

static int compare(const slow *s, int a, int b)
{
    const size_t x = s->bytes[a], y = s->bytes[b];
    const int order = memcmp(s->token[a], s->token[b], x < y ? x : y);
    return order ? order : (x > y) - (x < y);
}

static void slow_words(slow *s, tern_pretok which, const char *text, size_t bytes)
{
    tern_pretokenizer *p;
    tern_pretok_walk w;
    const char *word;
    size_t n;
    MUST(tern_pretokenizer_new(which, &p));
    tern_pretok_walk_init(&w, p);
    tern_pretok_walk_text(&w, text, bytes);
    for (;;) {
        MUST(tern_pretok_next(&w, &word, &n));
        if (n == 0) break;
        s->row[s->symbols++] = -1;
        for (size_t i = 0; i < n; i++) s->row[s->symbols++] = (unsigned char)word[i];
    }
    tern_pretok_walk_free(&w);
    tern_pretokenizer_free(p);
    for (int b = 0; b < 256; b++) s->token[b][0] = (char)b, s->bytes[b] = 1;
    s->tokens = 256;
}

/* The pair to merge next; its count, 0 if there is no pair. */
static int slow_best(const slow *s, int *left, int *right)
{
    static int count[MAX_TOKENS][MAX_TOKENS];
    int best = 0;
    memset(count, 0, sizeof count);
    for (size_t i = 0; i + 1 < s->symbols; i++)
        if (s->row[i] >= 0 && s->row[i + 1] >= 0) count[s->row[i]][s->row[i + 1]]++;
    for (int a = 0; a < s->tokens; a++)
        for (int b = 0; b < s->tokens; b++) {
            if (count[a][b] == 0 || count[a][b] < best) continue;
            const int order = best ? compare(s, a, *left) : 1;
            if (count[a][b] == best &&
                (order < 0 || (order == 0 && compare(s, b, *right) < 0)))
                continue;
            best = count[a][b];
            *left = a;
            *right = b;
        }
    return best;
}

static void slow_merge(slow *s, int left, int right)
{
    const int made = s->tokens++;
    memcpy(s->token[made], s->token[left], s->bytes[left]);
    memcpy(s->token[made] + s->bytes[left], s->token[right], s->bytes[right]);
    s->bytes[made] = s->bytes[left] + s->bytes[right];
    size_t n = 0;
    for (size_t i = 0; i < s->symbols; i++) {
        const bool here =
            i + 1 < s->symbols && s->row[i] == left && s->row[i + 1] == right;
        s->row[n++] = here ? made : s->row[i];
        i += here;
    }
    s->symbols = n;
}

static void expect_same_merges(const char *text, size_t bytes, tern_pretok pretok,
                               int merges)
{
    static slow s;
    s.symbols = 0;
    slow_words(&s, pretok, text, bytes);
    int left[MAX_TOKENS], right[MAX_TOKENS], n = 0;
    while (n < merges && slow_best(&s, &left[n], &right[n]) > 0) {
        slow_merge(&s, left[n], right[n]);
        n++;
    }
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_BPE, .vocab = 256 + n, .pretok = pretok};
    tern_tokenizer *t = learn(text, bytes, &how);
    for (int i = 0; i < n; i++) {
        size_t got;
        const char *piece = tern_tokenizer_piece(t, 256 + i, &got);
        const size_t want = s.bytes[256 + i];
        cr_assert(got == want && memcmp(piece, s.token[256 + i], got) == 0,
                  "merge %d is \"%.*s\", want \"%.*s\", of text \"%.*s\"", i, (int)got,
                  piece, (int)want, s.token[256 + i], (int)bytes, text);
    }
    tern_tokenizer_free(t);
    if (n == merges) return;
    /* The text is exhausted: one more must be refused. */
    char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/corpus.txt", dir);
    MUST(tern_file_write(path, text, bytes));
    const char *paths[] = {path};
    tern_tokenizer_training more = how;
    more.vocab++;
    cr_expect(eq(int, tern_tokenizer_train(paths, 1, &more, &t), TERN_EARG));
    tern_scratch_remove(dir);
}

Test(bpe_train, equals_counting_again, .timeout = 120)
{
    random_text r = {.seed = 21};
    for (int round = 0; round < 60; round++) {
        /* few letters: ties, overlaps (aaaa) and long tokens are frequent */
        static const char letters[] = "aab ";
        char text[300];
        const size_t n = 1 + random_below(&r, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = letters[random_below(&r, 2 + random_below(&r, 3))];
        expect_same_merges(text, n, (tern_pretok)(round % 2), 60);
    }
    for (int round = 0; round < 20; round++) {
        char text[600];
        const size_t n = random_fill(&r, text, sizeof text, round % 2 ? 0 : 10);
        expect_same_merges(text, n, (tern_pretok)(round % 2), 60);
    }
}

/* --- files --- */

typedef struct files {
    char dir[TERN_TEST_PATH], path[3][TERN_TEST_PATH + 16];
    const char *list[3];
} files;

static void write_files(files *f, const char *a, size_t a_bytes, const char *b)
{
    cr_assert(tern_scratch_new(f->dir));
    for (int i = 0; i < 3; i++) {
        snprintf(f->path[i], sizeof f->path[i], "%s/%d.txt", f->dir, i);
        f->list[i] = f->path[i];
    }
    MUST(tern_file_write(f->path[0], a, a_bytes));
    MUST(tern_file_write(f->path[1], b, strlen(b)));
}

static void expect_same_tokenizer(const tern_tokenizer *a, const tern_tokenizer *b)
{
    char *x, *y;
    MUST(tern_tokenizer_json(a, &x));
    MUST(tern_tokenizer_json(b, &y));
    cr_expect(eq(str, x, y));
    free(x), free(y);
}

Test(bpe_train, the_size_of_the_pieces_does_not_matter)
{
    random_text r = {.seed = 22};
    static char text[6000];
    const size_t n = random_fill(&r, text, sizeof text - 200, 40);
    memset(text + 1000, 'x', 300); /* longer than most pieces */
    memcpy(text + 2000, "the<|endoftext|>the <|endoftext|> 's<|endoftext|>s", 50);
    files f;
    write_files(&f, text, n, "the other file<|endoftext|>");
    for (int which = 0; which < 2; which++) {
        const tern_tokenizer_training how = {.kind = TERN_TOK_BPE,
                                             .vocab = 330,
                                             .pretok = (tern_pretok)which,
                                             .special = eot,
                                             .specials = 1};
        tern_tokenizer *want, *got;
        MUST(tern_tokenizer_train(f.list, 2, &how, &want));
        for (size_t piece = 1; piece < 200; piece = piece * 3 / 2 + 1) {
            MUST(tern_tokenizer_train_pieces(f.list, 2, &how, piece, &got));
            expect_same_tokenizer(got, want);
            tern_tokenizer_free(got);
        }
        tern_tokenizer_free(want);
    }
    tern_scratch_remove(f.dir);
}

Test(bpe_train, specials_are_document_borders)
{
    const char *text = "ab<|endoftext|>ab<|endoftext|>ab";
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_BPE, .vocab = 258, .special = eot, .specials = 1};
    tern_tokenizer *t = learn(text, strlen(text), &how);
    cr_expect(eq(str, (char *)tern_tokenizer_merge(t, 0), "a b"));
    cr_expect(eq(str, (char *)tern_tokenizer_token_text(t, 0), "<|endoftext|>"));
    tern_tokenizer_free(t);
    files f; /* and there is nothing else to merge in it */
    write_files(&f, text, strlen(text), "");
    tern_tokenizer_training more = how;
    more.vocab = 259;
    cr_expect(eq(int, tern_tokenizer_train(f.list, 1, &more, &t), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "at most 258"), NULL), "%s",
              tern_error_message());
    tern_scratch_remove(f.dir);
}

Test(bpe_train, char_kind_reads_files_in_pieces)
{
    const char *a = "ab\xc3\xa9<|endoftext|>", *b = "\xe4\xb8\xad\n";
    files f;
    write_files(&f, a, strlen(a), b);
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_CHAR, .special = eot, .specials = 1};
    for (size_t piece = 1; piece < 40; piece++) {
        tern_tokenizer *t;
        MUST(tern_tokenizer_train_pieces(f.list, 2, &how, piece, &t));
        const int32_t want[] = {1, 2, 3, 5, 4, 0};
        cr_expect(eq(i64, tern_tokenizer_vocab(t), 6));
        expect_ids(t, "ab\xc3\xa9<|endoftext|>\xe4\xb8\xad\n", 21, true, want, 6);
        tern_tokenizer_free(t);
    }
    MUST(tern_file_write(f.path[1], "abcdefgh ijk\xff", 13));
    for (size_t piece = 1; piece < 40; piece++) {
        tern_tokenizer *t;
        cr_expect(eq(int, tern_tokenizer_train_pieces(f.list, 2, &how, piece, &t),
                     TERN_EFORMAT));
        cr_expect(ne(ptr, strstr(tern_error_message(), "1.txt: byte 12, 0xFF"), NULL),
                  "%s", tern_error_message());
    }
    tern_scratch_remove(f.dir);
}

Test(bpe_train, byte_kind_needs_no_corpus)
{
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_BYTE, .special = eot, .specials = 1};
    tern_tokenizer *t;
    MUST(tern_tokenizer_train(NULL, 0, &how, &t));
    const int32_t want[] = {'a', 256};
    expect_ids(t, "a<|endoftext|>", 14, true, want, 2);
    cr_expect(eq(int, tern_tokenizer_kind(t), TERN_TOK_BYTE));
    cr_expect(eq(i32, tern_tokenizer_eos(t), 256));
    tern_tokenizer_free(t);
}

/* --- what cannot be learnt --- */

Test(bpe_train, bad_requests_are_named)
{
    static const char *const twice[] = {"<|a|>", "<|a|>"}, *const empty[] = {""};
    static const char *const byte[] = {"!"}, *const merged[] = {"\xc4\xa0"
                                                                "a"};
    files f;
    write_files(&f, "abab", 4, "");
    const struct {
        size_t files;
        tern_tokenizer_training how;
        tern_status status;
        const char *says;
    } cases[] = {
        {1, {.kind = TERN_TOK_BPE, .vocab = 255}, TERN_EARG, "at least 256"},
        {1, {.kind = TERN_TOK_BPE, .vocab = -1}, TERN_EARG, "at least 256"},
        {1, {.kind = TERN_TOK_BPE, .vocab = (int64_t)1 << 40}, TERN_EARG, "2^31"},
        {1, {.kind = TERN_TOK_BPE, .vocab = 2000000000}, TERN_EARG, "at most 258"},
        {2, {.kind = TERN_TOK_BPE, .vocab = 300}, TERN_EARG, "at most 258"},
        {0, {.kind = TERN_TOK_BPE, .vocab = 300}, TERN_EARG, "no corpus"},
        {0, {.kind = TERN_TOK_CHAR}, TERN_EARG, "no corpus"},
        {3, {.kind = TERN_TOK_BPE, .vocab = 257}, TERN_EIO, "2.txt"},
        {1,
         {.kind = TERN_TOK_BPE, .vocab = 260, .special = twice, .specials = 2},
         TERN_EARG,
         "appears twice"},
        {1,
         {.kind = TERN_TOK_BPE, .vocab = 260, .special = empty, .specials = 1},
         TERN_EARG,
         "empty"},
        {1,
         {.kind = TERN_TOK_BPE, .vocab = 258, .special = byte, .specials = 1},
         TERN_EARG,
         "appears twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_tokenizer *t = NULL;
        const tern_status s =
            tern_tokenizer_train(f.list, cases[i].files, &cases[i].how, &t);
        cr_expect(eq(int, s, cases[i].status), "case %zu: %s", i, tern_error_message());
        cr_expect(ne(ptr, strstr(tern_error_message(), cases[i].says), NULL),
                  "case %zu: %s", i, tern_error_message());
        cr_expect(eq(ptr, t, NULL));
    }
    /* A special spelled as a merge is written in the alphabet: " a". */
    MUST(tern_file_write(f.path[0], "b a a", 5));
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_BPE, .vocab = 258, .special = merged, .specials = 1};
    tern_tokenizer *t = NULL;
    cr_expect(eq(int, tern_tokenizer_train(f.list, 1, &how, &t), TERN_EARG));
    cr_expect(ne(ptr, strstr(tern_error_message(), "how a merge is written"), NULL),
              "%s", tern_error_message());
    const char *dir[] = {f.dir};
    const tern_tokenizer_training plain = {.kind = TERN_TOK_BPE, .vocab = 257};
    cr_expect(eq(int, tern_tokenizer_train(dir, 1, &plain, &t), TERN_EIO));
    tern_scratch_remove(f.dir);
}

static void remember(double fraction, void *user)
{
    double *last = user;
    cr_expect(ge(dbl, fraction, *last));
    cr_expect(le(dbl, fraction, 1.0));
    *last = fraction;
}

Test(bpe_train, progress_only_rises)
{
    double last = 0.0;
    random_text r = {.seed = 23};
    static char text[50000];
    const tern_tokenizer_training how = {
        .kind = TERN_TOK_BPE, .vocab = 600, .progress = remember, .user = &last};
    tern_tokenizer_free(learn(text, random_fill(&r, text, sizeof text, 0), &how));
    cr_expect(gt(dbl, last, 0.7));
}
