/* verify.h - is the file the model? Compares a trained model with what was exported. */
#ifndef TERN_EXPORT_VERIFY_H
#define TERN_EXPORT_VERIFY_H

#include <stdint.h>

#include "base/status.h"
#include "layers/model.h"
#include "runtime/runtime.h"

typedef struct tern_parity {
    /* weights: every ternary matrix of the file, decoded again */
    int64_t matrices;
    int64_t codes, codes_differ;   /* ternary codes */
    int64_t scales, scales_differ; /* one per matrix */
    /* forward passes over `tokens` ids, training's against the runtime's */
    int64_t tokens;
    int64_t acts, acts_differ;       /* int8 activation codes */
    int64_t logits, logits_differ;   /* by bits */
    double max_logit_error;          /* largest |difference| */
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

#endif /* TERN_EXPORT_VERIFY_H */
