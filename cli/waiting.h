/* waiting.h - how the threads of a step wait for each other.
 *
 * A token meets hundreds of times, and so does a step of a single pass. libgomp lets a
 * thread that waits spin for milliseconds, which is fastest if each has a core to
 * itself. But Linux may put both on one core, above all when anything else runs: then
 * the one that spins keeps the one it waits for from running, and a step takes ten to a
 * hundred times as long (docs/performance.md). Two things keep the pace:
 *
 *  - where there are as many threads as CPUs, each is bound to one: a thread that spins
 *    then never stands in the way of another;
 *  - the spinning ends after some 300 microseconds, so that what it costs is bounded
 *    where threads are not bound.
 *
 * Only the program does this; those that link the library choose for themselves. */
#ifndef TERN_CLI_WAITING_H
#define TERN_CLI_WAITING_H

/* tern_short_waits() - call first thing in main(). libgomp reads its environment before
 * main() begins, so this sets GOMP_SPINCOUNT and starts the program again, once, in the
 * same process. Returns if nothing is to be done, or if it cannot be. Whoever has set
 * GOMP_SPINCOUNT or OMP_WAIT_POLICY knows better and is left alone. */
void tern_short_waits(char **argv);

/* tern_bind_threads() - call when the number of threads has been set, or has changed:
 * each thread to a CPU of its own if there are as many as CPUs that this process may
 * use, else every one to all of them. OMP_PROC_BIND, OMP_PLACES and GOMP_CPU_AFFINITY
 * are left alone. */
void tern_bind_threads(void);

#endif /* TERN_CLI_WAITING_H */
