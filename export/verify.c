/* verify.c - three comparisons, from the bottom up: the weights in the file, the 8-bit
 * activations and logits on text, and the text that greedy decoding writes. */
#include "export/verify.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/tape.h"
#include "base/half.h"
#include "export/names.h"
#include "formats/blocks.h"
#include "kernels/rows.h"

enum { PROMPT = 16 };

/* Activation codes in the order of the forward pass, padding left out. */
typedef struct recording {
    int8_t *codes;
    size_t count, capacity;
    bool failed; /* no memory */
} recording;

typedef struct verifier {
    tern_model *model;
    const tern_runtime *runtime;
    tern_session *session;
    tern_tape *tape;
    recording train, run;
    float *logits; /* (rows, V), the runtime's */
    float *losses, *lse;
    int64_t window, rows, vocab; /* the context; what of it is needed */
} verifier;

static void record(recording *r, const int8_t *codes, size_t rows, size_t cols,
                   size_t stride)
{
    const size_t need = r->count + rows * cols;
    if (r->failed) return;
    if (need > r->capacity) {
        int8_t *more = realloc(r->codes, 2 * need);
        r->failed = !more;
        if (!more) return;
        r->codes = more;
        r->capacity = 2 * need;
    }
    for (size_t i = 0; i < rows; i++, r->count += cols)
        memcpy(r->codes + r->count, codes + i * stride, cols);
}

static void on_train_codes(void *user, const tern_qrows *q)
{
    record(user, q->codes, q->rows, q->cols, q->stride);
}

static void on_runtime_codes(void *user, const char *where, const int8_t *codes,
                             size_t rows, size_t cols, size_t stride,
                             const float *scale)
{
    (void)where;
    (void)scale;
    record(user, codes, rows, cols, stride);
}

/* --- weights --- */

static tern_status compare_matrix(const verifier *v, const tern_param *p,
                                  const tern_gguf_tensor *file, int64_t head_dim,
                                  tern_parity *out)
{
    const size_t cols = (size_t)p->cols, row_bytes = file->bytes / (size_t)p->rows;
    int8_t *ours = malloc(cols), *theirs = malloc(cols);
    float *values = malloc(cols * sizeof *values);
    tern_status s =
        ours && theirs && values ? TERN_OK : tern_fail(TERN_EMEM, "out of memory");
    bool scale_differs = false;
    for (int64_t r = 0; s == TERN_OK && r < p->rows; r++) {
        const uint8_t *in = file->data + (size_t)r * row_bytes;
        const size_t row = tern_gguf_rotary_row((size_t)r, (size_t)head_dim);
        float scale = p->ternary.scale;
        tern_ternary_unpack_row(&p->ternary, row, ours);
        if (tern_ggml_is_ternary(file->type)) {
            s = tern_decode_trits(file->type, in, cols, theirs, &scale);
        } else { /* floats: gamma * t, exact in fp16 */
            tern_decode_floats(file->type, in, cols, values);
            for (size_t k = 0; k < cols; k++) {
                theirs[k] = (int8_t)((values[k] > 0.0f) - (values[k] < 0.0f));
                if (theirs[k]) scale = fabsf(values[k]);
            }
        }
        bool any = false;
        for (size_t k = 0; s == TERN_OK && k < cols; k++) {
            out->codes_differ += ours[k] != theirs[k];
            any |= theirs[k] != 0;
        }
        scale_differs |=
            any && tern_float_bits(scale) != tern_float_bits(p->ternary.scale);
    }
    free(ours);
    free(theirs);
    free(values);
    if (s != TERN_OK)
        return tern_fail_in(s, tern_gguf_path(tern_runtime_gguf(v->runtime)));
    out->matrices++;
    out->scales++;
    out->scales_differ += scale_differs;
    out->codes += p->rows * p->cols;
    return TERN_OK;
}

