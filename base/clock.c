/* clock.c - see clock.h. */
#define _GNU_SOURCE
#include "base/clock.h"

#include <sys/resource.h>
#include <time.h>

double tern_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

long long tern_peak_rss(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (long long)u.ru_maxrss * 1024 : 0;
}
