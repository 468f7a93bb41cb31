/* status.c - the error message of each thread. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES];

const char *tern_status_name(tern_status s)
{
    static const char *const names[TERN_STATUS_COUNT] = {
        [TERN_OK] = "ok",
        [TERN_EARG] = "bad argument",
        [TERN_ESHAPE] = "shapes do not fit",
        [TERN_EMEM] = "out of memory",
        [TERN_EIO] = "input/output error",
        [TERN_EFORMAT] = "wrong format",
        [TERN_ECORRUPT] = "damaged file",
        [TERN_ENUMERIC] = "not a finite number",
        [TERN_ESTOP] = "stopped on request",
    };
    const int known = (int)s >= 0 && s < TERN_STATUS_COUNT;
    return known ? names[s] : "unknown status";
}

tern_status tern_fail(tern_status s, const char *fmt, ...)
{
    char fresh[MESSAGE_BYTES]; /* the arguments may point into the old message */
    va_list args;
    va_start(args, fmt);
    vsnprintf(fresh, sizeof fresh, fmt, args);
    va_end(args);
    memcpy(message, fresh, sizeof message);
    return s;
}

tern_status tern_fail_in(tern_status s, const char *where)
{
    return tern_fail(s, "%s: %s", where, message);
}

const char *tern_error_message(void)
{
    return message;
}
