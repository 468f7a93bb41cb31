/* seed.h - files that tests make for a reader, kept as seeds for its fuzzer.
 *
 * Where TERN_FUZZ_SEEDS names a directory, tern_test_seed() writes the bytes there, as
 * <directory>/<target>/<hash>; else it does nothing. So the fuzzer of a format starts
 * from every file, right or with one rule broken, that the format's tests know. */
#ifndef TERN_TESTS_SUPPORT_SEED_H
#define TERN_TESTS_SUPPORT_SEED_H

#include <stddef.h>

void tern_test_seed(const char *target, const void *data, size_t bytes);

#endif /* TERN_TESTS_SUPPORT_SEED_H */
