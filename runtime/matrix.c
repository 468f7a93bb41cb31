/* matrix.c - what becomes of a tensor when the model is opened, and later. */
#include "runtime/matrix.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/half.h"
#include "formats/blocks.h"
#include "kernels/codes.h"
#include "kernels/cpu.h"
#include "kernels/parts.h"
#include "kernels/rows.h"
#include "kernels/team.h"
#include "runtime/repack.h"

/* Floats of a matrix of blocks that are unpacked at a time: the second level cache
 * holds them until they are multiplied. */
enum { BLOCK_FLOATS = 1 << 17 };
/* Weights of a float tensor that are looked at together; and weights that one thread
 * unpacks alone. */
enum { PIECE = 256, SERIAL = 1 << 14 };

static tern_status out_of_memory(const char *path, const tern_gguf_tensor *t)
{
    return tern_fail(TERN_EMEM, "%s: tensor \"%s\": out of memory", path, t->name);
}

static tern_status wrong_type(const char *path, const tern_gguf_tensor *t)
{
    return tern_fail(TERN_EFORMAT,
                     "%s: tensor \"%s\" has type %s; tern runs TQ1_0, TQ2_0, Q2_0, "
                     "Q4_0, Q4_K, Q6_K, Q8_0, F16, BF16 and F32 here",
                     path, t->name, tern_ggml_name(t->type));
}

/* --- ternary --- */

/* A tensor on its way to codes. */
typedef struct unpacking {
    const tern_gguf_tensor *tensor;
    size_t cols, row_bytes;
    float gamma; /* float types: the only magnitude there may be */
} unpacking;

/* Weights [first, first + PIECE) of row r as floats, or as many as there are. */
static size_t read_piece(const unpacking *u, size_t r, size_t first, float x[PIECE])
{
    const uint32_t type = u->tensor->type;
    const size_t n = u->cols - first < PIECE ? u->cols - first : PIECE;
    const uint8_t *row = u->tensor->data + r * u->row_bytes;
    tern_decode_floats(type, row + tern_ggml_bytes(type, first), n, x);
    return n;
}

/* gamma * t back to t; exact equality, because fp16 holds gamma exactly. */
static tern_status recover_row(const unpacking *u, size_t r, int8_t *t, float *scale)
{
    float x[PIECE];
    for (size_t first = 0; first < u->cols; first += PIECE) {
        const size_t n = read_piece(u, r, first, x);
        for (size_t i = 0; i < n; i++) {
            const int code = (x[i] == u->gamma) - (x[i] == -u->gamma);
            if (x[i] != 0.0f && code == 0)
                return tern_fail(TERN_ECORRUPT,
                                 "row %zu: weight %zu is %.9g, neither 0 nor the "
                                 "matrix's scale of %.9g: not ternary",
                                 r, first + i, (double)x[i], (double)u->gamma);
            t[first + i] = (int8_t)code;
        }
    }
    *scale = u->gamma;
    return TERN_OK;
}

static tern_status unpack_row(const unpacking *u, size_t r, int8_t *t, float *scale)
{
    if (!tern_ggml_is_ternary(u->tensor->type)) return recover_row(u, r, t, scale);
    const tern_status s = tern_decode_trits(
        u->tensor->type, u->tensor->data + r * u->row_bytes, u->cols, t, scale);
    if (s == TERN_OK) return TERN_OK;
    char where[32];
    (void)snprintf(where, sizeof where, "row %zu", r);
    return tern_fail_in(s, where);
}

/* Find gamma of a float tensor: its largest magnitude. */
static tern_status find_gamma(unpacking *u, size_t rows)
{
    float largest = 0.0f;
#pragma omp parallel for num_threads(tern_threads()) reduction(max : largest)
    for (size_t r = 0; r < rows; r++) {
        float x[PIECE];
        for (size_t first = 0; first < u->cols; first += PIECE) {
            const size_t n = read_piece(u, r, first, x);
            for (size_t i = 0; i < n; i++)
                if (!(fabsf(x[i]) <= largest))
                    largest = isnan(x[i]) ? INFINITY : fabsf(x[i]);
        }
    }
    if (tern_round_to_half(largest) != largest || isinf(largest))
        return tern_fail(TERN_ECORRUPT,
                         "the largest weight is %.9g, which is no scale that fp16 "
                         "holds: not ternary",
                         (double)largest);
    u->gamma = largest;
    return TERN_OK;
}

