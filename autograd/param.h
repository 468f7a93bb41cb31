/* param.h - a trainable matrix or vector, and the form in which the forward sees it.
 *
 * The master `val` is float and belongs to the optimizer. What the forward pass reads
 * may be a rounded image of it, made once per optimizer step by tern_param_refresh():
 *
 *     TERN_FORM_FLOAT    val itself (norm gains, float layers)
 *     TERN_FORM_HALF     rounded to fp16 (embedding, head), held as fp16 bits and float
 *     TERN_FORM_TERNARY  ternary codes and one scale (BitLinear)
 *
 * The gradient goes straight through the rounding to the master (straight-through).
 */
#ifndef TERN_AUTOGRAD_PARAM_H
#define TERN_AUTOGRAD_PARAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/ternary.h"

typedef enum tern_form { TERN_FORM_FLOAT, TERN_FORM_HALF, TERN_FORM_TERNARY } tern_form;

typedef struct tern_param {
    char name[96];      /* "layers.3.attn.wq", unique in a model */
    int64_t rows, cols; /* a vector is (1, n) */
    tern_form form;
    bool decay;     /* does weight decay apply? matrices yes, gains no */
    bool hidden;    /* a matrix from activations to activations, for optimizers that
                       treat those as one thing (muon); set by tern_linear_init() */
    float *val;     /* (rows, cols) master */
    float *grad;    /* (rows, cols), accumulates until tern_param_zero_grad */
    float *lookup;  /* (rows, cols), where tern_op_embedding() adds instead; or NULL:
                       for a table that is the head, too, and has several tapes */
    float *image;   /* HALF: the rounded values as float; TERNARY: see share */
    uint16_t *half; /* HALF: the same as fp16 bits, for the head's matmul; else NULL */
    tern_ternary ternary; /* TERNARY: codes NULL otherwise */
    uint8_t *spare;       /* TERNARY: the codes before the last refresh */
    int64_t flips;        /* TERNARY: codes that changed at the last refresh */
    tern_ternary turned;  /* TERNARY: see tern_param_transposed() */
    bool turned_is_old;
    float share; /* TERNARY: lambda, 1 as a rule; below it, forward and backward read
                    image = val + lambda (gamma t - val), and multiply floats */
} tern_param;

/* tern_param_new() - zeroed val and grad; decay if rows > 1. NULL, with a message, if
 * out of memory or the shape is impossible. A name is cut at 95 bytes. The first
 * refresh is up to the caller, after initialisation: until then a ternary parameter has
 * no codes, and tern_op_bitlinear refuses it. */
tern_param *tern_param_new(const char *name, int64_t rows, int64_t cols,
                           tern_form form);
void tern_param_free(tern_param *p); /* NULL is fine */

/* Make the forward image from val. TERN_ENUMERIC names the parameter that holds a NaN
 * or infinity (HALF: or a number that fp16 cannot). Must follow every change of val. */
tern_status tern_param_refresh(tern_param *p);

/* tern_param_set_share() - the part of the quantiser's way that a ternary parameter
 * goes, 0 (floats) to 1 (codes); then refresh. A float model that is to become a
 * ternary one is led there in steps. TERN_EMEM. */
tern_status tern_param_set_share(tern_param *p, float share);

/* The ternary codes transposed, (cols, rows), as they are since the last refresh. Made
 * when asked for; the memory, too, the first time: NULL, with a message, if there is
 * none. */
const tern_ternary *tern_param_transposed(tern_param *p);

void tern_param_zero_grad(tern_param *p);

/* tern_param_split_lookup() - from now on `lookup` takes what tern_op_embedding() adds,
 * until tern_param_join_lookup() adds it to grad and clears it. TERN_EMEM. */
tern_status tern_param_split_lookup(tern_param *p);
void tern_param_join_lookup(tern_param *p);

/* What the forward reads, as float (FLOAT: val, HALF: image); NULL for TERNARY. */
const float *tern_param_forward(const tern_param *p);

#endif /* TERN_AUTOGRAD_PARAM_H */
