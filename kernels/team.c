/* team.c - see team.h: each function is the inside of a parallel loop elsewhere. */
#include "kernels/team.h"

#include <omp.h>

#include "kernels/float_kernels.h"

tern_team tern_team_here(void)
{
    return (tern_team){.index = (size_t)omp_get_thread_num(),
                       .count = (size_t)omp_get_num_threads()};
}

void tern_team_wait(const tern_team *t)
{
    if (t->count == 1) return;
#pragma omp barrier
}

enum {
    PIECES = 8,           /* of a share */
    DEALT_BYTES = 1 << 16 /* of a share that is cut */
};

tern_deal tern_team_deal(const tern_team *t, int parity, size_t count, size_t bytes)
{
    const size_t share = count / t->count;
    tern_deal d = {.team = t,
                   .count = count,
                   .piece = (share + PIECES) / PIECES,
                   .parity = parity,
                   .whole = share * bytes < DEALT_BYTES};
    if (t->count == 1 || !t->dealer || t->count > TERN_TEAM_MAX)
        d.whole = true;
    else /* nobody is at the deal before any more, or at the next one yet */
        atomic_store_explicit(&t->dealer->line[t->index].next[!parity], 0,
                              memory_order_relaxed);
    return d;
}

bool tern_deal_next(tern_deal *d, tern_part *part)
{
    const tern_team *t = d->team;
    if (d->whole) {
        *part = tern_team_share(t, d->count);
        return d->turn++ == 0 && part->first < part->end;
    }
    for (; d->turn < t->count; d->turn++) {
        const tern_team whose = {.index = (t->index + d->turn) % t->count,
                                 .count = t->count};
        const tern_part share = tern_team_share(&whose, d->count);
        const size_t first =
            share.first + d->piece * atomic_fetch_add_explicit(
                                         &t->dealer->line[whose.index].next[d->parity],
                                         1, memory_order_relaxed);
        if (first >= share.end) continue;
        part->first = first;
        part->end = share.end - first < d->piece ? share.end : first + d->piece;
        return true;
    }
    return false;
}

void tern_rmsnorm_row(const float *x, const float *gain, float eps, size_t cols,
                      float *y)
{
    const tern_float_kernels *k = tern_float_active;
    k->rms_scale(x, tern_rms_rstd(k->sum_squares(x, cols), cols, eps), gain, cols, y);
}

void tern_rope_row(const float *x, size_t heads, size_t head_dim, const float *cosines,
                   const float *sines, float *y)
{
    for (size_t h = 0; h < heads; h++)
        tern_float_active->rope(x + h * head_dim, cosines, sines, head_dim / 2, 1.0f,
                                false, y + h * head_dim);
}

void tern_glu_part(tern_activation f, const float *gate, const float *up, size_t n,
                   float *y)
{
    tern_float_active->glu(f, gate, up, n, y);
}

void tern_narrow_row(const float *x, size_t n, uint16_t *y)
{
    tern_float_active->narrow(x, n, y);
}

void tern_dot_matmul_part(const float *x, size_t m, size_t k, const float *w, float *y,
                          size_t ldy, size_t first, size_t end)
{
    tern_float_active->dots(x, m, k, w + first * k, end - first, y + first, ldy);
}

void tern_dot_matmul_half_part(const float *x, size_t m, size_t k, const uint16_t *w,
                               float *y, size_t ldy, size_t first, size_t end)
{
    tern_float_active->dots_half(x, m, k, w + first * k, end - first, y + first, ldy);
}