/* All codes, rows in tern's order, and the scale of each row (0: only zeros). */
static tern_status unpack(const unpacking *u, size_t rows, size_t head_dim, int8_t *t,
                          float *scale)
{
    size_t bad = rows; /* the first row that failed */
#pragma omp parallel for num_threads(tern_threads()) reduction(min : bad)
    for (size_t r = 0; r < rows; r++) {
        int8_t *row = t + tern_gguf_rotary_row(r, head_dim) * u->cols;
        if (unpack_row(u, r, row, &scale[r]) != TERN_OK && r < bad) bad = r;
    }
    /* Its message waits in the thread that met it: fail again, in this one. */
    return bad < rows ? unpack_row(u, bad, t, &scale[bad]) : TERN_OK;
}

static tern_status one_scale(const float *scale, size_t rows, float *out)
{
    float common = 0.0f;
    for (size_t r = 0; r < rows; r++) {
        if (scale[r] == 0.0f) continue;
        if (common != 0.0f && scale[r] != common)
            return tern_fail(TERN_EFORMAT,
                             "row %zu has scale %g, rows before it %g; tern runs "
                             "matrices with one scale",
                             r, (double)scale[r], (double)common);
        common = scale[r];
    }
    *out = common;
    return TERN_OK;
}

/* The same for I2_S, whose blocks do not know of rows. */
static tern_status unpack_i2s(const unpacking *u, size_t rows, size_t head_dim,
                              int8_t *t, float *scale)
{
    int8_t *codes = malloc(rows * u->cols);
    if (!codes) return tern_fail(TERN_EMEM, "out of memory");
    const tern_status s =
        tern_decode_i2s(u->tensor->data, rows * u->cols, codes, scale);
    for (size_t r = 0; s == TERN_OK && r < rows; r++)
        memcpy(t + tern_gguf_rotary_row(r, head_dim) * u->cols, codes + r * u->cols,
               u->cols);
    free(codes);
    return s;
}

static tern_status pack(const unpacking *u, size_t head_dim, tern_matrix *w, int8_t *t,
                        float *scales)
{
    if (u->tensor->type == TERN_GGML_I2_S) {
        TERN_TRY(unpack_i2s(u, w->rows, head_dim, t, &w->ternary.scale));
    } else {
        TERN_TRY(unpack(u, w->rows, head_dim, t, scales));
        TERN_TRY(one_scale(scales, w->rows, &w->ternary.scale));
    }
    tern_ternary_from_codes(t, &w->ternary);
    return TERN_OK;
}

static bool is_float(uint32_t type)
{
    return type == TERN_GGML_F16 || type == TERN_GGML_BF16 || type == TERN_GGML_F32;
}

/* Row by row, for what tern_repack_blocks() does not do: floats, I2_S, and messages. */
static tern_status unpack_slowly(unpacking *u, size_t head_dim, tern_matrix *w)
{
    int8_t *codes = malloc(w->rows * w->cols);
    float *scales = calloc(w->rows, sizeof *scales);
    tern_status s = TERN_OK;
    if (!codes || !scales) s = tern_fail(TERN_EMEM, "out of memory");
    if (s == TERN_OK && is_float(u->tensor->type)) s = find_gamma(u, w->rows);
    if (s == TERN_OK) s = pack(u, head_dim, w, codes, scales);
    free(codes);
    free(scales);
    return s;
}

static size_t panel_bytes(const tern_matrix *w)
{
    return tern_ternary_bytes(TERN_PANEL_ROWS, w->cols);
}

/* Can it wait? Then its scale is known. */
static bool may_wait(const tern_gguf_tensor *t, tern_matrix *w)
{
    return panel_bytes(w) <= TERN_REPACK_BYTES && tern_repack_check(t, &w->ternary);
}

