/* signals.h - what a signal does to a command: nothing half done is left behind. */
#ifndef TERN_CLI_SIGNALS_H
#define TERN_CLI_SIGNALS_H

#include <signal.h>

/* For main(): SIGINT, SIGTERM and SIGHUP remove unfinished files and end the process as
 * they would have. A closed pipe and a limit on the size of files become errors that
 * the writer sees. */
void tern_signals_begin(void);

/* From now on the first SIGINT or SIGTERM sets the flag that is returned; the next one
 * does what tern_signals_begin() says. The caller may set the flag too. */
volatile sig_atomic_t *tern_signals_catch(void);

#endif /* TERN_CLI_SIGNALS_H */
