/* metrics.c - building lines, and finding where an old file stops being ours. */
#define _POSIX_C_SOURCE 200809L
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/number.h"

/* --- opening --- */

/* The step of a line, -1 if it is not one of ours. */
static int64_t step_of_line(const char *line, size_t bytes)
{
    json_t *object = json_loadb(line, bytes, 0, NULL);
    const json_t *step = json_object_get(object, "step");
    const int64_t value =
        json_is_integer(step) ? (int64_t)json_integer_value(step) : -1;
    json_decref(object);
    return value;
}

/* Bytes up to the end of the last whole line of a step <= `step`. A broken line inside
 * stays: it is not ours to judge. */
static size_t sound_bytes(const char *text, size_t bytes, int64_t step)
{
    size_t keep = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        if (!end) break;
        const size_t next = (size_t)(end - text) + 1;
        const int64_t s = step_of_line(text + at, next - 1 - at);
        if (s > step) break;
        if (s >= 0) keep = next;
        at = next;
    }
    return keep;
}

static tern_status cut_back(const char *path, int fd, int64_t step, size_t *keep)
{
    tern_map map;
    TERN_TRY(tern_map_open(path, &map));
    *keep = map.bytes ? sound_bytes((const char *)map.data, map.bytes, step) : 0;
    const bool cut = *keep < map.bytes;
    tern_map_close(&map);
    if (cut && ftruncate(fd, (off_t)*keep) != 0)
        return tern_fail(TERN_EIO, "%s: cannot cut back: %s", path, strerror(errno));
    return TERN_OK;
}

tern_status tern_metrics_open(tern_metrics *m, const char *path, int64_t step,
                              bool *empty)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return tern_fail(TERN_EIO, "%s: %s", path, strerror(errno));
    size_t keep = 0;
    tern_status s = cut_back(path, fd, step, &keep);
    if (s == TERN_OK && strlen(path) >= sizeof m->path)
        s = tern_fail(TERN_EARG, "%.64s...: path too long", path);
    if (s != TERN_OK) {
        close(fd);
        return s;
    }
    memset(m, 0, sizeof *m);
    m->fd = fd;
    strcpy(m->path, path);
    *empty = keep == 0;
    return TERN_OK;
}

void tern_metrics_close(tern_metrics *m)
{
    if (*m->path) close(m->fd);
    free(m->line);
    memset(m, 0, sizeof *m);
}

/* --- building a line --- */

static void add(tern_metrics *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(tern_metrics *m, const char *fmt, ...)
{
    for (;;) {
        const size_t room = m->capacity - m->used;
        va_list args;
        va_start(args, fmt);
        const int n = vsnprintf(m->line ? m->line + m->used : NULL, room, fmt, args);
        va_end(args);
        if (n < 0 || m->failed) return;
        if ((size_t)n < room) {
            m->used += (size_t)n;
            return;
        }
        const size_t capacity = 2 * (m->capacity + (size_t)n) + 256;
        char *line = realloc(m->line, capacity);
        m->failed = !line;
        if (m->failed) return;
        m->line = line;
        m->capacity = capacity;
    }
}

static void add_number(tern_metrics *m, double value)
{
    char text[TERN_NUMBER_TEXT] = "null";
    if (isfinite(value)) tern_number_text(value, text);
    add(m, "%s", text);
}

/* After "{" and "[" no comma. */
static void add_comma(tern_metrics *m)
{
    const char last = m->used ? m->line[m->used - 1] : '{';
    if (last != '{' && last != '[') add(m, ",");
}

void tern_metrics_begin(tern_metrics *m, const char *event, int64_t step)
{
    m->used = 0;
    m->failed = false;
    add(m, "{\"event\":\"%s\",\"step\":%" PRId64, event, step);
}

void tern_metrics_int(tern_metrics *m, const char *key, int64_t value)
{
    add(m, ",\"%s\":%" PRId64, key, value);
}

void tern_metrics_real(tern_metrics *m, const char *key, double value)
{
    add(m, ",\"%s\":", key);
    add_number(m, value);
}

void tern_metrics_bool(tern_metrics *m, const char *key, bool value)
{
    add(m, ",\"%s\":%s", key, value ? "true" : "false");
}

void tern_metrics_text(tern_metrics *m, const char *key, const char *value)
{
    json_t *string = json_string(value);
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    add(m, ",\"%s\":%s", key, quoted ? quoted : "null");
    free(quoted);
    json_decref(string);
}

void tern_metrics_lists(tern_metrics *m, const char *key)
{
    add(m, ",\"%s\":{", key);
}

void tern_metrics_list(tern_metrics *m, const char *key)
{
    add_comma(m);
    add(m, "\"%s\":[", key);
}

void tern_metrics_item(tern_metrics *m, double value)
{
    add_comma(m);
    if (isfinite(value))
        add(m, "%.5g", value);
    else
        add(m, "null");
}

void tern_metrics_list_end(tern_metrics *m)
{
    add(m, "]");
}

void tern_metrics_lists_end(tern_metrics *m)
{
    add(m, "}");
}

tern_status tern_metrics_end(tern_metrics *m)
{
    add(m, "}\n");
    if (m->failed) return tern_fail(TERN_EMEM, "%s: out of memory", m->path);
    for (size_t done = 0; done < m->used;) {
        const ssize_t n = write(m->fd, m->line + done, m->used - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return tern_fail(TERN_EIO, "%s: cannot write: %s", m->path,
                             n < 0 ? strerror(errno) : "no room");
        done += (size_t)n;
    }
    return TERN_OK;
}

tern_status tern_metrics_flush(tern_metrics *m)
{
    if (fsync(m->fd) == 0) return TERN_OK;
    return tern_fail(TERN_EIO, "%s: cannot flush: %s", m->path, strerror(errno));
}