static tern_status load_ternary(const char *path, const tern_gguf_tensor *t,
                                size_t head_dim, tern_arena *panels, tern_matrix *out)
{
    const tern_arena_mark mark = tern_arena_save(panels);
    tern_matrix w = {.form = TERN_MATRIX_TERNARY,
                     .rows = (size_t)t->dims[1],
                     .cols = (size_t)t->dims[0]};
    unpacking u = {.tensor = t, .cols = w.cols, .row_bytes = t->bytes / w.rows};
    w.ternary = (tern_ternary){
        .rows = w.rows,
        .cols = w.cols,
        .codes = tern_arena_alloc(panels, tern_ternary_bytes(w.rows, w.cols))};
    if (!w.ternary.codes) return out_of_memory(path, t);
    if (may_wait(t, &w)) {
        w.blocks = t;
        w.head_dim = head_dim;
    } else if (!tern_repack_blocks(t, head_dim, &w.ternary)) {
        const tern_status s = unpack_slowly(&u, head_dim, &w);
        char where[160];
        (void)snprintf(where, sizeof where, "tensor \"%s\"", t->name);
        if (s != TERN_OK) {
            tern_arena_rewind(panels, mark);
            return tern_fail_in(tern_fail_in(s, where), path);
        }
    }
    atomic_init(&w.packed, !w.blocks);
    *out = w;
    return TERN_OK;
}

/* --- float --- */

static bool aligned(const void *p, size_t to)
{
    return (uintptr_t)p % to == 0;
}

/* The rows in tern's order as they are encoded; NULL if there is no memory. */
static void *copy_rows(const tern_gguf_tensor *t, size_t rows, size_t head_dim)
{
    const size_t bytes = t->bytes / rows;
    uint8_t *copy = tern_calloc(t->bytes, 1);
    for (size_t r = 0; copy && r < rows; r++)
        memcpy(copy + tern_gguf_rotary_row(r, head_dim) * bytes, t->data + r * bytes,
               bytes);
    return copy;
}

/* BF16: every row as floats, in tern's order. */
static void *widen_rows(const tern_gguf_tensor *t, size_t rows, size_t cols,
                        size_t head_dim)
{
    const size_t bytes = t->bytes / rows;
    float *wide = tern_calloc(rows * cols, sizeof *wide);
    for (size_t r = 0; wide && r < rows; r++)
        tern_decode_floats(t->type, t->data + r * bytes, cols,
                           wide + tern_gguf_rotary_row(r, head_dim) * cols);
    return wide;
}

static bool find_codes(uint32_t type, tern_codes_type *codes)
{
    static const uint32_t types[TERN_CODES_TYPES] = {[TERN_CODES_Q8_0] = TERN_GGML_Q8_0,
                                                     [TERN_CODES_Q4_0] = TERN_GGML_Q4_0,
                                                     [TERN_CODES_Q4_K] = TERN_GGML_Q4_K,
                                                     [TERN_CODES_Q6_K] =
                                                         TERN_GGML_Q6_K};
    for (int i = 0; i < TERN_CODES_TYPES; i++)
        if (types[i] == type) {
            *codes = (tern_codes_type)i;
            return true;
        }
    return false;
}

tern_status tern_matrix_load_float(const char *path, const tern_gguf_tensor *t,
                                   size_t head_dim, tern_matrix *out)
{
    tern_matrix w = {.rows = (size_t)t->dims[1], .cols = (size_t)t->dims[0]};
    bool copy = head_dim != 0;
    switch (t->type) {
    case TERN_GGML_F16:
        w.form = TERN_MATRIX_F16;
        copy |= !aligned(t->data, sizeof(uint16_t));
        break;
    case TERN_GGML_F32:
    case TERN_GGML_BF16:
        w.form = TERN_MATRIX_F32;
        copy |= t->type == TERN_GGML_BF16 || !aligned(t->data, sizeof(float));
        break;
    default:
        if (!tern_ggml_decodes(t->type)) return wrong_type(path, t);
        w.form = find_codes(t->type, &w.codes) ? TERN_MATRIX_CODES : TERN_MATRIX_BLOCKS;
        break;
    }
    w.type = w.form == TERN_MATRIX_F32 ? TERN_GGML_F32 : t->type;
    w.data = t->data;
    if (copy) {
        const bool widen = t->type == TERN_GGML_BF16;
        w.owned = widen ? widen_rows(t, w.rows, w.cols, head_dim)
                        : copy_rows(t, w.rows, head_dim);
        if (!w.owned) return out_of_memory(path, t);
        w.owned_bytes = widen ? 2 * t->bytes : t->bytes;
        w.data = w.owned;
    }
    *out = w;
    return TERN_OK;
}

