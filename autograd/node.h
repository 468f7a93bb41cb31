/* node.h - what the author of an op needs, and nobody else includes.
 *
 * An op is a function that checks its inputs, pushes a node, computes the value into
 * node->out, and a backward that turns the gradient of the output into gradients of the
 * inputs. The whole of an op y = f(x):
 *
 *     static void f_backward(tern_tape *t, tern_node *n)
 *     {
 *         float *dx = tern_tape_grad(t, n->in[0]);      // NULL: not wanted
 *         if (dx) ... dx += ... n->out->grad ...
 *     }
 *
 *     static const tern_op f_op = {
 *         .name = "f", .backward = f_backward, .reads = TERN_READS_IN0};
 *
 *     tern_var *tern_op_f(tern_tape *t, tern_var *x)
 *     {
 *         if (!tern_tape_wants(t, &f_op, x)) return NULL;
 *         tern_inputs in = {{x}};
 *         tern_node *n = tern_tape_push(t, &f_op, in, x->rows, x->cols, 0);
 *         if (!n) return NULL;
 *         ... n->out->val = f(x->val) ...
 *         return n->out;
 *     }
 */
#ifndef TERN_AUTOGRAD_NODE_H
#define TERN_AUTOGRAD_NODE_H

#include "autograd/param.h"
#include "autograd/tape.h"

enum { TERN_NODE_INPUTS = 4 };

/* The values that a backward reads; only those are kept alive for it. */
enum {
    TERN_READS_IN0 = 1,
    TERN_READS_IN1 = 2,
    TERN_READS_IN2 = 4,
    TERN_READS_IN3 = 8,
    TERN_READS_OUT = 16
};

/* Where an op calls tern_sgemm: OpenBLAS must be there. */
typedef enum tern_gemm {
    TERN_GEMM_NEVER,
    TERN_GEMM_BACKWARD,
    TERN_GEMM_BOTH
} tern_gemm;

typedef struct tern_op {
    const char *name;
    void (*backward)(tern_tape *t, tern_node *n);
    /* Computes the value of n->out from the inputs, as the op did, if that is cheap
     * enough to do twice; else NULL. */
    void (*value)(tern_tape *t, tern_node *n);
    unsigned reads; /* TERN_READS_... */
    tern_gemm gemm;
    bool quantises; /* the value is codes */
} tern_op;

struct tern_node {
    const tern_op *op;
    tern_node *prev;
    tern_var *out; /* out->grad is set when backward is called */
    tern_var *in[TERN_NODE_INPUTS];
    void *saved; /* what else backward must know; the op's own struct or array */
};

typedef struct tern_inputs {
    tern_var *v[TERN_NODE_INPUTS];
} tern_inputs;

static inline size_t tern_var_count(const tern_var *v)
{
    return (size_t)v->rows * (size_t)v->cols;
}

/* --- checks; both are false, and the tape has failed, if not --- */
bool tern_tape_wants(tern_tape *t, const tern_op *op, const tern_var *x); /* float */
bool tern_tape_wants_codes(tern_tape *t, const tern_op *op, const tern_var *x);
/* A parameter as an input of `op`, which reads it in float; NULL and failed if not. */
tern_var *tern_tape_weight(tern_tape *t, const tern_op *op, tern_param *p);

/* Record the first failure ("op: message"); always NULL. */
void *tern_tape_fail(tern_tape *t, const tern_op *op, tern_status s, const char *fmt,
                     ...) __attribute__((format(printf, 4, 5)));
/* TERN_ESHAPE with the rule that was broken and both shapes; b may be NULL. */
void *tern_tape_fail_shape(tern_tape *t, const tern_op *op, const char *rule,
                           const tern_var *a, const tern_var *b);

/* --- forward --- */
/* A node whose output is (rows, cols) of floats, undefined, and `saved` bytes. When no
 * input needs a gradient it is not recorded: `saved` is then valid in this op only. */
tern_node *tern_tape_push(tern_tape *t, const tern_op *op, tern_inputs in, int64_t rows,
                          int64_t cols, size_t saved);
/* The same for a quantised output; fill it through tern_node_codes(). */
tern_node *tern_tape_push_codes(tern_tape *t, const tern_op *op, tern_inputs in,
                                int64_t rows, int64_t cols, size_t saved);
tern_qrows *tern_node_codes(const tern_node *n);
/* Once they are filled in: hand them to the tape's probe. */
void tern_tape_show_codes(const tern_tape *t, const tern_node *n);

/* Memory until the op, or its backward, returns; undefined; NULL (failed) if none. */
void *tern_tape_scratch(tern_tape *t, size_t bytes);

/* The key of this op's random draws, once it is pushed; false when not training. */
bool tern_tape_training(const tern_tape *t);
void tern_tape_random(const tern_tape *t, uint64_t *seed, uint64_t *key);

/* --- backward --- */
/* The gradient of v, to add to: zero on its first use. NULL if v needs none (then skip
 * the work) or memory ran out (the tape has failed). */
float *tern_tape_grad(tern_tape *t, tern_var *v);
/* The same, but on the first use undefined, with *beta = 0: for gemm. Else *beta = 1.
 */
float *tern_tape_grad_beta(tern_tape *t, tern_var *v, float *beta);
/* The gradients of `count` vars for a kernel that cannot skip one: scratch where a var
 * needs none. true: they are to be added to; false: this is the first use of all of
 * them, and they are undefined. NULLs if memory ran out. */
bool tern_tape_grads(tern_tape *t, tern_var *const v[], size_t count, float *g[]);
/* The gradient of v on the memory of its value, still undefined, where nothing else
 * needs that value: v->val is no more, but the caller may read it there before writing.
 * NULL, and nothing has changed, where that is not so. */
float *tern_tape_grad_over_value(tern_tape *t, tern_var *v);
/* v's gradient += the output's, both of one shape. `give` is for the last use of the
 * output's gradient: where v has none yet, it gets the buffer itself. */
void tern_tape_add_grad(tern_tape *t, tern_var *v, const tern_node *n);
void tern_tape_give_grad(tern_tape *t, tern_var *v, tern_node *n);

#endif /* TERN_AUTOGRAD_NODE_H */
