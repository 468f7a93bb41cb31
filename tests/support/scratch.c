/* scratch.c - see scratch.h. */
#define _GNU_SOURCE
#include "tests/support/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool tern_scratch_new(char dir[TERN_TEST_PATH])
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, TERN_TEST_PATH, "%s/tern-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(dir) != NULL;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tern_scratch_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool tern_test_data(const char *name, char path[TERN_TEST_PATH])
{
    const char *root = getenv("TERN_TEST_DATA");
    if (root && *root)
        snprintf(path, TERN_TEST_PATH, "%s/%s", root, name);
    else
        snprintf(path, TERN_TEST_PATH, "%s/../shared/data/%s", TERN_SOURCE_DIR, name);
    return access(path, R_OK) == 0;
}
