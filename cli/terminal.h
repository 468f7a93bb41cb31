/* terminal.h - the one line at the bottom of a terminal that is written again and
 * again. */
#ifndef TERN_CLI_TERMINAL_H
#define TERN_CLI_TERMINAL_H

#include <stdbool.h>

/* Is standard error a terminal that can rewrite a line? */
bool tern_terminal(void);

/* Rewrite the live line (cut to the terminal's width); nothing when not a terminal. */
void tern_terminal_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Remove the live line, so that ordinary output can follow. */
void tern_terminal_clear_line(void);

/* Send library messages (base/log.h) to standard error, past the live line. */
void tern_terminal_attach_log(void);

#endif /* TERN_CLI_TERMINAL_H */
