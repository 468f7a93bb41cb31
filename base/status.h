/* status.h - how every part of tern says that something went wrong.
 *
 * A function that can fail because of the world (files, options, shapes, memory)
 * returns a tern_status. On failure its outputs are untouched, and a sentence for
 * people, naming the file, key or tensor, waits in tern_error_message(): one per
 * thread, like errno, valid until the next failure on that thread.
 *
 * Mistakes of the programmer (a NULL where the contract says not NULL) are asserts.
 */
#ifndef TERN_BASE_STATUS_H
#define TERN_BASE_STATUS_H

typedef enum tern_status {
    TERN_OK = 0,
    TERN_EARG,     /* an argument or option is out of its range */
    TERN_ESHAPE,   /* shapes do not fit each other */
    TERN_EMEM,     /* the system has no more memory */
    TERN_EIO,      /* the operating system refused: missing file, full disk, ... */
    TERN_EFORMAT,  /* a file is not what it should be: wrong kind, version or type */
    TERN_ECORRUPT, /* a file was damaged: checksum, length or value impossible */
    TERN_ENUMERIC, /* a NaN or an infinity where a number must be */
    TERN_ESTOP,    /* stopped on request (SIGINT, SIGTERM) */
    TERN_STATUS_COUNT
} tern_status;

/* A short constant name, "out of memory"; never NULL. */
const char *tern_status_name(tern_status s);

/* tern_fail() - record the message (printf style, truncated at 1 KiB) and return `s`,
 * so that a failing function ends with `return tern_fail(TERN_EIO, "%s: ...", path);`.
 */
tern_status tern_fail(tern_status s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* tern_fail_in() - put "where: " in front of the current message and return `s`; for
 * callers that know more (the file's name) than the function that failed. */
tern_status tern_fail_in(tern_status s, const char *where);

/* The last message of this thread, "" if nothing failed yet. */
const char *tern_error_message(void);

/* Pass a failure on to the caller. */
#define TERN_TRY(expr)                                                                 \
    do {                                                                               \
        const tern_status tern_try_status = (expr);                                    \
        if (tern_try_status != TERN_OK) return tern_try_status;                        \
    } while (0)

#endif /* TERN_BASE_STATUS_H */
