/* param.c - masters, gradients and forward images.
 *
 * The ternary image is quantised into a second buffer and the two are swapped, so that
 * the codes that flipped can be counted, and a matrix that cannot be quantised (NaN)
 * leaves the old image whole. */
#include "autograd/param.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/half.h"
#include "kernels/cpu.h"
#include "kernels/rows.h"

static size_t count(const tern_param *p)
{
    return (size_t)p->rows * (size_t)p->cols;
}

static bool allocate(tern_param *p)
{
    p->val = tern_calloc(count(p), sizeof *p->val);
    p->grad = tern_calloc(count(p), sizeof *p->grad);
    if (!p->val || !p->grad) return false;
    if (p->form == TERN_FORM_HALF) {
        p->image = tern_calloc(count(p), sizeof *p->image);
        p->half = tern_calloc(count(p), sizeof *p->half);
        return p->image && p->half;
    }
    if (p->form == TERN_FORM_TERNARY) {
        const size_t rows = (size_t)p->rows, cols = (size_t)p->cols;
        const size_t bytes = tern_ternary_bytes(rows, cols);
        p->ternary = (tern_ternary){.rows = rows, .cols = cols};
        p->ternary.codes = tern_calloc(bytes, 1);
        p->spare = tern_calloc(bytes, 1);
        return p->ternary.codes && p->spare;
    }
    return true;
}

tern_param *tern_param_new(const char *name, int64_t rows, int64_t cols, tern_form form)
{
    if (rows <= 0 || cols <= 0 || rows > ((int64_t)1 << 40) / cols) {
        (void)tern_fail(TERN_ESHAPE,
                        "parameter \"%s\": (%" PRId64 ", %" PRId64
                        ") is not a possible shape",
                        name, rows, cols);
        return NULL;
    }
    tern_param *p = calloc(1, sizeof *p);
    if (p) {
        snprintf(p->name, sizeof p->name, "%s", name);
        p->rows = rows;
        p->cols = cols;
        p->form = form;
        p->decay = rows > 1;
        p->share = 1.0f;
        if (allocate(p)) return p;
    }
    tern_param_free(p);
    (void)tern_fail(TERN_EMEM, "parameter \"%s\": no memory for %" PRId64 " numbers",
                    name, rows * cols);
    return NULL;
}

void tern_param_free(tern_param *p)
{
    if (!p) return;
    tern_free(p->val);
    tern_free(p->grad);
    tern_free(p->lookup);
    tern_free(p->image);
    tern_free(p->half);
    tern_free(p->ternary.codes);
    tern_free(p->spare);
    tern_free(p->turned.codes);
    free(p);
}

static tern_status refuse(const tern_param *p, const char *what)
{
    return tern_fail(TERN_ENUMERIC, "parameter \"%s\" holds %s", p->name, what);
}

static tern_status refresh_half(tern_param *p)
{
    const ptrdiff_t n = (ptrdiff_t)count(p);
    tern_round_half(p->val, count(p), p->image);
    if (!isfinite(tern_sum_squares(p->image, count(p))))
        return refuse(p, "a number that fp16 cannot (its limit is 65504)");
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < n; i++) p->half[i] = tern_half_from_float(p->image[i]);
    return TERN_OK;
}

static void mix_image(tern_param *p)
{
    const ptrdiff_t n = (ptrdiff_t)count(p);
    const float share = p->share, gamma = p->ternary.scale;
    tern_ternary_expand(&p->ternary, p->image);
#pragma omp parallel for schedule(static) num_threads(tern_threads())
    for (ptrdiff_t i = 0; i < n; i++)
        p->image[i] = p->val[i] + share * (gamma * p->image[i] - p->val[i]);
}

static tern_status refresh_ternary(tern_param *p)
{
    tern_ternary next = p->ternary;
    next.codes = p->spare;
    if (tern_ternary_quantize(p->val, &next) != TERN_OK)
        return refuse(p, "a NaN or an infinity");
    const bool first = p->ternary.scale == 0.0f;
    p->flips = first ? 0 : tern_ternary_flips(&p->ternary, &next);
    p->spare = p->ternary.codes;
    p->ternary = next;
    p->turned_is_old = true;
    if (p->image) mix_image(p);
    return TERN_OK;
}

tern_status tern_param_set_share(tern_param *p, float share)
{
    if (p->form != TERN_FORM_TERNARY) return TERN_OK;
    p->share = share;
    if (share < 1.0f && !p->image) {
        p->image = tern_calloc(count(p), sizeof *p->image);
        if (!p->image)
            return tern_fail(TERN_EMEM, "parameter \"%s\": no memory for its floats",
                             p->name);
    }
    if (share >= 1.0f) {
        tern_free(p->image);
        p->image = NULL;
    }
    return tern_param_refresh(p);
}

tern_status tern_param_refresh(tern_param *p)
{
    if (p->form == TERN_FORM_TERNARY) return refresh_ternary(p);
    /* In double no square of a float overflows: the sum is finite if they all are. */
    if (!isfinite(tern_sum_squares(p->val, count(p))))
        return refuse(p, "a NaN or an infinity");
    return p->form == TERN_FORM_HALF ? refresh_half(p) : TERN_OK;
}

const tern_ternary *tern_param_transposed(tern_param *p)
{
    const tern_ternary *w = &p->ternary;
    if (!p->turned.codes) {
        p->turned = (tern_ternary){.rows = w->cols, .cols = w->rows};
        p->turned.codes = tern_calloc(tern_ternary_bytes(w->cols, w->rows), 1);
        if (!p->turned.codes) {
            (void)tern_fail(TERN_EMEM, "parameter \"%s\": no memory for its transpose",
                            p->name);
            return NULL;
        }
        p->turned_is_old = true;
    }
    if (p->turned_is_old) {
        tern_ternary_transpose(w, &p->turned);
        p->turned_is_old = false;
    }
    return &p->turned;
}

void tern_param_zero_grad(tern_param *p)
{
    if (p->grad) tern_zero(count(p), p->grad);
}

tern_status tern_param_split_lookup(tern_param *p)
{
    if (!p->lookup) p->lookup = tern_calloc(count(p), sizeof *p->lookup);
    return p->lookup ? TERN_OK
                     : tern_fail(TERN_EMEM,
                                 "parameter \"%s\": no memory for a second gradient",
                                 p->name);
}

void tern_param_join_lookup(tern_param *p)
{
    if (!p->lookup) return;
    tern_axpy(1.0f, p->lookup, count(p), p->grad);
    tern_zero(count(p), p->lookup);
}

const float *tern_param_forward(const tern_param *p)
{
    if (p->form == TERN_FORM_TERNARY) return NULL;
    return p->form == TERN_FORM_HALF ? p->image : p->val;
}
