/* waiting.c - see waiting.h. */
#define _GNU_SOURCE
#include "cli/waiting.h"

#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/cpu.h"

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

void tern_short_waits(char **argv)
{
    static const char SPINS[] = "10000"; /* of a pause instruction each */
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (setenv("GOMP_SPINCOUNT", SPINS, 1) != 0) return;
    /* By its path, so that ps and top show our name and not "exe"; a program that has
     * been moved or replaced since has none any more. */
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0) {
        path[n] = '\0';
        if (same_file(path, "/proc/self/exe")) execv(path, argv);
    }
    execv("/proc/self/exe", argv);
}

/* The nth CPU of a set that has more than n. */
static cpu_set_t only(const cpu_set_t *set, size_t n)
{
    cpu_set_t one;
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, set) || n-- > 0) cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return one;
}

void tern_bind_threads(void)
{
    static cpu_set_t allowed; /* when the process began */
    static bool known, bound;
    if (getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("GOMP_CPU_AFFINITY"))
        return;
    if (!known) known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    const int threads = tern_threads();
    const bool bind = known && threads > 1 && threads == CPU_COUNT(&allowed);
    if (!bind && !bound) return;
#pragma omp parallel num_threads(threads)
    {
        const cpu_set_t mine =
            bind ? only(&allowed, (size_t)omp_get_thread_num()) : allowed;
        (void)sched_setaffinity(0, sizeof mine, &mine); /* else it runs where it may */
    }
    bound = bind;
}
