/* h5seal.c - the user block: written last, checked first.
 *
 * The block is rendered from its four values and compared as a whole, so that there is
 * one spelling of each and a flipped bit in the padding is noticed too. The file is
 * read in pieces and not mapped: a file that shrinks under a mapping would kill us. */
#define _POSIX_C_SOURCE 200809L
#include "data/h5file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <xxhash.h>

#include "base/file.h"

enum { PIECE = 1 << 20 };

static const char MAGIC[8] = "tern-h5"; /* its NUL is the eighth byte */

enum { LINES = 128 }; /* room for three lines */

/* The lines that the checksum covers; their length. */
static size_t lines(const tern_h5_seal *s, char out[LINES])
{
    const int n = snprintf(out, LINES, "kind %s\nversion %d\nlength %" PRIu64 "\n",
                           s->kind, s->version, s->length);
    assert(n > 0 && n < LINES);
    return (size_t)n;
}

static void render(const tern_h5_seal *s, char block[TERN_H5_BLOCK])
{
    char text[LINES];
    lines(s, text);
    memset(block, 0, TERN_H5_BLOCK);
    memcpy(block, MAGIC, sizeof MAGIC);
    snprintf(block + sizeof MAGIC, TERN_H5_BLOCK - sizeof MAGIC, "%sxxh3-128 %s\n",
             text, s->checksum);
}

static bool parse(const char block[TERN_H5_BLOCK], tern_h5_seal *out)
{
    char text[TERN_H5_BLOCK + 1] = {0}, again[TERN_H5_BLOCK];
    memcpy(text, block + sizeof MAGIC, TERN_H5_BLOCK - sizeof MAGIC);
    tern_h5_seal s = {0};
    const int n =
        sscanf(text, "kind %31s version %9d length %19" SCNu64 " xxh3-128 %32s", s.kind,
               &s.version, &s.length, s.checksum);
    if (n != 4) return false;
    render(&s, again);
    if (memcmp(again, block, TERN_H5_BLOCK) != 0) return false;
    *out = s;
    return true;
}

/* Read on to the end of the file; XXH3-128 of that and then of the seal's lines, which
 * take the length from what was read. */
static tern_status digest(FILE *f, const char *path, tern_h5_seal *s)
{
    XXH3_state_t *state = XXH3_createState();
    char *piece = malloc(PIECE), text[LINES];
    tern_status status = TERN_OK;
    if (!state || !piece) {
        status = tern_fail(TERN_EMEM, "%s: out of memory", path);
    } else {
        XXH3_128bits_reset(state);
        s->length = TERN_H5_BLOCK;
        for (size_t n; (n = fread(piece, 1, PIECE, f)) > 0; s->length += n)
            XXH3_128bits_update(state, piece, n);
        if (ferror(f)) status = tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
        XXH3_128bits_update(state, text, lines(s, text));
        const XXH128_hash_t h = XXH3_128bits_digest(state);
        snprintf(s->checksum, sizeof s->checksum, "%016" PRIx64 "%016" PRIx64,
                 (uint64_t)h.high64, (uint64_t)h.low64);
    }
    free(piece);
    XXH3_freeState(state);
    return status;
}

static tern_status seal_stream(FILE *f, const char *path, tern_h5_seal *s)
{
    char block[TERN_H5_BLOCK];
    if (fseeko(f, TERN_H5_BLOCK, SEEK_SET) != 0)
        return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    TERN_TRY(digest(f, path, s));
    render(s, block);
    if (fseeko(f, 0, SEEK_SET) != 0 || fwrite(block, sizeof block, 1, f) != 1 ||
        fflush(f) != 0)
        return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    return TERN_OK;
}

tern_status tern_h5_seal_file(const char *path, const char *kind, int version)
{
    tern_h5_seal s = {.version = version};
    assert(strlen(kind) < sizeof s.kind && !strpbrk(kind, " \t\n"));
    strcpy(s.kind, kind);
    FILE *f = fopen(path, "r+b");
    if (!f) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    const tern_status status = seal_stream(f, path, &s);
    if (fclose(f) != 0 && status == TERN_OK)
        return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    return status;
}

static tern_status peek_stream(FILE *f, const char *path, tern_h5_seal *out)
{
    char block[TERN_H5_BLOCK];
    struct stat st;
    if (fstat(fileno(f), &st) != 0)
        return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return tern_fail(TERN_EIO, "%s: not a regular file", path);
    const size_t n = fread(block, 1, sizeof block, f);
    if (ferror(f)) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    if (n < sizeof MAGIC || memcmp(block, MAGIC, sizeof MAGIC) != 0)
        return tern_fail(TERN_EFORMAT,
                         n == 0 ? "%s: empty file"
                                : "%s: not a tern file (no \"tern-h5\" at its start)",
                         path);
    if (n < sizeof block || !parse(block, out))
        return tern_fail(TERN_ECORRUPT, "%s: damaged: the first %d bytes are not whole",
                         path, TERN_H5_BLOCK);
    return TERN_OK;
}

static tern_status verify_stream(FILE *f, const char *path, tern_h5_seal *s)
{
    TERN_TRY(peek_stream(f, path, s));
    tern_h5_seal now = *s;
    TERN_TRY(digest(f, path, &now));
    if (now.length != s->length)
        return tern_fail(TERN_ECORRUPT,
                         "%s: damaged: %" PRIu64 " bytes long, was written with "
                         "%" PRIu64 " (an incomplete copy?)",
                         path, now.length, s->length);
    if (strcmp(now.checksum, s->checksum) != 0)
        return tern_fail(TERN_ECORRUPT,
                         "%s: damaged: its checksum is %s, was written as %s", path,
                         now.checksum, s->checksum);
    return TERN_OK;
}

static tern_status with_stream(const char *path, tern_h5_seal *out,
                               tern_status (*check)(FILE *, const char *,
                                                    tern_h5_seal *))
{
    tern_h5_seal s;
    FILE *f = fopen(path, "rb");
    if (!f) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    const tern_status status = check(f, path, &s);
    fclose(f);
    if (status == TERN_OK && out) *out = s;
    return status;
}

tern_status tern_h5_peek(const char *path, tern_h5_seal *out)
{
    return with_stream(path, out, peek_stream);
}

tern_status tern_h5_verify(const char *path, tern_h5_seal *out)
{
    return with_stream(path, out, verify_stream);
}
