/* hf_export.c - see hf_export.h.
 *
 * Masters for `online`. transformers quantises them itself, with gamma' = mean|W| and
 * codes rne(W / gamma'). tern's gamma is that mean rounded to fp16, and its codes split
 * at gamma / 2. Both become the same if the mean is exactly gamma and no weight changes
 * sides, so the nonzero ones move away from or towards the split, all by one factor k:
 *
 *     |W'| = b + (|W| - b) k     with b just above gamma / 2
 *
 * k follows from the mean that is wanted. Weights closer to the split than the rounding
 * of anybody's mean (MARGIN) are moved to that distance first. */
#include "export/hf_export.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/hf_parity.h"
#include "export/hf_tensor.h"

static const uint64_t SHARD_BYTES = 5000000000u;
static const double MARGIN = 0x1p-17;

static const char *const weight_names[] = {"autobitlinear", "bitlinear", "online",
                                           "master"};
enum { WEIGHTS = sizeof weight_names / sizeof *weight_names };

int tern_hf_weights_find(const char *name)
{
    for (int i = 0; i < WEIGHTS; i++)
        if (strcmp(name, weight_names[i]) == 0) return i;
    return -1;
}

const char *tern_hf_weights_name(tern_hf_weights w)
{
    return weight_names[w];
}

/* One tensor on its way into the file. */
typedef struct tensor_job {
    const tern_param *param;
    tern_st_type type;
} tensor_job;

typedef struct export_job {
    tern_st_writer *writer;
    const tern_spec *spec;
    tern_hf_linear linear;
    bool exact_masters; /* not moved */
    int dtype;
    tensor_job *jobs;
    size_t count;
} export_job;

/* --- what goes into a tensor --- */

static tern_status fill_codes(void *user, uint8_t *out, size_t bytes)
{
    const tensor_job *j = user;
    int8_t *trits = malloc((size_t)j->param->cols);
    if (!trits) return tern_fail(TERN_EMEM, "tensor %s: out of memory", j->param->name);
    tern_hf_pack(&j->param->ternary, trits, out);
    free(trits);
    (void)bytes;
    return TERN_OK;
}

static tern_status fill_scale(void *user, uint8_t *out, size_t bytes)
{
    const tensor_job *j = user;
    tern_st_put_floats(j->type, &j->param->ternary.scale, 1, out);
    (void)bytes;
    return TERN_OK;
}

static tern_status fill_inverse(void *user, uint8_t *out, size_t bytes)
{
    const tensor_job *j = user;
    const float inverse = 1.0f / j->param->ternary.scale;
    tern_st_put_floats(j->type, &inverse, 1, out);
    (void)bytes;
    return TERN_OK;
}

static tern_status fill_floats(void *user, uint8_t *out, size_t bytes)
{
    const tensor_job *j = user;
    const tern_param *p = j->param;
    const float *x = p->form == TERN_FORM_TERNARY ? p->val : tern_param_forward(p);
    tern_st_put_floats(j->type, x, bytes / tern_st_type_bytes(j->type), out);
    return TERN_OK;
}

/* |w|, at least MARGIN away from the split at gamma / 2, on the side of its code. */
static double clear_of_split(float w, double half)
{
    const double a = fabs((double)w);
    if (a > half) return fmax(a, half * (1.0 + MARGIN));
    return fmin(a, half * (1.0 - MARGIN));
}

static tern_status fill_moved(void *user, uint8_t *out, size_t bytes)
{
    enum { PIECE = 256 };
    const tensor_job *j = user;
    const tern_param *p = j->param;
    const size_t n = (size_t)p->rows * (size_t)p->cols;
    const size_t each = tern_st_type_bytes(j->type);
    const double gamma = (double)p->ternary.scale, half = gamma / 2;
    const double base = half * (1.0 + MARGIN);
    double rest = 0.0, above = 0.0; /* what stays; what is multiplied by k */
    for (size_t i = 0; i < n; i++) {
        const double a = clear_of_split(p->val[i], half);
        rest += a > half ? base : a;
        above += a > half ? a - base : 0.0;
    }
    const double k = above > 0.0 ? (gamma * (double)n - rest) / above : 1.0;
    float piece[PIECE];
    for (size_t i = 0; i < n; i++) {
        const double a = clear_of_split(p->val[i], half);
        const double moved = a > half && k > 0.0 ? base + (a - base) * k : a;
        piece[i % PIECE] = (float)copysign(moved, (double)p->val[i]);
        if (i % PIECE == PIECE - 1 || i == n - 1)
            tern_st_put_floats(j->type, piece, i % PIECE + 1,
                               out + i / PIECE * PIECE * each);
    }
    (void)bytes;
    return TERN_OK;
}

/* --- which tensors --- */

static tern_st_type float_type(const export_job *e, const tern_param *p)
{
    if (e->dtype != TERN_HF_AUTO) return (tern_st_type)e->dtype;
    return p->form == TERN_FORM_HALF ? TERN_ST_F16 : TERN_ST_F32;
}

static tensor_job *new_job(export_job *e, const tern_param *p, tern_st_type type)
{
    tensor_job *j = &e->jobs[e->count++];
    *j = (tensor_job){.param = p, .type = type};
    return j;
}

