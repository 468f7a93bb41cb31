/* verify.h - is the file the model? Compares a trained model with what was exported. */
#ifndef TERN_EXPORT_VERIFY_H
#define TERN_EXPORT_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "layers/model.h"
#include "runtime/runtime.h"

typedef struct tern_parity {
    /* weights: every ternary matrix of the file, decoded again */
    int64_t matrices;
    int64_t codes, codes_differ;   /* ternary codes */
    int64_t scales, scales_differ; /* one per matrix */
    int64_t floats, floats_differ; /* all other weights, by bits */
    /* The layers are float, and training multiplies them by BLAS: no file could give
     * the same bits of logits. */
    bool float_sums;
    /* The head is of integer codes: its input is rounded to 8 bits, in training it is
     * not. */
    bool head_codes;
    /* forward passes over `tokens` ids, training's against the runtime's, in windows of
     * up to `positions` */
    int64_t tokens, positions;
    int64_t acts, acts_differ;       /* int8 activation codes */
    int64_t logits, logits_differ;   /* by bits; a NaN is never alike */
    int64_t logits_nan;              /* on either side */
    double max_logit_error;          /* largest |difference|; NaN if one is */
    double train_loss, runtime_loss; /* nats per token */
    int64_t greedy, greedy_same;     /* ids until greedy texts differ, of `greedy` */
} tern_parity;

/* tern_verify() - re-read every tensor of the runtime's file, then run both over
 * ids[0..count) in windows of the model's context, and generate `greedy` ids greedily
 * from the first ids. TERN_ECORRUPT if the file's tensors do not decode. Differences
 * are not errors: the caller judges. */
tern_status tern_verify(tern_model *model, const tern_runtime *runtime,
                        const int32_t *ids, int64_t count, int64_t greedy,
                        tern_parity *out);

/* One sentence: "exact: ..." (and true), or "not exact, because ...". */
bool tern_parity_verdict(const tern_parity *p, char *out, size_t size);

#endif /* TERN_EXPORT_VERIFY_H */
