/* terminal.c - see terminal.h. */
#define _GNU_SOURCE
#include "cli/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"

static bool line_shown;

bool tern_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static int columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 8) return w.ws_col;
    return 80;
}

void tern_terminal_line(const char *fmt, ...)
{
    if (!tern_terminal()) return;
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
    fflush(stderr);
    line_shown = true;
}

void tern_terminal_clear_line(void)
{
    if (!line_shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line_shown = false;
}

static void print_log(tern_log_level level, const char *line, void *user)
{
    (void)user;
    tern_terminal_clear_line();
    fprintf(stderr, level == TERN_LOG_WARN ? "tern: warning: %s\n" : "%s\n", line);
}

void tern_terminal_attach_log(void)
{
    tern_log_set_sink(print_log, NULL);
}