/* What the forward pass of training multiplies by, against what the file holds. */
static tern_status compare_floats(const tern_param *p, const tern_gguf_tensor *file,
                                  int64_t head_dim, tern_parity *out)
{
    const size_t rows = (size_t)p->rows, cols = (size_t)p->cols;
    float *values = malloc(cols * sizeof *values);
    if (!values) return tern_fail(TERN_EMEM, "out of memory");
    for (size_t r = 0; r < rows; r++) {
        const size_t row = tern_gguf_rotary_row(r, (size_t)head_dim);
        const float *ours = tern_param_forward(p) + row * cols;
        tern_decode_floats(file->type, file->data + r * (file->bytes / rows), cols,
                           values);
        for (size_t k = 0; k < cols; k++)
            out->floats_differ +=
                tern_float_bits(values[k]) != tern_float_bits(ours[k]);
    }
    free(values);
    out->floats += p->rows * p->cols;
    return TERN_OK;
}

static tern_status compare_weights(const verifier *v, tern_parity *out)
{
    const tern_gguf *file = tern_runtime_gguf(v->runtime);
    const tern_spec *spec = tern_model_spec(v->model);
    const tern_params *params = tern_model_params(v->model);
    for (size_t i = 0; i < params->count; i++) {
        const tern_param *p = params->items[i];
        char name[TERN_GGUF_NAME];
        tern_export_kind kind;
        if (!tern_gguf_name(p->name, name, &kind)) continue;
        const tern_gguf_tensor *t = tern_gguf_find_tensor(file, name);
        if (!t || t->dims[0] != p->cols || t->dims[1] != p->rows)
            return tern_fail(TERN_ESHAPE,
                             "%s: tensor %s is missing or has another shape",
                             tern_gguf_path(file), name);
        const bool permuted =
            kind == TERN_EXPORT_ROTARY && spec->arch == TERN_ARCH_LLAMA;
        const int64_t head_dim = permuted ? spec->head_dim : 0;
        TERN_TRY(p->form == TERN_FORM_TERNARY ? compare_matrix(v, p, t, head_dim, out)
                                              : compare_floats(p, t, head_dim, out));
    }
    return TERN_OK;
}

/* --- forward passes --- */

/* Training's logits (n, V) of ids, on the tape until its next reset. */
static tern_status train_logits(verifier *v, const int32_t *ids, int64_t n,
                                const float **out)
{
    tern_tape_reset(v->tape);
    const tern_var *y = tern_model_logits(v->tape, v->model, ids, 1, n, 0.0f);
    if (!y)
        return tern_fail(tern_tape_status(v->tape), "%s", tern_tape_message(v->tape));
    *out = y->val;
    return TERN_OK;
}

static void compare_codes(const verifier *v, tern_parity *out)
{
    const recording *a = &v->train, *b = &v->run;
    const size_t n = a->count < b->count ? a->count : b->count;
    out->acts += (int64_t)(a->count > b->count ? a->count : b->count);
    out->acts_differ += (int64_t)(a->count > b->count ? a->count - n : b->count - n);
    for (size_t i = 0; i < n; i++) out->acts_differ += a->codes[i] != b->codes[i];
}

static void compare_logits(const verifier *v, const float *train, int64_t n,
                           tern_parity *out)
{
    for (int64_t i = 0; i < n * v->vocab; i++) {
        const float a = train[i], b = v->logits[i];
        const bool nan = isnan(a) || isnan(b);
        out->logits_nan += nan;
        if (!nan && tern_float_bits(a) == tern_float_bits(b)) continue;
        out->logits_differ++;
        const double d = fabs((double)a - (double)b), most = out->max_logit_error;
        if (!isnan(most) && !(d <= most)) out->max_logit_error = d;
    }
    out->logits += n * v->vocab;
    if (n > out->positions) out->positions = n;
}

static double sum_losses(const verifier *v, const float *logits, const int32_t *targets,
                         int64_t n)
{
    double sum = 0.0;
    tern_cross_entropy_rows(logits, targets, (size_t)n, (size_t)v->vocab, v->losses,
                            v->lse);
    for (int64_t i = 0; i < n; i++) sum += (double)v->losses[i];
    return sum;
}

