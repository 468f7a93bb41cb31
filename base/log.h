/* log.h - what a library says while it works. It never prints by itself: the program
 * sets a sink (cli/ prints to stderr); without one, messages go nowhere. */
#ifndef TERN_BASE_LOG_H
#define TERN_BASE_LOG_H

typedef enum tern_log_level { TERN_LOG_INFO, TERN_LOG_WARN } tern_log_level;

/* One line, no newline at its end. Called from the thread that logs. */
typedef void (*tern_log_sink)(tern_log_level level, const char *line, void *user);

/* Set once, before threads start. NULL silences. */
void tern_log_set_sink(tern_log_sink sink, void *user);

void tern_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tern_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* TERN_BASE_LOG_H */
