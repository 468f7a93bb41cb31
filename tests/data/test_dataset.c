/* What comes out of a dataset is compared with what the tokenizer makes of the text,
 * with h5py, and with nanoGPT's split; damage of every kind must be refused. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/rng.h"
#include "data/corpus.h"
#include "data/dataset.h"
#include "data/h5file.h"
#include "tests/data/check.h"

TestSuite(dataset, .init = setup, .fini = teardown);

static tern_tokenizer *byte_tokenizer(void)
{
    tern_tokenizer *t;
    OK(tern_tokenizer_new_byte(&t));
    return t;
}

/* A text of `bytes` bytes: words, marks and lines. */
static char *some_text(const char *path, size_t bytes)
{
    char *text = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        const uint64_t r = tern_rand_below(3, TERN_STREAM_TEST, i, 40);
        text[i] = r < 26 ? (char)('a' + r) : r < 36 ? ' ' : r < 38 ? '\n' : '.';
    }
    text[bytes] = '\0';
    OK(tern_file_write(path, text, bytes));
    return text;
}

static tern_dataset *build_and_open(const tern_dataset_recipe *r)
{
    tern_dataset *d = NULL;
    OK(tern_dataset_build(r, in_dir("data.h5")));
    OK(tern_dataset_open(in_dir("data.h5"), &d));
    return d;
}

/* All ids of a split, for the caller to free. */
static int32_t *read_all(const tern_dataset *d, tern_split s)
{
    const int64_t n = tern_dataset_tokens(d, s);
    int32_t *ids = malloc((size_t)(n + 1) * sizeof *ids);
    OK(tern_dataset_read(d, s, 0, n, ids));
    return ids;
}

static void expect_same(const tern_dataset *a, const tern_dataset *b)
{
    cr_expect(eq(u64, tern_dataset_fingerprint(a), tern_dataset_fingerprint(b)));
    for (int s = 0; s < 2; s++) {
        const tern_split split = (tern_split)s;
        const int64_t n = tern_dataset_tokens(a, split);
        cr_assert(eq(i64, tern_dataset_tokens(b, split), n));
        cr_expect(eq(i64, tern_dataset_bytes(a, split), tern_dataset_bytes(b, split)));
        int32_t *x = read_all(a, split), *y = read_all(b, split);
        cr_expect(memcmp(x, y, (size_t)n * sizeof *x) == 0);
        free(x);
        free(y);
    }
}

Test(dataset, keeps_every_byte_in_its_split)
{
    tern_tokenizer *t = byte_tokenizer();
    const char *paths[] = {in_dir("a.txt"), in_dir("b.txt")};
    char *a = some_text(paths[0], 1001), *b = some_text(paths[1], 333);
    const tern_dataset_recipe r = {
        .paths = paths, .count = 2, .tokenizer = t, .val_fraction = 0.25};
    tern_dataset *d = build_and_open(&r);
    /* floor(1001 * 0.75) = 750, floor(333 * 0.75) = 249 */
    cr_assert(eq(i64, tern_dataset_tokens(d, TERN_TRAIN), 750 + 249));
    cr_assert(eq(i64, tern_dataset_tokens(d, TERN_VAL), 251 + 84));
    cr_expect(eq(i64, tern_dataset_bytes(d, TERN_TRAIN), 999));
    cr_expect(eq(i64, tern_dataset_bytes(d, TERN_VAL), 335));
    int32_t *train = read_all(d, TERN_TRAIN), *val = read_all(d, TERN_VAL);
    for (int i = 0; i < 999; i++)
        cr_assert(eq(int, train[i], i < 750 ? a[i] : b[i - 750]));
    for (int i = 0; i < 335; i++)
        cr_assert(eq(int, val[i], i < 251 ? a[750 + i] : b[249 + i - 251]));
    free(train);
    free(val);
    free(a);
    free(b);
    tern_dataset_free(d);
    tern_tokenizer_free(t);
}

