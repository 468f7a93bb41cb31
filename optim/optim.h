/* optim.h - optimizers behind one interface, schedules, gradient clipping.
 *
 * An optimizer owns `slots` float arrays per parameter (AdamW: m and v), visible by
 * name so that a checkpoint stores them without knowing which optimizer it is.
 */
#ifndef TERN_OPTIM_OPTIM_H
#define TERN_OPTIM_OPTIM_H

#include <stddef.h>
#include <stdint.h>

#include "autograd/param.h"
#include "base/status.h"

typedef enum tern_optim_kind { TERN_ADAMW, TERN_SGD, TERN_MUON } tern_optim_kind;

typedef struct tern_optim_config {
    tern_optim_kind kind;
    float beta1, beta2, eps; /* adamw; muon: for what is not hidden */
    float momentum;          /* sgd, muon */
    int nesterov;            /* sgd, muon */
} tern_optim_config;

typedef struct tern_optim tern_optim;

/* `params` is borrowed and must outlive the optimizer. TERN_EARG names an option out of
 * range; TERN_EMEM; muon multiplies matrices: what tern_blas_init() returns. */
tern_status tern_optim_new(const tern_optim_config *c, tern_param *const *params,
                           size_t count, tern_optim **out);
void tern_optim_free(tern_optim *o);

/* tern_optim_step() - update every master from its gradient, then refresh its forward
 * image. step counts from 1 (bias correction). weight_decay applies where param->decay.
 * grad_scale multiplies every gradient (clipping). TERN_ENUMERIC names the parameter.
 */
tern_status tern_optim_step(tern_optim *o, int64_t step, float lr, float weight_decay,
                            float grad_scale);

/* State for checkpoints: slot names ("m", "v"), and the array of slot s of parameter p:
 * the size of the parameter, or NULL where it keeps none (muon has no v of a matrix).
 */
size_t tern_optim_slots(const tern_optim *o);
const char *tern_optim_slot_name(const tern_optim *o, size_t slot);
float *tern_optim_slot(tern_optim *o, size_t slot, size_t param);

/* --- clipping --- */
/* Global L2 norm of all gradients, in double, in a fixed order. */
double tern_grad_norm(tern_param *const *params, size_t count);
/* The factor that brings `norm` down to `clip` (1 if it is below, or clip is 0). As in
 * PyTorch: clip / (norm + 1e-6). */
float tern_clip_scale(double norm, float clip);

/* --- schedules: pure functions of the step --- */
typedef enum tern_schedule_kind {
    TERN_SCHEDULE_CONSTANT,
    TERN_SCHEDULE_LINEAR,   /* to min_lr */
    TERN_SCHEDULE_COSINE,   /* to min_lr (nanoGPT) */
    TERN_SCHEDULE_WSD,      /* warm-up, stable, then linear to min_lr over `decay` */
    TERN_SCHEDULE_TWO_STAGE /* b1.58 "Training Tips": linear to 0, at half time the
                               peak drops to lr2 and weight decay to 0 */
} tern_schedule_kind;

typedef struct tern_schedule {
    tern_schedule_kind kind;
    int64_t steps;  /* total */
    int64_t warmup; /* linear from 0 */
    double lr, min_lr;
    double lr2;   /* two_stage: peak of the second line; 0: two thirds of lr */
    double decay; /* wsd: fraction of steps that decay, 0..1 */
    double weight_decay;
} tern_schedule;

/* Learning rate and weight decay of step 0 .. steps - 1. */
double tern_schedule_lr(const tern_schedule *s, int64_t step);
double tern_schedule_weight_decay(const tern_schedule *s, int64_t step);

#endif /* TERN_OPTIM_OPTIM_H */
