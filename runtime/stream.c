/* stream.c - what of a text in pieces can be shown already.
 *
 *     text   |  shown  |  ready  |  held back: the beginning of a stop string, |
 *            |         |         |  or of a character                          |
 *            0       shown   shown + ready                                   count
 *
 * Stop strings are looked for at every byte, not at every piece: the text ends where
 * the first of them is complete, and if several are there at once the longest counts.
 * So it ends at the same place however it was cut. What is held back is the longest end
 * of the text that one of them begins with, so no byte of one is ever shown. */
#include <stdlib.h>
#include <string.h>

#include "data/utf8.h"
#include "runtime/runtime.h"

typedef struct stop {
    char *text;
    size_t bytes;
} stop;

struct tern_stream {
    char *text;
    size_t count, capacity, shown;
    bool stopped;
    size_t longest; /* of the stop strings */
    size_t stops;
    stop stop[];
};

tern_status tern_stream_new(const char *const *stops, size_t count, tern_stream **out)
{
    tern_stream *s = calloc(1, sizeof *s + count * sizeof s->stop[0]);
    if (!s) return tern_fail(TERN_EMEM, "out of memory");
    for (; s->stops < count; s->stops++) {
        stop *x = &s->stop[s->stops];
        x->bytes = strlen(stops[s->stops]);
        x->text = x->bytes ? malloc(x->bytes) : NULL;
        if (x->text) memcpy(x->text, stops[s->stops], x->bytes);
        if (x->bytes > s->longest) s->longest = x->bytes;
        if (x->text) continue;
        const tern_status failed = x->bytes
                                       ? tern_fail(TERN_EMEM, "out of memory")
                                       : tern_fail(TERN_EARG, "a stop string is empty");
        tern_stream_free(s);
        return failed;
    }
    *out = s;
    return TERN_OK;
}

void tern_stream_free(tern_stream *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->stops; i++) free(s->stop[i].text);
    free(s->text);
    free(s);
}

static tern_status append(tern_stream *s, const char *piece, size_t bytes)
{
    if (!s->text || bytes > s->capacity - s->count) {
        const size_t capacity = 2 * (s->count + bytes) + 256;
        char *more = realloc(s->text, capacity);
        if (!more) return tern_fail(TERN_EMEM, "out of memory");
        s->text = more;
        s->capacity = capacity;
    }
    memcpy(s->text + s->count, piece, bytes);
    s->count += bytes;
    return TERN_OK;
}

/* Bytes of the longest stop string that ends at text[end); 0 if none does. */
static size_t stop_before(const tern_stream *s, size_t end)
{
    size_t most = 0;
    for (size_t i = 0; i < s->stops; i++) {
        const stop *x = &s->stop[i];
        if (x->bytes > most && x->bytes <= end &&
            memcmp(s->text + end - x->bytes, x->text, x->bytes) == 0)
            most = x->bytes;
    }
    return most;
}

/* Whether one of the stop strings goes on after these bytes. */
static bool begins_stop(const tern_stream *s, const char *text, size_t bytes)
{
    for (size_t i = 0; i < s->stops; i++)
        if (s->stop[i].bytes > bytes && memcmp(s->stop[i].text, text, bytes) == 0)
            return true;
    return false;
}

/* Bytes at the end that could be the beginning of a stop string. */
static size_t held_back(const tern_stream *s)
{
    size_t n = s->count - s->shown;
    if (n >= s->longest) n = s->longest ? s->longest - 1 : 0;
    while (n > 0 && !begins_stop(s, s->text + s->count - n, n)) n--;
    return n;
}

static const char *show(tern_stream *s, size_t end, size_t *bytes)
{
    const char *from = s->text ? s->text + s->shown : "";
    *bytes = end - s->shown;
    s->shown = end;
    return from;
}

tern_status tern_stream_push(tern_stream *s, const char *piece, size_t bytes,
                             const char **ready, size_t *ready_bytes)
{
    const size_t before = s->count;
    if (!s->stopped) TERN_TRY(append(s, piece, bytes));
    for (size_t end = before + 1; end <= s->count && !s->stopped; end++) {
        const size_t found = stop_before(s, end);
        if (found == 0) continue;
        s->stopped = true;
        s->count = end - found;
    }
    size_t end = s->count;
    if (!s->stopped) {
        end -= held_back(s);
        end -= tern_utf8_partial(s->text + s->shown, s->text + end);
    }
    *ready = show(s, end, ready_bytes);
    return TERN_OK;
}

bool tern_stream_stopped(const tern_stream *s)
{
    return s->stopped;
}

const char *tern_stream_finish(tern_stream *s, size_t *bytes)
{
    return show(s, s->count, bytes);
}

const char *tern_stream_text(const tern_stream *s, size_t *bytes)
{
    *bytes = s->shown;
    return s->text ? s->text : "";
}
