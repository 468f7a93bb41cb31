/* seed.c - see seed.h. */
#define _POSIX_C_SOURCE 200809L
#include "tests/support/seed.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static uint64_t fnv1a(const unsigned char *data, size_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ data[i]) * 0x100000001b3u;
    return h;
}

void tern_test_seed(const char *target, const void *data, size_t bytes)
{
    const char *root = getenv("TERN_FUZZ_SEEDS");
    char path[1024];
    if (!root || !*root) return;
    snprintf(path, sizeof path, "%s/%s", root, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%016" PRIx64, root, target, fnv1a(data, bytes));
    FILE *f = fopen(path, "wb");
    if (!f) return;
    if (bytes) fwrite(data, 1, bytes, f);
    fclose(f);
}
