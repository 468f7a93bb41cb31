/* tape.h - reverse-mode automatic differentiation, define-by-run.
 *
 * Calling an op (ops.h) computes its value at once and pushes a node on the tape;
 * tern_tape_backward() walks the nodes in reverse and calls each one's gradient:
 *
 *     tern_tape *t = tern_tape_new(0);
 *     tern_var *x = tern_input(t, rows, cols, data);
 *     tern_var *y = tern_op_silu(t, tern_op_linear(t, x, w, NULL));
 *     tern_var *loss = tern_op_cross_entropy(t, y, targets);
 *     if (tern_tape_backward(t, loss) != TERN_OK) puts(tern_error_message());
 *     tern_tape_reset(t);                        // the step's memory, all at once
 *
 * Every value is a matrix (rows, cols); a batch of sequences is (B * T, C).
 *
 * Errors are sticky: the first op that fails records its status and message in the tape
 * and returns NULL; ops that get NULL return NULL; backward returns the status. So
 * model code has no error checks.
 *
 * Memory: values, saved data and nodes live in the tape's arena until reset; a gradient
 * lives from its first use in backward until its node is done, in buffers that backward
 * recycles, so only few exist at once. Parameters (param.h) live on the heap and
 * outlive every tape. After the first steps nothing is allocated from the system.
 * tern_tape_release() says that a value is not wanted any more: then its memory serves
 * the next one as soon as no gradient needs it; or sooner, if it can be computed again
 * at little cost (tern_tape_set_recompute).
 *
 * A tape belongs to one thread; the kernels it calls are parallel inside, unless that
 * thread is one of a team at work (tern_threads()).
 */
#ifndef TERN_AUTOGRAD_TAPE_H
#define TERN_AUTOGRAD_TAPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "kernels/ternary.h"

typedef struct tern_tape tern_tape;
typedef struct tern_node tern_node;
typedef struct tern_param tern_param;

/* A value on the tape. */
typedef struct tern_var {
    int64_t rows, cols;
    float *val;              /* (rows, cols); NULL if the value is `codes` */
    const tern_qrows *codes; /* quantised activations, of tern_quantize(); else NULL */
    float *grad;             /* (rows, cols), NULL until backward reaches it; for
                                quantised values the gradient of what they stand for */
    bool needs_grad;
    tern_param *param; /* when the var stands for a parameter; else NULL */

    /* The tape's own bookkeeping. */
    void *block;        /* memory behind val or codes; NULL if borrowed */
    size_t block_bytes; /* as taken */
    int readers;        /* backwards still to come that read the value */
    bool released;
    tern_node *maker; /* makes the value again; NULL if only its memory has it */
} tern_var;

/* Free with tern_tape_free (NULL is fine). chunk_bytes: size of the arena's chunks, 0
 * for the default. NULL if out of memory. */
tern_tape *tern_tape_new(size_t chunk_bytes);
void tern_tape_free(tern_tape *t);

/* Forget nodes, values and a sticky error; keep the memory. Vars become invalid. */
void tern_tape_reset(tern_tape *t);

/* No gradients wanted from now on (evaluation): ops record no nodes and keep only what
 * forward needs. Stays until turned off; reset does not change it. */
void tern_tape_set_inference(tern_tape *t, bool on);

/* Dropout draws are a function of (seed, step, op number on the tape); set per micro-
 * batch. training = false turns dropout off, and so it is until the first call. */
void tern_tape_set_random(tern_tape *t, uint64_t seed, uint64_t step, bool training);

/* In which arithmetic bitlinear's gradients are computed. FLOAT32: as written, by
 * float products, which have the bits of the BLAS in use. INT16: with the gradient
 * rounded to 16 bits (kernels/grad16.h), twice as fast, the same bits everywhere. INT8:
 * likewise, but to 8 bits for the gradient of the input, which is faster again. Ops
 * take it as they are called; FLOAT32 until then; reset does not change it. */
typedef enum tern_backward {
    TERN_BACKWARD_FLOAT32,
    TERN_BACKWARD_INT16,
    TERN_BACKWARD_INT8
} tern_backward;
void tern_tape_set_backward(tern_tape *t, tern_backward kind);
tern_backward tern_tape_backward_kind(const tern_tape *t);

