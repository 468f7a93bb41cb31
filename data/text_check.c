/* text_check.c - see text_check.h. The layout of tern's files is h5file.h's; this file
 * knows three places of it, so that it can do without HDF5. */
#include "data/text_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 512, SIGNATURE = 8 };

static bool holds(const char *head, size_t bytes, size_t at, const char *what, size_t n)
{
    return bytes >= at + n && memcmp(head + at, what, n) == 0;
}

tern_file_kind tern_file_kind_of(const char *path)
{
    static const char hdf5[SIGNATURE + 1] = "\x89HDF\r\n\x1a\n";
    char head[BLOCK + SIGNATURE];
    FILE *f = fopen(path, "rb");
    if (!f) return TERN_FILE_OTHER;
    const size_t n = fread(head, 1, sizeof head, f);
    fclose(f);
    if (holds(head, n, 0, "GGUF", 4)) return TERN_FILE_GGUF;
    if (holds(head, n, 0, hdf5, SIGNATURE)) return TERN_FILE_HDF5;
    if (holds(head, n, 0, "tern-h5", 8) || holds(head, n, 8, "kind ", 5) ||
        holds(head, n, BLOCK, hdf5, SIGNATURE))
        return TERN_FILE_TERN;
    return TERN_FILE_OTHER;
}

tern_status tern_text_check(const char *path)
{
    switch (tern_file_kind_of(path)) {
    case TERN_FILE_TERN:
        return tern_fail(TERN_EFORMAT,
                         "%s: is not a text but a dataset or checkpoint of tern, or "
                         "what is left of one; give a text, or make the dataset again "
                         "with `tern data`",
                         path);
    case TERN_FILE_HDF5:
        return tern_fail(TERN_EFORMAT,
                         "%s: is not a text but an HDF5 file that tern did not write; "
                         "`tern data` makes datasets from texts",
                         path);
    case TERN_FILE_GGUF:
        return tern_fail(TERN_EFORMAT,
                         "%s: is not a text but a GGUF model; give a text or a dataset "
                         "of `tern data`",
                         path);
    case TERN_FILE_OTHER:
        break;
    }
    return TERN_OK;
}
