/* golden.h - read the files that make_reference.py wrote.
 *
 * A file is a list of records: one line "name type count" and `count` little-endian
 * numbers of type f32, f64 or i32. A test asks for arrays by name and type; what is
 * missing fails the test and names the file.
 */
#ifndef TERN_TESTS_GOLDEN_GOLDEN_H
#define TERN_TESTS_GOLDEN_GOLDEN_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

typedef struct golden_record {
    char name[64], type[8];
    size_t count;
    void *data; /* aligned copy */
} golden_record;

typedef struct golden {
    char path[TERN_PATH_MAX];
    golden_record records[256];
    size_t count;
} golden;

static inline size_t golden_read_record(golden *g, const char *at, size_t left)
{
    golden_record *r = &g->records[g->count++];
    const char *end = memchr(at, '\n', left);
    cr_assert(end && g->count < sizeof g->records / sizeof *g->records, "%s: damaged",
              g->path);
    cr_assert(sscanf(at, "%63s %7s %zu", r->name, r->type, &r->count) == 3,
              "%s: damaged", g->path);
    const size_t bytes = r->count * (strcmp(r->type, "f64") == 0 ? 8 : 4);
    const size_t line = (size_t)(end + 1 - at);
    cr_assert(bytes <= left - line, "%s: %s is cut off", g->path, r->name);
    r->data = malloc(bytes + 1);
    memcpy(r->data, end + 1, bytes);
    return line + bytes;
}

/* False where the file is absent. TERN_GOLDEN_DIR names another folder than the one
 * checked in (see make_reference.py). Close with golden_close(). */
static inline bool golden_open(golden *g, const char *name)
{
    const char *dir = getenv("TERN_GOLDEN_DIR");
    char *text;
    size_t bytes, at = 0;
    g->count = 0;
    snprintf(g->path, sizeof g->path, "%s/%s.golden",
             dir && *dir ? dir : TERN_SOURCE_DIR "/tests/golden", name);
    if (tern_file_read(g->path, (size_t)1 << 30, &text, &bytes) != TERN_OK) {
        cr_assert(dir && *dir, "%s", tern_error_message()); /* ours must be there */
        return false;
    }
    while (at < bytes) at += golden_read_record(g, text + at, bytes - at);
    free(text);
    return true;
}

static inline void golden_close(golden *g)
{
    while (g->count) free(g->records[--g->count].data);
}

/* The array, and its length in *count (may be NULL). */
static inline const void *golden_array(const golden *g, const char *name,
                                       const char *type, size_t *count)
{
    for (size_t i = 0; i < g->count; i++) {
        const golden_record *r = &g->records[i];
        if (strcmp(r->name, name) || strcmp(r->type, type)) continue;
        if (count) *count = r->count;
        return r->data;
    }
    cr_assert(false, "%s: no %s of type %s", g->path, name, type);
    return NULL;
}

static inline double golden_number(const golden *g, const char *name)
{
    return *(const double *)golden_array(g, name, "f64", NULL);
}

static inline int64_t golden_integer(const golden *g, const char *name)
{
    return (int64_t)golden_number(g, name);
}

/* "g/layers.0.attn.wq" and the like: prefix and parameter name. */
static inline const float *golden_tensor(const golden *g, const char *prefix,
                                         const char *name, size_t want)
{
    char full[160];
    size_t count;
    snprintf(full, sizeof full, "%s/%s", prefix, name);
    const float *data = golden_array(g, full, "f32", &count);
    cr_assert(eq(sz, count, want), "%s: %s", g->path, full);
    return data;
}

#endif /* TERN_TESTS_GOLDEN_GOLDEN_H */
