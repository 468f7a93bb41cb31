/* hf_parity.c - see hf_parity.h.
 *
 * The tensors go through the importer (hf_tensor.c) into a parameter of their own: for
 * packed layers that is also the test that codes and scale survive the way into a
 * checkpoint. */
#include "export/hf_parity.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/half.h"
#include "export/hf_tensor.h"

typedef struct comparison {
    const tern_safetensors *file;
    tern_hf_linear linear;
    tern_hf_parity *out;
} comparison;

static void compare_floats(const tern_param *ours, const float *theirs,
                           tern_hf_parity *out)
{
    const float *x = tern_param_forward(ours);
    const int64_t n = ours->rows * ours->cols;
    for (int64_t i = 0; i < n; i++) {
        out->floats_differ += tern_float_bits(x[i]) != tern_float_bits(theirs[i]);
        out->float_error =
            fmax(out->float_error, fabs((double)x[i] - (double)theirs[i]));
    }
    out->floats += n;
}

static void note_scale(tern_hf_parity *out, double ours, double theirs, double allowed)
{
    const double error = fabs(theirs / ours - 1.0);
    out->scales_differ += error > allowed;
    out->scale_error = fmax(out->scale_error, error);
}

/* As AutoBitLinear does online: mean|W|, and W divided by it. Its mean is a float sum,
 * so it may be off by the rounding of a sum. */
static tern_status compare_masters(const tern_param *ours, const float *theirs,
                                   tern_hf_parity *out)
{
    const size_t rows = (size_t)ours->rows, cols = (size_t)ours->cols;
    int8_t *trits = malloc(cols);
    if (!trits) return tern_fail(TERN_EMEM, "%s: out of memory", ours->name);
    double mean = 0.0;
    for (size_t i = 0; i < rows * cols; i++) mean += fabs((double)theirs[i]);
    mean = fmax(mean / (double)(rows * cols), 1e-5);
    for (size_t r = 0; r < rows; r++) {
        tern_ternary_unpack_row(&ours->ternary, r, trits);
        for (size_t c = 0; c < cols; c++) {
            const double q = nearbyint((double)theirs[r * cols + c] / mean);
            out->codes_differ += (int)fmax(-1.0, fmin(1.0, q)) != trits[c];
        }
    }
    note_scale(out, (double)ours->ternary.scale, mean, 0x1p-22);
    free(trits);
    return TERN_OK;
}

static tern_status compare_param(const comparison *c, const tern_param *ours)
{
    tern_hf_notes notes = {0};
    tern_hf_parity *out = c->out;
    tern_param *p = tern_param_new(ours->name, ours->rows, ours->cols, ours->form);
    tern_status s = p ? TERN_OK : TERN_EMEM;
    if (s == TERN_OK) s = tern_hf_read_param(c->file, c->linear, p, &notes);
    if (s == TERN_OK && ours->form != TERN_FORM_TERNARY) {
        compare_floats(ours, p->val, out);
    } else if (s == TERN_OK) {
        out->matrices++;
        out->codes += ours->rows * ours->cols;
        if (tern_hf_is_packed(c->linear)) {
            s = tern_param_refresh(p);
            out->codes_differ += tern_ternary_flips(&ours->ternary, &p->ternary);
            note_scale(out, (double)ours->ternary.scale, (double)p->ternary.scale, 0.0);
        } else {
            s = compare_masters(ours, p->val, out);
        }
    }
    tern_param_free(p);
    return s;
}

static void count_files(const tern_safetensors *f, tern_hf_parity *out)
{
    for (size_t i = 0; i < tern_safetensors_count(f); i++) {
        const tern_st_tensor *t = tern_safetensors_at(f, i);
        out->bytes += (int64_t)t->bytes;
        if ((int64_t)t->file >= out->files) out->files = (int64_t)t->file + 1;
    }
}

tern_status tern_hf_compare(tern_model *model, tern_hf_linear linear, const char *dir,
                            tern_hf_parity *out)
{
    tern_safetensors *f = NULL;
    const tern_params *list = tern_model_params(model);
    TERN_TRY(tern_safetensors_open_dir(dir, &f));
    const comparison c = {.file = f, .linear = linear, .out = out};
    tern_status s = TERN_OK;
    for (size_t i = 0; i < list->count && s == TERN_OK; i++)
        s = compare_param(&c, list->items[i]);
    count_files(f, out);
    tern_safetensors_close(f);
    return s;
}

bool tern_hf_verdict(const tern_hf_parity *p, char *out, size_t size)
{
    if (!p->codes_differ && !p->scales_differ && !p->floats_differ) {
        snprintf(out, size,
                 "exact: the directory is the trained model, number by number");
        return true;
    }
    if (p->floats_differ)
        snprintf(out, size,
                 "not exact, because the chosen dtype rounds %" PRId64 " of %" PRId64
                 " float weights, by %.3g at most%s",
                 p->floats_differ, p->floats, p->float_error,
                 p->scales_differ || p->codes_differ ? ", and scales or codes with them"
                                                     : "");
    else
        snprintf(out, size,
                 "not exact, because transformers will find %" PRId64 " of %" PRId64
                 " codes, and %" PRId64 " of %" PRId64
                 " scales (by %.2g at most), otherwise than tern",
                 p->codes_differ, p->codes, p->scales_differ, p->matrices,
                 p->scale_error);
    return false;
}
