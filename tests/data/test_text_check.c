/* What is no text is known by its beginning, also after damage there. */
#include "data/text_check.h"
#include "tests/data/check.h"

TestSuite(text_check, .init = setup, .fini = teardown);

enum { FRONT = 520 };

static tern_file_kind kind_of(const char *bytes, size_t n)
{
    char *path = in_dir("file");
    spill(path, bytes, n);
    return tern_file_kind_of(path);
}

/* A tern file as h5file.h describes it: magic, lines, zeros, then HDF5. */
static void tern_file(char out[FRONT])
{
    static const char lines[] = "kind dataset\nversion 1\nlength 99\nxxh3-128 00ff\n";
    memset(out, 0, FRONT);
    memcpy(out, "tern-h5", 8);
    memcpy(out + 8, lines, sizeof lines - 1);
    memcpy(out + 512, "\x89HDF\r\n\x1a\n", 8);
}

Test(text_check, knows_each_kind)
{
    char tern[FRONT];
    tern_file(tern);
    cr_expect(eq(int, kind_of(tern, FRONT), TERN_FILE_TERN));
    cr_expect(eq(int, kind_of("\x89HDF\r\n\x1a\n\0", 9), TERN_FILE_HDF5));
    cr_expect(eq(int, kind_of("GGUF\3\0\0\0", 8), TERN_FILE_GGUF));
    cr_expect(eq(int, kind_of("Once upon a time", 16), TERN_FILE_OTHER));
    cr_expect(eq(int, kind_of("tern-h5 is a format", 19), TERN_FILE_OTHER));
    cr_expect(eq(int, kind_of("GGU", 3), TERN_FILE_OTHER));
    cr_expect(eq(int, kind_of("", 0), TERN_FILE_OTHER));
    cr_expect(eq(int, tern_file_kind_of("/nonexistent/x"), TERN_FILE_OTHER));
}

Test(text_check, every_damage_of_one_piece_is_seen_through)
{
    char tern[FRONT], hurt[FRONT];
    tern_file(tern);
    for (size_t at = 0; at < FRONT; at++) {
        memcpy(hurt, tern, FRONT);
        hurt[at] ^= 64;
        cr_expect(eq(int, kind_of(hurt, FRONT), TERN_FILE_TERN), "byte %zu", at);
    }
    for (size_t n = 8; n < FRONT; n++)
        cr_expect(eq(int, kind_of(tern, n), TERN_FILE_TERN), "%zu bytes", n);
}

Test(text_check, names_the_file_and_the_cure)
{
    char tern[FRONT], *path = in_dir("file");
    tern_file(tern);
    spill(path, tern, FRONT);
    FAILS(tern_text_check(path), TERN_EFORMAT, path);
    FAILS(tern_text_check(path), TERN_EFORMAT, "tern data");
    spill(path, "GGUF", 4);
    FAILS(tern_text_check(path), TERN_EFORMAT, "GGUF model");
    spill(path, "\x89HDF\r\n\x1a\n", 8);
    FAILS(tern_text_check(path), TERN_EFORMAT, "HDF5");
    spill(path, "a text", 6);
    OK(tern_text_check(path));
}
