/* check.h - what the tests of this folder share: a scratch directory for each test,
 * and asserts that show the message of a failure. */
#ifndef TERN_TESTS_DATA_CHECK_H
#define TERN_TESTS_DATA_CHECK_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/scratch.h"

#define OK(expr) cr_assert(eq(int, (expr), TERN_OK), "%s", tern_error_message())

/* The call fails with this status, and its message contains this text. */
#define FAILS(expr, status, text)                                                      \
    do {                                                                               \
        cr_expect(eq(int, (expr), (status)), "%s", tern_error_message());              \
        cr_expect(ne(ptr, strstr(tern_error_message(), (text)), NULL), "%s",           \
                  tern_error_message());                                               \
    } while (0)

static char dir[TERN_TEST_PATH];

static inline void setup(void)
{
    cr_assert(tern_scratch_new(dir));
}

static inline void teardown(void)
{
    tern_scratch_remove(dir);
}

/* A name in the scratch directory; the last eight stay valid. */
static inline char *in_dir(const char *name)
{
    static char paths[8][TERN_TEST_PATH + 64];
    static int next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

/* Write without flushing to the disk: for tests that damage a file many times. */
static inline void spill(const char *path, const char *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(data, 1, bytes, f) == bytes);
    fclose(f);
}

static inline char *slurp(const char *path, size_t *bytes)
{
    char *text;
    OK(tern_file_read(path, 1 << 28, &text, bytes));
    return text;
}

/* How many files the scratch directory holds, hidden ones too. */
static inline int files_in_dir(void)
{
    char command[TERN_TEST_PATH + 32], line[32] = "";
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", dir);
    FILE *p = popen(command, "r");
    cr_assert(p && fgets(line, sizeof line, p));
    pclose(p);
    return atoi(line);
}

/* Run a Python script that uses h5py, with `path` as sys.argv[1]. -1: there is none. */
static inline int run_h5py(const char *script, const char *path)
{
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    char command[2 * TERN_TEST_PATH + 256];
    char *file = in_dir("script.py");
    OK(tern_file_write(file, script, strlen(script)));
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "%s -c 'import h5py' 2>/dev/null",
                 pythons[i]);
        if (system(command) != 0) continue;
        snprintf(command, sizeof command, "%s '%s' '%s'", pythons[i], file, path);
        return system(command);
    }
    return -1;
}

#endif /* TERN_TESTS_DATA_CHECK_H */
