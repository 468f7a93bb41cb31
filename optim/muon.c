/* muon.c - momentum, made orthogonal: every direction of a matrix moves equally far.
 *
 * Keller Jordan 2024, "Muon: An optimizer for hidden layers in neural networks"; the
 * scale of the update is that of Liu et al. 2025, "Muon is Scalable for LLM Training"
 * (arXiv:2502.16982), eq. (4), so that one learning rate and one weight decay serve the
 * matrices here and what AdamW does with the rest:
 *
 *     m = mu m + g,   u = g + mu m (Nesterov) or m
 *     w = w - lr (0.2 sqrt(max(rows, cols)) O(u) + weight_decay w)
 *
 * O(u) is about U V^T of the singular value decomposition u = U S V^T. It is had
 * without one, by Newton-Schulz steps on X = u / |u|, each of which brings all singular
 * values nearer to 1 (with Jordan's coefficients to between 0.7 and 1.2, which is
 * enough):
 *
 *     A = X X^T,   X <- a X + (b A + c A^2) X
 *
 * A is the smaller of X X^T and X^T X, so a tall matrix is multiplied from the right.
 * |u| is taken into the factors of the first step. What is not a matrix between
 * activations (embedding, head, gains) is left to AdamW. */
#include <math.h>
#include <string.h>

#include "kernels/gemm.h"
#include "kernels/rows.h"
#include "optim/rule.h"

enum { ITERATIONS = 5, MOMENTUM = 0, SECOND_MOMENT = 1 };

static tern_status muon_check(const tern_optim_config *c)
{
    TERN_TRY(tern_rule_adamw.check(c));
    TERN_TRY(tern_rule_sgd.check(c));
    return tern_blas_init();
}

static const char *const *muon_slots(const tern_optim_config *c)
{
    static const char *const names[] = {"m", "v", NULL};
    (void)c;
    return names;
}

static bool muon_keeps(const tern_param *p, size_t slot)
{
    return slot == MOMENTUM || !p->hidden;
}

static size_t smaller(const tern_param *p)
{
    return (size_t)(p->rows < p->cols ? p->rows : p->cols);
}

/* X twice, and two square matrices. */
static size_t muon_scratch(const tern_param *p)
{
    return p->hidden ? 2 * (size_t)(p->rows * p->cols) + 2 * smaller(p) * smaller(p)
                     : 0;
}

/* One step from x to y, with X = x / norm. `a` and `b` are square, of the smaller size.
 */
static void newton_schulz(const tern_param *p, double norm, const float *x, float *y,
                          float *a, float *b)
{
    const size_t rows = (size_t)p->rows, cols = (size_t)p->cols, n = smaller(p);
    const bool wide = rows <= cols;
    const float f = (float)(1.0 / norm);
    const float c1 = 3.4445f, c3 = -4.7750f, c5 = 2.0315f;
    tern_sgemm_gram(!wide, n, wide ? cols : rows, (float)(1.0 / (norm * norm)), x, cols,
                    0.0f, a, n);
    memcpy(b, a, n * n * sizeof *b);
    tern_sgemm_gram(false, n, n, c5, a, n, c3, b, n); /* A A^T = A^2 */
    memcpy(y, x, rows * cols * sizeof *y);
    (tern_rule_is_small(p) ? tern_sgemm_here : tern_sgemm)(
        false, false, rows, cols, n, f, wide ? b : x, wide ? n : cols, wide ? x : b,
        wide ? cols : n, f * c1, y, cols);
}

static void orthogonal_update(const tern_optim_config *c, const tern_step *s,
                              tern_param *p, float *m)
{
    const size_t size = (size_t)(p->rows * p->cols), n = smaller(p);
    float *x = s->scratch, *y = x + size, *a = y + size, *b = a + n * n;
    memset(x, 0, size * sizeof *x);
    tern_sgd_update(-1.0f, c->momentum, c->nesterov, 0.0f, s->grad_scale, p->grad, size,
                    x, m);
    double norm = sqrt(tern_sum_squares(x, size)) + 1e-7;
    for (int i = 0; i < ITERATIONS; i++) {
        newton_schulz(p, norm, x, y, a, b);
        float *const swap = x;
        x = y;
        y = swap;
        norm = 1.0;
    }
    const float scale = 0.2f * sqrtf((float)(p->rows > p->cols ? p->rows : p->cols));
    tern_sgd_update(s->lr, 0.0f, 0, s->weight_decay, scale, x, size, p->val, NULL);
}

static void muon_update(const tern_optim_config *c, const tern_step *s, tern_param *p,
                        float *const *state)
{
    if (p->hidden)
        orthogonal_update(c, s, p, state[MOMENTUM]);
    else
        tern_rule_adamw.update(c, s, p, state);
}

const tern_rule tern_rule_muon = {.name = "muon",
                                  .check = muon_check,
                                  .slots = muon_slots,
                                  .keeps = muon_keeps,
                                  .scratch = muon_scratch,
                                  .update = muon_update};