/* nanoGPT's character split of tinyshakespeare: 1,003,854 and 111,540 tokens. */
Test(dataset, splits_shakespeare_as_nanogpt_does)
{
    char path[TERN_TEST_PATH];
    if (!tern_test_data("tinyshakespeare/input.txt", path))
        cr_skip_test("no test data");
    size_t bytes;
    char *text = slurp(path, &bytes);
    tern_tokenizer *t;
    OK(tern_tokenizer_new_char(text, bytes, &t));
    const char *paths[] = {path};
    const tern_dataset_recipe r = {
        .paths = paths, .count = 1, .tokenizer = t, .val_fraction = 0.1};
    tern_dataset *d = build_and_open(&r);
    cr_expect(eq(i64, tern_dataset_tokens(d, TERN_TRAIN), 1003854));
    cr_expect(eq(i64, tern_dataset_tokens(d, TERN_VAL), 111540));
    tern_dataset_free(d);
    tern_tokenizer_free(t);
    free(text);
}

static tern_tokenizer *bpe_tokenizer(const char *path, int64_t vocab)
{
    static const char *const special[] = {"<|endoftext|>"};
    const tern_tokenizer_training how = {.kind = TERN_TOK_BPE,
                                         .vocab = vocab,
                                         .pretok = TERN_PRETOK_LLAMA3,
                                         .special = special,
                                         .specials = 1};
    tern_tokenizer *t = NULL;
    OK(tern_tokenizer_train(&path, 1, &how, &t));
    return t;
}

Test(dataset, does_not_depend_on_the_piece_or_the_place)
{
    const char *paths[] = {in_dir("a.txt"), in_dir("b.txt")};
    char *a = some_text(paths[0], 20000), *b = some_text(paths[1], 5000);
    tern_tokenizer *t = bpe_tokenizer(paths[0], 400);
    tern_dataset_recipe r = {
        .paths = paths, .count = 2, .tokenizer = t, .val_fraction = 0.1};
    tern_dataset *file = build_and_open(&r), *memory, *window;
    static const size_t pieces[] = {64, 1000, 7777};
    for (size_t i = 0; i < 3; i++) {
        r.piece = pieces[i];
        OK(tern_dataset_build_memory(&r, &memory));
        expect_same(file, memory);
        tern_dataset_free(memory);
    }
    OK(tern_dataset_open_within(in_dir("data.h5"), 100, &window));
    expect_same(file, window);
    int32_t some[3];
    FAILS(tern_dataset_read(window, TERN_VAL, 1 << 30, 3, some), TERN_EARG, "data.h5");
    FAILS(tern_dataset_read(file, TERN_VAL, -1, 3, some), TERN_EARG, "val split");
    FAILS(tern_dataset_read(file, TERN_TRAIN, tern_dataset_tokens(file, TERN_TRAIN), 1,
                            some),
          TERN_EARG, "train split");
    tern_dataset_free(window);
    tern_dataset_free(file);
    tern_tokenizer_free(t);
    free(a);
    free(b);
}

/* A text of documents for SentencePiece, whose own spaces are not bytes of the text. */
Test(dataset, spaces_of_sentencepiece_are_not_counted)
{
    static const char json[] =
        "{\"added_tokens\":[{\"id\":6,\"content\":\"<s>\",\"special\":true},"
        "{\"id\":7,\"content\":\"b a\"}],\"normalizer\":{\"type\":\"Sequence\","
        "\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},{"
        "\"type\":"
        "\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]},"
        "\"decoder\":{\"type\":\"Metaspace\"},\"model\":{\"type\":\"BPE\","
        "\"fuse_unk\":true,\"vocab\":{\"\xe2\x96\x81\":0,\"a\":1,\"b\":2,\"ab\":3,"
        "\"\xe2\x96\x81"
        "a\":4,\"\xe2\x96\x81"
        "ab\":5},\"merges\":[\"a b\","
        "\"\xe2\x96\x81 a\",\"\xe2\x96\x81 ab\",\"\xe2\x96\x81"
        "a b\"]}}";
    static const char *const scraps[] = {"a", "b", " ", "<s>", "ab", " a", "b a", "  "};
    tern_tokenizer *t;
    OK(tern_tokenizer_parse(json, sizeof json - 1, "json", &t));
    char text[6001];
    size_t n = 0;
    for (uint64_t i = 0; n + 3 <= 6000; i++) {
        const char *s = scraps[tern_rand_below(4, TERN_STREAM_TEST, i, 8)];
        memcpy(text + n, s, strlen(s));
        n += strlen(s);
    }
    const char *path = in_dir("a.txt");
    OK(tern_file_write(path, text, n));
    tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .val_fraction = 0.3};
    tern_dataset *whole, *parts;
    OK(tern_dataset_build_memory(&r, &whole));
    cr_expect(
        eq(i64,
           tern_dataset_bytes(whole, TERN_TRAIN) + tern_dataset_bytes(whole, TERN_VAL),
           (int64_t)n));
    for (r.piece = 8; r.piece < 3000; r.piece *= 3) {
        OK(tern_dataset_build_memory(&r, &parts));
        expect_same(whole, parts);
        tern_dataset_free(parts);
    }
    tern_dataset_free(whole);
    tern_tokenizer_free(t);
}