/* One window: n ids and the id after them. */
static tern_status compare_window(verifier *v, const int32_t *ids, int64_t n,
                                  tern_parity *out)
{
    const float *train;
    v->train.count = v->run.count = 0;
    tern_tape_set_probe(v->tape, on_train_codes, &v->train);
    const tern_status s = train_logits(v, ids, n, &train);
    tern_tape_set_probe(v->tape, NULL, NULL);
    TERN_TRY(s);
    tern_session_truncate(v->session, 0);
    tern_session_set_probe(v->session, on_runtime_codes, &v->run);
    const tern_status e = tern_session_eval_all(v->session, ids, n, v->logits);
    tern_session_set_probe(v->session, NULL, NULL);
    TERN_TRY(e);
    if (v->train.failed || v->run.failed) return tern_fail(TERN_EMEM, "out of memory");
    compare_codes(v, out);
    compare_logits(v, train, n, out);
    out->train_loss += sum_losses(v, train, ids + 1, n);
    out->runtime_loss += sum_losses(v, v->logits, ids + 1, n);
    out->tokens += n;
    return TERN_OK;
}

static tern_status compare_text(verifier *v, const int32_t *ids, int64_t count,
                                tern_parity *out)
{
    for (int64_t at = 0; at + 1 < count; at += v->window) {
        const int64_t left = count - 1 - at;
        TERN_TRY(compare_window(v, ids + at, left < v->window ? left : v->window, out));
    }
    if (out->tokens) {
        out->train_loss /= (double)out->tokens;
        out->runtime_loss /= (double)out->tokens;
    }
    return TERN_OK;
}

/* --- greedy text --- */

/* Both continue the same text; when a window is full both go on from its last half. */
static tern_status compare_greedy(verifier *v, int32_t *text, int64_t length,
                                  int64_t greedy, tern_parity *out)
{
    int64_t start = 0, done = 0; /* ids before the window; ids the session has seen */
    for (int64_t i = 0; i < greedy; i++) {
        if (length - start == v->window) {
            start = done = length - v->window / 2;
            tern_session_truncate(v->session, 0);
        }
        const float *train;
        TERN_TRY(train_logits(v, text + start, length - start, &train));
        TERN_TRY(tern_session_eval(v->session, text + done, length - done, v->logits));
        done = length;
        const int32_t a =
            tern_most_probable(train + (length - start - 1) * v->vocab, v->vocab);
        if (a != tern_most_probable(v->logits, v->vocab)) break;
        text[length++] = a;
        out->greedy_same++;
    }
    out->greedy = greedy;
    return TERN_OK;
}

static tern_status start_greedy(verifier *v, const int32_t *ids, int64_t count,
                                int64_t greedy, tern_parity *out)
{
    int64_t prompt = count < PROMPT ? count : PROMPT;
    if (prompt >= v->window) prompt = v->window - 1;
    if (greedy <= 0 || prompt <= 0) return TERN_OK;
    int32_t *text = malloc((size_t)(prompt + greedy) * sizeof *text);
    if (!text) return tern_fail(TERN_EMEM, "out of memory");
    memcpy(text, ids, (size_t)prompt * sizeof *text);
    tern_session_truncate(v->session, 0);
    const tern_status s = compare_greedy(v, text, prompt, greedy, out);
    free(text);
    return s;
}

/* --- the whole --- */

static bool head_of_codes(const tern_gguf *g)
{
    const tern_gguf_tensor *own = tern_gguf_find_tensor(g, "output.weight");
    const tern_gguf_tensor *t =
        own ? own : tern_gguf_find_tensor(g, "token_embd.weight");
    return t && t->type != TERN_GGML_F16 && t->type != TERN_GGML_F32 &&
           t->type != TERN_GGML_BF16;
}

