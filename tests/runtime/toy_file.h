/* toy_file.h - the file that a suite writes its toys to, one after the other: `path`,
 * in a folder that setup() makes and teardown() removes. */
#ifndef TERN_TESTS_RUNTIME_TOY_FILE_H
#define TERN_TESTS_RUNTIME_TOY_FILE_H

#include "kernels/cpu.h"
#include "tests/runtime/toy.h"
#include "tests/support/scratch.h"

static char dir[TERN_TEST_PATH], path[TERN_TEST_PATH + 16];

static void setup(void)
{
    cr_assert(tern_scratch_new(dir));
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    MUST(tern_kernels_init());
}

static void teardown(void)
{
    tern_scratch_remove(dir);
}

#endif /* TERN_TESTS_RUNTIME_TOY_FILE_H */