/* Special texts become their ids; every id spells its bytes. */
Test(dataset, documents_end_with_their_id)
{
    const char text[] =
        "one story<|endoftext|>another story<|endoftext|>and more of it";
    const char *path = in_dir("a.txt");
    OK(tern_file_write(path, text, sizeof text - 1));
    tern_tokenizer *t = bpe_tokenizer(path, 257);
    const tern_dataset_recipe r = {.paths = &path, .count = 1, .tokenizer = t};
    tern_dataset *d = build_and_open(&r);
    const int64_t n = tern_dataset_tokens(d, TERN_TRAIN);
    cr_expect(eq(i64, tern_dataset_tokens(d, TERN_VAL), 0));
    int32_t *ids = read_all(d, TERN_TRAIN);
    int borders = 0;
    for (int64_t i = 0; i < n; i++) borders += ids[i] == tern_tokenizer_eos(t);
    cr_expect(eq(int, borders, 2));
    char *back;
    OK(tern_tokenizer_decode(tern_dataset_tokenizer(d), ids, (size_t)n, false, &back,
                             NULL));
    cr_expect(eq(str, back, (char *)text));
    cr_expect(eq(i64, tern_dataset_bytes(d, TERN_TRAIN), (int64_t)sizeof text - 1));
    free(back);
    free(ids);
    tern_dataset_free(d);
    tern_tokenizer_free(t);
}

Test(dataset, large_vocabularies_take_32_bits)
{
    const char *path = in_dir("a.txt");
    FILE *f =
        fopen(path, "wb"); /* every character from U+0100 to U+11FFF but surrogates */
    for (unsigned c = 0x100; c < 0x12000; c++) {
        if (c >= 0xd800 && c < 0xe000) continue;
        if (c >= 0x10000)
            fprintf(f, "%c%c", 0xf0, 0x80 | c >> 12);
        else if (c >= 0x800)
            fprintf(f, "%c", 0xe0 | c >> 12);
        if (c >= 0x800)
            fprintf(f, "%c", 0x80 | (c >> 6 & 63));
        else
            fprintf(f, "%c", 0xc0 | c >> 6);
        fprintf(f, "%c", 0x80 | (c & 63));
    }
    fclose(f);
    size_t bytes;
    char *text = slurp(path, &bytes);
    tern_tokenizer *t;
    OK(tern_tokenizer_new_char(text, bytes, &t));
    const tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .piece = 999};
    tern_dataset *d = build_and_open(&r), *window;
    const int64_t n = 0x12000 - 0x100 - 0x800;
    cr_assert(eq(i64, tern_dataset_tokens(d, TERN_TRAIN), n));
    OK(tern_dataset_open_within(in_dir("data.h5"), 0, &window));
    expect_same(d, window);
    int32_t *ids = read_all(d, TERN_TRAIN);
    for (int64_t i = 0; i < n; i++) cr_assert(eq(i64, ids[i], i));
    free(ids);
    free(text);
    tern_dataset_free(window);
    tern_dataset_free(d);
    tern_tokenizer_free(t);
}

Test(dataset, fingerprints_differ_when_anything_does)
{
    const char *path = in_dir("a.txt");
    char *text = some_text(path, 5000);
    tern_tokenizer *t = byte_tokenizer(), *other = bpe_tokenizer(path, 257);
    tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .val_fraction = 0.1};
    tern_dataset *d[4];
    OK(tern_dataset_build_memory(&r, &d[0]));
    r.val_fraction = 0.2;
    OK(tern_dataset_build_memory(&r, &d[1]));
    r.tokenizer = other;
    OK(tern_dataset_build_memory(&r, &d[2]));
    text[2500] ^= 1;
    OK(tern_file_write(path, text, 5000));
    OK(tern_dataset_build_memory(&r, &d[3]));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            cr_expect(ne(u64, tern_dataset_fingerprint(d[i]),
                         tern_dataset_fingerprint(d[j])));
    for (int i = 0; i < 4; i++) tern_dataset_free(d[i]);
    tern_tokenizer_free(other);
    tern_tokenizer_free(t);
    free(text);
}

