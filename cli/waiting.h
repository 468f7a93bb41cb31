/* waiting.h - how long an idle thread spins before it sleeps.
 *
 * libgomp lets a thread that waits for the others spin for milliseconds, which is
 * fastest while the machine is otherwise idle. If anything else runs, the threads that
 * spin keep the one they wait for from its core, and a step takes ten to fifty times as
 * long (docs/performance.md). Some 50 microseconds of spinning cost a few per cent on
 * an idle machine and keep the pace on a busy one.
 *
 * The library reads its environment before main() begins, so the program sets it and
 * starts itself again, once, in the same process. Whoever has set GOMP_SPINCOUNT or
 * OMP_WAIT_POLICY knows better and is left alone. */
#ifndef TERN_CLI_WAITING_H
#define TERN_CLI_WAITING_H

/* tern_short_waits() - call first thing in main(). Returns if nothing is to be done, or
 * if it cannot be. */
void tern_short_waits(char **argv);

#endif /* TERN_CLI_WAITING_H */
