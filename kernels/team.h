/* team.h - the kernels of decoding, for threads that work together already.
 *
 * The functions of ternary.h, rows.h and attention.h start their threads for every
 * call. A token is some ten calls per layer, each of a few microseconds: waking and
 * joining costs as much. So the runtime opens one parallel region per token, and every
 * thread of it, a member of a team, calls these for its share of the work and waits for
 * the others where their results are needed:
 *
 *     #pragma omp parallel num_threads(n)
 *     {
 *         const tern_team t = tern_team_here();
 *         tern_part s = tern_team_share(&t, panels);
 *         tern_ternary_matmul_panels(&x, &w, NULL, y, ldy, s.first, s.end);
 *         tern_team_wait(&t);      // all of y is there
 *     }
 *
 * Every number has the bits that the functions with their own threads give it.
 */
#ifndef TERN_KERNELS_TEAM_H
#define TERN_KERNELS_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spec.h"
#include "kernels/attention.h"
#include "kernels/fetch.h"
#include "kernels/ternary.h"

enum { TERN_TEAM_MAX = 64 }; /* members of a team that deals */

/* Where each member is in its share: see tern_team_deal(). Zeroed before the team
 * starts; each line is its member's own until someone has nothing left to do. */
typedef struct tern_dealer {
    struct {
        _Alignas(64) atomic_size_t next[2];
    } line[TERN_TEAM_MAX];
} tern_dealer;

typedef struct tern_team {
    size_t index, count; /* this member, of how many */
    tern_dealer *dealer; /* the team's; NULL where nothing is dealt */
} tern_team;

/* [first, end) */
typedef struct tern_part {
    size_t first, end;
} tern_part;

/* The members are the threads of the parallel region that this is called in; without a
 * dealer. */
tern_team tern_team_here(void);
/* Until all members have come here; nothing in a team of one. */
void tern_team_wait(const tern_team *t);

/* This member's part of `count` things; parts differ by one at most. */
static inline tern_part tern_team_share(const tern_team *t, size_t count)
{
    return (tern_part){.first = count * t->index / t->count,
                       .end = count * (t->index + 1) / t->count};
}

/* Members are not equally fast at all times: one's core may be busy with other things,
 * or far from the memory. So large pieces of work are dealt: a member takes the pieces
 * of its own share (tern_team_share) in order, and then what is left of the others'.
 *
 *     share of 0                share of 1
 *     | 0 | 0 | 0 | 0 | 0 |     | 1 | 1 | 1 | 1 | 0 |     pieces, by who took them
 *
 *     tern_deal d = tern_team_deal(&t, 0, panels, bytes_of_a_panel);
 *     for (tern_part p; tern_deal_next(&d, &p);) ...
 *     tern_team_wait(&t);
 *
 * Work of few bytes is one piece for each: to look at another core's line takes as long
 * as reading some. */
typedef struct tern_deal {
    const tern_team *team;
    size_t count, piece, turn;
    int parity;
    bool whole; /* one piece for each member */
} tern_deal;

/* Deals follow each other with a tern_team_wait() between, and parities alternate. */
tern_deal tern_team_deal(const tern_team *t, int parity, size_t count, size_t bytes);
/* The next part for this member; false: there is none left. */
bool tern_deal_next(tern_deal *d, tern_part *part);

/* --- one row --- */

/* y = (r * x) * gain, as tern_rmsnorm_rows(). y may be x. */
void tern_rmsnorm_row(const float *x, const float *gain, float eps, size_t cols,
                      float *y);
/* x (cols) into row r of out; normalised first unless gain is NULL. */
void tern_quantize_row(const float *x, const float *gain, float eps, size_t r,
                       tern_qrows *out);
/* Turn `heads` heads of one row by the angles of one position. y may be x. */
void tern_rope_row(const float *x, size_t heads, size_t head_dim, const float *cosines,
                   const float *sines, float *y);
/* Part of a row: as tern_glu(). */
void tern_glu_part(tern_activation f, const float *gate, const float *up, size_t n,
                   float *y);

/* x (n) to bits of fp16. */
void tern_narrow_row(const float *x, size_t n, uint16_t *y);

/* --- products --- */

/* Outputs of panels [first, end) of w for all rows of x. `next`: codes that the member
 * reads after them, fetched meanwhile; NULL: those that follow. */
void tern_ternary_matmul_panels(const tern_qrows *x, const tern_ternary *w,
                                const float *add, float *y, size_t ldy, size_t first,
                                size_t end, const uint8_t *next);
/* Panels of a matrix. */
static inline size_t tern_ternary_panels(const tern_ternary *w)
{
    return (w->rows + 15) / 16;
}

/* y[i][j] = dot of row i of x with row j of w, j in [first, end): as tern_dot_matmul()
 * and tern_dot_matmul_half(). */
void tern_dot_matmul_part(const float *x, size_t m, size_t k, const float *w, float *y,
                          size_t ldy, size_t first, size_t end);
void tern_dot_matmul_half_part(const float *x, size_t m, size_t k, const uint16_t *w,
                               float *y, size_t ldy, size_t first, size_t end);

/* --- attention --- */

/* Floats of scratch that one member needs. */
size_t tern_attention_part_scratch(const tern_attention_shape *s);
/* Query heads [first, end) of one row, and what the member reads after them: the first
 * keys of another key head. */
typedef struct tern_heads {
    size_t first, end;
    tern_fetch next;
} tern_heads;

/* These heads of tern_attention() of one query; scratch is the member's own. */
void tern_attention_part(const tern_attention_shape *s, tern_heads heads,
                         const float *q, const float *k, const float *v, float *o,
                         float *scratch);
void tern_attention_half_part(const tern_attention_shape *s, tern_heads heads,
                              const float *q, const uint16_t *k, const uint16_t *v,
                              float *o, float *scratch);

#endif /* TERN_KERNELS_TEAM_H */