Test(dataset, entropy_comes_from_the_notes)
{
    const char *paths[] = {in_dir("a.txt"), in_dir("b.txt")};
    char *a = some_text(paths[0], 3000), *b = some_text(paths[1], 1000);
    tern_tokenizer *t = byte_tokenizer();
    tern_dataset_recipe r = {
        .paths = paths, .count = 2, .tokenizer = t, .val_fraction = 0.1};
    tern_corpus_note note = {.bytes = 3000, .stories = 5, .entropy = 0.2};
    OK(tern_corpus_note_write(paths[0], &note));
    tern_dataset *d = build_and_open(&r);
    cr_expect(eq(dbl, tern_dataset_entropy(d), 0.0)); /* b is not known */
    tern_dataset_free(d);
    note = (tern_corpus_note){.bytes = 1000, .stories = 5, .entropy = 0.6};
    OK(tern_corpus_note_write(paths[1], &note));
    d = build_and_open(&r);
    cr_expect(lt(dbl, fabs(tern_dataset_entropy(d) - 0.3), 1e-12));
    tern_dataset_free(d);
    r.entropy = 0.5;
    d = build_and_open(&r);
    cr_expect(eq(dbl, tern_dataset_entropy(d), 0.5));
    tern_dataset_free(d);
    tern_tokenizer_free(t);
    free(a);
    free(b);
}

/* --- bad input: a clear message, and nothing left behind --- */

Test(dataset, bad_sources_are_named_and_leave_no_file)
{
    const char *good = in_dir("good.txt"), *empty = in_dir("empty.txt"),
               *foreign = in_dir("foreign.txt"), *out = in_dir("out.h5");
    char *text = some_text(good, 100);
    tern_tokenizer *byte = byte_tokenizer(), *one;
    OK(tern_tokenizer_new_char(text, 100, &one));
    OK(tern_file_write(empty, "", 0));
    OK(tern_file_write(foreign, "abc \xff def", 9));
    const char *pair[] = {good, empty};
    tern_dataset_recipe r = {
        .paths = pair, .count = 2, .tokenizer = byte, .val_fraction = 0.1};
    FAILS(tern_dataset_build(&r, out), TERN_EFORMAT, "empty.txt: the file is empty");
    pair[1] = in_dir("missing.txt");
    FAILS(tern_dataset_build(&r, out), TERN_EIO, "missing.txt");
    pair[1] = foreign;
    r.tokenizer = one;
    FAILS(tern_dataset_build(&r, out), TERN_EFORMAT, "foreign.txt");
    r.tokenizer = byte; /* bytes are bytes */
    OK(tern_dataset_build(&r, in_dir("fine.h5")));
    r.val_fraction = 1.0;
    FAILS(tern_dataset_build(&r, out), TERN_EARG, "validation fraction");
    r.val_fraction = (double)NAN;
    FAILS(tern_dataset_build(&r, out), TERN_EARG, "validation fraction");
    r.count = 1;
    r.val_fraction = 0.999;
    FAILS(tern_dataset_build(&r, out), TERN_EARG,
          "good.txt: a validation fraction of 0.999");
    r.val_fraction = 1e-9;
    OK(tern_dataset_build(&r, in_dir("fine.h5"))); /* one token, at least */
    FAILS(tern_dataset_build(&r, in_dir("no/out.h5")), TERN_EIO, "no/out.h5");
    cr_expect(eq(int, files_in_dir(), 4)); /* three texts, fine.h5 */
    tern_tokenizer_free(one);
    tern_tokenizer_free(byte);
    free(text);
}

Test(dataset, tells_where_in_a_long_text_a_character_is_unknown)
{
    const char *path = in_dir("long.txt");
    char *text = some_text(path, 9000);
    tern_tokenizer *t;
    OK(tern_tokenizer_new_char(text, 9000, &t));
    text[8500] = 'Q';
    OK(tern_file_write(path, text, 9000));
    const tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .piece = 1000};
    FAILS(tern_dataset_build(&r, in_dir("out.h5")), TERN_EFORMAT, "from byte 8000 on");
    tern_tokenizer_free(t);
    free(text);
}

