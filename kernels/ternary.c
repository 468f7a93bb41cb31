/* ternary.c - float weights to ternary codes in panel order, and back.
 *
 * The quantiser divides, rounds half to even and clamps: t = clamp(rne(w / g), -1, 1).
 * No division is needed. rne(v) is 1 or more exactly if v > 1/2 (1/2 itself goes to 0),
 * so t = 1 exactly if the float quotient fl(w / g) > 1/2, and that is w > g / 2:
 *
 *     h = g / 2 is a float, since g >= 1e-5 is normal. If w <= h, then w / g <= 1/2 and
 *     rounding keeps that. If w > h, then w is at least the next float, h + ulp(h). Let
 *     h = m 2^e with 1 <= m < 2: w / g >= (h + 2^(e-23)) / 2h = 1/2 + 2^-24 / m, more
 *     than 1/2 + 2^-25, half way to the float after 1/2, so it rounds above 1/2.
 *
 * Likewise for -1. */
#include "kernels/ternary.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/cpu.h"
#include "kernels/kernels.h"

static const float SCALE_MIN = 1e-5f;

enum {
    PIECES = 64,          /* of the sum of |w|, at most: whatever the threads */
    PIECE_UNIT = 1024,    /* a piece is a multiple of this many weights */
    PARALLEL_MIN = 16384, /* weights below which threads cost more than they bring */
};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Panels, and tiles in each, of a matrix. */
static size_t panel_count(const tern_ternary *w)
{
    return round_up(w->rows, TERN_PANEL_ROWS) / TERN_PANEL_ROWS;
}

static size_t panel_bytes(const tern_ternary *w)
{
    return round_up(w->cols, TERN_TILE_COLS) / TERN_TILE_COLS * TERN_TILE_BYTES;
}

static double sum_magnitudes(const float *w, size_t n)
{
    double sums[PIECES];
    const size_t piece = round_up((n + PIECES - 1) / PIECES, PIECE_UNIT);
    const size_t pieces = n ? (n + piece - 1) / piece : 0;
    const int threads = n < PARALLEL_MIN ? 1 : tern_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < pieces; i++) {
        const size_t first = i * piece;
        const size_t left = n - first;
        sums[i] = tern_kernels_active->abs_sum(w + first, left < piece ? left : piece);
    }
    double sum = 0.0;
    for (size_t i = 0; i < pieces; i++) sum += sums[i];
    return sum;
}

tern_status tern_ternary_quantize(const float *w, tern_ternary *out)
{
    const size_t n = out->rows * out->cols;
    const double sum = sum_magnitudes(w, n);
    if (!isfinite(sum))
        return tern_fail(TERN_ENUMERIC, "ternary weights: a weight is not a finite "
                                        "number; lower the learning rate");
    const float mean = n ? (float)(sum / (double)n) : 0.0f;
    const float scale = tern_round_to_half(mean > SCALE_MIN ? mean : SCALE_MIN);
    if (!isfinite(scale))
        return tern_fail(TERN_ENUMERIC,
                         "ternary weights: their mean magnitude %g is more than fp16 "
                         "can hold; lower the learning rate",
                         (double)mean);

    out->scale = scale;
    const size_t panels = panel_count(out), bytes = panel_bytes(out);
    const int threads = n < PARALLEL_MIN ? 1 : tern_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t p = 0; p < panels; p++) {
        const size_t row = p * TERN_PANEL_ROWS, left = out->rows - row;
        tern_kernels_active->pack(w + row * out->cols, out->cols,
                                  left < TERN_PANEL_ROWS ? left : TERN_PANEL_ROWS,
                                  out->cols, scale / 2, out->codes + p * bytes);
    }
    return TERN_OK;
}

/* Where the code of (row, col) is: the byte, and the shift in it. */
static uint8_t *code_byte(const tern_ternary *w, size_t row, size_t col)
{
    return w->codes + row / TERN_PANEL_ROWS * panel_bytes(w) +
           col / TERN_TILE_COLS * TERN_TILE_BYTES + 4 * (row % TERN_PANEL_ROWS) +
           col % 4;
}

static unsigned code_shift(size_t col)
{
    return 2 * (unsigned)(col % TERN_TILE_COLS / 4);
}

