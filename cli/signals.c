/* signals.c - see signals.h. */
#define _GNU_SOURCE
#include "cli/signals.h"

#include <stddef.h>

#include "base/file.h"

static volatile sig_atomic_t stop_requested;

static void end_tidily(int number)
{
    tern_atomic_abandon_all();
    signal(number, SIG_DFL);
    raise(number); /* takes effect when this handler returns */
}

static void on_first(int number)
{
    stop_requested = 1;
    signal(number, end_tidily);
}

/* A signal that the parent had ignored (nohup, a script's background job) stays so,
 * unless `always`. */
static void handle(int number, void (*handler)(int), int always)
{
    struct sigaction before;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN &&
        !always)
        return;
    sigaction(number, &action, NULL);
}

void tern_signals_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    handle(SIGINT, end_tidily, 0);
    handle(SIGTERM, end_tidily, 0);
    handle(SIGHUP, end_tidily, 0);
}

volatile sig_atomic_t *tern_signals_catch(void)
{
    handle(SIGINT, on_first, 1);
    handle(SIGTERM, on_first, 1);
    return &stop_requested;
}