Test(dataset, a_full_disk_keeps_the_old_dataset)
{
    const char *path = in_dir("a.txt");
    char *text = some_text(path, 400000);
    tern_tokenizer *t = byte_tokenizer();
    tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .val_fraction = 0.1};
    tern_dataset *before = build_and_open(&r), *after;
    const struct rlimit small = {200000, 200000};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    FAILS(tern_dataset_build(&r, in_dir("data.h5")), TERN_EIO, "data.h5");
    OK(tern_dataset_open(in_dir("data.h5"), &after));
    expect_same(before, after);
    cr_expect(eq(int, files_in_dir(), 2));
    tern_dataset_free(before);
    tern_dataset_free(after);
    tern_tokenizer_free(t);
    free(text);
}

Test(dataset, damage_is_refused)
{
    const char *path = in_dir("a.txt"), *h5 = in_dir("data.h5");
    char *text = some_text(path, 3000);
    tern_tokenizer *t = byte_tokenizer();
    const tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .val_fraction = 0.1};
    tern_dataset *d;
    size_t n;
    OK(tern_dataset_build(&r, h5));
    char *whole = slurp(h5, &n);
    for (size_t keep = 0; keep < n; keep += n / 97) {
        spill(h5, whole, keep);
        FAILS(tern_dataset_open(h5, &d), keep ? TERN_ECORRUPT : TERN_EFORMAT,
              "data.h5");
    }
    for (size_t i = 0; i < 400; i++) {
        const size_t bit = (size_t)tern_rand_below(1, TERN_STREAM_TEST, i, 8 * n);
        whole[bit / 8] = (char)(whole[bit / 8] ^ 1 << bit % 8);
        spill(h5, whole, n);
        const tern_status s = tern_dataset_open(h5, &d);
        cr_assert(s == TERN_ECORRUPT || s == TERN_EFORMAT, "bit %zu", bit);
        cr_assert(ne(ptr, strstr(tern_error_message(), "tern data"), NULL));
        whole[bit / 8] = (char)(whole[bit / 8] ^ 1 << bit % 8);
    }
    cr_expect(eq(int, tern_is_dataset(path), 0));
    spill(h5, whole, n);
    cr_expect(eq(int, tern_is_dataset(h5), 1));
    OK(tern_dataset_open(h5, &d));
    tern_dataset_free(d);
    tern_tokenizer_free(t);
    free(whole);
    free(text);
}

/* A file with a valid seal that somebody else made. */
static void write_foreign(const char *path, const char *json, tern_h5_type type,
                          int rank, uint16_t id, bool bytes)
{
    tern_h5 *f;
    uint32_t ids[16];
    for (int i = 0; i < 16; i++) ids[i] = type == TERN_H5_U16 ? id * 0x10001u : id;
    const tern_h5_shape shape = {type, rank, {4, 2}};
    OK(tern_h5_create(path, "dataset", 1, &f));
    if (json) OK(tern_h5_set_text(f, "/", "tokenizer", json));
    OK(tern_h5_set_text(f, "/", "fingerprint", json ? "12ab" : "zebra"));
    if (bytes) OK(tern_h5_set_int(f, "/", "train_bytes", 4));
    OK(tern_h5_set_int(f, "/", "val_bytes", 4));
    OK(tern_h5_write(f, "train/tokens", &shape, ids));
    OK(tern_h5_write(f, "val/tokens", &shape, ids));
    OK(tern_h5_commit(f));
}

