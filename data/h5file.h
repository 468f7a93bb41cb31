/* h5file.h - HDF5 files that know when they are damaged.
 *
 * Datasets and checkpoints are plain HDF5 with a 512-byte user block in front, a space
 * that HDF5 reserves for applications and that h5py, h5dump and MATLAB skip. Ours is
 * text (see it with `head -c 512`), filled up with zero bytes:
 *
 *     tern-h5\0                    magic, 8 bytes
 *     kind dataset\n               what the file is
 *     version 1\n                  of that kind
 *     length 1234567\n             bytes of the whole file, this block included
 *     xxh3-128 0123...cdef\n       32 hex digits: of everything after the block,
 *                                  then of the three lines above
 *
 * tern_h5_open() checks all of it before HDF5 sees a byte, so a truncated or flipped
 * file is an error with a name, never a crash inside a parser. That holds for damage; a
 * checksum keeps nobody out who can compute one. So what is read is believed no further
 * than the file reaches: no array may claim more than the file's size, and none is read
 * that lies in another file, behind a filter or behind a link other than a plain one.
 *
 * A new file is a hidden temporary until tern_h5_commit() has sealed, flushed and
 * renamed it. HDF5 itself stays inside h5file.c and h5lib.c, which loads it.
 *
 * `name` is a path inside the file ("train/tokens"); missing groups are created. Every
 * message names file and object. Not thread-safe: HDF5 is called from one thread.
 */
#ifndef TERN_DATA_H5FILE_H
#define TERN_DATA_H5FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { TERN_H5_BLOCK = 512, TERN_H5_RANK_MAX = 4 };

typedef struct tern_h5 tern_h5; /* an open file: being written, or being read */

/* Little-endian in the file, native in memory. */
typedef enum tern_h5_type {
    TERN_H5_U8,
    TERN_H5_I8,
    TERN_H5_U16,
    TERN_H5_I32,
    TERN_H5_U32,
    TERN_H5_I64,
    TERN_H5_U64,
    TERN_H5_F32,
    TERN_H5_F64,
    TERN_H5_TYPE_COUNT
} tern_h5_type;

typedef struct tern_h5_shape {
    tern_h5_type type;
    int rank;                       /* 1 .. TERN_H5_RANK_MAX */
    int64_t dims[TERN_H5_RANK_MAX]; /* >= 0 */
} tern_h5_shape;

/* What the user block says. */
typedef struct tern_h5_seal {
    char kind[32];
    int version;
    uint64_t length;
    char checksum[33];
} tern_h5_seal;

size_t tern_h5_type_size(tern_h5_type t);      /* bytes of one element */
const char *tern_h5_type_name(tern_h5_type t); /* "uint16", as numpy calls it */

/* --- writing --- */

/* Start `path`. kind: one word of at most 31 bytes; version >= 1. TERN_EIO: the
 * directory is missing or not writable. */
tern_status tern_h5_create(const char *path, const char *kind, int version,
                           tern_h5 **out);

/* Close, seal, flush to the disk, rename over path. `f` is gone afterwards, also on
 * failure (full disk: TERN_EIO), and then whatever stood at `path` still stands. */
tern_status tern_h5_commit(tern_h5 *f);

/* A whole array, row-major. */
tern_status tern_h5_write(tern_h5 *f, const char *name, const tern_h5_shape *shape,
                          const void *data);

/* `count` more elements at the end of a growing (chunked) 1-D array, which the first
 * call creates; count = 0 creates it empty. */
tern_status tern_h5_append(tern_h5 *f, const char *name, tern_h5_type type,
                           const void *data, int64_t count);

/* Attributes of a group or array ("/" is the file), created or replaced. Text is UTF-8
 * of any length; an object that does not exist becomes a group. */
tern_status tern_h5_set_text(tern_h5 *f, const char *object, const char *key,
                             const char *text);
tern_status tern_h5_set_int(tern_h5 *f, const char *object, const char *key,
                            int64_t value);
tern_status tern_h5_set_real(tern_h5 *f, const char *object, const char *key,
                             double value);

/* --- reading --- */

/* Verify the seal, then open. TERN_EIO: cannot be read; TERN_EFORMAT: not tern's, of
 * another kind, or of a version above `newest`; TERN_ECORRUPT: damaged. */
tern_status tern_h5_open(const char *path, const char *kind, int newest, tern_h5 **out);

/* Also throws a file away that was being written. NULL is fine. */
void tern_h5_close(tern_h5 *f);

const char *tern_h5_path(const tern_h5 *f); /* borrowed; the final name */
uint64_t tern_h5_bytes(const tern_h5 *f);   /* of the file that is read */
int tern_h5_version(const tern_h5 *f);

bool tern_h5_has(tern_h5 *f, const char *name); /* a group or an array */
tern_status tern_h5_info(tern_h5 *f, const char *name, tern_h5_shape *out);

/* The whole array; TERN_EFORMAT if its type or shape is not exactly `want`. */
tern_status tern_h5_read(tern_h5 *f, const char *name, const tern_h5_shape *want,
                         void *out);

/* Elements [start, start + count) of a 1-D array of this type. */
tern_status tern_h5_read_range(tern_h5 *f, const char *name, tern_h5_type type,
                               int64_t start, int64_t count, void *out);

bool tern_h5_has_attr(tern_h5 *f, const char *object, const char *key);
/* Heap string for the caller to free(). */
tern_status tern_h5_get_text(tern_h5 *f, const char *object, const char *key,
                             char **out);
tern_status tern_h5_get_int(tern_h5 *f, const char *object, const char *key,
                            int64_t *out);
tern_status tern_h5_get_real(tern_h5 *f, const char *object, const char *key,
                             double *out);

/* Call `visit` for every array under `group`, at any depth, in order of name; its name
 * is relative to the file ("params/embed"). A status other than TERN_OK ends the walk
 * and is returned. */
typedef tern_status (*tern_h5_visit)(const char *name, const tern_h5_shape *shape,
                                     void *user);
tern_status tern_h5_each(tern_h5 *f, const char *group, tern_h5_visit visit,
                         void *user);

/* --- without HDF5 --- */

/* The user block alone, in no time: what is this file? TERN_EFORMAT if not tern's. */
tern_status tern_h5_peek(const char *path, tern_h5_seal *out);

/* Peek, then check length and checksum (reads the whole file). `out` may be NULL. */
tern_status tern_h5_verify(const char *path, tern_h5_seal *out);

/* Write the user block of a closed HDF5 file that has room for it; what commit does. */
tern_status tern_h5_seal_file(const char *path, const char *kind, int version);

#endif /* TERN_DATA_H5FILE_H */