static tern_status put_packed(export_job *e, const tern_param *p, const char *name)
{
    char scale[TERN_HF_SCALE_NAME];
    const tern_st_type type = float_type(e, p);
    if (p->rows % 4)
        return tern_fail(TERN_EARG,
                         "tensor %s: %" PRId64
                         " rows cannot be packed by four; use --weights online",
                         p->name, p->rows);
    tern_hf_scale_name(name, scale);
    tern_st_put_tensor(e->writer, name, TERN_ST_U8, 2,
                       (const int64_t[]){p->rows / 4, p->cols}, fill_codes,
                       new_job(e, p, TERN_ST_U8));
    tern_st_put_tensor(e->writer, scale, type, 1, (const int64_t[]){1},
                       e->linear == TERN_HF_BITLINEAR ? fill_inverse : fill_scale,
                       new_job(e, p, type));
    return TERN_OK;
}

static tern_status put_param(export_job *e, const tern_param *p)
{
    char name[TERN_HF_NAME];
    tern_export_kind kind;
    if (!tern_hf_name(p->name, name, &kind))
        return tern_fail(TERN_ESHAPE, "parameter %s has no name there", p->name);
    const bool ternary = p->form == TERN_FORM_TERNARY;
    if (ternary && tern_hf_is_packed(e->linear)) return put_packed(e, p, name);
    const tern_st_type type = float_type(e, p);
    const bool gain = kind == TERN_EXPORT_GAIN;
    const int64_t dims[2] = {gain ? p->cols : p->rows, p->cols};
    tern_st_put_tensor(e->writer, name, type, gain ? 1 : 2, dims,
                       ternary && !e->exact_masters ? fill_moved : fill_floats,
                       new_job(e, p, type));
    return TERN_OK;
}

static tern_status put_params(export_job *e, tern_model *model)
{
    const tern_params *list = tern_model_params(model);
    e->writer = tern_st_writer_new();
    e->jobs = calloc(2 * list->count, sizeof *e->jobs);
    if (!e->writer || !e->jobs) return tern_fail(TERN_EMEM, "out of memory");
    for (size_t i = 0; i < list->count; i++) TERN_TRY(put_param(e, list->items[i]));
    return TERN_OK;
}

/* --- the whole --- */

static tern_status settle(export_job *e, const tern_hf_options *o)
{
    static const tern_hf_linear linears[WEIGHTS] = {
        [TERN_HF_WRITE_AUTOBITLINEAR] = TERN_HF_AUTOBITLINEAR,
        [TERN_HF_WRITE_BITLINEAR] = TERN_HF_BITLINEAR,
        [TERN_HF_WRITE_ONLINE] = TERN_HF_ONLINE,
        [TERN_HF_WRITE_MASTER] = TERN_HF_ONLINE,
    };
    const bool ternary = e->spec->quant == TERN_QUANT_TERNARY;
    if (!ternary && o->weights != TERN_HF_AUTO)
        return tern_fail(TERN_EARG,
                         "this model's weights are float (model.quant: none), and are "
                         "written as they are: leave out --weights %s",
                         weight_names[o->weights]);
    const int weights =
        o->weights == TERN_HF_AUTO ? TERN_HF_WRITE_AUTOBITLINEAR : o->weights;
    e->linear = ternary ? linears[weights] : TERN_HF_FLOAT;
    e->exact_masters = weights == TERN_HF_WRITE_MASTER;
    e->dtype = o->dtype;
    return TERN_OK;
}

static const char *torch_name(int dtype)
{
    return dtype == TERN_ST_F16    ? "float16"
           : dtype == TERN_ST_BF16 ? "bfloat16"
                                   : "float32";
}

static tern_status write_files(export_job *e, const tern_checkpoint *c,
                               tern_model *model, const tern_hf_options *o,
                               const char *dir, tern_hf_parity *parity)
{
    const uint64_t most = o->shard_bytes ? o->shard_bytes : SHARD_BYTES;
    TERN_TRY(put_params(e, model));
    TERN_TRY(tern_hf_write_configs(dir, e->spec, e->linear, torch_name(e->dtype),
                                   tern_checkpoint_tokenizer(c), o->chat));
    TERN_TRY(tern_st_write_dir(e->writer, dir, most));
    return tern_hf_compare(model, e->linear, dir, parity);
}

tern_status tern_export_hf(const tern_checkpoint *c, tern_model *model,
                           const tern_hf_options *options, const char *dir,
                           tern_hf_parity *parity)
{
    tern_atomic out;
    tern_hf_parity p = {0};
    export_job e = {.spec = tern_model_spec(model)};
    TERN_TRY(settle(&e, options));
    TERN_TRY(tern_atomic_dir_begin(&out, dir));
    tern_status s = write_files(&e, c, model, options, out.temp, &p);
    tern_st_writer_free(e.writer);
    free(e.jobs);
    if (s == TERN_OK) {
        TERN_TRY(tern_atomic_dir_commit(&out));
        *parity = p;
        return TERN_OK;
    }
    tern_atomic_dir_abort(&out);
    return s;
}
