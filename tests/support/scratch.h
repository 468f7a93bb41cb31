/* scratch.h - a private directory for tests that write, and the optional test data. */
#ifndef TERN_TESTS_SUPPORT_SCRATCH_H
#define TERN_TESTS_SUPPORT_SCRATCH_H

#include <stdbool.h>

enum { TERN_TEST_PATH = 512 };

/* Create a fresh directory and put its name in `dir`; false if the system refuses. */
bool tern_scratch_new(char dir[TERN_TEST_PATH]);
void tern_scratch_remove(const char *dir); /* with everything in it */

/* Path of a file of the optional data (TERN_TEST_DATA, default ../shared/data beside
 * the sources). False where it is absent: the test then calls cr_skip_test(). */
bool tern_test_data(const char *name, char path[TERN_TEST_PATH]);

#endif /* TERN_TESTS_SUPPORT_SCRATCH_H */