static size_t head_panel_bytes(const tern_matrix *w)
{
    return tern_codes_panel_bytes(w->codes, w->cols / TERN_Q8_BLOCK);
}

size_t tern_matrix_head_bytes(uint32_t type, size_t rows, size_t cols)
{
    tern_codes_type codes;
    if (!find_codes(type, &codes)) return 0;
    return tern_codes_panels(rows) *
           tern_codes_panel_bytes(codes, cols / TERN_Q8_BLOCK);
}

tern_status tern_matrix_load_linear(const char *path, const tern_gguf_tensor *t,
                                    size_t head_dim, tern_claim claim,
                                    tern_arena *panels, tern_matrix *out)
{
    const bool coded = tern_ggml_is_ternary(t->type);
    if (t->type == TERN_GGML_I2_S ||
        (claim == TERN_CLAIM_TERNARY && (coded || is_float(t->type))))
        return load_ternary(path, t, head_dim, panels, out);
    if (claim != TERN_CLAIM_NOTHING || !coded)
        return tern_matrix_load_float(path, t, head_dim, out);
    const tern_status s = load_ternary(path, t, head_dim, panels, out);
    return s == TERN_EFORMAT ? tern_matrix_load_float(path, t, head_dim, out) : s;
}

void tern_matrix_free(tern_matrix *w)
{
    tern_free(w->owned);
    *w = (tern_matrix){0};
}

size_t tern_matrix_bytes(const tern_matrix *w)
{
    return w->form == TERN_MATRIX_TERNARY ? tern_ternary_bytes(w->rows, w->cols)
                                          : w->rows * tern_ggml_bytes(w->type, w->cols);
}

/* --- using a matrix of codes --- */

/* Panels of a head that are made at a time; their rows have as many bytes. */
static size_t head_step(const tern_matrix *w)
{
    const size_t fit = TERN_REPACK_BYTES / head_panel_bytes(w);
    return fit ? fit : 1;
}

/* Panels [first, end) of a head from its rows in the file; head_step() at most. */
static void make_head_panels(const tern_matrix *w, size_t first, size_t end,
                             uint8_t *out)
{
    uint8_t buffer[TERN_REPACK_BYTES];
    const size_t row_bytes = w->blocks->bytes / w->rows, bytes = head_panel_bytes(w);
    const size_t from = first * TERN_PANEL_ROWS, to = end * TERN_PANEL_ROWS;
    size_t left = tern_min_size(to, w->rows) - from;
    const uint8_t *rows = tern_gguf_read(w->blocks, from * row_bytes, left * row_bytes,
                                         buffer, sizeof buffer);
    for (size_t p = first; p < end; p++, out += bytes) {
        const size_t n = tern_min_size(left, TERN_PANEL_ROWS);
        tern_codes_pack(w->codes, rows, n, w->cols, out);
        rows += n * row_bytes;
        left -= n;
    }
}

static void pack_ternary(tern_matrix *w)
{
    const tern_ternary *t = &w->ternary;
    const size_t panels = tern_ternary_panels(t), bytes = panel_bytes(w);
    const size_t step = tern_repack_step(t, w->head_dim);
#pragma omp parallel for num_threads(tern_threads()) schedule(static)
    for (size_t p = 0; p < panels; p += step)
        tern_repack_panels(w->blocks, w->head_dim, t, p,
                           tern_min_size(p + step, panels), t->codes + p * bytes);
}

static void pack_head(tern_matrix *w)
{
    const size_t panels = tern_codes_panels(w->rows), bytes = head_panel_bytes(w);
    const size_t step = head_step(w);
#pragma omp parallel for num_threads(tern_threads()) schedule(static)
    for (size_t p = 0; p < panels; p += step)
        make_head_panels(w, p, tern_min_size(p + step, panels), w->panels + p * bytes);
}

void tern_matrix_pack(tern_matrix *w)
{
    if (atomic_load_explicit(&w->packed, memory_order_relaxed)) return;
    if (w->form == TERN_MATRIX_CODES)
        pack_head(w);
    else
        pack_ternary(w);
    atomic_store_explicit(&w->packed, true, memory_order_release);
}