/* Whether backward computes again what is cheap, products of codes and what follows
 * from them element by element, instead of keeping it: values that have been released
 * then give their memory back at once. The same bits. Off until the first call. */
void tern_tape_set_recompute(tern_tape *t, bool on);

/* For verification: called with every quantised activation as an op makes it, in the
 * order of the forward pass. NULL turns it off. */
typedef void (*tern_tape_probe)(void *user, const tern_qrows *codes);
void tern_tape_set_probe(tern_tape *t, tern_tape_probe probe, void *user);

/* How long ops took, by name, added up while a clock is set; for reports. What happens
 * between two ops of a forward pass is the first one's. */
enum { TERN_CLOCK_OPS = 24 };
typedef struct tern_op_seconds {
    const char *name;
    double forward, backward;
} tern_op_seconds;
typedef struct tern_tape_clock {
    tern_op_seconds ops[TERN_CLOCK_OPS]; /* in the order of their first calls */
    size_t count;
    double since;             /* when `running` began */
    tern_op_seconds *running; /* forward; NULL: none */
} tern_tape_clock;
/* Start empty ({0}); NULL turns it off. */
void tern_tape_set_clock(tern_tape *t, tern_tape_clock *c);

/* Several tapes at once. Tapes on threads of their own may walk back over the same
 * graph, each with other data, and add to the gradients of the same parameters: at a
 * node that has one, a tape waits until the one before it has done the same node. So
 * sums have the order of the tapes, and the bits of one walk after the other.
 *
 *     tape 0   | head | down | up | ...
 *     tape 1          | head | down | up | ...   waits once, then is a node behind
 *
 * A parameter must stand at one node only (but see tern_param's lookup). */
typedef struct tern_turn {
    _Alignas(64) _Atomic(int64_t) done; /* nodes; 0 before the walk */
} tern_turn;

/* Until the next reset: wait for `before` (NULL: for nobody), count in `own`. */
void tern_tape_set_turn(tern_tape *t, const tern_turn *before, tern_turn *own);
/* After the walk, or a failure: wait until `before` (or NULL) has come to its end, then
 * nobody needs to wait for this tape any more. */
void tern_turn_end(const tern_turn *before, tern_turn *own);

tern_status tern_tape_status(const tern_tape *t);
const char *tern_tape_message(const tern_tape *t);

/* tern_tape_backward() - d loss / d everything: `loss` must be (1, 1). Parameter
 * gradients are added to (tern_param_zero_grad clears them). `scale` multiplies the
 * loss (1 / number of micro-batches when accumulating). Once per reset: the walk uses
 * the nodes up. */
tern_status tern_tape_backward_scaled(tern_tape *t, tern_var *loss, float scale);
tern_status tern_tape_backward(tern_tape *t, tern_var *loss);
/* The same from any var with its gradient dy (rows, cols) given: for tests. */
tern_status tern_tape_backward_from(tern_tape *t, tern_var *y, const float *dy);

/* An input (rows, cols); the data is borrowed, not copied. tern_input() needs no
 * gradient; tern_input_grad() keeps one, readable in var->grad after backward. */
tern_var *tern_input(tern_tape *t, int64_t rows, int64_t cols, const float *data);
tern_var *tern_input_grad(tern_tape *t, int64_t rows, int64_t cols, const float *data);
/* A parameter as a var, for ops that take vars (a learned scale, a penalty). val is the
 * forward image; NULL for ternary form, which only tern_op_bitlinear() reads. */
tern_var *tern_input_param(tern_tape *t, tern_param *p);

/* tern_tape_release() - the caller is done with v: it will not read v->val nor give v
 * to another op (that would be a sticky error). The value's memory is used again as
 * soon as no backward needs it: at once in inference. Optional; NULL is fine; inputs
 * are left alone; a second time does nothing (tern_op_dropout() may return the var it
 * was given: release after the last use of both). Gradients are not concerned. */
void tern_tape_release(tern_tape *t, tern_var *v);

/* Arena bytes in use, and obtained from the system, for reports. */
size_t tern_tape_bytes(const tern_tape *t);
size_t tern_tape_reserved(const tern_tape *t);

#endif /* TERN_AUTOGRAD_TAPE_H */
