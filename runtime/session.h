/* session.h - a session, as session.c, decode.c and cache.c see it. */
#ifndef TERN_RUNTIME_SESSION_H
#define TERN_RUNTIME_SESSION_H

#include <stdbool.h>
#include <string.h>

#include "kernels/attention.h"
#include "kernels/team.h"
#include "runtime/model.h"

enum {
    TERN_CHUNK = 512,      /* rows computed together, at most */
    TERN_DECODE_ROWS = 16, /* rows that decode.c takes, at most */
    TERN_DECODE_TEAM =
        TERN_TEAM_MAX, /* its threads, at most: each has a row of scratch */
};

struct tern_session {
    const tern_runtime *model;
    int64_t context, length, rows; /* rows: computed together, at most */
    void *memory;                  /* everything below */
    size_t memory_bytes;
    /* Keys and values, 64 positions of all layers after the other, so that a text takes
     * memory as it grows, in pages as large as there are:
     *
     *     | positions 0-63                               | 64-127 ..
     *     | layer 0: head 0: K (4, D, 16) V (64, D) | .. | layer 0: ..
     *
     * floats or the bits of fp16; for int8, what attention_int8.c draws. There are
     * addresses for the largest type; the others use a part of them. */
    void *cache;
    tern_cache_type cache_type;
    float *cos, *sin; /* (context, D / 2), `angles` rows computed so far */
    /* Scratch of max(rows, TERN_DECODE_TEAM) rows each. */
    float *h;             /* (C) the residual stream */
    float *x;             /* (widest) a normalised input, not quantised */
    float *rounded;       /* (widest) the same, see activations.h */
    float *q, *o;         /* (H * D) */
    float *new_k, *new_v; /* (KV * D) on their way to the cache; decode.c */
    float *gate, *up;     /* (F) */
    float *product;       /* (C), before it is added to h */
    float *unpacked;      /* see tern_matrix_scratch */
    int8_t *codes;        /* (stride of the widest) */
    float *scale;         /* (1) */
    int32_t *sum;         /* (1) */
    tern_q8_block *head;  /* (C / 32) input of a head in codes */
    int64_t angles;
    /* Whether one thread is faster than all of them, tried out by decode.c. */
    struct {
        int64_t rows, call;  /* rows of a call; calls since the trial began */
        double team, single; /* seconds of the fastest */
    } pace;
    void *attention; /* its scratch, apart: it grows with the threads */
    size_t attention_bytes;
    tern_activations activations;
    tern_codes_probe probe;
    void *probe_user;
};

/* session.c: attention scratch for whatever this session may be asked for at once. */
tern_status tern_session_want_scratch(tern_session *s);

/* --- cache.c --- */

/* Bytes that hold so many positions of any type. */
size_t tern_cache_bytes(const tern_spec *m, int64_t positions);
/* The first keys of a key head, as far as a position sees them. */
tern_fetch tern_cache_keys(const tern_session *s, int64_t layer, int64_t head,
                           int64_t position);
/* A key and a value (D) into the cache. */
void tern_cache_put(const tern_session *s, int64_t layer, int64_t head,
                    int64_t position, const float *k, const float *v);

/* Scratch for `rows` queries after `past` keys: bytes for all threads, floats of one.
 */
size_t tern_cache_scratch(const tern_session *s, int64_t past, int64_t rows);
size_t tern_cache_part_scratch(const tern_session *s, int64_t past, int64_t rows);
/* o from q, of `rows` rows of the session from its end on, whose keys and values are in
 * the cache; by all threads. */
void tern_cache_attend(const tern_session *s, int64_t layer, int64_t rows);
/* Some query heads of one row (H * D), by one member of a team. */
void tern_cache_attend_part(const tern_session *s, int64_t layer, int64_t position,
                            tern_heads heads, const float *q, float *o, float *scratch);

/* --- decode.c --- */

/* One id, for a position of a session. */
typedef struct tern_decode_row {
    tern_session *session;
    int64_t position;
    int32_t id;
} tern_decode_row;

/* Whether decode.c computes what session.c would: nothing but ternary layers, a head of
 * a form that it knows, the usual activations, and nobody who wants to see them. */
bool tern_decode_can(const tern_session *s);
/* 1 to TERN_DECODE_ROWS rows through the model together: successive positions of one
 * session, or the next position of each of several sessions of one model. It works on
 * the scratch of the first row's session, which has attention scratch for all of them.
 * logits (V) for each row from `first` on. Lengths of sessions stay as they are. */
void tern_decode(const tern_decode_row *rows, int64_t n, int64_t first, float *logits);

#endif /* TERN_RUNTIME_SESSION_H */