Test(dataset, strange_contents_are_refused)
{
    tern_tokenizer *t = byte_tokenizer();
    const char *path = in_dir("x.h5");
    tern_dataset *d;
    tern_h5 *f;
    char *json;
    int32_t ids[4];
    OK(tern_tokenizer_json(t, &json));
    write_foreign(path, NULL, TERN_H5_U16, 1, 7, true);
    FAILS(tern_dataset_open(path, &d), TERN_EFORMAT, "x.h5: \"/\" has no attribute");
    write_foreign(path, "{}", TERN_H5_U16, 1, 7, true);
    FAILS(tern_dataset_open(path, &d), TERN_EFORMAT, "x.h5");
    write_foreign(path, json, TERN_H5_U32, 1, 7, true);
    FAILS(tern_dataset_open(path, &d), TERN_EFORMAT, "not one row of uint16");
    write_foreign(path, json, TERN_H5_U16, 2, 7, true);
    FAILS(tern_dataset_open(path, &d), TERN_EFORMAT, "not one row of uint16");
    write_foreign(path, json, TERN_H5_U16, 1, 7, false);
    FAILS(tern_dataset_open(path, &d), TERN_EFORMAT, "train_bytes");
    write_foreign(path, json, TERN_H5_U16, 1, 300, true);
    OK(tern_dataset_open(path, &d));
    FAILS(tern_dataset_read(d, TERN_TRAIN, 0, 4, ids), TERN_ECORRUPT, "token id 300");
    tern_dataset_free(d);
    OK(tern_h5_create(path, "checkpoint", 1, &f));
    OK(tern_h5_commit(f));
    FAILS(tern_dataset_open(path, &d), TERN_EFORMAT, "is a checkpoint, not a dataset");
    cr_expect(eq(int, tern_is_dataset(path), 0));
    free(json);
    tern_tokenizer_free(t);
}

Test(dataset, h5py_reads_it)
{
    static const char script[] =
        "import h5py, sys, json\n"
        "f = h5py.File(sys.argv[1], 'r')\n"
        "text = open(sys.argv[1] + '.txt', 'rb').read()\n"
        "assert f.attrs['format'] == 'tern-dataset' and f.attrs['version'] == 1\n"
        "assert f.attrs['train_bytes'] == 900 and f.attrs['val_bytes'] == 100\n"
        "assert f.attrs['vocab'] == 256 and "
        "f.attrs['tokenizer_name'].startswith('byte')\n"
        "assert f.attrs['sources'] == sys.argv[1] + '.txt'\n"
        "json.loads(f.attrs['tokenizer'])\n"
        "assert f['train/tokens'].dtype == 'uint16'\n"
        "assert bytes(f['train/tokens'][:].astype('uint8')) == text[:900]\n"
        "assert bytes(f['val/tokens'][:].astype('uint8')) == text[900:]\n";
    const char *path = in_dir("data.h5.txt");
    char *text = some_text(path, 1000);
    tern_tokenizer *t = byte_tokenizer();
    const tern_dataset_recipe r = {
        .paths = &path, .count = 1, .tokenizer = t, .val_fraction = 0.1};
    OK(tern_dataset_build(&r, in_dir("data.h5")));
    const int rc = run_h5py(script, in_dir("data.h5"));
    if (rc < 0) cr_skip_test("no h5py");
    cr_expect(eq(int, rc, 0));
    tern_tokenizer_free(t);
    free(text);
}

Test(dataset, probe_tells_datasets_texts_and_the_rest_apart)
{
    bool is_dataset = false;
    size_t bytes;
    tern_tokenizer *t = byte_tokenizer();
    const char *text = in_dir("a.txt");
    free(some_text(text, 1001));
    const tern_dataset_recipe r = {.paths = &text, .count = 1, .tokenizer = t};
    tern_dataset_free(build_and_open(&r));
    char *path = in_dir("data.h5"), *whole = slurp(path, &bytes);
    OK(tern_dataset_probe(path, &is_dataset));
    cr_expect(is_dataset);
    OK(tern_dataset_probe(text, &is_dataset));
    cr_expect(not(is_dataset));
    OK(tern_dataset_probe(in_dir("absent"), &is_dataset));
    cr_expect(not(is_dataset));
    for (size_t at = 0; at < TERN_H5_BLOCK; at++) {
        whole[at] ^= 64;
        spill(path, whole, bytes);
        /* Never a text; another checksum is one that opening finds to be wrong. */
        const tern_status s = tern_dataset_probe(path, &is_dataset);
        cr_expect(s != TERN_OK || is_dataset, "byte %zu", at);
        if (s != TERN_OK)
            cr_expect(ne(ptr, strstr(tern_error_message(), "data.h5"), NULL));
        is_dataset = false;
        whole[at] ^= 64;
    }
    spill(path, whole, 400);
    FAILS(tern_dataset_probe(path, &is_dataset), TERN_ECORRUPT, "tern data");
    tern_h5 *f;
    OK(tern_h5_create(path, "checkpoint", 1, &f));
    OK(tern_h5_commit(f));
    FAILS(tern_dataset_probe(path, &is_dataset), TERN_EFORMAT, "is a checkpoint");
    free(whole);
    tern_tokenizer_free(t);
}
