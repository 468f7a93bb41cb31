/* file.h - files that are never half written, and never believed beyond their end. */
#ifndef TERN_BASE_FILE_H
#define TERN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum { TERN_PATH_MAX = 4096 };

/* A file mapped read-only. data is NULL when bytes is 0. */
typedef struct tern_map {
    const uint8_t *data;
    size_t bytes;
    int file; /* -1, or its descriptor: of tern_map_open_to_read() */
} tern_map;

/* TERN_EIO names the path and the system's reason; a directory is refused. */
tern_status tern_map_open(const char *path, tern_map *out);
/* The same, and the file stays open for tern_map_read(). */
tern_status tern_map_open_to_read(const char *path, tern_map *out);
void tern_map_close(tern_map *m); /* also of a zeroed struct */
/* `bytes` of the map from `at` on, which points into it, for one look: copied from the
 * file to `buffer`, or, if that has no `room` or it cannot be done, where they are. In
 * pieces of 64 KiB or more it costs a quarter of mapping the pages by touching them,
 * and no memory. */
const void *tern_map_read(const tern_map *m, const void *at, size_t bytes, void *buffer,
                          size_t room);

/* A write that appears whole or not at all: everything goes to a hidden temporary in
 * the same directory; commit flushes it to the disk, renames it over `path` and flushes
 * the directory. Until then readers see the old file. An aborted (or killed) write
 * leaves `path` as it was; leftovers of dead processes are removed by the next begin.
 * Symbolic links stay links: what they point to is replaced.
 */
typedef struct tern_atomic {
    char path[TERN_PATH_MAX];   /* as it was given, for messages */
    char target[TERN_PATH_MAX]; /* past symbolic links */
    char temp[TERN_PATH_MAX];   /* write here, with whatever library */
} tern_atomic;

/* Choose the temporary's name (nothing is created yet); commit or abort must follow.
 * TERN_EARG: path too long; TERN_EIO: the directory is missing or not writable, or
 * `path` is a directory, a device, a pipe or a socket. */
tern_status tern_atomic_begin(tern_atomic *w, const char *path);
tern_status tern_atomic_commit(tern_atomic *w);
void tern_atomic_abort(tern_atomic *w);

/* The same for a directory of files: begin makes the temporary, an empty directory to
 * fill, and commit gives it the name `path`, where nothing or an empty directory may be
 * (TERN_EARG otherwise). In it there may be files only. */
tern_status tern_atomic_dir_begin(tern_atomic *w, const char *path);
tern_status tern_atomic_dir_commit(tern_atomic *w);
void tern_atomic_dir_abort(tern_atomic *w);

/* Remove every temporary of this process. Safe in a signal handler, and meant for
 * one that ends the process. */
void tern_atomic_abandon_all(void);

/* A whole small buffer at once, atomically. */
tern_status tern_file_write(const char *path, const void *data, size_t bytes);

/* The whole file as a NUL-terminated heap string (free with free()); `bytes` may be
 * NULL. Refuses files over max_bytes. */
tern_status tern_file_read(const char *path, size_t max_bytes, char **text,
                           size_t *bytes);

tern_status tern_make_dirs(const char *path); /* like mkdir -p */
bool tern_file_exists(const char *path);
bool tern_is_dir(const char *path);

/* Do two names mean one file that exists (whatever links lie between)? */
bool tern_same_file(const char *a, const char *b);
/* TERN_EARG, with what to do, if a command would write what it reads. */
tern_status tern_refuse_overwrite(const char *input, const char *output);

/* dir/name into out (TERN_PATH_MAX bytes); TERN_EARG if too long. */
tern_status tern_path_join(char *out, const char *dir, const char *name);

#endif /* TERN_BASE_FILE_H */
