/* writer.h - a text in the making, and what happens when the context is full.
 *
 * refuse  Ids that do not fit are TERN_EARG; tern_writer_room() says how many do.
 *
 * shift   The first `keep` ids of the text stay (a system prompt, say), and of the rest
 *         the newest half of what the context holds beside them. The half goes through
 *         the model again at its new positions: the logits are exactly those of the
 *         shortened text, unlike where a cache is moved. That costs (context - keep) /
 * 2 ids, once for every so many that are written.
 *
 *             |  keep  |      forgotten      |    newest half    |
 *             0                              start               count
 */
#ifndef TERN_RUNTIME_WRITER_H
#define TERN_RUNTIME_WRITER_H

#include "runtime/runtime.h"

typedef enum tern_overflow { TERN_OVERFLOW_SHIFT, TERN_OVERFLOW_REFUSE } tern_overflow;

typedef struct tern_writer_config {
    int64_t context; /* 0: the model's */
    tern_overflow overflow;
    int64_t keep; /* shift: 0 to context - 2 */
} tern_writer_config;

/* One thread at a time. Fields are for reading. */
typedef struct tern_writer {
    tern_writer_config config;
    tern_session *session;
    int32_t *ids; /* everything so far, prompt included */
    int64_t count, capacity;
    int64_t start;  /* the session holds ids[0 .. keep) and ids[start ..) */
    int64_t shifts; /* how often something was forgotten */
    float *logits;  /* (V) after the last id */
} tern_writer;

/* TERN_EMEM; TERN_EARG: the context or `keep` is out of its range. */
tern_status tern_writer_new(const tern_runtime *m, const tern_writer_config *config,
                            tern_writer *out);
void tern_writer_free(tern_writer *w);

/* Append ids and compute the logits after them. On failure the writer is unchanged,
 * except that what a shift forgot stays forgotten. */
tern_status tern_writer_append(tern_writer *w, const int32_t *ids, int64_t count);

/* Ids that fit before the context is full. */
int64_t tern_writer_room(const tern_writer *w);

#endif /* TERN_RUNTIME_WRITER_H */