static tern_status verifier_init(verifier *v, tern_model *model,
                                 const tern_runtime *runtime, int64_t count)
{
    const tern_spec *a = tern_model_spec(model), *b = tern_runtime_spec(runtime);
    if (a->vocab != b->vocab || a->width != b->width || a->layers != b->layers)
        return tern_fail(TERN_ESHAPE, "%s: not an export of this model",
                         tern_gguf_path(tern_runtime_gguf(runtime)));
    *v = (verifier){
        .model = model, .runtime = runtime, .vocab = a->vocab, .window = a->context};
    v->rows = count - 1 < v->window ? count - 1 : v->window;
    if (v->rows < 1) v->rows = 1; /* greedy text needs one */
    TERN_TRY(tern_session_new(runtime, v->window, &v->session));
    v->tape = tern_tape_new(0);
    v->logits = malloc((size_t)(v->rows * v->vocab) * sizeof *v->logits);
    v->losses = malloc((size_t)v->rows * sizeof *v->losses);
    v->lse = malloc((size_t)v->rows * sizeof *v->lse);
    if (!v->tape || !v->logits || !v->losses || !v->lse)
        return tern_fail(TERN_EMEM, "out of memory");
    tern_tape_set_inference(v->tape, true);
    return TERN_OK;
}

tern_status tern_verify(tern_model *model, const tern_runtime *runtime,
                        const int32_t *ids, int64_t count, int64_t greedy,
                        tern_parity *out)
{
    verifier v = {0};
    const tern_spec *spec = tern_model_spec(model);
    tern_parity p = {.float_sums = spec->quant == TERN_QUANT_NONE,
                     .head_codes = head_of_codes(tern_runtime_gguf(runtime))};
    tern_status s = verifier_init(&v, model, runtime, count);
    if (s == TERN_OK) s = compare_weights(&v, &p);
    if (s == TERN_OK) s = compare_text(&v, ids, count, &p);
    if (s == TERN_OK) s = start_greedy(&v, ids, count, greedy, &p);
    tern_session_free(v.session);
    tern_tape_free(v.tape);
    free(v.train.codes);
    free(v.run.codes);
    free(v.logits);
    free(v.losses);
    free(v.lse);
    if (s == TERN_OK) *out = p;
    return s;
}

/* --- the verdict --- */

/* Why it is not exact: what is wrong with the weights comes first, since it explains
 * the rest. */
static void explain(const tern_parity *p, char *out, size_t size)
{
    if (p->codes_differ || p->scales_differ)
        snprintf(out, size,
                 "%" PRId64 " ternary codes and %" PRId64
                 " scales are not the model's: please report this",
                 p->codes_differ, p->scales_differ);
    else if (p->floats_differ)
        snprintf(out, size,
                 "the chosen type rounds %" PRId64 " of %" PRId64
                 " float weights; logits differ by %.3g at most",
                 p->floats_differ, p->floats, p->max_logit_error);
    else if (p->logits_nan)
        snprintf(out, size, "%" PRId64 " logits are not numbers", p->logits_nan);
    else if (p->head_codes)
        snprintf(out, size,
                 "a head of integer codes rounds its input to 8 bits; the weights are "
                 "the same in every bit, logits differ by %.3g at most",
                 p->max_logit_error);
    else if (p->float_sums)
        snprintf(out, size,
                 "training sums its float layers in another order; the weights are the "
                 "same in every bit, logits differ by %.3g at most",
                 p->max_logit_error);
    else
        snprintf(out, size,
                 "the weights are the same in every bit, but logits differ by %.3g at "
                 "most: please report this",
                 p->max_logit_error);
}

bool tern_parity_verdict(const tern_parity *p, char *out, size_t size)
{
    char why[256];
    const bool same_weights =
        !p->codes_differ && !p->scales_differ && !p->floats_differ;
    const bool same_text =
        !p->acts_differ && !p->logits_differ && p->greedy_same == p->greedy;
    if (same_weights && p->tokens == 0) {
        snprintf(out, size,
                 "not shown: the weights are the same in every bit, but no "
                 "text was compared");
        return false;
    }
    if (same_weights && same_text) {
        snprintf(out, size, "exact: the file is the trained model, bit for bit");
        return true;
    }
    explain(p, why, sizeof why);
    snprintf(out, size, "not exact, because %s", why);
    return false;
}
