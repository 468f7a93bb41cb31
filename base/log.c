/* log.c - format a line, hand it to the sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static tern_log_sink the_sink;
static void *the_user;

void tern_log_set_sink(tern_log_sink sink, void *user)
{
    the_sink = sink;
    the_user = user;
}

static void say(tern_log_level level, const char *fmt, va_list args)
{
    if (!the_sink) return;
    char line[1024];
    vsnprintf(line, sizeof line, fmt, args);
    the_sink(level, line, the_user);
}

void tern_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(TERN_LOG_INFO, fmt, args);
    va_end(args);
}

void tern_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(TERN_LOG_WARN, fmt, args);
    va_end(args);
}
