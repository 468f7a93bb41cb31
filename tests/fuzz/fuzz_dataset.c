/* fuzz_dataset.c - libFuzzer: no HDF5 file with a right checksum may make the reader of
 * datasets misbehave. */
#include "data/dataset.h"
#include "tests/fuzz/h5_edit.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const objects[] = {"train/tokens", "val/tokens",  "train",
                                      "val",          "more/tokens", NULL};
static const char *const keys[] = {
    "tokenizer", "fingerprint", "train_bytes", "val_bytes",      "sources", "entropy",
    "vocab",     "format",      "version",     "tokenizer_name", NULL};
static h5_image image = {
    .kind = "dataset", .version = 1, .objects = objects, .keys = keys};

static void remove_file(void)
{
    unlink(image.path);
}

static void must(tern_status s)
{
    if (s != TERN_OK) abort();
}

/* What `tern data` writes, but without the room that its arrays keep to grow, which
 * would be most of the file. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char text[] = "the sea and the river\n";
    static const uint16_t ids[40] = {1, 2, 3, 0, 4, 5, 6, 7, 8, 1};
    const tern_h5_shape train = {.type = TERN_H5_U16, .rank = 1, .dims = {40}};
    const tern_h5_shape val = {.type = TERN_H5_U16, .rank = 1, .dims = {10}};
    char *json, path[64];
    tern_tokenizer *t;
    tern_dataset *d;
    tern_h5 *f;
    (void)argc, (void)argv;
    snprintf(path, sizeof path, "/tmp/tern-fuzz-%d.h5", (int)getpid());
    must(tern_tokenizer_new_char(text, strlen(text), &t));
    must(tern_tokenizer_json(t, &json));
    must(tern_h5_create(path, image.kind, image.version, &f));
    must(tern_h5_write(f, "train/tokens", &train, ids));
    must(tern_h5_write(f, "val/tokens", &val, ids));
    must(tern_h5_set_text(f, "/", "tokenizer", json));
    must(tern_h5_set_text(f, "/", "fingerprint", "0123456789abcdef"));
    must(tern_h5_set_text(f, "/", "sources", "sea.txt"));
    must(tern_h5_set_int(f, "/", "train_bytes", 40));
    must(tern_h5_set_int(f, "/", "val_bytes", 10));
    must(tern_h5_set_real(f, "/", "entropy", 0.5));
    must(tern_h5_commit(f));
    must(tern_dataset_open(path, &d));
    tern_dataset_free(d);
    tern_tokenizer_free(t);
    free(json);
    h5_image_load(&image, path);
    atexit(remove_file);
    return 0;
}

/* A dataset that was opened can be read in windows, and says so where it cannot. */
static void walk(const tern_dataset *d)
{
    enum { WINDOW = 64 };
    int32_t ids[WINDOW];
    const int64_t vocab = tern_tokenizer_vocab(tern_dataset_tokenizer(d));
    for (int split = 0; split < 2; split++) {
        const tern_split s = (tern_split)split;
        const int64_t tokens = tern_dataset_tokens(d, s);
        for (int64_t at = 0; at < tokens; at += WINDOW) {
            const int64_t n = tokens - at < WINDOW ? tokens - at : WINDOW;
            if (tern_dataset_read(d, s, at, n, ids) != TERN_OK) break;
            for (int64_t i = 0; i < n; i++)
                if (ids[i] < 0 || ids[i] >= vocab) abort();
        }
    }
    if (strlen(tern_dataset_sources(d)) > 1 << 20) abort();
}

/* The first byte decides whether the tokens are read at once or window by window. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    tern_dataset *d;
    if (bytes == 0 || !h5_make(&image, data + 1, bytes - 1)) return 0;
    if (tern_dataset_open_within(image.path, data[0] & 1 ? 1 << 20 : 0, &d) != TERN_OK)
        return 0;
    walk(d);
    tern_dataset_free(d);
    return 0;
}