void tern_ternary_from_codes(const int8_t *t, tern_ternary *out)
{
    memset(out->codes, TERN_TILE_ZERO, tern_ternary_bytes(out->rows, out->cols));
    for (size_t r = 0; r < out->rows; r++)
        for (size_t c = 0; c < out->cols; c++) {
            const unsigned u = (unsigned)(t[r * out->cols + c] + 1) & 3u;
            /* The code there is 1: exclusive or with 1 ^ u makes it u. */
            *code_byte(out, r, c) ^= (uint8_t)((1u ^ u) << code_shift(c));
        }
}

void tern_ternary_unpack_row(const tern_ternary *w, size_t row, int8_t *t)
{
    assert(row < w->rows);
    for (size_t c = 0; c < w->cols; c++)
        t[c] = (int8_t)((*code_byte(w, row, c) >> code_shift(c) & 3) - 1);
}

void tern_ternary_expand(const tern_ternary *w, float *t)
{
    const size_t bytes = panel_bytes(w);
    const int threads = w->rows * w->cols < PARALLEL_MIN ? 1 : tern_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t r = 0; r < w->rows; r++)
        tern_kernels_active->expand(w->codes + r / TERN_PANEL_ROWS * bytes,
                                    r % TERN_PANEL_ROWS, w->cols, t + r * w->cols);
}

/* One tile. Byte R = 4r + b of the plane h, (tile[R] >> 2h) & 3, is the code of row r,
 * column 4h + b: row 4h + b, column r of the transposed tile, which stands in byte
 * 4(4h + b) + r % 4, bits 2(r / 4). */
static void transpose_tile(const uint8_t *tile, uint8_t *out)
{
    for (size_t h = 0; h < 4; h++) {
        uint8_t rows[16]; /* byte 4(r % 4) + b holds the four r / 4 */
        for (size_t i = 0; i < 16; i++)
            rows[i] =
                (uint8_t)((tile[i] >> 2 * h & 3) | (tile[16 + i] >> 2 * h & 3) << 2 |
                          (tile[32 + i] >> 2 * h & 3) << 4 |
                          (tile[48 + i] >> 2 * h & 3) << 6);
        for (size_t b = 0; b < 4; b++)
            for (size_t r = 0; r < 4; r++) out[16 * h + 4 * b + r] = rows[4 * r + b];
    }
}

void tern_ternary_transpose(const tern_ternary *w, tern_ternary *out)
{
    assert(out->rows == w->cols && out->cols == w->rows);
    const size_t bytes = panel_bytes(w), panels = panel_count(out);
    const size_t tiles = panel_count(w);
    const int threads = w->rows * w->cols < PARALLEL_MIN ? 1 : tern_threads();
    out->scale = w->scale;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t p = 0; p < panels; p++)
        for (size_t c = 0; c < tiles; c++)
            transpose_tile(w->codes + c * bytes + p * TERN_TILE_BYTES,
                           out->codes + (p * tiles + c) * TERN_TILE_BYTES);
}

/* --- counting: 32 codes at a time in a 64-bit word --- */

static const uint64_t LOW_BITS = 0x5555555555555555u;

static uint64_t code_word(const tern_ternary *w, size_t i)
{
    uint64_t word;
    memcpy(&word, w->codes + 8 * i, sizeof word);
    return word;
}

void tern_ternary_count(const tern_ternary *w, int64_t counts[3])
{
    const size_t words = tern_ternary_bytes(w->rows, w->cols) / 8;
    const int threads = words * 32 < PARALLEL_MIN ? 1 : tern_threads();
    int64_t zero = 0, plus = 0; /* u = 1 sets the low bit, u = 2 the high bit */
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : zero, plus)
    for (size_t i = 0; i < words; i++) {
        const uint64_t word = code_word(w, i);
        zero += __builtin_popcountll(word & LOW_BITS);
        plus += __builtin_popcountll(word >> 1 & LOW_BITS);
    }
    const int64_t all = (int64_t)words * 32, real = (int64_t)(w->rows * w->cols);
    counts[0] = all - zero - plus;
    counts[1] = zero - (all - real); /* the padding is zeros */
    counts[2] = plus;
}

int64_t tern_ternary_flips(const tern_ternary *a, const tern_ternary *b)
{
    assert(a->rows == b->rows && a->cols == b->cols);
    const size_t words = tern_ternary_bytes(a->rows, a->cols) / 8;
    const int threads = words * 32 < PARALLEL_MIN ? 1 : tern_threads();
    int64_t flips = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : flips)
    for (size_t i = 0; i < words; i++) {
        const uint64_t differ = code_word(a, i) ^ code_word(b, i);
        flips += __builtin_popcountll((differ | differ >> 1) & LOW_BITS);
    }
    return flips;
}