tern_status tern_matrix_load_head(const char *path, const tern_gguf_tensor *t,
                                  tern_arena *panels, tern_matrix *out)
{
    tern_matrix w;
    TERN_TRY(tern_matrix_load_float(path, t, 0, &w));
    if (w.form == TERN_MATRIX_CODES) {
        w.panels =
            tern_arena_alloc(panels, tern_matrix_head_bytes(t->type, w.rows, w.cols));
        if (!w.panels) return out_of_memory(path, t);
        w.blocks = t;
        atomic_init(&w.packed, false);
        if (head_panel_bytes(&w) > TERN_REPACK_BYTES) {
            tern_matrix_pack(&w);
            w.blocks = NULL;
        }
    }
    *out = w;
    return TERN_OK;
}

static bool packed(const tern_matrix *w)
{
    return atomic_load_explicit(&w->packed, memory_order_acquire);
}

const uint8_t *tern_matrix_codes(const tern_matrix *w, size_t panel)
{
    return packed(w) ? w->ternary.codes + panel * panel_bytes(w) : NULL;
}

static void multiply_waiting(const tern_matrix *w, const tern_qrows *x,
                             const float *add, float *y, size_t ldy, size_t first,
                             size_t end)
{
    _Alignas(TERN_ALIGN) uint8_t codes[TERN_REPACK_BYTES];
    tern_repack_panels(w->blocks, w->head_dim, &w->ternary, first, end, codes);
    const size_t from = first * TERN_PANEL_ROWS, to = end * TERN_PANEL_ROWS;
    const tern_ternary part = {.rows = tern_min_size(to, w->rows) - from,
                               .cols = w->cols,
                               .scale = w->ternary.scale,
                               .codes = codes};
    tern_ternary_matmul_panels(x, &part, add ? add + from : NULL, y + from, ldy, 0,
                               end - first, NULL);
}

void tern_matrix_panels(const tern_matrix *w, const tern_qrows *x, const float *add,
                        float *y, size_t ldy, size_t first, size_t end,
                        const uint8_t *next)
{
    if (packed(w)) {
        tern_ternary_matmul_panels(x, &w->ternary, add, y, ldy, first, end, next);
        return;
    }
    const size_t step = tern_repack_step(&w->ternary, w->head_dim);
    for (size_t p = first, to; p < end; p = to) { /* heads end where steps do */
        to = tern_min_size(w->head_dim ? p - p % step + step : p + step, end);
        multiply_waiting(w, x, add, y, ldy, p, to);
    }
}

void tern_matrix_matmul(const tern_matrix *w, const tern_qrows *x, const float *add,
                        float *y)
{
    if (packed(w)) {
        tern_ternary_matmul(x, &w->ternary, add, y, w->rows);
        return;
    }
    const size_t panels = tern_ternary_panels(&w->ternary);
    const size_t step = tern_repack_step(&w->ternary, w->head_dim);
#pragma omp parallel for num_threads(tern_threads()) schedule(static)
    for (size_t p = 0; p < panels; p += step)
        multiply_waiting(w, x, add, y, w->rows, p, tern_min_size(p + step, panels));
}

/* --- using a head in codes --- */

static void multiply_waiting_head(const tern_matrix *w, const tern_q8_rows *x, float *y,
                                  size_t first, size_t end)
{
    _Alignas(TERN_ALIGN) uint8_t made[TERN_REPACK_BYTES];
    const size_t step = head_step(w);
    for (size_t p = first; p < end; p += step) {
        const size_t to = tern_min_size(p + step, end);
        make_head_panels(w, p, to, made);
        tern_codes_matmul_panels(x, w->codes, made, w->rows, y, w->rows, p, to);
    }
}

void tern_matrix_head_panels(const tern_matrix *w, const tern_q8_rows *x, float *y,
                             size_t first, size_t end)
{
    if (packed(w))
        tern_codes_matmul_panels(x, w->codes, w->panels + first * head_panel_bytes(w),
                                 w->rows, y, w->rows, first, end);
    else
        multiply_waiting_head(w, x, y, first, end);
}

