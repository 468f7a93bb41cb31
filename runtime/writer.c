/* writer.c - see writer.h. */
#include "runtime/writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static tern_status check_keep(const tern_writer_config *c, int64_t context)
{
    const int64_t most = context > 2 ? context - 2 : 0;
    if (c->keep >= 0 && c->keep <= most) return TERN_OK;
    return tern_fail(TERN_EARG,
                     "keep is %" PRId64 ", must be from 0 to %" PRId64
                     " in a context of %" PRId64,
                     c->keep, most, context);
}

tern_status tern_writer_new(const tern_runtime *m, const tern_writer_config *config,
                            tern_writer *out)
{
    tern_writer w = {.config = *config, .start = config->keep};
    TERN_TRY(tern_session_new(m, config->context, &w.session));
    tern_status s = check_keep(config, tern_session_context(w.session));
    if (s == TERN_OK) {
        w.logits = malloc((size_t)tern_runtime_vocab(m) * sizeof *w.logits);
        if (!w.logits) s = tern_fail(TERN_EMEM, "out of memory");
    }
    if (s != TERN_OK) {
        tern_writer_free(&w);
        return s;
    }
    *out = w;
    return TERN_OK;
}

void tern_writer_free(tern_writer *w)
{
    tern_session_free(w->session);
    free(w->ids);
    free(w->logits);
    *w = (tern_writer){0};
}

int64_t tern_writer_room(const tern_writer *w)
{
    return tern_session_context(w->session) - tern_session_length(w->session);
}

static tern_status remember(tern_writer *w, const int32_t *ids, int64_t count)
{
    if (w->count + count > w->capacity) {
        const int64_t capacity = 2 * (w->count + count) + 64;
        int32_t *more = realloc(w->ids, (size_t)capacity * sizeof *more);
        if (!more) return tern_fail(TERN_EMEM, "out of memory");
        w->ids = more;
        w->capacity = capacity;
    }
    memcpy(w->ids + w->count, ids, (size_t)count * sizeof *ids);
    w->count += count;
    return TERN_OK;
}

static void shift(tern_writer *w)
{
    const int64_t keep = w->config.keep;
    const int64_t half = (tern_session_context(w->session) - keep) / 2;
    w->start = w->count - (half > 0 ? half : 1);
    w->shifts++;
    tern_session_truncate(w->session, keep);
}

/* Evaluate what the session has not seen of ids[0 .. keep) and ids[start .. count). */
static tern_status catch_up(tern_writer *w)
{
    const int64_t keep = w->config.keep, seen = tern_session_length(w->session);
    if (w->start == keep || seen >= keep) {
        const int64_t from = w->start == keep ? seen : w->start + seen - keep;
        return tern_session_eval(w->session, w->ids + from, w->count - from, w->logits);
    }
    TERN_TRY(tern_session_eval(w->session, w->ids + seen, keep - seen, NULL));
    return catch_up(w);
}

/* As if the last `count` ids had not come. */
static void take_back(tern_writer *w, int64_t count)
{
    const int64_t keep = w->config.keep;
    w->count -= count;
    if (w->start > w->count) w->start = w->count > keep ? w->count : keep;
    const int64_t left = w->count > keep ? keep + w->count - w->start : w->count;
    tern_session_truncate(w->session, left);
}

tern_status tern_writer_append(tern_writer *w, const int32_t *ids, int64_t count)
{
    const bool full = count > tern_writer_room(w);
    TERN_TRY(remember(w, ids, count));
    if (full && w->config.overflow == TERN_OVERFLOW_SHIFT) shift(w);
    const tern_status s = catch_up(w);
    if (s != TERN_OK) take_back(w, count);
    return s;
}
