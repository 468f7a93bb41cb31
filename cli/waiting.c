/* waiting.c - see waiting.h. */
#define _GNU_SOURCE
#include "cli/waiting.h"

#include <stdlib.h>
#include <unistd.h>

void tern_short_waits(char **argv)
{
    static const char SPINS[] = "1000"; /* of a pause instruction each */
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (setenv("GOMP_SPINCOUNT", SPINS, 1) != 0) return;
    execv("/proc/self/exe", argv);
}
