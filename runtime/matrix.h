/* matrix.h - one weight matrix of a model, in the form in which it is multiplied.
 *
 *     in the file           held as                              bytes a weight
 *     TQ1_0, TQ2_0, Q2_0,   ternary panels (kernels/ternary.h)         1/4
 *       I2_S, of one scale
 *     F16, BF16, F32 that   the same: codes and scale are recovered
 *       hold gamma * t        exactly, or the file is refused
 *     F16, F32              as they are, inside the mapped file         2, 4
 *     Q8_0, Q6_K, Q4_K,     a head: panels of the same bytes, which     0.56 to 1.06
 *       Q4_0                  meet codes of 8 bits (kernels/head_q8.h);
 *                             any other: as they are, float when used
 *     TQ1_0, TQ2_0 and      as they are; rows become float when used    0.28 or less
 *       Q2_0 of many scales
 *     BF16                  float                                       4
 *
 * To make panels takes far longer than to multiply once, above all where the system has
 * to find the memory. So a matrix in TQ2_0 *waits*: it has been checked, its panels
 * have addresses and nothing in them. Until tern_matrix_pack() has filled them, a
 * product makes those it needs as it goes, some KiB at a time on the stack, from rows
 * that are read from the file. So does a head in codes. Both ways give the same bits.
 */
#ifndef TERN_RUNTIME_MATRIX_H
#define TERN_RUNTIME_MATRIX_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "formats/gguf.h"
#include "kernels/head_q8.h"
#include "kernels/ternary.h"

typedef enum tern_matrix_form {
    TERN_MATRIX_TERNARY,
    TERN_MATRIX_F32,
    TERN_MATRIX_F16,
    TERN_MATRIX_CODES, /* Q8_0, Q6_K, Q4_K, Q4_0 */
    TERN_MATRIX_BLOCKS /* any other type that is decoded row by row */
} tern_matrix_form;

/* What a file says of its linear layers (key tern.quant). */
typedef enum tern_claim {
    TERN_CLAIM_NOTHING, /* matrices of a ternary type and one scale are ternary */
    TERN_CLAIM_TERNARY, /* and so are the floats; several scales are an error */
    TERN_CLAIM_FLOAT    /* nothing is */
} tern_claim;

typedef struct tern_matrix {
    tern_matrix_form form;
    size_t rows, cols;
    tern_ternary ternary; /* form TERNARY */
    /* What waits, or has: its rows in the file, see tern_matrix_load_linear and
     * tern_matrix_load_head; else NULL. */
    const tern_gguf_tensor *blocks;
    size_t head_dim;
    atomic_bool packed;    /* ternary.codes, or panels, are filled */
    tern_codes_type codes; /* form CODES */
    uint8_t *panels;       /* of a head in that form */
    const void *data;      /* all but TERNARY: (rows, cols) row-major */
    uint32_t type;         /* of data, a tern_ggml_type */
    void *owned;           /* heap behind data; NULL if it lies in the map */
    size_t owned_bytes;
} tern_matrix; /* zero-initialise */

/* From a tensor of 2 dimensions, both positive. `path` starts messages.
 *   head_dim  not 0: rows are rotary pairs in llama.cpp's order (2i, 2i + 1) inside
 *             heads of this many; they are put into tern's order (i, i + head_dim / 2)
 *   panels    where codes are put: on huge pages, because they are read from end to end
 *             for every token
 * TERN_EFORMAT: a type tern cannot run; TERN_ECORRUPT, TERN_EMEM. */
tern_status tern_matrix_load_linear(const char *path, const tern_gguf_tensor *t,
                                    size_t head_dim, tern_claim claim,
                                    tern_arena *panels, tern_matrix *out);
/* The same for embedding and head, which are never ternary. */
tern_status tern_matrix_load_float(const char *path, const tern_gguf_tensor *t,
                                   size_t head_dim, tern_matrix *out);
/* A head: the same, and one in codes gets panels, for which the arena should have
 * tern_matrix_head_bytes() left. */
tern_status tern_matrix_load_head(const char *path, const tern_gguf_tensor *t,
                                  tern_arena *panels, tern_matrix *out);
size_t tern_matrix_head_bytes(uint32_t type, size_t rows, size_t cols);
void tern_matrix_free(tern_matrix *w);

/* --- in codes: form TERNARY, or CODES of a head --- */

/* Fill the panels of a matrix that waits (blocks is not NULL). Others may multiply by
 * it meanwhile. Parallel. */
void tern_matrix_pack(tern_matrix *w);
/* Codes of form TERNARY from a panel on; NULL of a matrix that waits. */
const uint8_t *tern_matrix_codes(const tern_matrix *w, size_t panel);
/* y = x W^T (+ add), as tern_ternary_matmul_panels() and tern_ternary_matmul(). */
void tern_matrix_panels(const tern_matrix *w, const tern_qrows *x, const float *add,
                        float *y, size_t ldy, size_t first, size_t end,
                        const uint8_t *next);
void tern_matrix_matmul(const tern_matrix *w, const tern_qrows *x, const float *add,
                        float *y);

/* Logits: y (rows of x, rows of w) = x W^T, w in form CODES and a head; columns of
 * panels [first, end) of it, or all of them, parallel. */
void tern_matrix_head_panels(const tern_matrix *w, const tern_q8_rows *x, float *y,
                             size_t first, size_t end);
void tern_matrix_head(const tern_matrix *w, const tern_q8_rows *x, float *y);

/* Bytes that a product reads of it. */
size_t tern_matrix_bytes(const tern_matrix *w);

/* --- as floats; the ternary form too, slowly --- */

/* Scratch that tern_matrix_multiply needs for this matrix, in floats. */
size_t tern_matrix_scratch(const tern_matrix *w);
/* y = x W^T: x (m, cols), y (m, rows) with row length ldy, summed in the order of
 * tern_dot_matmul. Never allocates. */
void tern_matrix_multiply(const tern_matrix *w, const float *x, size_t m,
                          float *scratch, float *y, size_t ldy);
/* Row r as floats. */
void tern_matrix_row(const tern_matrix *w, size_t r, float *y);

#endif /* TERN_RUNTIME_MATRIX_H */