void tern_matrix_head(const tern_matrix *w, const tern_q8_rows *x, float *y)
{
    enum { SERIAL_PRODUCTS = 1 << 16 }; /* below this one thread does it */
    const size_t panels = tern_codes_panels(w->rows);
    const int threads =
        x->rows * w->rows * w->cols > SERIAL_PRODUCTS ? tern_threads() : 1;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++)
        tern_matrix_head_panels(
            w, x, y, tern_part_start(panels, 2, (size_t)t, (size_t)threads),
            tern_part_start(panels, 2, (size_t)t + 1, (size_t)threads));
}

/* --- using a matrix as floats --- */

/* Whether the products read the rows where they are. */
static bool in_place(const tern_matrix *w)
{
    return w->form == TERN_MATRIX_F32 || w->form == TERN_MATRIX_F16;
}

/* Rows of any other matrix that are unpacked together. */
static size_t block_rows(const tern_matrix *w)
{
    const size_t rows = BLOCK_FLOATS / w->cols > 8 ? BLOCK_FLOATS / w->cols : 8;
    return rows < w->rows ? rows : w->rows;
}

size_t tern_matrix_scratch(const tern_matrix *w)
{
    return in_place(w) ? 0 : block_rows(w) * w->cols;
}

/* Codes go to the end of y, and become floats from its beginning: each is read before
 * its place is written. */
static void ternary_row(const tern_matrix *w, size_t r, float *y)
{
    int8_t *codes = (int8_t *)y + 3 * w->cols;
    float scale; /* the matrix's, or of zeros */
    if (packed(w)) {
        tern_ternary_unpack_row(&w->ternary, r, codes);
    } else {
        const tern_gguf_tensor *t = w->blocks;
        const size_t from = tern_repack_file_row(r, w->head_dim);
        (void)tern_decode_trits(t->type, t->data + from * (t->bytes / w->rows), w->cols,
                                codes, &scale);
    }
    for (size_t i = 0; i < w->cols; i++) y[i] = w->ternary.scale * (float)codes[i];
}

/* From the panels, so that the file's memory is not wanted again. */
static void head_row(const tern_matrix *w, size_t r, float *y)
{
    const tern_codes_shape s = tern_codes_shape_of(w->codes);
    const uint8_t *panel = w->panels + r / TERN_PANEL_ROWS * head_panel_bytes(w);
    const size_t weights = s.blocks * TERN_Q8_BLOCK;
    uint8_t block[TERN_Q6_K_BYTES];
    for (size_t b = 0; b < w->cols / weights; b++) {
        tern_codes_from_panel(w->codes, panel, w->cols / TERN_Q8_BLOCK, b,
                              r % TERN_PANEL_ROWS, block);
        tern_decode_floats(w->type, block, weights, y + b * weights);
    }
}

void tern_matrix_row(const tern_matrix *w, size_t r, float *y)
{
    if (w->form == TERN_MATRIX_TERNARY) {
        ternary_row(w, r, y);
        return;
    }
    if (w->panels && packed(w)) {
        head_row(w, r, y);
        return;
    }
    const uint8_t *in = w->data;
    tern_decode_floats(w->type, in + r * tern_ggml_bytes(w->type, w->cols), w->cols, y);
}

/* Rows [first, first + n) as floats. Few are not worth waking the threads for. */
static void unpack_rows(const tern_matrix *w, size_t first, size_t n, float *y)
{
    if (n * w->cols <= SERIAL) {
        for (size_t r = 0; r < n; r++) tern_matrix_row(w, first + r, y + r * w->cols);
        return;
    }
#pragma omp parallel for num_threads(tern_threads())
    for (size_t r = 0; r < n; r++) tern_matrix_row(w, first + r, y + r * w->cols);
}

void tern_matrix_multiply(const tern_matrix *w, const float *x, size_t m,
                          float *scratch, float *y, size_t ldy)
{
    if (w->form == TERN_MATRIX_F32) {
        tern_dot_matmul(x, m, w->cols, w->data, w->rows, y, ldy);
        return;
    }
    if (w->form == TERN_MATRIX_F16) {
        tern_dot_matmul_half(x, m, w->cols, w->data, w->rows, y, ldy);
        return;
    }
    const size_t block = block_rows(w);
    for (size_t first = 0; first < w->rows; first += block) {
        const size_t n = w->rows - first < block ? w->rows - first : block;
        unpack_rows(w, first, n, scratch);
        tern_dot_matmul(x, m, w->cols, scratch, n, y + first, ldy);
    }
}
